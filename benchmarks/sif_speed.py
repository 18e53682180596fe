"""How fast SIF problems decode and evaluate.

    python benchmarks/sif_speed.py --collection DIR --json out.json

Evaluation: CPU time of f + gradient + Hessian of the Lagrangian (+ c and its Jacobian's share, which
the Hessian needs anyway) at a new point, against a plain Python loop over the same problem's elements
and groups. The loop is built to be a fair opponent: it runs the same operations, with common
subexpressions shared in the same way, on Python floats with functions of ``math``, and adds into lists
at positions that are computed beforehand; an array of one element would be several times slower. Both
results are compared before anything is timed.

Decoding: CPU time at sizes n, 2n, 4n, ... and the exponent of its growth.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from optlab_problems.expressions.graph import Graph
from optlab_problems.expressions.operations import SCALAR
from optlab_problems.sif import SifModel
from optlab_problems.sif.cards import read_cards
from optlab_problems.sif.errors import Limits
from optlab_problems.sif.functions import Functions, read_functions
from optlab_problems.sif.tape import Tape
from optlab_problems.sif.types import element_expressions, group_expressions

#: Problem, name of its size parameter, values that give about 1000 and 10000 variables.
PROBLEMS = [
    ("CRAGGLVY", "M", 499, 4999),
    ("BRYBND", "N", 1000, 10000),
    ("GENHUMPS", "N", 1000, 5000),
    ("DIXMAANB", "M", 333, 3000),
    ("NONDQUAR", "N", 1000, 10000),
    ("LIARWHD", "N", 1000, 10000),
    ("NONCVXUN", "N", 1000, 10000),
    ("FLETCHCR", "N", 1000, 10000),
    ("ARWHEAD", "N", 1000, 5000),
    ("LUKVLE8", "N", 1000, 10000),
    ("LUKVLI6", "N", 999, 9999),
    ("DTOC2", "N", 100, 1000),
    ("ORTHRGDS", "NPTS", 500, 2500),
    ("NCVXQP3", "N", 1000, 10000),
]


class Loop:
    """The problem evaluated one element after the other."""

    def __init__(self, path: Path, params: dict[str, int], model: SifModel) -> None:
        limits = Limits()
        text = read_cards(path, params, limits)
        elements = read_functions(text.file, text.elements, limits)
        groups = read_functions(text.file, text.groups, limits)
        s = self.s = model.structure
        self.elements: list[Any] = [None] * s.element_count
        for members in s.element_sets:
            tape, slots, pairs = element_tape(members.kind, elements)
            for k, element in enumerate(members.elements.tolist()):
                variables = members.variables[:, k].tolist()
                parameters = members.parameters[:, k].tolist()
                where = [variables[slot] for slot in slots]
                entries = [(variables[i], variables[j], i != j) for i, j in pairs]
                self.elements[element] = (tape, variables, parameters, where, entries)
        self.groups: list[Any] = [None] * len(s.group_names)
        for group_set in s.group_sets:
            tape = group_tape(group_set.kind, groups)
            for k, group in enumerate(group_set.groups.tolist()):
                self.groups[group] = (tape, group_set.parameters[:, k].tolist())
        self.uses: list[list[tuple[int, float]]] = [[] for _ in s.group_names]
        for group, element, weight in zip(
            s.use_groups.tolist(), s.use_elements.tolist(), s.use_weights.tolist(), strict=True
        ):
            self.uses[group].append((element, weight))
        self.linear: list[list[tuple[int, float]]] = [[] for _ in s.group_names]
        for group, variable, value in zip(
            s.linear_rows.tolist(), s.linear_columns.tolist(), s.linear_values.tolist(),
            strict=True,
        ):  # fmt: skip
            self.linear[group].append((variable, value))
        self.positions: dict[tuple[int, int], int] = {}

    def evaluate(
        self, x: np.ndarray, y: np.ndarray, sigma: float
    ) -> tuple[float, list[float], list[float]]:
        """Return f, the gradient of f, and the entries of the Hessian's lower triangle."""
        s, xs = self.s, x.tolist()
        positions = self.positions
        f, gradient, hessian = 0.0, [0.0] * s.n, [0.0] * len(positions)
        registers = []
        for tape, variables, parameters, _, _ in self.elements:
            values = tape.start([xs[v] for v in variables] + parameters)
            for stage in range(3):
                tape.run(stage, values)
            registers.append(values)
        row = 0
        for group, uses in enumerate(self.uses):
            t = -s.constants[group]
            slopes: dict[int, float] = {}
            for variable, value in self.linear[group]:
                t += value * xs[variable]
                slopes[variable] = slopes.get(variable, 0.0) + value
            for element, weight in uses:
                tape, _, _, where, _ = self.elements[element]
                values = registers[element]
                t += weight * values[tape.outputs[0][0]]
                for variable, register in zip(where, tape.outputs[1], strict=True):
                    slopes[variable] = slopes.get(variable, 0.0) + weight * values[register]
            value, first, second = self.group(group, t)
            if s.objective[group]:
                f += value
                factor = sigma
                for variable, slope in slopes.items():
                    gradient[variable] += first * slope
            else:
                factor = float(y[row])
                row += 1
            if second != 0.0:
                curvature = factor * second
                for i, a in slopes.items():
                    for j, b in slopes.items():
                        if j <= i:
                            self.add(hessian, i, j, curvature * a * b)
            for element, weight in uses:
                tape, _, _, _, entries = self.elements[element]
                values = registers[element]
                scale = factor * first * weight
                for (i, j, mixed), register in zip(entries, tape.outputs[2], strict=True):
                    twice = 2.0 if mixed and i == j else 1.0
                    self.add(hessian, max(i, j), min(i, j), twice * scale * values[register])
        return f, gradient, hessian

    def group(self, group: int, t: float) -> tuple[float, float, float]:
        """Return the value and two derivatives of a group function, scaled."""
        inverse = float(self.s.inverse_scales[group])
        if self.groups[group] is None:
            return t * inverse, inverse, 0.0
        tape, parameters = self.groups[group]
        values = tape.start([t, *parameters])
        for stage in range(3):
            tape.run(stage, values)
        value, first, second = (values[tape.outputs[stage][0]] for stage in range(3))
        return inverse * value, inverse * first, inverse * second

    def add(self, hessian: list[float], i: int, j: int, value: float) -> None:
        """Add to an entry; a new entry is given a position, which happens at the first point only."""
        position = self.positions.get((i, j))
        if position is None:
            position = self.positions[i, j] = len(hessian)
            hessian.append(0.0)
        hessian[position] += value


def element_tape(
    kind: Any, functions: Functions
) -> tuple[Tape, list[int], list[tuple[int, int]]]:
    """Compile an element type for Python floats."""
    graph = Graph()
    inputs = [graph.input(f"v{i}") for i in range(len(kind.variables))]
    parameters = {name: graph.input(f"p{name}") for name in kind.parameters}
    found = element_expressions(graph, kind, functions, inputs, parameters)
    stages = [[found.value], list(found.gradient.values()), list(found.hessian.values())]
    tape = Tape(graph, stages, [*inputs, *parameters.values()], SCALAR)
    return tape, list(found.gradient), list(found.hessian)


def group_tape(kind: Any, functions: Functions) -> Tape:
    """Compile a group type for Python floats."""
    graph = Graph()
    t = graph.input("t")
    parameters = {name: graph.input(f"p{name}") for name in kind.parameters}
    found = group_expressions(graph, kind, functions, t, parameters)
    stages = [[found.value], [found.first], [found.second]]
    return Tape(graph, stages, [t, *parameters.values()], SCALAR)


def cpu_time(call: Callable[[], Any], seconds: float) -> float:
    """Return the smallest CPU time of a call over repetitions that last about this long."""
    best, total = math.inf, 0.0
    while total < seconds:
        begin = time.process_time()
        call()
        spent = time.process_time() - begin
        best, total = min(best, spent), total + spent + 1e-6
    return best


def measure(path: Path, name: str, params: dict[str, int]) -> dict[str, Any]:
    """Compare both ways of evaluating one problem, then time them."""
    begin = time.process_time()
    model = SifModel(path, params)
    decode = time.process_time() - begin
    s = model.structure
    x = s.x0 + 0.1 * np.sin(np.arange(1, s.n + 1)) * (1 + np.abs(s.x0))
    y = np.cos(np.arange(1, s.cl.size + 1))
    loop = Loop(path, params, model)
    f, gradient, hessian = loop.evaluate(x, y, 1.0)
    matrix = model.hessian(x, y, 1.0)
    matrix = matrix if sparse.issparse(matrix) else sparse.csr_array(matrix)
    pairs = np.array(list(loop.positions)).reshape(-1, 2)
    reference = sparse.coo_array(
        (hessian, (pairs[:, 0], pairs[:, 1])), shape=(s.n, s.n)
    ).tocsr()
    errors = [
        abs(model.objective(x) - f) / max(1.0, abs(f)),
        distance(model.gradient(x), np.array(gradient)),
        distance(sparse.tril(matrix).toarray(), reference.toarray()) if s.n <= 3000 else 0.0,
    ]
    step = [0.0]

    def vector() -> None:
        step[0] += 1e-9
        point = x + step[0]
        model.objective(point)
        model.gradient(point)
        model.hessian(point, y, 1.0)

    fast = cpu_time(vector, 0.2)
    slow = cpu_time(lambda: loop.evaluate(x, y, 1.0), 0.2)
    return {
        "problem": name, "params": params, "n": s.n, "m": int(s.cl.size),
        "elements": s.element_count, "decode_cpu_s": decode, "arrays_s": fast, "loop_s": slow,
        "ratio": slow / fast, "largest_difference": max(errors),
    }  # fmt: skip


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Return the largest difference relative to the largest entry."""
    return float(np.abs(a - b).max() / max(1.0, np.abs(b).max()))


def decoding(path: Path, name: str, parameter: str, small: int) -> dict[str, Any]:
    """Time the decoder at growing sizes of one problem."""
    sizes: list[int] = []
    times: list[float] = []
    for factor in (1, 2, 4, 8):
        params = {parameter: small * factor}
        times.append(cpu_time(partial(SifModel, path, params), 0.05))
        sizes.append(SifModel(path, params).structure.n)
    slope = float(np.polyfit(np.log(sizes), np.log(times), 1)[0])
    return {"problem": name, "n": sizes, "decode_cpu_s": times, "growth_exponent": slope}


def main() -> None:
    """Measure all problems, write JSON and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--collection", type=Path, required=True, help="folder with *.SIF")
    parser.add_argument("--json", type=Path, help="where to write all numbers")
    args = parser.parse_args()
    evaluation, growth = [], []
    print(f"{'problem':10s} {'n':>6s} {'m':>6s} {'elements':>8s} {'decode s':>9s} {'arrays ms':>10s}"
          f" {'loop ms':>9s} {'ratio':>7s} {'difference':>10s}")  # fmt: skip
    for name, parameter, *values in PROBLEMS:
        path = args.collection / f"{name}.SIF"
        for value in values if path.exists() else []:
            record = measure(path, name, {parameter: value})
            evaluation.append(record)
            print(f"{name:10s} {record['n']:6d} {record['m']:6d} {record['elements']:8d} "
                  f"{record['decode_cpu_s']:9.3f} {1e3 * record['arrays_s']:10.3f} "
                  f"{1e3 * record['loop_s']:9.1f} {record['ratio']:7.1f} "
                  f"{record['largest_difference']:10.1e}", flush=True)  # fmt: skip
    print(f"\n{'problem':10s} {'growth exponent of decode time':>30s}   n: CPU seconds")
    for name, parameter, small, _ in PROBLEMS[:8]:
        path = args.collection / f"{name}.SIF"
        if path.exists():
            record = decoding(path, name, parameter, small)
            growth.append(record)
            pairs = zip(record["n"], record["decode_cpu_s"], strict=True)
            listed = "  ".join(f"{n}: {seconds:.3f}" for n, seconds in pairs)
            print(f"{name:10s} {record['growth_exponent']:30.2f}   {listed}")
    ratios = [record["ratio"] for record in evaluation]
    print(
        f"\nsmallest ratio {min(ratios):.1f}, geometric mean {np.exp(np.mean(np.log(ratios))):.1f}"
    )
    if args.json:
        args.json.write_text(
            json.dumps({"evaluation": evaluation, "decoding": growth}, indent=1)
        )


if __name__ == "__main__":
    main()

"""Pyomo models written to .nl and solved by optlab as an AMPL solver and by IPOPT on the same file.

    python benchmarks/nl_models.py --json out.json
    python benchmarks/nl_models.py --only pooling rocket

Every model gets the suffixes dual, ipopt_zL_out and ipopt_zU_out, is written with its expressions as defined
variables, and is compared in two ways:

* the optimum of ``optlab stub -AMPL`` (read from its .sol file) with that of IPOPT on the same file, which
  reaches IPOPT through optlab's reader: relative difference of the objectives, sign by sense;
* f, gradient, c, Jacobian and Hessian at two points with those of POUNCE's own reader.

Exits with 1 when fewer than 95 % have the same optimum or a value differs by more than 1e-9.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pounce
import pyomo.environ as pyo
from pyomo.repn.plugins.nl_writer import NLWriter
from pyomo_gallery import MODELS

import optlab
from optlab.cli import main as optlab_program
from optlab_problems.nl.model import NlModel
from optlab_problems.nl.solution import read_sol

SAME = 1e-5
"""Relative difference of two objectives that are the same optimum."""


def write(name: str, folder: Path) -> Path:
    """State a model, give it suffixes and write it."""
    model: Any = MODELS[name]()
    for suffix in ("dual", "ipopt_zL_out", "ipopt_zU_out"):
        setattr(model, suffix, pyo.Suffix(direction=pyo.Suffix.IMPORT_EXPORT))
    for row in model.component_data_objects(pyo.Constraint):
        model.dual[row] = 0.0
    path = folder / f"{name}.nl"
    with path.open("w") as stream:
        NLWriter().write(model, stream, linear_presolve=False)
    return path


def compare_values(path: Path, model: NlModel) -> float:
    """Return the largest relative difference from POUNCE's reader."""
    other = pounce.read_nl(str(path))
    n, m = other.n, other.m
    dense = NlModel(path, dense=True)
    rng = np.random.default_rng(0)
    y = rng.standard_normal(m)
    worst = 0.0
    for _ in range(2):
        x = model.content.x0 * (1.0 + 0.01 * rng.random(n)) + 0.01 * rng.random(n)
        jacobian, hessian = np.zeros((m, n)), np.zeros((n, n))
        places = tuple(np.asarray(part, dtype=int) for part in other.jacobian_structure())
        np.add.at(jacobian, places, other.jacobian(x))
        places = tuple(np.asarray(part, dtype=int) for part in other.hessian_structure())
        np.add.at(hessian, places, other.hessian(x, lam=y, obj_factor=1.0))
        hessian = np.tril(hessian) + np.tril(hessian, -1).T
        pairs = (
            (dense.objective(x), other.objective(x)),
            (dense.gradient(x), other.gradient(x)),
            (dense.constraints(x), other.constraints(x)),
            (dense.jacobian(x), jacobian),
            (dense.hessian(x, y, 1.0), hessian),
        )
        for found, expected in pairs:
            difference = np.abs(np.asarray(found) - np.asarray(expected)).max(initial=0.0)
            scale = max(1.0, np.abs(np.asarray(expected)).max(initial=0.0))
            worst = max(worst, float(difference / scale))
    return worst


def run(name: str, folder: Path) -> dict[str, Any]:
    """Solve one model both ways."""
    path = write(name, folder)
    model = NlModel(path)
    begin = time.process_time()
    code = optlab_program([str(path.with_suffix("")), "-AMPL", "outlev=0"], io.StringIO())
    seconds = time.process_time() - begin
    answer = read_sol(path.with_suffix(".sol"))
    begin = time.process_time()
    peer = optlab.minimize(model.problem(), method="ipopt", tol=1e-8, max_iter=3000)
    peer_seconds = time.process_time() - begin
    ours, theirs = model.objective(answer.x), float(peer.fun)
    violation = float(
        np.max(
            np.concatenate(
                [
                    [0.0],
                    model.content.cl - model.constraints(answer.x),
                    model.constraints(answer.x) - model.content.cu,
                ]
            )
        )
    )
    return {
        "model": name,
        "n": model.content.header.variables,
        "m": model.content.header.rows,
        "defined": model.content.header.defined,
        "code": code,
        "status": answer.status,
        "objective": model.sign * ours,
        "violation": violation,
        "ipopt": model.sign * theirs,
        "ipopt_success": peer.success,
        "difference": abs(ours - theirs) / max(1.0, abs(theirs)),
        "better": ours < theirs,
        "values": compare_values(path, model),
        "cpu": seconds,
        "ipopt_cpu": peer_seconds,
    }


def main() -> int:
    """Run all models; exit 1 when the numbers to reach are missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=sorted(MODELS), metavar="MODEL")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    records = []
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.only:
            record = run(name, Path(folder))
            records.append(record)
            same = record["difference"] <= SAME
            print(
                f"{name:<19} n={record['n']:<4} m={record['m']:<4} V={record['defined']:<4} "
                f"status={record['status']:<4} f={record['objective']:<15.9g} "
                f"ipopt={record['ipopt']:<15.9g} {'same' if same else 'DIFFERENT'} "
                f"values={record['values']:.1e} cpu={record['cpu']:.2f}/{record['ipopt_cpu']:.2f}",
                flush=True,
            )
    same = sum(record["difference"] <= SAME for record in records)
    worst = max(record["values"] for record in records)
    print(f"same optimum: {same} of {len(records)}; values differ by at most {worst:.1e}")
    if arguments.json:
        arguments.json.write_text(json.dumps(records, indent=1) + "\n")
    return 0 if same >= 0.95 * len(records) and worst <= 1e-9 else 1


if __name__ == "__main__":
    sys.exit(main())

"""``zo`` with its defaults on functions that it was not made for, beside other methods with theirs.

    python benchmarks/zeroth/default_method.py --json default_method.json

Every function is scaled to 1 at the start and 0 at its minimum, exact or with normal noise on every value. Printed: geometric
mean over seeds of the true value at the answer, its worst case, evaluations used, CPU seconds of all seeds.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import rosen

import optlab

METHODS = ("zo", "zo-sgd", "cma-es")


@dataclass(frozen=True)
class Instance:
    """A function without its noise, its start and bounds."""

    f: Callable[[Any], float]
    x0: Any
    bounds: dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A family of instances by seed."""

    name: str
    make: Callable[[int], Instance]
    noise: float
    evaluations: int


def quadratic(n: int, condition: float, decades: float = 0.0) -> Callable[[int], Instance]:
    """Return rotated quadratics; then every variable in a unit of its own, over so many decades."""

    def make(seed: int) -> Instance:
        rng = np.random.default_rng([seed, 1])
        Q = np.linalg.qr(rng.standard_normal((n, n)))[0]
        H = (Q * np.geomspace(1.0, condition, n)) @ Q.T
        unit = 10.0 ** rng.uniform(-0.5 * decades, 0.5 * decades, n)
        target = rng.standard_normal(n) * unit
        start = 0.5 * (target / unit) @ H @ (target / unit)

        def f(x: Any) -> float:
            z = (x - target) / unit
            return float(0.5 * z @ H @ z / start)

        return Instance(f, np.zeros(n), {})

    return make


def rosenbrock(n: int) -> Callable[[int], Instance]:
    """Return Rosenbrock's function from its usual start."""
    x0 = np.tile([-1.2, 1.0], n // 2)
    return lambda _: Instance(lambda x: float(rosen(x) / rosen(x0)), x0, {})


def simulator(seed: int) -> Instance:
    """Return ten physical parameters whose bounds differ by decades, and a nonlinear misfit."""
    n = 10
    rng = np.random.default_rng([seed, 2])
    lb = 10.0 ** rng.uniform(-3, 2, n)
    width = lb * 10.0 ** rng.uniform(0.5, 2.0, n)
    target, A = rng.uniform(0.1, 0.9, n), rng.standard_normal((2 * n, n)) / n**0.5

    def misfit(x: Any) -> float:
        z = (x - lb) / width - target
        y = A @ (z + 0.2 * z**2)
        return float(np.log1p(y @ y))

    x0 = lb + rng.uniform(0.0, 1.0, n) * width
    start = misfit(x0)
    return Instance(lambda x: misfit(x) / start, x0, {"lb": lb, "ub": lb + width})


def logistic(seed: int) -> Instance:
    """Return the fit of 40 weights to 500 labels, features over two decades; minimum by Newton's method."""
    rng = np.random.default_rng([seed, 3])
    X = rng.standard_normal((500, 40)) * 10.0 ** rng.uniform(-1, 1, 40)
    y = np.sign(
        X @ (rng.standard_normal(40) / np.linalg.norm(X, axis=0)) * 20
        + rng.standard_normal(500)
    )

    def loss(w: Any) -> float:
        return float(np.logaddexp(0.0, -y * (X @ w)).mean() + 1e-3 * w @ w)

    w = np.zeros(40)
    for _ in range(50):
        p = 1.0 / (1.0 + np.exp(y * (X @ w)))
        g = -(X.T @ (y * p)) / 500 + 2e-3 * w
        H = (X.T * (p * (1.0 - p))) @ X / 500 + 2e-3 * np.eye(40)
        w = w - np.linalg.solve(H, g)
    least = loss(w)
    span = loss(np.zeros(40)) - least
    return Instance(lambda v: max(0.0, (loss(v) - least) / span), np.zeros(40), {})


CASES = (
    Case("quadratic n = 10, condition 1e2, noise 1e-2", quadratic(10, 1e2), 1e-2, 5000),
    Case("quadratic n = 10, condition 1e3, noise 1e-4", quadratic(10, 1e3), 1e-4, 5000),
    Case("quadratic n = 50, condition 1e2, noise 1e-2", quadratic(50, 1e2), 1e-2, 10_000),
    Case("units over 4 decades, n = 10, noise 1e-2", quadratic(10, 10.0, 4.0), 1e-2, 5000),
    Case("units over 4 decades, n = 10, exact", quadratic(10, 10.0, 4.0), 0.0, 5000),
    Case("quadratic n = 300, condition 1e2, exact", quadratic(300, 1e2), 0.0, 6000),
    Case("Rosenbrock n = 2, exact", rosenbrock(2), 0.0, 5000),
    Case("Rosenbrock n = 20, exact", rosenbrock(20), 0.0, 20_000),
    Case("Rosenbrock n = 2, noise 1e-4", rosenbrock(2), 1e-4, 5000),
    Case("logistic regression n = 40, exact", logistic, 0.0, 5000),
    Case("logistic regression n = 40, noise 1e-2", logistic, 1e-2, 5000),
    Case("simulator n = 10, bounds, noise 1e-2", simulator, 1e-2, 2000),
)


def run(case: Case, method: str, seed: int) -> tuple[float, int]:
    """Return the true value of the answer and the evaluations."""
    instance, rng = case.make(seed), np.random.default_rng([seed, 4])

    def f(x: Any) -> float:
        return instance.f(x) + case.noise * float(rng.standard_normal())

    problem = optlab.Problem(
        objective=f, x0=instance.x0, noisy=case.noise > 0.0, **instance.bounds
    )
    result = optlab.minimize(problem, method=method, max_eval=case.evaluations, seed=seed)
    return instance.f(result.x), result.evaluations["objective"]


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--json", required=True)
    parser.add_argument("--plot", help="for the runner's sake; the table says it all")
    parser.add_argument("--seeds", type=int, default=6)
    arguments = parser.parse_args()
    rows = []
    print("| function | method | value, geometric mean | worst | evaluations | CPU s |")
    for case in CASES:
        for method in METHODS:
            begin = time.process_time()
            runs = [run(case, method, seed) for seed in range(arguments.seeds)]
            cpu = time.process_time() - begin
            values = np.maximum([value for value, _ in runs], 1e-16)
            used = float(np.mean([count for _, count in runs]))
            mean = float(np.exp(np.log(values).mean()))
            print(
                f"| {case.name} | {method} | {mean:.1e} | {values.max():.1e} | {used:.0f} | {cpu:.1f} |",
                flush=True,
            )
            rows.append({"case": case.name, "method": method, "runs": runs, "cpu": cpu})
    Path(arguments.json).write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()

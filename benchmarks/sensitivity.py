"""Cost and accuracy of derivatives of solutions, against solving again.

    python benchmarks/sensitivity.py --json out.json

A chain of n variables, each tied to its neighbours in the objective, with a nonlinear equality for every
second pair, a budget over all variables and bounds, of which a quarter is active. The parameters are 50
prices in the objective. CPU seconds of the process, the best of several runs, the problem's own functions
included:

* setup       derivatives at the solution, active set, factorization, examination of the KKT matrix
* one solve   a direction, or the adjoint for all parameters
* re-solve    ``minimize`` warm-started from the solution, at p + 1e-4 d, d random

The error is that of dx along d against central differences of re-solves (steps of 1e-5), relative to the
largest entry. Exit code 1 when a derivative is off by more than 1e-5.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

import optlab
from optlab import Perturbation, Problem, Result

SIZES = (100, 1_000, 10_000, 100_000)
PARAMETERS = 50
TOL = 1e-9
ACCURACY = 1e-5


def chain(n: int, p: Any) -> Problem:
    """Return the problem of the module's docstring with the prices p."""
    pairs = np.arange(0, n - 1, 2)
    weights = 1.0 + 0.5 * np.cos(np.arange(n))
    target = np.sin(0.37 * np.arange(n))
    prices = np.zeros(n)
    prices[priced(n)] = p
    rows = pairs.size
    column = np.column_stack((pairs, pairs + 1)).ravel()
    shape = (rows + 1, n)
    indptr = np.append(np.arange(0, 2 * rows + 1, 2), 2 * rows + n)
    indices = np.concatenate((column, np.arange(n)))

    def constraints(x: Any) -> Any:
        return np.append(x[pairs] ** 2 + x[pairs + 1], x.sum() / np.sqrt(n))

    def jacobian(x: Any) -> Any:
        data = np.ones(indices.size)
        data[2 * rows :] = 1.0 / np.sqrt(n)
        data[: 2 * rows : 2] = 2.0 * x[pairs]
        return sp.csr_array((data, indices, indptr), shape=shape)

    coupling = sp.diags_array(
        [np.full(n - 1, -1.0), np.r_[1.0, np.full(n - 2, 2.0), 1.0], np.full(n - 1, -1.0)],
        offsets=[-1, 0, 1],
        format="csr",
    )

    def hessian(x: Any, y: Any, sigma: float) -> Any:
        diagonal = sigma * (weights + 3.0 * x**2)
        diagonal[pairs] += 2.0 * y[:rows]
        return sigma * coupling + sp.diags_array(diagonal, format="csr")

    def objective(x: Any) -> float:
        own = 0.5 * weights @ (x - target) ** 2 + 0.25 * (x**4).sum() + prices @ x
        return float(own + 0.5 * (np.diff(x) ** 2).sum())

    return Problem(
        objective=objective,
        gradient=lambda x: weights * (x - target) + x**3 + prices + coupling @ x,
        hessian=hessian,
        constraints=constraints,
        jacobian=jacobian,
        x0=np.full(n, 0.1),
        lb=-0.5,
        ub=np.where(np.arange(n) % 3 == 0, 0.3, np.inf),
        cl=np.append(np.full(rows, 0.25), -np.inf),
        cu=np.append(np.full(rows, 0.25), 0.03 * np.sqrt(n)),
        linear=np.append(np.zeros(rows, dtype=bool), True),
        name=f"chain{n}",
    )


def priced(n: int) -> Any:
    """Return the variables that have a price."""
    return np.linspace(0, n - 1, PARAMETERS).astype(int)


def best(call: Callable[[], Any], repeat: int) -> tuple[float, Any]:
    """Return the least CPU time of several calls and the last value."""
    times, value = [], None
    for _ in range(repeat):
        start = time.process_time()
        value = call()
        times.append(time.process_time() - start)
    return min(times), value


def measure(n: int) -> dict[str, Any]:
    """Return the times and the error at one size."""
    zero = np.zeros(PARAMETERS)
    problem, x_of = chain(n, zero), priced(n)
    result = optlab.minimize(problem, tol=TOL).raise_if_failed()
    gradient = sp.csr_array(
        (np.ones(PARAMETERS), (x_of, np.arange(PARAMETERS))), shape=(n, PARAMETERS)
    )
    prices = Perturbation(gradient=gradient, objective=result.x[x_of])
    repeat = 5 if n <= 10_000 else 2
    setup, s = best(lambda: optlab.sensitivity(problem, result, prices), repeat)
    direction = np.random.default_rng(0).standard_normal(PARAMETERS)
    one, step = best(lambda: s.along(direction), repeat)
    adjoint, _ = best(lambda: s.adjoint(result.x), repeat)

    def again(h: float) -> Result:
        moved = chain(n, zero + h * direction)
        return optlab.minimize(moved, tol=TOL, warm_start=result)

    resolve, moved = best(lambda: again(1e-4), repeat)
    slope = (again(1e-5).x - again(-1e-5).x) / 2e-5
    error = float(np.abs(slope - step.x).max() / np.abs(slope).max())
    active = s.solution.active
    return {
        "n": n,
        "active rows": int(np.count_nonzero(active.rows)),
        "active bounds": int(np.count_nonzero(active.bounds)),
        "issues": list(s.issues),
        "setup s": setup,
        "one solve s": one,
        "adjoint s": adjoint,
        "re-solve s": resolve,
        "re-solve iterations": moved.iterations,
        "re-solve / one solve": resolve / one,
        "50 re-solves / (setup + 50 solves)": PARAMETERS * resolve / (setup + PARAMETERS * one),
        "50 re-solves / (setup + adjoint)": PARAMETERS * resolve / (setup + adjoint),
        "error": error,
    }


def main() -> int:
    """Run all sizes; exit 1 when a derivative is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    args = parser.parse_args()
    records = []
    for n in args.sizes:
        record = measure(n)
        records.append(record)
        print(
            "  ".join(
                f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}"
                for k, v in record.items()
            )
        )
    if args.json:
        args.json.write_text(json.dumps(records, indent=1))
    return 0 if all(r["error"] < ACCURACY and not r["issues"] for r in records) else 1


if __name__ == "__main__":
    sys.exit(main())

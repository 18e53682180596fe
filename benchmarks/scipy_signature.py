"""SciPy's signature: its own problems, and what the translation costs on HS71.

    python benchmarks/scipy_signature.py --json out.json

Every problem of SciPy's public tests and documentation (optlab_problems.scipy_calls) is solved through the signature,
and compared with the known optimum; beside it, what SciPy itself makes of the same call. Then HS71 is solved many times,
in turn as a native Problem and through the signature (as one constraint and as two), and the CPU times are
compared: the overhead of a form is the median of the ratios of neighbouring runs, less one.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy import optimize

import optlab
from optlab.scipy import minimize
from optlab_problems.scipy_calls import HOPELESS, ScipyCall, scipy_calls

TOLERANCE = 1e-6
LIMIT = 0.20
"""Overhead that is allowed."""


def same(call: ScipyCall, result: Any) -> bool:
    """Whether a result is the known optimum; for contradicting constraints, whether it is no success."""
    if call.name in HOPELESS:
        return not result.success
    near = abs(result.fun - call.fun) <= TOLERANCE * max(1.0, abs(call.fun))
    return bool(result.success and near)


def solve(call: ScipyCall) -> dict[str, Any]:
    """Solve one call with both."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours = minimize(**call.given)
        try:
            theirs: Any = optimize.minimize(**call.given)
            scipy = {
                "same": same(call, theirs),
                "fun": float(np.ravel(theirs.fun)[0]),
                "nfev": theirs.nfev,
            }
        except Exception as error:  # noqa: BLE001 - it is reported
            scipy = {"same": False, "error": f"{type(error).__name__}: {error}"}
    return {
        "problem": call.name,
        "same": same(call, ours),
        "fun": ours.fun,
        "known": None if math.isnan(call.fun) else call.fun,
        "method": ours.method,
        "nfev": ours.nfev,
        "scipy": scipy,
    }


# HS71 ---------------------------------------------------------------------------------------------


def f(x: Any) -> Any:
    """Return the objective of HS71."""
    return x[0] * x[3] * (x[0] + x[1] + x[2]) + x[2]


def g(x: Any) -> Any:
    """Return its gradient."""
    s = x[0] + x[1] + x[2]
    return np.array([x[3] * (x[0] + s), x[0] * x[3], x[0] * x[3] + 1.0, x[0] * s])


def h(x: Any) -> Any:
    """Return its Hessian."""
    a, d = x[0], x[3]
    e = 2.0 * a + x[1] + x[2]
    return np.array([[2 * d, d, d, e], [d, 0, 0, a], [d, 0, 0, a], [e, a, a, 0]])


def c(x: Any) -> Any:
    """Return both rows."""
    return np.array([x[0] * x[1] * x[2] * x[3], x @ x])


def product(x: Any) -> Any:
    """Return the gradient of the first row."""
    return np.array(
        [x[1] * x[2] * x[3], x[0] * x[2] * x[3], x[0] * x[1] * x[3], x[0] * x[1] * x[2]]
    )


def jacobian(x: Any) -> Any:
    """Return the gradients of both rows."""
    return np.array([product(x), 2.0 * x])


def product_hessian(x: Any) -> Any:
    """Return the Hessian of the first row."""
    p, q, r, s = x
    return np.array(
        [
            [0, r * s, q * s, q * r],
            [r * s, 0, p * s, p * r],
            [q * s, p * s, 0, p * q],
            [q * r, p * r, p * q, 0],
        ]
    )


def row_hessian(x: Any, v: Any) -> Any:
    """Return the weighted Hessian of both rows."""
    return v[0] * product_hessian(x) + 2.0 * v[1] * np.eye(4)


def forms() -> dict[str, Callable[[], Any]]:
    """Return HS71 in all forms: the native one first."""
    # Rows declared nonlinear, so that neither side spends evaluations on finding that out.
    problem = optlab.Problem(
        objective=f, gradient=g, constraints=c, jacobian=jacobian, x0=[1.0, 5.0, 5.0, 1.0], lb=1.0, ub=5.0,
        hessian=lambda x, y, sigma: sigma * h(x) + row_hessian(x, y), cl=[25.0, 40.0], cu=[np.inf, 40.0],
        linear=[False, False],
    )  # fmt: skip
    given: dict[str, Any] = {
        "fun": f, "x0": [1.0, 5.0, 5.0, 1.0], "jac": g, "hess": h, "bounds": [(1.0, 5.0)] * 4,
    }  # fmt: skip
    whole = optimize.NonlinearConstraint(c, [25, 40], [np.inf, 40], jacobian, row_hessian)
    first = optimize.NonlinearConstraint(
        lambda x: x[0] * x[1] * x[2] * x[3],
        25,
        np.inf,
        product,
        lambda x, v: v[0] * product_hessian(x),
    )
    second = optimize.NonlinearConstraint(
        lambda x: x @ x, 40, 40, lambda x: 2.0 * x, lambda _x, v: 2.0 * v[0] * np.eye(4)
    )
    return {
        "native": lambda: optlab.minimize(problem),
        "one constraint": lambda: minimize(**given, constraints=whole),
        "two constraints": lambda: minimize(**given, constraints=[first, second]),
    }


def overhead(repeats: int) -> dict[str, Any]:
    """Compare CPU times, the forms taking turns."""
    every = forms()
    results = {name: form() for name, form in every.items()}
    assert len({result.iterations for result in results.values()}) == 1
    assert max(abs(result.fun - 17.014017289) for result in results.values()) < 1e-6
    times: dict[str, list[float]] = {name: [] for name in every}
    for _ in range(repeats):
        for name, form in every.items():
            begin = time.process_time()
            form()
            times[name].append(time.process_time() - begin)
    native = np.array(times["native"])
    return {
        name: {
            "milliseconds": 1e3 * float(np.median(spent)),
            "overhead": float(np.median(np.array(spent) / native)) - 1.0,
            "evaluations": dict(results[name].evaluations),
        }
        for name, spent in times.items()
    }


def main() -> int:
    """Run, print, and say by the exit code whether all is well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--repeats", type=int, default=300)
    given = parser.parse_args()
    solved = [solve(call) for call in scipy_calls()]
    for one in solved:
        print(
            f"{'same ' if one['same'] else 'OTHER'} {one['problem']:34} {one['method']:6} {one['fun']:.9g}"
        )
    costs = overhead(given.repeats)
    for name, cost in costs.items():
        print(
            f"HS71, {name:16} {cost['milliseconds']:7.3f} ms  {100 * cost['overhead']:+6.1f} %"
        )
    good = sum(one["same"] for one in solved)
    theirs = sum(one["scipy"]["same"] for one in solved)
    print(f"{good} of {len(solved)} as known (SciPy's own defaults: {theirs})")
    if given.json:
        given.json.write_text(json.dumps({"problems": solved, "hs71": costs}, indent=1) + "\n")
    cheap = all(cost["overhead"] < LIMIT for cost in costs.values())
    return 0 if good == len(solved) and cheap else 1


if __name__ == "__main__":
    sys.exit(main())

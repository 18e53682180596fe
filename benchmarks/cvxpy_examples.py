"""Nonlinear CVXPY models solved by optlab and by CVXPY's own interface to IPOPT; and what conversion costs.

    python benchmarks/cvxpy_examples.py [--json out.json] [--variables 10000]

For every model of cvxpy_models.py: the optimum of ``optlab.minimize(problem)``, that of
``problem.solve(nlp=True, solver="IPOPT")``, both with a tolerance of 1e-8, and whether they agree to 1e-6
relative. CVXPY's interface to IPOPT gives no dual values. Ours are therefore judged by the certificate (the
residuals of the first-order conditions at the returned point and multipliers), and set beside those of IPOPT
called through optlab; where these differ although both certificates hold, the multipliers are not unique.

Then models with many variables: CPU seconds of the conversion, split into this bridge (CVXPY's reductions and
checks included) and CVXPY's derivative engine (its structures), and of the solve.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from cvxpy_models import LARGE, MODELS

import optlab
from optlab_problems.cvxpy import source
from optlab_problems.cvxpy.engine import Engine

TOL = 1e-8
AGREE = 1e-6


@dataclass(frozen=True)
class Row:
    """One model."""

    model: str
    variables: int
    rows: int
    status: str
    ours: float
    ipopt: float
    difference: float
    """Relative, of the optimal values."""

    certificate: float
    """Largest residual of the first-order conditions, unscaled."""

    duals: float | None
    """Largest relative difference of dual values from IPOPT's; None without constraints or without IPOPT's."""

    seconds: float
    ipopt_seconds: float

    @property
    def agrees(self) -> bool:
        """Whether the optimum is IPOPT's and the multipliers are certified."""
        return self.difference <= AGREE and self.certificate <= AGREE


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """Return a value and the CPU seconds that it took."""
    start = time.process_time()
    value = call()
    return value, time.process_time() - start


def compare(name: str) -> Row:
    """Solve one model both ways."""
    ours, theirs, peer = (MODELS[name]() for _ in range(3))
    result, seconds = timed(lambda: optlab.minimize(ours, tol=TOL))
    options = {"print_level": 0, "sb": "yes", "tol": TOL}
    _, ipopt_seconds = timed(lambda: theirs.solve(nlp=True, solver="IPOPT", **options))
    beside = optlab.minimize(peer, method="ipopt", tol=TOL)
    at = result.certificate
    return Row(
        model=name,
        variables=result.x.size,
        rows=result.multipliers.constraints.size,
        status=str(ours.status),
        ours=float(ours.value),
        ipopt=float(theirs.value),
        difference=abs(ours.value - theirs.value) / (1.0 + abs(theirs.value)),
        certificate=max(at.primal, at.dual / at.scale, at.complementarity / at.scale),
        duals=dual_difference(ours, peer) if beside.success else None,
        seconds=seconds,
        ipopt_seconds=ipopt_seconds,
    )


def dual_difference(one: Any, other: Any) -> float | None:
    """Return the largest difference of dual values, relative to the size of the constraint's."""
    worst: float | None = None
    for mine, theirs in zip(one.constraints, other.constraints, strict=True):
        size = 1.0 + np.abs(theirs.dual_value).max()
        gap = float(np.abs(np.subtract(mine.dual_value, theirs.dual_value)).max() / size)
        worst = gap if worst is None else max(worst, gap)
    return worst


def conversion(name: str, variables: int) -> dict[str, Any]:
    """Time the conversion of a large model against its solve, CPU seconds, the least of three runs each."""
    runs = [_converted(LARGE[name](variables)) for _ in range(3)]
    cost = {key: min(run[key] for run in runs) for key in ("bridge", "engine", "solve")}
    return {
        "model": name,
        "variables": variables,
        "solved": all(run["solved"] for run in runs),
        **cost,
        "share of the bridge": cost["bridge"] / cost["solve"],
        "share with the engine": (cost["bridge"] + cost["engine"]) / cost["solve"],
    }


def _converted(problem: Any) -> dict[str, float]:
    stated, everything = timed(lambda: source.load(problem, {}))
    # The engine finds the Hessian's pattern at the first call, which belongs to the conversion.
    zeros = np.zeros(stated.m)
    _, first = timed(lambda: stated.hessian(stated.x0, zeros, 1.0))
    _, later = timed(lambda: stated.hessian(stated.x0, zeros, 1.0))
    smooth = source.kept_rows(problem).smooth
    _, construction = timed(lambda: Engine(smooth, stated.n, stated.m))
    result, solve = timed(lambda: optlab.minimize(stated))
    return {
        "bridge": max(0.0, everything - construction),
        "engine": construction + first - later,
        "solve": solve,
        "solved": result.success,
    }


def main() -> int:
    """Run the comparison; exit 1 when an optimum or a certificate does not agree."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--variables", type=int, default=10_000)
    arguments = parser.parse_args()
    # CVXPY warns that it takes denominators for nonnegative: true in these models.
    warnings.filterwarnings("ignore", message="CVXPY \\(DNLP\\) could not verify")
    rows = []
    head = f"{'model':21s} {'n':>5s} {'m':>5s} {'optlab':>15s} {'ipopt':>15s}"
    print(f"{head} {'diff':>8s} {'KKT':>8s} {'duals':>8s} {'s':>6s} {'ipopt s':>7s}")
    for name in MODELS:
        row = compare(name)
        rows.append(row)
        duals = "-" if row.duals is None else f"{row.duals:.1e}"
        print(
            f"{row.model:21s} {row.variables:5d} {row.rows:5d} {row.ours:15.8f} {row.ipopt:15.8f} "
            f"{row.difference:8.1e} {row.certificate:8.1e} {duals:>8s} {row.seconds:6.2f} "
            f"{row.ipopt_seconds:7.2f} {'' if row.agrees else 'DIFFERS'}",
            flush=True,
        )
    agree = sum(row.agrees for row in rows)
    print(f"{agree} of {len(rows)} agree")
    large = [conversion(name, arguments.variables) for name in LARGE]
    for record in large:
        print(
            f"{record['model']}, {record['variables']} variables, CPU s: bridge {record['bridge']:.4f}, "
            f"CVXPY's engine {record['engine']:.4f}, solve {record['solve']:.3f}; share of the bridge "
            f"{record['share of the bridge']:.1%}, with the engine {record['share with the engine']:.1%}"
        )
    if arguments.json:
        everything = {"models": [asdict(row) for row in rows], "large": large}
        arguments.json.write_text(json.dumps(everything, indent=1) + "\n")
    return 0 if agree == len(rows) and all(record["solved"] for record in large) else 1


if __name__ == "__main__":
    sys.exit(main())

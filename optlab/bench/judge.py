"""The judge of a sweep: the project's KKT checker, asked from scratch about the returned point.

Whatever a solver says of itself is only recorded. A run is solved when, on the problem as its source
states it (with all derivatives, whatever the method was shown),

    primal <= tol,   dual / scale <= tol,   complementarity / scale <= tol

for the returned x with the returned multipliers, or else with the multipliers that suit x best:
the bound multipliers derived from y, then least-squares multipliers. The same is done for every
method; ``multipliers`` of a record says which ones it took. A *wrong claim* is a result whose
``point`` says STATIONARY or INFEASIBLE_STATIONARY where the judge, with the returned multipliers and
the method's own tolerances, says no.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.core.control import Tolerances
from optlab.core.kkt import Certificate, certificate, error_estimators
from optlab.core.probe import with_linear_rows
from optlab.core.status import PointStatus
from optlab.core.verdict import infeasibility_stationarity

if TYPE_CHECKING:
    from optlab.core.problem import Problem
    from optlab.core.result import Result
    from optlab.typing import Vector

__all__ = ["Verdict", "error", "judge", "passes"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the judge says of a result."""

    solved: bool
    wrong_claim: bool
    multipliers: str
    """Which multipliers the certificate is for: returned, derived bounds, least squares."""

    certificate: Certificate
    f: float
    """Objective at the returned point, evaluated again."""


def judge(problem: Problem, result: Result, tol: float, claimed: Tolerances) -> Verdict:
    """Judge a result.

    Parameters
    ----------
    problem
        As its source states it.
    result
        Only x, the multipliers and the claim ``point`` are looked at.
    tol
        Tolerance of the sweep.
    claimed
        Tolerances under which the method made its claim.

    Raises
    ------
    Exception
        Whatever the problem's own functions raise at the point.
    """
    x = np.array(result.x, dtype=np.float64)
    with np.errstate(all="ignore"):
        f = float(problem.objective(x))
        tried = list(_certificates(problem, x, result, Tolerances(tol, tol)))
        name, best = next(((n, c) for n, c in tried if passes(c, tol, tol)), _least(tried))
        first = tried[0][1]
        wrong = not _claim_holds(problem, x, first, result.point, claimed)
    solved = passes(best, tol, tol) and math.isfinite(f)
    return Verdict(solved, wrong, name, best, f)


def passes(cert: Certificate, tol: float, ctol: float) -> bool:
    """Whether a certificate meets the tolerances; a residual that is not a number does not."""
    numbers = (cert.primal, cert.dual, cert.complementarity, cert.scale)
    if not all(math.isfinite(v) for v in numbers):
        return False
    limit = tol * cert.scale
    return cert.primal <= ctol and cert.dual <= limit and cert.complementarity <= limit


def error(record: Mapping[str, Any]) -> float | None:
    """Return what the judge compares with the tolerance: max(primal, dual/scale, complementarity/scale).

    Parameters
    ----------
    record
        Of a run; None is returned when it lacks one of the residuals.
    """
    parts = [record.get(name) for name in ("primal", "dual", "complementarity", "scale")]
    if any(part is None for part in parts):
        return None
    primal, dual, complementarity, scale = (float(part) for part in parts if part is not None)
    return max(primal, dual / scale, complementarity / scale)


def _certificates(
    problem: Problem, x: Vector, result: Result, wanted: Tolerances
) -> Iterator[tuple[str, Certificate]]:
    """Certify with one choice of multipliers after the other, until one passes."""
    y, z = result.multipliers.constraints, result.multipliers.bounds
    with_y, with_z = bool(np.isfinite(y).all()), bool(np.isfinite(z).all())
    choices: list[tuple[str, Callable[[], Certificate]]] = []
    if with_y and with_z:
        choices.append(("returned", lambda: error_estimators(problem, x, y, z)))
    if with_y:
        choices.append(("derived bounds", lambda: certificate(problem, x, y, None)))
    choices.append(("least squares", lambda: error_estimators(problem, x)))
    for name, certify in choices:
        cert = certify()
        yield name, cert
        # No multipliers repair a violation, and least squares cost a factorization.
        if passes(cert, wanted.tol, wanted.ctol) or not cert.primal <= wanted.ctol:
            return


def _least(tried: list[tuple[str, Certificate]]) -> tuple[str, Certificate]:
    """Return the certificate with the smallest E1; nan counts as the largest."""
    return min(tried, key=lambda pair: math.inf if math.isnan(pair[1].E1) else pair[1].E1)


def _claim_holds(
    problem: Problem, x: Vector, cert: Certificate, claim: PointStatus, claimed: Tolerances
) -> bool:
    """Whether the judge confirms what the result says of its point."""
    if claim is PointStatus.STATIONARY:
        return passes(cert, claimed.tol, claimed.ctol)
    if claim is PointStatus.INFEASIBLE_STATIONARY:
        if not (math.isfinite(cert.primal) and cert.primal > claimed.ctol):
            return False
        slope = infeasibility_stationarity(with_linear_rows(problem), x)
        return slope <= math.sqrt(claimed.tol)
    return True

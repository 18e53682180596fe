"""From the last iterate to the result: choose the best point, certify it, say what happened."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.core.batch import average_at
from optlab.core.control import BudgetSpent
from optlab.core.kkt import Certificate
from optlab.core.result import Multipliers, Result
from optlab.core.status import PointStatus, StopReason
from optlab.core.timing import CERTIFICATE
from optlab.core.verdict import CertifiedPoint, certify
from optlab.errors import EvaluationError

if TYPE_CHECKING:
    from optlab.core.method import AbstractMethod
    from optlab.core.oracle import Incumbent, Oracle
    from optlab.core.reduction import Multiplied
    from optlab.core.sparsity import Sparsity
    from optlab.typing import Vector

__all__ = ["Candidate", "Outcome", "certify_candidate", "finish", "said"]

_WORTHWHILE = 1e-9
"""Relative decrease of the objective for which the incumbent replaces the last iterate, whose
multipliers would be lost."""

_NOTHING: Mapping[str, Any] = MappingProxyType({})

_FINISHED = (StopReason.CONVERGED, StopReason.TARGET_REACHED, StopReason.COMPLETED)

_UNCERTIFIABLE = (BudgetSpent, EvaluationError, KeyboardInterrupt, np.linalg.LinAlgError)
"""What may go wrong while the final point is looked at; the point itself is kept."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """The last iterate in the user's variables."""

    x: Vector
    f: float
    multipliers: Callable[[], Multiplied]
    """Maps the multipliers back; may evaluate derivatives."""

    unbounded: bool
    """Whether the method proposes UNBOUNDED_DIRECTION."""

    certified: CertifiedPoint | None = None
    """The checker's verdict when this very iterate was checked already."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the loop left behind."""

    stop: StopReason
    iterations: int
    candidate: Candidate | None
    error: BaseException | None


def certify_candidate(
    oracle: Oracle, candidate: Candidate, method: AbstractMethod[Any]
) -> CertifiedPoint | None:
    """Certify the last iterate; None when something could not be evaluated."""
    if candidate.certified is not None:
        return candidate.certified
    try:
        at = candidate.multipliers()
        return _certify(oracle, candidate, (at.y, at.z), method)
    except _UNCERTIFIABLE:
        return None


def _certify(
    oracle: Oracle,
    point: Candidate | Incumbent,
    multipliers: tuple[Vector | None, Vector | None],
    method: AbstractMethod[Any],
) -> CertifiedPoint:
    unbounded = isinstance(point, Candidate) and point.unbounded
    oracle.account.enter(CERTIFICATE)
    try:
        judged = certify(
            oracle, point.x, point.f, multipliers, method.tolerances(), unbounded=unbounded
        )
    finally:
        oracle.account.leave()
    sparsity = oracle.problem.sparsity
    return judged if sparsity is None else _with_sparsity(judged, sparsity, oracle.ctol)


def _with_sparsity(judged: CertifiedPoint, sparsity: Sparsity, ctol: float) -> CertifiedPoint:
    """Count what is too much for a cardinality constraint as violation."""
    primal = max(judged.certificate.primal, sparsity.violation(judged.x))
    status = judged.status if primal <= ctol else PointStatus.UNKNOWN
    return replace(
        judged, certificate=replace(judged.certificate, primal=primal), status=status
    )


def finish(
    oracle: Oracle,
    method: AbstractMethod[Any],
    x0: Vector,
    outcome: Outcome,
    memory: Mapping[str, Any] = _NOTHING,
) -> Result:
    """Build the result: the method's point when the checker confirms it, else the best one known.

    Parameters
    ----------
    oracle
        Door to the user's problem.
    method
        The method that ran.
    x0
        Start point, returned when nothing was evaluated; shape (n,).
    outcome
        How the loop ended.
    memory
        What the method keeps for a warm start; goes to ``Result.extras``.
    """
    control = oracle.lift_limits()
    try:
        best = _averaged(oracle, _choose(oracle, method, x0, outcome))
        seen = _values(oracle, best)
    finally:
        oracle.restore_control(control)
    if not _consistent(best, method):
        raise AssertionError(f"point status {best.status} contradicts {best.certificate}")
    judged_by_gradient = method.info.needs_gradient and not method.info.handles_sparsity
    wanted = (
        (PointStatus.STATIONARY,)
        if judged_by_gradient
        else (PointStatus.STATIONARY, PointStatus.FEASIBLE)
    )
    x = np.array(best.x, dtype=np.float64)
    return Result(
        x=x,
        fun=best.f,
        success=outcome.stop in _FINISHED and best.status in wanted,
        message=said(outcome, best.status, best.certificate, memory),
        stop=outcome.stop,
        point=best.status,
        multipliers=Multipliers(np.array(best.y), np.array(best.z)),
        certificate=best.certificate,
        iterations=outcome.iterations,
        evaluations=dict(oracle.counts),
        time=math.nan,
        callback_time=oracle.callback_time,
        method=method.info.name,
        problem=oracle.problem.name,
        extras=memory,
        **seen,
    )


def _values(oracle: Oracle, best: CertifiedPoint) -> dict[str, Any]:
    """Return what is known at the point: gradient and rows, the Hessian only where it costs nothing."""
    key = best.x.tobytes()
    weights = (key, np.asarray(best.y, dtype=np.float64).tobytes(), 1.0)
    found: dict[str, Any] = {"hessian": oracle.remembered("hessian", weights)}
    for name, verb, there in (
        ("gradient", "gradient", oracle.has_gradient),
        ("rows", "constraints", oracle.m > 0),
    ):
        try:
            if there and math.isfinite(best.certificate.primal):
                found[name] = np.array(getattr(oracle, verb)(best.x))
        except _UNCERTIFIABLE:
            continue  # the point stands without them
    return found


def _averaged(oracle: Oracle, best: CertifiedPoint) -> CertifiedPoint:
    """Evaluate the objective at the point, where the method has only averages over samples or over its last steps."""
    if oracle.problem.sampled is None and oracle.problem.sparsity is None:
        return best
    try:
        return replace(best, f=average_at(oracle, best.x))
    except _UNCERTIFIABLE:
        return best


def _choose(
    oracle: Oracle, method: AbstractMethod[Any], x0: Vector, outcome: Outcome
) -> CertifiedPoint:
    """Take the last iterate or the incumbent, whichever is better."""
    candidate, incumbent = outcome.candidate, oracle.incumbent
    last: CertifiedPoint | None = None
    if candidate is not None:
        last = certify_candidate(oracle, candidate, method)
        if last is not None and _confirmed(last, outcome.stop, incumbent):
            return last
        if incumbent is None or not _better(incumbent, last, candidate, oracle):
            return _bare(oracle, candidate.x, candidate.f) if last is None else last
    if incumbent is None:
        return _bare(oracle, x0, math.nan)
    try:
        return _certify(oracle, incumbent, (None, None), method)
    except _UNCERTIFIABLE:
        return _bare(oracle, incumbent.x, incumbent.f)


def _confirmed(last: CertifiedPoint, stop: StopReason, incumbent: Incumbent | None) -> bool:
    """Whether the checker confirms what the method says of its last iterate."""
    if last.status in (PointStatus.STATIONARY, PointStatus.UNBOUNDED_DIRECTION):
        return True
    if stop is StopReason.CONVERGED and last.certificate.derivative_error > 0.0:
        return True  # stationary but for what the differences leave open
    if last.status is PointStatus.INFEASIBLE_STATIONARY:
        found_feasible = incumbent is not None and incumbent.violation == 0.0
        return stop is StopReason.STALLED and not found_feasible
    return False


def _better(
    incumbent: Incumbent, last: CertifiedPoint | None, candidate: Candidate, oracle: Oracle
) -> bool:
    """Whether the incumbent has less violation above the tolerance, or then a lower objective."""
    if last is None or not math.isfinite(last.certificate.primal):
        return True
    if np.array_equal(incumbent.x, candidate.x):
        return False
    primal = last.certificate.primal
    violation = primal if primal > oracle.ctol else 0.0
    if incumbent.violation != violation:
        return incumbent.violation < violation
    margin = _WORTHWHILE * max(1.0, abs(candidate.f))
    return violation == 0.0 and incumbent.f < candidate.f - margin


def _bare(oracle: Oracle, x: Vector, f: float) -> CertifiedPoint:
    """Return a point of which nothing is confirmed."""
    unknown = Certificate(scale=math.nan)
    y, z = np.full(oracle.m, np.nan), np.full(oracle.n, np.nan)
    return CertifiedPoint(x, f, y, z, unknown, PointStatus.UNKNOWN)


def _consistent(best: CertifiedPoint, method: AbstractMethod[Any]) -> bool:
    """Whether the status claims no more than the residuals show."""
    wanted, cert = method.tolerances(), best.certificate
    if best.status is PointStatus.STATIONARY:
        limit = wanted.tol * cert.scale
        worst = max(cert.dual, cert.complementarity) + cert.derivative_error
        return cert.primal <= wanted.ctol and worst <= limit
    if best.status in (PointStatus.FEASIBLE, PointStatus.UNBOUNDED_DIRECTION):
        return cert.primal <= wanted.ctol
    if best.status is PointStatus.INFEASIBLE_STATIONARY:
        return cert.primal > wanted.ctol
    return True


def said(
    outcome: Outcome,
    status: PointStatus,
    cert: Certificate,
    memory: Mapping[str, Any] = _NOTHING,
) -> str:
    """Say in one sentence why a solve ended and what its point is.

    Parameters
    ----------
    memory
        What the method keeps: of a gradient that it could only estimate, ``estimated_gradient_norm`` and
        ``standard_error`` are reported.
    """
    why = outcome.stop.value
    if isinstance(outcome.error, EvaluationError):
        at_start = " at the start point" if outcome.candidate is None else ""
        why = f"{why}{at_start}: {outcome.error}"
    elif outcome.stop is StopReason.NUMERICAL_ERROR and outcome.error is not None:
        why = f"{why} ({type(outcome.error).__name__}: {outcome.error})"
    what = f"the point {status.value}"
    if status is PointStatus.UNKNOWN:
        what = "nothing is confirmed about the point"
    judged = not math.isnan(cert.dual)
    if judged and outcome.stop is StopReason.CONVERGED and status is not PointStatus.STATIONARY:
        what += (
            f" (primal {cert.primal:.1e}, dual {cert.dual:.1e}, "
            f"complementarity {cert.complementarity:.1e}, scale {cert.scale:.1e})"
        )
    if cert.derivatives == "estimated":
        what += ", judged by derivatives estimated from differences"
        if status is not PointStatus.STATIONARY and cert.derivative_error > 0.0:
            what += f", whose error of {cert.derivative_error:.0e} leaves more unsaid"
    norm = memory.get("estimated_gradient_norm", math.nan)
    if not math.isnan(norm):
        what += f"; values put the norm of its gradient at {norm:.1e}"
        error = memory.get("standard_error", math.nan)
        if not math.isnan(error):
            what += f" with a standard error of {error:.1e}"
    sentence = f"{why}; {what}."
    return sentence[0].upper() + sentence[1:]

"""What a solve took for granted, and whether it held where the solve went.

Which rows are linear, and which entries of an estimated Jacobian can be nonzero, is guessed near the start
point when the user does not say. Both guesses are checked at the ends of the solve, and so is whether the
steps of the differences were good enough for the accuracy that was wanted.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.core.control import BudgetSpent
from optlab.core.derivatives.accuracy import derivative_error, refined
from optlab.core.derivatives.jacobian import EstimatedJacobian
from optlab.core.oracle import Oracle
from optlab.core.probe import still_linear
from optlab.core.status import PointStatus, StopReason
from optlab.errors import CapabilityError, EvaluationError, OptlabWarning, ProblemError
from optlab.typing import is_a

if TYPE_CHECKING:
    from optlab.core.control import Limits
    from optlab.core.problem import Problem
    from optlab.core.progress import Progress
    from optlab.core.result import Result
    from optlab.typing import Mask, Vector

__all__ = ["LastPoint", "believing", "refuted"]

_BLAME = 0.1
"""Share of the residuals that the error of the derivatives must have to be the reason for them."""

_EXHAUSTED = (
    StopReason.EVAL_ERROR,
    StopReason.USER,
    StopReason.MAX_ITER,
    StopReason.MAX_EVAL,
    StopReason.MAX_TIME,
)
"""After these there is nothing left to go on with."""


class LastPoint:
    """An observer that remembers where the method was last, which need not be the best point."""

    def __init__(self) -> None:
        self.x: Vector | None = None

    def __call__(self, k: int, progress: Progress) -> None:  # noqa: ARG002
        """Remember the iterate."""
        self.x = progress.x


def refuted(
    result: Result, oracle: Oracle, limits: Limits, last: LastPoint, *, probed: bool
) -> Problem | None:
    """Check the guesses at the ends of a solve.

    Parameters
    ----------
    limits
        What is left for the checks.
    probed
        Whether the linear rows were guessed.

    Returns
    -------
    Problem or None
        The problem without the guesses that failed, when some did and going on makes sense.
    """
    if result.stop in _EXHAUSTED:
        return None
    points = [x for x in (result.x, last.x) if x is not None]
    problem = oracle.problem
    changes: dict[str, Any] = {}
    before = oracle.set_limits(limits)
    try:
        linear = _linear(oracle, points) if probed else None
        if linear is not None:
            changes["linear"] = linear
        jacobian = _wider(oracle, points) if is_a(problem.jacobian, EstimatedJacobian) else None
        if jacobian is not None:
            changes["jacobian"] = jacobian
        elif linear is None and problem.derivatives == "estimated":
            changes |= _finer(result, oracle)
    except BudgetSpent:
        return None
    finally:
        oracle.restore_limits(before)
    return problem.replace(**changes) if changes else None


def believing(
    solve: Callable[[Oracle, Limits], Result], oracle: Oracle, limits: Limits
) -> tuple[Oracle, Result]:
    """Solve, taking back the guess that rows are linear where they have no common point.

    Far from the points of the probe such rows may be nonlinear, and then they prove nothing.

    Parameters
    ----------
    solve
        Solves the oracle's problem within limits.
    oracle
        Door to a problem with guessed linear rows.

    Returns
    -------
    Oracle, Result
        The door that was used in the end, and the result.

    Raises
    ------
    ProblemError
        That of the solve, when it is another one or the method takes linear rows only.
    """
    begun, spent = time.monotonic(), oracle.counts["objective"]
    try:
        return oracle, solve(oracle, limits)
    except ProblemError as error:
        linear = _not_contradicting(error, oracle.problem)
        if linear is None:
            raise
        renewed = oracle.reopened(oracle.problem.replace(linear=linear))
        evals, seconds = limits.max_eval, limits.max_time
        left = replace(
            limits,
            max_eval=evals and max(0, evals - (oracle.counts["objective"] - spent)),
            max_time=seconds and max(0.0, seconds - (time.monotonic() - begun)),
        )
        try:
            return believing(solve, renewed, left)
        except CapabilityError:
            raise error from None


def _not_contradicting(error: ProblemError, problem: Problem) -> Mask | None:
    """Return the rows that may stay linear; None when the error does not blame guessed rows."""
    ray: Vector | None = getattr(error, "ray", None)
    linear = problem.linear
    if ray is None or linear is None or not linear.any():
        return None
    # The ray of a reduced problem numbers rows that are not the user's: all guesses are in doubt then.
    blamed = linear & (ray != 0.0) if ray.size == problem.m else linear
    blamed = blamed if blamed.any() else linear
    warnings.warn(
        f"{int(blamed.sum())} row(s) that looked linear near the start point contradict each other or "
        "the bounds; solving with them as nonlinear. Pass linear=... to optlab.Problem to avoid this.",
        OptlabWarning,
        stacklevel=6,
    )
    return linear & ~blamed


def _finer(result: Result, oracle: Oracle) -> dict[str, Any]:
    """Return better estimates when those at hand are what keeps the point from being stationary."""
    cert = result.certificate
    if result.point is not PointStatus.FEASIBLE or not np.isfinite(cert.dual):
        return {}
    y = np.nan_to_num(result.multipliers.constraints)
    error = cert.derivative_error
    if not error > 0.0:
        error = derivative_error(oracle, result.x, y)
    if error < _BLAME * max(cert.dual, cert.complementarity):
        return {}
    return refined(oracle, result.x, y)


def _linear(oracle: Oracle, points: list[Vector]) -> Mask | None:
    """Return the rows that still look linear, when some do not any more."""
    linear = oracle.linear
    for x in points:
        try:
            linear = linear & still_linear(oracle, oracle.x0, x)
        except EvaluationError:
            continue
    if np.array_equal(linear, oracle.linear):
        return None
    wrong = int((oracle.linear & ~linear).sum())
    warnings.warn(
        f"{wrong} row(s) looked linear near the start point and are not; solving again with them "
        "as nonlinear. Pass linear=... to optlab.Problem to avoid this.",
        OptlabWarning,
        stacklevel=6,
    )
    return linear


def _wider(oracle: Oracle, points: list[Vector]) -> EstimatedJacobian | None:
    """Return the estimated Jacobian with a wider pattern, when a row depends on more variables."""
    estimate: Any = oracle.problem.jacobian
    for x in points:
        try:
            rows = estimate.incomplete_rows(oracle.sample, x, oracle.jacobian(x))
            if rows.size:
                wider: EstimatedJacobian = estimate.widened(oracle.sample, x)
                break
        except EvaluationError:
            continue
    else:
        return None
    warnings.warn(
        f"{rows.size} row(s) of the Jacobian have entries outside the pattern, row {rows[0]} among "
        "them; solving again with the pattern detected at the present point added. Pass "
        "Differences(jacobian_pattern=...) to avoid this.",
        OptlabWarning,
        stacklevel=6,
    )
    return wider

"""Drives a method to an end, whatever the end is.

:func:`run` returns the best point with its certificate; :func:`iterate` is the bare loop
(:mod:`optlab.core.loop`), for inner solves that need no certificate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from optlab.core.checkpoint import Checkpoint
from optlab.core.control import Limits
from optlab.core.finish import Candidate, Outcome, certify_candidate, finish
from optlab.core.frame import Frame
from optlab.core.loop import ENDINGS, Ending, effective, loop, reason_of
from optlab.core.method import AbstractMethod, WarmStart
from optlab.core.oracle import Oracle
from optlab.core.problem import Problem
from optlab.core.progress import Observer, Progress
from optlab.core.reduction import IDENTITY, Inverse, Multiplied
from optlab.core.result import Result
from optlab.core.status import PointStatus
from optlab.core.verdict import CertifiedPoint
from optlab.typing import Vector

__all__ = ["Ending", "iterate", "run"]

S = TypeVar("S")

NO_LIMITS = Limits()

_MAX_TIGHTENINGS = 10
"""How often a method may be asked to go on after the checker refused its point."""


def run(
    method: AbstractMethod[Any],
    oracle: Oracle | Problem,
    x0: Vector | None = None,
    limits: Limits = NO_LIMITS,
    observers: Sequence[Observer] = (),
    rng: np.random.Generator | None = None,
    *,
    warm: WarmStart | None = None,
    seed: int | None = None,
    checkpoint: Checkpoint | None = None,
) -> Result:
    """Run a method to its end and certify the best point.

    Parameters
    ----------
    method
        Instance with its options.
    oracle
        Door to the user's problem, or the problem.
    x0
        Start point, shape (n,); None: ``warm.x``, else that of the problem.
    limits
        Limits of this run; those of an outer run hold as well.
    observers
        Called as ``observer(k, progress)`` for k = 0, 1, ...; true stops.
    rng
        The only source of randomness; None makes one from ``seed``.
    warm
        Multipliers and extras of a previous solve, in the variables of the user's problem.
    seed
        Stored in the result.
    checkpoint
        Where the states are saved, so that a killed run can be resumed; None: nowhere.

    Returns
    -------
    Result
        For every ending, including failed evaluations, limits and Ctrl-C.

    Raises
    ------
    ProblemError
        When a function of the problem returns an array of the wrong shape.
    """
    if isinstance(oracle, Problem):
        oracle = Oracle(oracle)
    frame = Frame(
        method=method,
        door=oracle,
        stated=oracle.problem,
        limits=limits,
        observers=tuple(observers),
        seed=seed,
    )
    oracle.ctol = method.tolerances().ctol
    if x0 is None:
        x0 = oracle.x0 if warm is None else warm.x
    start = np.array(x0, dtype=np.float64)
    start.flags.writeable = False
    oracle.x0 = start
    rng = np.random.default_rng(seed) if rng is None else rng
    if not method.info.needs_gradient or method.info.handles_sparsity:
        # Whoever takes values only is judged by values only; and the checker's first-order conditions are not those of
        # a cardinality constraint.
        oracle.has_gradient = False
    outer = _OuterRun(frame, oracle)
    with frame.opened(checkpoint):
        ending = outer.solve(start, rng, warm)
        candidate = outer.candidate(ending)
        outcome = Outcome(ending.stop, ending.iterations, candidate, ending.error)
        memory = {} if ending.state is None else method.memory(ending.state)
        result = finish(oracle, method, start, outcome, memory)
    return frame.finished(result)


def iterate(
    method: AbstractMethod[S],
    oracle: Oracle,
    x0: Vector,
    limits: Limits = NO_LIMITS,
    rng: np.random.Generator | None = None,
    *,
    warm: WarmStart | None = None,
) -> Ending[S]:
    """Run the bare loop of an inner solve: no reductions, observers or certificate.

    A limit or stop request of the outer solve ends the inner one with that reason; the outer
    method meets it again at its next evaluation.

    Parameters
    ----------
    method
        Inner method.
    oracle
        Usually ``oracle.view(subproblem)``.
    x0
        (n,)
    limits
        Limits of this loop alone.
    rng
        None makes one with a fixed seed.
    warm
        What the inner method may start from.
    """
    rng = np.random.default_rng(0) if rng is None else rng
    before = oracle.set_limits(effective(method, limits))
    try:
        return loop(method, oracle, lambda: method.init(oracle, x0, rng, warm=warm), limits)
    finally:
        oracle.restore_limits(before)


class _OuterRun:
    """One outermost solve: reductions on the way in, the user's variables on the way out."""

    def __init__(self, frame: Frame, oracle: Oracle) -> None:
        self._frame = frame
        self._method = frame.method
        self._oracle = oracle
        self._observers = frame.observers
        self._inverse: Inverse = IDENTITY
        self._seen: tuple[Vector, float] | None = None
        self._tightenings = 0
        self._checked: tuple[Progress, CertifiedPoint] | None = None

    def solve(
        self, x0: Vector, rng: np.random.Generator, warm: WarmStart | None
    ) -> Ending[Any]:
        """Reduce the problem and iterate."""
        method, door = self._method, self._oracle
        try:
            base = door.as_problem()
            reduced, self._inverse = method.prepare(base)
        except ENDINGS as error:
            return Ending(reason_of(error, door), 0, None, None, error)
        if reduced is not base:
            door = door.view(reduced)
        at = Multiplied(x0, None, None) if warm is None else Multiplied(x0, warm.y, warm.z)
        at = self._inverse.forward(at)
        mapped = None if warm is None else WarmStart(at.x, at.y, at.z, warm.extras)

        def first() -> Any:
            return method.init(door, at.x, rng, warm=mapped)

        return self._frame.iterated(door, first, self._report, self._resume)

    def candidate(self, ending: Ending[Any]) -> Candidate | None:
        """Return the last iterate in the user's variables, None when there is none."""
        return None if ending.progress is None else self._candidate(ending.progress)

    def _candidate(self, progress: Progress) -> Candidate:
        at = Multiplied(progress.x, progress.y, progress.z)
        unbounded = bool(progress.extras.get("unbounded", False))
        x = self._inverse.point(progress.x)
        if self._seen is not None and np.array_equal(self._seen[0], x):
            f = self._seen[1]
        else:
            f = self._inverse.objective(progress.f)
        certified = None
        if self._checked is not None and self._checked[0] is progress:
            certified = self._checked[1]
        return Candidate(x, f, lambda: self._inverse.back(at, exact=True), unbounded, certified)

    def _report(self, k: int, progress: Progress) -> bool:
        """Show an iterate to the observers; remember its objective while the oracle knows it."""
        x = self._inverse.point(progress.x)
        known = self._oracle.known(x)
        if known is not None:
            self._seen = (known.x, known.f)
        if not self._observers:
            return False
        if self._inverse is not IDENTITY:
            at = self._inverse.back(
                Multiplied(x=progress.x, y=progress.y, z=progress.z), exact=False
            )
            f = self._inverse.objective(progress.f) if known is None else known.f
            progress = replace(progress, x=at.x, f=f, y=at.y, z=at.z)
        # Every observer sees every iterate, also when an earlier one asks for a stop.
        asked = [observer(k, progress) for observer in self._observers]
        return any(bool(answer) for answer in asked)

    def _resume(self, state: Any, progress: Progress) -> Any:
        """Check a claim of convergence; let the method go on when it can and the claim is wrong."""
        if self._tightenings >= _MAX_TIGHTENINGS or self._oracle.has_gradient is False:
            return None
        checked = certify_candidate(self._oracle, self._candidate(progress), self._method)
        if checked is not None:
            self._checked = (progress, checked)
        if checked is None or checked.status is PointStatus.STATIONARY:
            return None
        cert, wanted = checked.certificate, self._method.tolerances()
        if cert.derivative_error > 0.0:
            return None  # going on cannot make the derivatives better
        limit = wanted.tol * cert.scale
        factor = max(
            cert.primal / wanted.ctol, cert.dual / limit, cert.complementarity / limit, 1.0
        )
        if not np.isfinite(factor):
            return None
        self._tightenings += 1
        return self._method.tighten(state, factor)

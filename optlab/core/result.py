"""What a solve returns."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from optlab.core.plain import plain
from optlab.core.result_view import OptimizeView
from optlab.core.status import PointStatus, StopReason
from optlab.core.timing import Timing
from optlab.errors import SolveError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optlab.core.kkt import Certificate
    from optlab.core.observers import HistoryRow
    from optlab.core.setting import Setting
    from optlab.typing import Vector

__all__ = ["Multipliers", "Result"]

SCHEMA = "optlab.result/2"
"""Name and version of the layout that :meth:`Result.to_dict` writes."""


@dataclass(frozen=True, slots=True)
class Multipliers:
    """Lagrange multipliers of the user's own rows and bounds (signs: docs/notation.md)."""

    constraints: Vector
    """(m,): < 0 at an active lower side, > 0 at an upper one; nan when not known."""

    bounds: Vector
    """(n,): < 0 at an active lower bound, > 0 at an upper one; nan when not known."""


@dataclass(frozen=True, slots=True)
class Result(OptimizeView):
    """The best point found, why the solve ended, and what an independent check says of the point.

    All fields of SciPy's ``OptimizeResult`` are there as well, as attributes and as items
    (:class:`~optlab.core.result_view.OptimizeView`).

    ``stop`` and ``point`` are separate on purpose: a solve that ran out of time may still have
    reached a stationary point, and a method that claims convergence may be wrong.
    """

    x: Vector
    """(n,) best point."""

    fun: float
    """Objective at x; nan when it could not be evaluated."""

    success: bool
    """The method finished by itself and the checker confirms the point."""

    message: str
    """One sentence for people."""

    stop: StopReason
    point: PointStatus
    multipliers: Multipliers
    certificate: Certificate
    iterations: int
    evaluations: Mapping[str, int]
    """How often each function of the problem was called."""

    time: float
    """Seconds of wall time."""

    callback_time: float = field(default=math.nan, kw_only=True)
    """Seconds of CPU time (``time.process_time``) that the problem's functions took, over the
    evaluations counted in ``evaluations``; nan when not known. Subtract it from the CPU time of
    the process to get what the method itself cost."""

    timing: Timing = field(default_factory=Timing, kw_only=True)
    """Where the time went: factorization, solves, each function of the problem, the rest."""

    setting: Setting | None = field(default=None, kw_only=True)
    """What was solved and how; None for a result made by hand."""

    method: str
    problem: str
    """Name of the problem, may be empty."""

    seed: int | None = None
    history: tuple[HistoryRow, ...] = ()
    """One row per iteration; thinned out evenly when there are very many."""

    extras: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What the method keeps for a warm start."""

    gradient: Vector | None = field(default=None, kw_only=True)
    """(n,) gradient of the objective at x; None when it could not be evaluated."""

    rows: Vector | None = field(default=None, kw_only=True)
    """(m,) values of the constraints at x; None when they could not be evaluated."""

    hessian: Any = field(default=None, kw_only=True)
    """(n, n) Hessian of the Lagrangian at x, dense or sparse, when the method evaluated it there with the
    multipliers of the result; else None, because that would cost an evaluation."""

    parts: tuple[int, ...] = field(default=(), kw_only=True)
    """Number of rows of each constraint of a call in SciPy's form; empty otherwise."""

    def __bool__(self) -> bool:
        """Whether the solve succeeded."""
        return self.success

    def __repr__(self) -> str:
        return (
            f"Result(success={self.success}, fun={self.fun:.10g}, stop={self.stop.name}, "
            f"point={self.point.name}, primal={self.certificate.primal:.1e}, "
            f"dual={self.certificate.dual:.1e}, iterations={self.iterations})"
        )

    def raise_if_failed(self) -> Result:
        """Return the result itself, or raise when it is not a success.

        Raises
        ------
        SolveError
            With the message and the residuals.
        """
        if not self.success:
            raise SolveError(f"{self.message} ({self!r})")
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return the report of the solve as plain lists, numbers and strings, ready for ``json.dumps``.

        The key ``schema`` names the layout and its version (docs/report.md). Values that JSON cannot
        express (nan, inf) become null.
        """
        # Reading the versions of packages imports much that a solve does not need.
        from optlab.core.versions import platform_name, versions  # noqa: PLC0415

        cert, setting = self.certificate, self.setting
        origin = None if setting is None else setting.origin
        found = versions("" if setting is None else setting.package)
        return {
            "schema": SCHEMA,
            "method": self.method,
            "problem": self.problem,
            "source": None if origin is None else origin.as_dict(),
            "sizes": {
                "variables": int(self.x.size),
                "constraints": int(self.multipliers.constraints.size),
            },
            "settings": None if setting is None else setting.as_dict(),
            "versions": {**found, "platform": platform_name()},
            "success": self.success,
            "message": self.message,
            "stop": self.stop.name,
            "point": self.point.name,
            "fun": plain(self.fun),
            "x": plain(self.x),
            "multipliers": {
                "constraints": plain(self.multipliers.constraints),
                "bounds": plain(self.multipliers.bounds),
            },
            "certificate": {key: plain(value) for key, value in cert.as_dict().items()},
            "iterations": self.iterations,
            "evaluations": {key: int(value) for key, value in self.evaluations.items()},
            "time": plain(self.time),
            "callback_time": plain(self.callback_time),
            "timing": plain(self.timing.as_dict()),
            "seed": self.seed,
            "history": [plain(row.as_dict()) for row in self.history],
        }

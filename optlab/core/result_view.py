"""A result as SciPy's callers read it: the fields of ``OptimizeResult``, as attributes and as items."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.core.status import PointStatus, StopReason

if TYPE_CHECKING:
    from optlab.core.kkt import Certificate
    from optlab.core.result import Multipliers
    from optlab.typing import Vector

__all__ = ["STATUS", "OptimizeView"]

STATUS: Mapping[StopReason, int] = {
    StopReason.MAX_ITER: 1,
    StopReason.MAX_EVAL: 1,
    StopReason.MAX_TIME: 1,
    StopReason.STALLED: 4,
    StopReason.SMALL_STEP: 4,
    StopReason.EVAL_ERROR: 5,
    StopReason.NUMERICAL_ERROR: 6,
    StopReason.CONVERGED: 7,
    StopReason.TARGET_REACHED: 7,
    StopReason.COMPLETED: 7,
    StopReason.USER: 99,
}
"""``status`` of a solve that is no success: 7 means that the checker does not confirm what the method says; 99 is
SciPy's number for a callback that asked for the end."""

_FIELDS = (
    "x", "fun", "success", "status", "message", "nit", "niter", "nfev", "njev", "nhev", "jac", "hess", "hess_inv",
    "constr", "constr_violation", "maxcv", "v", "optimality", "execution_time", "method",
)  # fmt: skip


class OptimizeView:
    """The names that SciPy gives to what a result holds.

    ``jac`` is the gradient of the objective at x. ``constr`` and ``v`` are lists with an array for each constraint:
    values and multipliers, with the signs of SciPy's trust-constr (L = f + v'c).
    """

    __slots__ = ()

    # What the record that this is mixed into has.
    x: Vector
    fun: float
    success: bool
    message: str
    stop: StopReason
    point: PointStatus
    multipliers: Multipliers
    certificate: Certificate
    iterations: int
    evaluations: Mapping[str, int]
    time: float
    extras: Mapping[str, Any]
    gradient: Vector | None
    rows: Vector | None
    hessian: Any
    parts: tuple[int, ...]

    @property
    def status(self) -> int:
        """0 for a success, 2 for a locally infeasible point, 3 for an unbounded objective; else see STATUS."""
        if self.success:
            return 0
        if self.stop is not StopReason.USER:
            if self.point is PointStatus.INFEASIBLE_STATIONARY:
                return 2
            if self.point is PointStatus.UNBOUNDED_DIRECTION:
                return 3
        return STATUS[self.stop]

    @property
    def nit(self) -> int:
        """Number of iterations."""
        return self.iterations

    @property
    def niter(self) -> int:
        """The same, by trust-constr's name."""
        return self.iterations

    @property
    def nfev(self) -> int:
        """Evaluations of the objective, those for differences included."""
        return self.evaluations.get("objective", 0)

    @property
    def njev(self) -> int:
        """Gradients of the objective."""
        return self.evaluations.get("gradient", 0)

    @property
    def nhev(self) -> int:
        """Hessians, or products with them."""
        return self.evaluations.get("hessian", 0) + self.evaluations.get("hprod", 0)

    @property
    def jac(self) -> Vector | None:
        """Gradient of the objective at x, (n,)."""
        return self.gradient

    @property
    def hess(self) -> Any:
        """Hessian of the Lagrangian at x where it is known, else None."""
        return self.hessian

    @property
    def hess_inv(self) -> Any:
        """Approximate inverse Hessian of SciPy's L-BFGS-B as an operator; None with other methods."""
        return self.extras.get("hess_inv")

    @property
    def constr(self) -> list[Vector] | None:
        """Values of every constraint at x."""
        return None if self.rows is None else self._split(self.rows)

    @property
    def v(self) -> list[Vector]:
        """Lagrange multipliers of every constraint; those of the bounds are in ``multipliers.bounds``."""
        return self._split(self.multipliers.constraints)

    @property
    def constr_violation(self) -> float:
        """Largest violation of a bound or row."""
        return self.certificate.primal

    @property
    def maxcv(self) -> float:
        """The same, by COBYLA's name."""
        return self.certificate.primal

    @property
    def optimality(self) -> float:
        """Max-norm of the gradient of the Lagrangian."""
        return self.certificate.dual

    @property
    def execution_time(self) -> float:
        """Seconds of wall time."""
        return self.time

    def keys(self) -> list[str]:
        """Name the fields of SciPy that have a value."""
        return [name for name in _FIELDS if getattr(self, name) is not None]

    def values(self) -> list[Any]:
        """Return their values."""
        return [getattr(self, name) for name in self.keys()]

    def items(self) -> list[tuple[str, Any]]:
        """Return names and values."""
        return [(name, getattr(self, name)) for name in self.keys()]

    def get(self, key: str, default: Any = None) -> Any:
        """Return a field, or the default where it has no value."""
        return self[key] if key in self else default  # noqa: SIM401 - this is get itself

    def __getitem__(self, key: str) -> Any:
        if key not in self:
            raise KeyError(key)
        return getattr(self, key)

    def __contains__(self, key: object) -> bool:
        return key in _FIELDS and getattr(self, str(key)) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def _split(self, values: Vector) -> list[Vector]:
        parts = self.parts or ((values.size,) if values.size else ())
        return np.split(values, np.cumsum(parts)[:-1]) if parts else []

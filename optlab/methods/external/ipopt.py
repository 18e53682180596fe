"""IPOPT, the interior-point filter method of [WB06], through cyipopt.

    min f(x)  subject to  lb <= x <= ub,  cl <= c(x) <= cu

L(x, y, zl, zu) = f + y'c - zl'(x - lb) + zu'(x - ub), hence z = zu - zl in our notation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from optlab.core.method import MethodInfo
from optlab.core.registry import register
from optlab.methods.external.interior import AbstractInteriorPeer

if TYPE_CHECKING:
    from optlab.core.oracle import Oracle
    from optlab.typing import Vector

__all__ = ["Ipopt"]


@register(
    MethodInfo(
        name="ipopt",
        summary="peer: interior-point filter line search (IPOPT through cyipopt)",
        needs_gradient=True,
        handles_bounds=True,
        handles_constraints="nonlinear",
        reference="WB06",
        external=True,
        requires="cyipopt",
    )
)
@dataclass(frozen=True, kw_only=True)
class Ipopt(AbstractInteriorPeer):
    """IPOPT with its own linear algebra (MUMPS in the wheels) and its own defaults."""

    info: ClassVar[MethodInfo]

    def make(self, callbacks: Any, oracle: Oracle, sides: tuple[Vector, ...]) -> Any:
        """Make a cyipopt.Problem."""
        lb, ub, cl, cu = sides
        return self.load("ipopt").Problem(
            n=oracle.n, m=oracle.m, problem_obj=callbacks, lb=lb, ub=ub, cl=cl, cu=cu
        )

    def refusal(self) -> Callable[[], BaseException]:
        """Return the exception after which IPOPT cuts its step."""
        error: Callable[[], BaseException] = self.load("ipopt").CyIpoptEvaluationError
        return error

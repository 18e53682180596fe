"""POUNCE, an interior-point filter method after IPOPT, written in Rust.

Its callbacks, options, return codes and signs are IPOPT's. Unlike IPOPT it reports failed evaluations on
the terminal when a callback raises, so that it is given nan instead, which it treats alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from optlab.core.method import MethodInfo
from optlab.core.registry import register
from optlab.methods.external.base import Stopped
from optlab.methods.external.interior import AbstractInteriorPeer

if TYPE_CHECKING:
    from optlab.core.oracle import Oracle
    from optlab.typing import Vector

__all__ = ["Pounce"]


@register(
    MethodInfo(
        name="pounce",
        summary="peer: interior-point filter line search in Rust (POUNCE)",
        needs_gradient=True,
        handles_bounds=True,
        handles_constraints="nonlinear",
        reference="WB06",
        external=True,
        requires="pounce",
    )
)
@dataclass(frozen=True, kw_only=True)
class Pounce(AbstractInteriorPeer):
    """POUNCE with its own linear algebra and its own defaults."""

    info: ClassVar[MethodInfo]

    def make(self, callbacks: Any, oracle: Oracle, sides: tuple[Vector, ...]) -> Any:
        """Make a pounce.Problem."""
        lb, ub, cl, cu = sides
        # Its remarks go to standard error whatever its print level is.
        return self.load("pounce", {"RUST_LOG": "off"}).Problem(
            n=oracle.n, m=oracle.m, problem_obj=callbacks, lb=lb, ub=ub, cl=cl, cu=cu
        )

    def refusal(self) -> Callable[[], BaseException]:
        """Return what the callbacks turn into nan."""
        return Stopped

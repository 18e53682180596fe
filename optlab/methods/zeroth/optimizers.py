"""The registered optimizers on estimated gradients: a rule, an estimator, and the engine that they share.

``zo-sgd``, ``zo-adam``, ``zo-sign``, ``zo-fzoo``, ``zo-muon`` and ``spsa`` differ in their defaults only; every rule
goes with every estimator.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from optlab.core.method import MethodInfo
from optlab.core.registry import register
from optlab.methods.zeroth.estimators import CGE, RGE, SPSA
from optlab.methods.zeroth.rules import (
    SGD,
    AbstractRule,
    Adam,
    Momentum,
    Normalized,
    Sign,
    Spectral,
)
from optlab.methods.zeroth.schedules import AbstractSchedule, PowerDecay
from optlab.methods.zeroth.zeroth_order import AbstractZerothOrder

if TYPE_CHECKING:
    from optlab.methods.zeroth.estimators import AbstractEstimator
    from optlab.methods.zeroth.state import Scene

__all__ = ["FZOO", "ZOSGD", "ZOAdam", "ZOMuon", "ZOSign", "ZOSpsa", "usual_estimator"]

FEW = 64
"""Up to so many variables every coordinate is displaced in every step."""

DIRECTIONS = 16
"""Random directions of a step in more variables."""


def usual_estimator(n: int) -> AbstractEstimator:
    """Return coordinate-wise differences for few variables, orthogonal random directions for many."""
    return CGE() if n <= FEW else RGE(count=DIRECTIONS, law="orthogonal")


def _info(name: str, summary: str, reference: str) -> MethodInfo:
    return MethodInfo(
        name=name,
        summary=summary,
        needs_gradient=False,
        handles_constraints="linear",
        stochastic=True,
        batch=True,
        reference=reference,
    )


@dataclass(frozen=True, kw_only=True)
class _Usual(AbstractZerothOrder):
    """Coordinates of few variables, directions of many."""

    def suited(self, scene: Scene) -> AbstractEstimator:
        """Return the estimator for a scene where none is given."""
        return usual_estimator(scene.n)


@register(_info("zo-sgd", "gradient descent with momentum on estimated gradients", "NS17"))
@dataclass(frozen=True, kw_only=True)
class ZOSGD(_Usual):
    """Gradient descent on estimated gradients."""

    rule: AbstractRule = Momentum()  # noqa: RUF009 - frozen


@register(_info("zo-adam", "Adam on estimated gradients", "CLX19"))
@dataclass(frozen=True, kw_only=True)
class ZOAdam(_Usual):
    """Adam on estimated gradients; ``rule=optlab.zo.AdaMM()`` is ZO-AdaMM."""

    rule: AbstractRule = Adam()  # noqa: RUF009 - frozen


@register(_info("zo-sign", "steps along the signs of estimated gradients", "LCCH19"))
@dataclass(frozen=True, kw_only=True)
class ZOSign(_Usual):
    """Sign descent on estimated gradients."""

    rule: AbstractRule = Sign()  # noqa: RUF009 - frozen


@register(_info("zo-fzoo", "steps divided by the spread of the values", "DKL25"))
@dataclass(frozen=True, kw_only=True)
class FZOO(AbstractZerothOrder):
    """Normalized descent along random signs, one evaluation each."""

    rule: AbstractRule = Normalized()  # noqa: RUF009 - frozen

    def suited(self, scene: Scene) -> AbstractEstimator:  # noqa: ARG002
        """Return eight one-sided directions of random signs, as [DKL25] take."""
        return RGE(count=8, law="rademacher")


@register(_info("zo-muon", "orthogonalized momentum of matrices of variables", "ZOM26"))
@dataclass(frozen=True, kw_only=True)
class ZOMuon(_Usual):
    """Spectral descent on estimated gradients."""

    rule: AbstractRule = Spectral()  # noqa: RUF009 - frozen


@register(_info("spsa", "simultaneous perturbation with Spall's gains", "Spa98"))
@dataclass(frozen=True, kw_only=True)
class ZOSpsa(AbstractZerothOrder):
    """SPSA: two evaluations in a step, and a smoothing and a rate that fall as Spall's gains do.

    Without a learning rate the rate is searched, as for the other methods.
    """

    rule: AbstractRule = SGD()  # noqa: RUF009 - frozen
    smoothing_schedule: AbstractSchedule | None = PowerDecay(0.101, 0.0)  # noqa: RUF009 - frozen

    def suited(self, scene: Scene) -> AbstractEstimator:  # noqa: ARG002
        """Return one pair of points."""
        return SPSA()

    def default_schedule(self, scene: Scene) -> AbstractSchedule:  # noqa: ARG002
        """Return Spall's gains."""
        return PowerDecay()

"""RGE and SPSA: gradients from random directions.

    g = (1 / q) sum_j slope_j u_j / E[u_i^2],    slope_j = (f(x + h u_j) - f(x)) / h    or central

As h -> 0 the estimate is unbiased, and its relative variance E|g - grad|^2 / |grad|^2 is

    gaussian (m + 1) / q     rademacher (m - 1) / q     sphere (m - 1) / q     orthogonal (m - q) / q

for m displaced variables; orthogonal directions give the gradient itself from q = m on. [NS17], [BCCS22]; for SPSA [Spa92].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from optlab.errors import OptionError
from optlab.methods.zeroth.estimators.clipping import Moments, normal_moments, sign_moments
from optlab.methods.zeroth.estimators.differences import (
    AbstractDesign,
    AbstractDifferences,
    Averages,
    mean_error,
    whole_number,
)
from optlab.methods.zeroth.estimators.directions import Bundle, Kind, count_points
from optlab.methods.zeroth.estimators.laws import (
    LAWS,
    Law,
    draw_directions,
    length,
    second_moment,
)
from optlab.methods.zeroth.estimators.least_norm import LeastNorm
from optlab.methods.zeroth.estimators.space import Space
from optlab.typing import Indices, Vector

__all__ = ["RGE", "SPSA", "AbstractRandomised", "MeanOfProducts"]


@dataclass(frozen=True, kw_only=True)
class AbstractRandomised(AbstractDifferences):
    """Base of the estimators with random directions."""

    central: bool = False
    """Whether differences are central: two evaluations for each direction instead of one and a shared one."""

    antithetic: bool = False
    """Whether pairs x + s, x - s are joined by the value at x: one evaluation more than ``central``."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.central and self.antithetic:
            raise OptionError(
                "central and antithetic exclude each other; antithetic pairs are central"
            )

    @property
    def symmetric(self) -> bool:
        """Whether displacements come in pairs."""
        return self.central or self.antithetic

    @property
    def kind(self) -> Kind:
        """Which points belong to a direction."""
        if self.antithetic:
            return "antithetic"
        return "central" if self.central else "forward"


@dataclass(frozen=True, kw_only=True)
class RGE(AbstractRandomised):
    """Randomised gradient estimator.

    Bounds cut the displacements entry by entry, and the weights follow what was really displaced: for independent entries
    (gaussian, rademacher) the estimate stays unbiased for linear functions; for sphere the moments of cut entries are those
    of normal ones, which holds for many variables.

    Examples
    --------
    >>> import optlab
    >>> estimator = optlab.zo.RGE(count=2, law="orthogonal", central=True)
    >>> estimate = estimator.gradient(lambda x: float(x @ x), [1.0, 2.0], rng=0)
    >>> estimate.queries, bool(abs(estimate.gradient - [2.0, 4.0]).max() < 1e-9)
    (4, True)
    """

    count: int | None = 10
    """Directions q; None: as many as there are displaced variables."""

    law: Law = "gaussian"
    """Law of the directions, see :mod:`optlab.methods.zeroth.estimators.laws`. ``smoothing`` is the length of a displacement for
    sphere and orthogonal, and the root mean square of its entries for gaussian and rademacher."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.count is not None:
            whole_number("count", self.count)
        if self.law not in LAWS:
            raise OptionError(f"law is {self.law!r}; one of {', '.join(LAWS)} is needed")

    def points(self, n: int, active: Indices | None) -> int:
        """Return q + 1, 2 q or 2 q + 1."""
        return count_points(self.kind, self._directions(self.variables(n, active).size))

    def design(self, space: Space, rng: np.random.Generator) -> AbstractDesign:
        """Draw the directions."""
        m = space.size
        directions = draw_directions(self.law, self._directions(m), m, rng)
        bundle = Bundle(space, directions, self.radius(length(self.law, m)), self.kind)
        if self.law == "orthogonal":
            return LeastNorm(bundle)
        return MeanOfProducts(
            bundle, second_moment(self.law, m), signs=self.law == "rademacher"
        )

    def _directions(self, m: int) -> int:
        return m if self.count is None else self.count


@dataclass(frozen=True, kw_only=True)
class SPSA(AbstractDifferences):
    """Simultaneous perturbation stochastic approximation [Spa92]: two evaluations, however many variables.

    Every variable moves by its step up or down at random, and back for the second evaluation.

    Examples
    --------
    >>> import optlab
    >>> optlab.zo.SPSA(pairs=3).queries(1000)
    6
    """

    pairs: int = 1
    """Pairs of evaluations whose estimates are averaged."""

    def __post_init__(self) -> None:
        super().__post_init__()
        whole_number("pairs", self.pairs)

    @property
    def symmetric(self) -> Literal[True]:
        """Displacements come in pairs."""
        return True

    def points(self, n: int, active: Indices | None) -> int:  # noqa: ARG002 - the same for all
        """Return two for each pair."""
        return 2 * self.pairs

    def design(self, space: Space, rng: np.random.Generator) -> AbstractDesign:
        """Draw the signs."""
        directions = draw_directions("rademacher", self.pairs, space.size, rng)
        radius = self.radius(length("rademacher", space.size))
        return MeanOfProducts(Bundle(space, directions, radius, "central"), 1.0, signs=True)


class MeanOfProducts(AbstractDesign):
    """Slopes times directions, averaged; the scatter over the directions tells the error."""

    def __init__(self, bundle: Bundle, second_moment: float, *, signs: bool = False) -> None:
        self.bundle, self.second_moment, self.signs = bundle, second_moment, signs
        self.shifts = bundle.shifts

    def estimate(self, values: Averages) -> tuple[Vector, float, float]:
        """Weight the directions by the slopes."""
        space, found = self.bundle.space, self.bundle.differences(values)
        q = found.slope.size
        if not q:
            return np.zeros(space.n), float("nan"), found.f
        weights = found.direction
        if self.bundle.is_cut:
            moments = self._moments()
            weights = weights - found.side[:, np.newaxis] * moments.mean
            variance = np.where(
                found.side[:, np.newaxis] == 0.0, moments.pair, moments.variance
            )
            weights = np.divide(
                weights, variance, out=np.zeros_like(weights), where=variance > 0.0
            )
        else:
            weights = weights / self.second_moment
        weights /= space.scale
        gradient = found.slope @ weights / q
        squares = found.slope**2 * np.einsum("ij,ij->i", weights, weights)
        return space.lift(gradient), float(np.sqrt(mean_error(squares, gradient))), found.f

    def _moments(self) -> Moments:
        """Return the moments of the cut entries, in units of the directions."""
        space = self.bundle.space
        unit = self.bundle.radius * space.scale
        if self.signs:
            return sign_moments(space.up / unit, space.down / unit)
        size = float(np.sqrt(self.second_moment))
        cut = normal_moments(space.up / (unit * size), space.down / (unit * size))
        square = self.second_moment
        return Moments(cut.mean * size, cut.variance * square, cut.pair * square)

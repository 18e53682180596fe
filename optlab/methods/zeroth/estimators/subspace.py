"""Gradients projected onto a subspace: r directions, whatever the number of variables.

    g = B B' grad    as h -> 0, for orthonormal columns B (n, r)

At most r + 1 evaluations (2 r central) tell all of the gradient that lies in the subspace, and nothing of the rest. With
fewer directions than r they are drawn inside, and the estimate is unbiased for the projection. [KBDT21]
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optlab.errors import OptionError
from optlab.methods.zeroth.estimators.differences import AbstractDesign, whole_number
from optlab.methods.zeroth.estimators.directions import Bundle, count_points
from optlab.methods.zeroth.estimators.laws import draw_directions
from optlab.methods.zeroth.estimators.least_norm import LeastNorm
from optlab.methods.zeroth.estimators.randomized import AbstractRandomised
from optlab.methods.zeroth.estimators.space import Space
from optlab.typing import Indices, Vector

__all__ = ["Subspace"]

_RANK = 1e-10
"""Columns of a basis whose singular values are below this share of the largest add nothing."""


@dataclass(frozen=True, kw_only=True)
class Subspace(AbstractRandomised):
    """Estimator of the gradient's projection onto a subspace, given or drawn.

    The standard error is that of the projection; what the rest of the gradient is, no value tells. With ``scale`` the
    projection is orthogonal in the scaled variables. What bounds cut from displacements counts as if it had not
    mattered, except for variables without any room, which the subspace leaves out.

    Examples
    --------
    >>> import optlab
    >>> estimator = optlab.zo.Subspace(basis=[[1.0], [1.0], [0.0]], central=True)
    >>> estimator.gradient(lambda x: float(x @ x), [1.0, 2.0, 3.0]).gradient
    array([3., 3., 0.])
    """

    rank: int = 10
    """Dimension of a drawn subspace; with a basis its columns count instead."""

    basis: Vector | None = None
    """(n, r) columns that span the subspace, not necessarily orthonormal. None: drawn, every subspace equally likely."""

    key: int | None = None
    """Names the drawn subspace: the same key, the same subspace. None: another one for every estimate."""

    count: int | None = None
    """Directions; None: as many as dimensions, which gives the whole projection."""

    def __post_init__(self) -> None:
        super().__post_init__()
        whole_number("rank", self.rank)
        if self.count is not None:
            whole_number("count", self.count)
        if self.key is not None:
            whole_number("key", self.key, least=0)
        if self.basis is not None:
            basis = np.array(self.basis, dtype=np.float64)
            if basis.ndim != 2 or not basis.shape[1] or not np.all(np.isfinite(basis)):
                raise OptionError(
                    f"basis has shape {basis.shape}; (n, r) finite numbers, r at least 1, are needed"
                )
            if self.key is not None:
                raise OptionError(
                    "key names a drawn subspace; leave it out where a basis is given"
                )
            object.__setattr__(self, "basis", basis)

    def points(self, n: int, active: Indices | None) -> int:
        """Return q + 1, 2 q or 2 q + 1 for q directions."""
        return count_points(self.kind, self._directions(self.variables(n, active).size))

    def design(self, space: Space, rng: np.random.Generator) -> AbstractDesign:
        """Draw the subspace and directions in it."""
        basis = self._orthonormal(space, rng)
        inside = draw_directions(
            "orthogonal", self._directions(space.size), basis.shape[1], rng
        )
        bundle = Bundle(space, inside @ basis.T, self.radius(), self.kind)
        return LeastNorm(bundle, basis)

    def _directions(self, m: int) -> int:
        """Return the number of directions for m displaced variables."""
        columns = self.rank if self.basis is None else int(self.basis.shape[1])
        return min(columns, m) if self.count is None else self.count

    def _orthonormal(self, space: Space, rng: np.random.Generator) -> Vector:
        """Return orthonormal columns over the displaced variables, in units of their steps."""
        if self.basis is None:
            source = rng if self.key is None else np.random.default_rng(self.key)
            columns = source.standard_normal((space.size, min(self.rank, space.size)))
        elif self.basis.shape[0] != space.n:
            raise OptionError(f"basis has {self.basis.shape[0]} rows; {space.n} are needed")
        else:
            columns = self.basis[space.index] / space.scale[:, np.newaxis]
        columns[~space.movable] = 0.0
        left, values, _ = np.linalg.svd(columns, full_matrices=False)
        return np.asarray(left[:, values > _RANK * values.max(initial=0.0)])

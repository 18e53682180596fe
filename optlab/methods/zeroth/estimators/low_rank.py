"""Random directions of low rank in every matrix of variables.

For a block of a x b variables the direction is Z = U V' / sqrt(r) with standard normal U (a, r) and V (b, r): entries have
mean 0, variance 1 and no correlation, so that slopes times directions are unbiased like those of normal directions. With V
kept for a while (``key``) the estimate G of the block's gradient has the mean G V V' / r, of rank r, as in LOZO [CZC24];
SubZero [YZW24] does the same with orthonormal factors on both sides.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optlab.core.sampled import Block
from optlab.errors import OptionError
from optlab.methods.zeroth.estimators.differences import AbstractDesign, whole_number
from optlab.methods.zeroth.estimators.directions import Bundle, count_points
from optlab.methods.zeroth.estimators.laws import length
from optlab.methods.zeroth.estimators.randomized import AbstractRandomised, MeanOfProducts
from optlab.methods.zeroth.estimators.space import Space
from optlab.typing import Indices, Vector

__all__ = ["LowRank"]


@dataclass(frozen=True, kw_only=True)
class LowRank(AbstractRandomised):
    """Estimator with directions of rank r in the matrices, normal ones elsewhere.

    Arrays of more than two dimensions count as matrices of their first dimension against all others. Moments of entries that
    bounds cut are those of normal entries.

    Examples
    --------
    >>> import optlab
    >>> from optlab.core.sampled import Block
    >>> weights = Block("weights", (30, 20), start=0)
    >>> optlab.zo.LowRank(blocks=(weights,), rank=2, count=5).queries(600)
    6
    """

    blocks: tuple[Block, ...] = ()
    """The matrices, as :attr:`optlab.core.sampled.AbstractSampled.blocks` names them."""

    rank: int = 1
    """r; blocks with a side of at most r get normal directions."""

    count: int = 10
    """Directions."""

    key: int | None = None
    """Names the factors V: the same key, the same V for all directions. None: new ones for each direction."""

    def __post_init__(self) -> None:
        super().__post_init__()
        whole_number("rank", self.rank)
        whole_number("count", self.count)
        if self.key is not None:
            whole_number("key", self.key, least=0)
        if not self.blocks:
            raise OptionError("blocks is empty; say which variables form matrices, or use RGE")

    def points(self, n: int, active: Indices | None) -> int:  # noqa: ARG002 - the same for all
        """Return q + 1, 2 q or 2 q + 1."""
        return count_points(self.kind, self.count)

    def design(self, space: Space, rng: np.random.Generator) -> AbstractDesign:
        """Draw the directions."""
        directions = self._draw(space.n, rng)[:, space.index]
        radius = self.radius(length("gaussian", space.size))
        return MeanOfProducts(Bundle(space, directions, radius, self.kind), 1.0)

    def _draw(self, n: int, rng: np.random.Generator) -> Vector:
        """Return directions of all variables, shape (count, n)."""
        if (end := max(block.stop for block in self.blocks)) > n:
            raise OptionError(f"the blocks cover {end} variables; there are {n}")
        whole = rng.standard_normal((self.count, n))
        lasting = None if self.key is None else np.random.default_rng(self.key)
        for block in self.blocks:
            rows = block.shape[0] if block.shape else 1
            columns = block.size // max(rows, 1)
            if min(rows, columns) <= self.rank:
                continue
            left = rng.standard_normal((self.count, rows, self.rank))
            if lasting is None:
                right = rng.standard_normal((self.count, columns, self.rank))
            else:
                right = lasting.standard_normal((1, columns, self.rank))
            product = left @ right.transpose(0, 2, 1) / np.sqrt(self.rank)
            whole[:, block.start : block.stop] = product.reshape(self.count, -1)
        return whole

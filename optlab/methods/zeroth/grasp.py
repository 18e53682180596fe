"""How many variables of each block to keep: layer-wise pruning ratios by ZO-GraSP (Chen et al., DeepZero [CZJ24]).

The score of variable i is -x_i (H g)_i, with the product of Hessian and gradient taken from two estimates,

    H g  ~  (ghat(x + h ghat(x)) - ghat(x)) / h.

Scores are ranked by magnitude over all prunable variables together, as the authors' program does, and only the counts
per block are used: the scores themselves are mostly noise, the counts are robust.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from optlab.core.sampled import Block
from optlab.errors import OptionError
from optlab.typing import Indices, Vector

__all__ = ["grasp_ratios", "grasp_scores", "kept_counts", "ranked"]


def grasp_scores(x: Vector, here: Vector, there: Vector, smoothing: float) -> Vector:
    """Return the scores -x * (ghat(x + h ghat(x)) - ghat(x)) / h, shape (n,).

    Parameters
    ----------
    x
        (n,) the point.
    here, there
        (n,) estimates of the gradient at x and at x + smoothing * here.
    smoothing
        h

    Examples
    --------
    >>> import numpy as np
    >>> H = np.diag([1.0, 4.0])
    >>> x = np.array([1.0, -2.0])
    >>> g = H @ x
    >>> grasp_scores(x, g, H @ (x + 0.1 * g), 0.1)
    array([ -1., -64.])
    """
    return -x * (there - here) / smoothing


def ranked(scores: Vector, blocks: Sequence[Block], sparsity: float) -> Indices:
    """Return the prunable variables that are kept: those with the largest magnitudes of scores, in increasing order.

    Parameters
    ----------
    scores
        (n,)
    blocks
        Cover all variables.
    sparsity
        Share of the prunable variables that is left out, in [0, 1).

    Raises
    ------
    OptionError
        When the sparsity is out of range.
    """
    if not 0.0 <= sparsity < 1.0:
        raise OptionError(f"sparsity is {sparsity!r}; a number in [0, 1) is needed")
    prunable = np.concatenate(
        [np.arange(b.start, b.stop) for b in blocks if b.prunable] or [np.zeros(0, dtype=int)]
    )
    count = min(prunable.size, max(1, round((1.0 - sparsity) * prunable.size)))
    order = np.argsort(-np.abs(scores[prunable]), kind="stable")
    return np.sort(prunable[order[:count]])


def kept_counts(kept: Indices, blocks: Sequence[Block]) -> Indices:
    """Return how many of the kept variables lie in each block, (number of blocks,)."""
    return np.array([int(((kept >= b.start) & (kept < b.stop)).sum()) for b in blocks])


def grasp_ratios(scores: Vector, blocks: Sequence[Block], sparsity: float) -> Vector:
    """Return the share of each block that is left out, (number of blocks,); 0 for blocks that are not prunable.

    Parameters
    ----------
    scores, blocks, sparsity
        As for :func:`ranked`.
    """
    counts = kept_counts(ranked(scores, blocks, sparsity), blocks)
    sizes = np.array([b.size for b in blocks])
    prunable = np.array([b.prunable for b in blocks])
    return np.where(prunable, 1.0 - counts / np.maximum(1, sizes), 0.0)

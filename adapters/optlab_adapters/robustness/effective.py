"""Effective robustness: how far a model lies above the line of ordinary models [TDSCRS20].

Over many models, accuracy on the usual test data and accuracy under a shift often lie near a line once both are put on a
scale s such as the logit. With a and b the slope and intercept of the line through baseline models, the effective robustness
of a model is

    acc_ood - s^-1(a s(acc_id) + b),

what it keeps beyond that which its accuracy on the usual data foretells.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optlab.errors import OptionError, ProblemError
from optlab.typing import Mask, Vector, is_a
from optlab_adapters.robustness.lines import fit_lines
from optlab_adapters.robustness.scales import SCALES
from optlab_adapters.robustness.trend import EffectiveRobustness

__all__ = ["effective_robustness"]


def effective_robustness(
    acc_id: ArrayLike,
    acc_ood: ArrayLike,
    baseline: ArrayLike | None = None,
    scale: str = "logit",
    *,
    samples: int = 1000,
    seed: int = 0,
) -> EffectiveRobustness:
    """Fit the line of baseline models and measure all models against it.

    The line is the least-squares line on the scale, found by ``optlab.minimize``; so are the lines of ``samples`` draws of the
    baseline models with replacement (the bootstrap [Efron79]), which say how sure the line is. All of them are one separable
    problem and one solve.

    Parameters
    ----------
    acc_id, acc_ood
        Accuracies as parts of 1 on the usual data and under the shift, shape (n,), one entry for each model.
    baseline
        Which models the line goes through: a mask, shape (n,), or numbers of models; None for all. Three at least.
    scale
        ``"logit"``, ``"probit"`` or ``"linear"``. On the first two, accuracies within 1e-4 of 0 or 1 count as that far away.
    samples
        Draws of the bootstrap; 0 for none.
    seed
        Of the draws.

    Returns
    -------
    EffectiveRobustness
        Line, R^2, effective robustness of every model, intervals, chart.

    Raises
    ------
    ProblemError
        For accuracies outside [0, 1] or of different shapes, or a baseline that determines no line.
    OptionError
        For an unknown scale or a number of samples below 0.
    """
    if scale not in SCALES:
        raise OptionError(
            f"scale is {scale!r}; one of {', '.join(map(repr, SCALES))} is needed"
        )
    if not is_a(samples, int, np.integer) or samples < 0:
        raise OptionError(f"samples is {samples!r}; a whole number, 0 or more, is needed")
    usual, shifted = _accuracies(acc_id, "acc_id"), _accuracies(acc_ood, "acc_ood")
    if usual.shape != shifted.shape:
        raise ProblemError(
            f"acc_id has {usual.size} entries and acc_ood {shifted.size}; one of each is needed for every model"
        )
    chosen = _mask(baseline, usual.size)
    forward = SCALES[scale].forward
    x, y = forward(usual[chosen]), forward(shifted[chosen])
    if x.size < 3 or np.ptp(x) == 0:
        raise ProblemError(
            f"the baseline has {x.size} models with {np.unique(x).size} different accuracies on the usual data; a line needs "
            "three models, not all of the same accuracy"
        )
    counts = np.vstack([np.ones(x.size), _draws(x, samples, seed)])
    return EffectiveRobustness(usual, shifted, chosen, scale, fit_lines(x, y, counts))


def _accuracies(values: ArrayLike, name: str) -> Vector:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ProblemError(f"{name} is not an array of numbers: {error}") from error
    if array.ndim != 1:
        raise ProblemError(
            f"{name} has shape {array.shape}; (n,) is needed, an entry for a model"
        )
    # Also true for NaN.
    wrong = ~((array >= 0) & (array <= 1))
    if wrong.any():
        k = int(np.argmax(wrong))
        raise ProblemError(
            f"{name}[{k}] is {array[k]:g}; accuracies are parts of 1 (divide percent by 100)"
        )
    return array


def _mask(baseline: ArrayLike | None, count: int) -> Mask:
    if baseline is None:
        return np.ones(count, dtype=np.bool_)
    given: NDArray[Any] = np.asarray(baseline)
    if given.dtype == np.bool_:
        if given.shape != (count,):
            raise ProblemError(
                f"baseline has shape {given.shape}; a mask of {count} models is needed"
            )
        return given
    if given.ndim != 1 or not (given.size == 0 or np.issubdtype(given.dtype, np.integer)):
        raise ProblemError(
            f"baseline is of type {given.dtype}, shape {given.shape}; a mask or numbers of models are needed"
        )
    if given.size and (given.min() < 0 or given.max() >= count):
        raise ProblemError(
            f"baseline names models {given.min()} to {given.max()}; there are 0 to {count - 1}"
        )
    mask = np.zeros(count, dtype=np.bool_)
    mask[given.astype(np.intp)] = True
    return mask


def _draws(x: Vector, samples: int, seed: int) -> Vector:
    """Return how often each model is in each draw with replacement, shape (samples, models).

    A draw of models of one accuracy, or nearly so, determines no line and is drawn again.
    """
    generator = np.random.default_rng(seed)
    share = np.full(x.size, 1 / x.size)
    counts = generator.multinomial(x.size, share, size=samples)
    while True:
        low = np.where(counts > 0, x, np.inf).min(axis=1)
        high = np.where(counts > 0, x, -np.inf).max(axis=1)
        again = np.flatnonzero(high - low < 1e-6 * np.ptp(x))
        if not again.size:
            return counts.astype(np.float64)
        counts[again] = generator.multinomial(x.size, share, size=again.size)

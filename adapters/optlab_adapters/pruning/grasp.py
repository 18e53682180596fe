"""Densities of layers before any training, from values of the loss only: ZO-GraSP [CZJ24].

Scores -x_i (H g)_i come from two randomized estimates of the gradient on one minibatch, 2 (q + 1) evaluations
(:mod:`optlab.methods.zeroth.grasp`). The scores of single weights are mostly noise; how many of the largest lie in each layer
is not, and is all that is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from optlab import zo
from optlab.errors import OptionError, ProblemError

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from optlab_adapters.torch.training import TrainingTask

__all__ = ["grasp_densities"]


def grasp_densities(
    task: TrainingTask,
    density: float,
    *,
    directions: int = 192,
    smoothing: float = 5e-3,
    seed: int = 0,
    executor: Executor | None = None,
) -> dict[str, float]:
    """Return a density for each prunable parameter by name, for ``PruningTask(..., density=...)``.

    All together they keep ``round(density * N)`` of the N prunable weights.

    Parameters
    ----------
    task
        The training; the weights of its model now are where scores are taken, and stay.
    density
        Share of all prunable weights, in (0, 1).
    directions, smoothing
        Random directions of an estimate, and the length of a displacement.
    seed
        Of the directions, the same ones for both estimates; the minibatch is the first of the task.
    executor
        As for :meth:`TrainingTask.values`.

    Raises
    ------
    OptionError
        When the density is out of range.
    ProblemError
        When there is nothing to prune, or a layer would lose all weights; names it.
    """
    if not 0.0 < density < 1.0:
        raise OptionError(f"density is {density!r}; a number in (0, 1) is needed")
    prunable = [(place, block) for place, block in enumerate(task.blocks) if block.prunable]
    if not prunable:
        raise ProblemError("there is nothing to prune: the model has no weights of layers")
    x = task.vector()
    estimator = zo.RGE(count=directions, smoothing=smoothing)
    # The same directions at both points: their errors cancel in the difference.
    plan = estimator.plan(x.size, np.random.default_rng(seed))

    def estimated(at: np.ndarray) -> np.ndarray:
        return plan.combine(task.values(at, plan.shifts, 0, executor)).gradient

    try:
        here = estimated(x)
        there = estimated(x + smoothing * here)
    finally:
        # Evaluations leave a displaced point in the model.
        task.write(x)
    scores = zo.grasp_scores(x, here, there, smoothing)
    kept = 1.0 - zo.grasp_ratios(scores, task.blocks, 1.0 - density)
    found = {block.name: float(kept[place]) for place, block in prunable}
    for name, share in found.items():
        if share == 0.0:
            raise ProblemError(
                f"{name} would lose all weights; use a higher density than {density:g}, more directions than {directions}, or "
                "set it in the mapping yourself"
            )
    return found

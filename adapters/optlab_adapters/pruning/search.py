"""How many weights to keep, as an optimization problem whose every evaluation is a training.

    minimize  V(w(rho)) + cost * sum_B n_B rho_B / N      over densities  low <= rho_B <= high
    subject to  sum_B n_B rho_B / N <= budget             (one density for each layer only)

V is the loss on validation data, w(rho) what a compressing method makes of the network at densities rho, n_B the
weights of a layer, N those of all. The variables are logits, log(rho / (1 - rho)), for one density, and the densities
themselves where there is a budget. Every training starts from the same weights with the same seed (common random
numbers), so that V is a function of rho alone; it is rough all the same, and a method for few and costly evaluations is
needed: ``"bounded"`` for one density, ``"cobyqa"`` or ``"zo-local"`` for several.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from optlab.api import minimize
from optlab.core.problem import Problem
from optlab.core.sparsity import Sparsity
from optlab.core.stated import AbstractStated
from optlab.errors import EvaluationError, OptionError, ProblemError
from optlab_adapters.pruning.task import PruningTask
from optlab_adapters.torch.training import TrainingTask

if TYPE_CHECKING:
    import torch

    from optlab.core.result import Result
    from optlab.typing import Vector
    from optlab_adapters.pruning.packed import PackedNetwork
    from optlab_adapters.torch.training.network import Loss

__all__ = ["DensitySearch", "MultiPrizeTicket", "Trained"]

VALIDATION = 0.2
"""Share of the samples that judge when no validation data are given."""


@dataclass(frozen=True, slots=True)
class Trained:
    """One evaluation of a search: a training and what came of it."""

    densities: tuple[float, ...]
    """Of every prunable parameter, or one for all."""

    density: float
    """Share of all prunable weights that may stay."""

    loss: float
    """On the validation data."""

    objective: float
    weights: Vector
    """(n,)"""

    result: Result


class DensitySearch(AbstractStated):
    """The search for densities, for :func:`optlab.minimize`; the best network of all trainings is written into the model.

    Parameters
    ----------
    model, loss, data
        As for :class:`optlab.adapters.pruning.PruningTask`. Its weights now are the start of every training.
    method : str
        What compresses: ``"lrr"``, ``"gmp"``, ``"biprop"``, ...
    options : mapping, optional
        Its options, such as ``epochs``.
    validation : optional
        Data that judge, in the same form; None: a fifth of ``data`` (which must be a pair of tensors or arrays) is taken
        away for that, by random choice.
    low, high : float
        Smallest and largest density.
    budget : float or None
        Largest share of all prunable weights, with a density for each layer; None: one density.
    cost : float
        Loss that a density of 1 is worth.
    scope : {"global", "layerwise"}
        How one density is meant.
    refit : bool
        Whether the network that is delivered is trained once more, at the best densities on all samples, those taken for
        validation among them. That is one training more than the evaluations that are counted.
    seed : int
        Of every training.
    **task_options
        Those of :class:`optlab.adapters.TrainingTask`.

    Attributes
    ----------
    trainings : list of Trained
        All evaluations, in order.
    refitted : Result or None
        The training of the network that was delivered, if it was trained once more.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        loss: Loss,
        data: Any,
        *,
        method: str = "lrr",
        options: Mapping[str, Any] | None = None,
        validation: Any = None,
        low: float = 0.02,
        high: float = 0.5,
        budget: float | None = None,
        cost: float = 0.1,
        scope: Literal["global", "layerwise"] = "layerwise",
        refit: bool = True,
        seed: int = 0,
        **task_options: Any,
    ) -> None:
        if not 0.0 < low < high < 1.0:
            raise OptionError(
                f"low and high are {low!r} and {high!r}; 0 < low < high < 1 is needed"
            )
        if budget is not None and not low < budget < 1.0:
            raise OptionError(
                f"budget is {budget!r}; a number in (low, 1), low = {low:g}, is needed"
            )
        if not 0.0 <= cost < math.inf:
            raise OptionError(f"cost is {cost!r}; a number >= 0 is needed")
        every = data
        if validation is None:
            data, validation = _parted(data, seed)
        self.method, self.options = method, dict(options or {})
        self.low, self.high, self.budget, self.cost, self.seed = low, high, budget, cost, seed
        self.task = PruningTask(model, loss, data, density=high, scope=scope, **task_options)
        self._whole: PruningTask | None = None
        if refit and every is not data:
            self._whole = PruningTask(
                model, loss, every, density=high, scope=scope, **task_options
            )
        # The judge looks at networks as they will be used.
        judged = {k: v for k, v in task_options.items() if k in {"batch_size", "threads"}}
        self._judge = TrainingTask(model, loss, validation, training=False, **judged)
        self._start = self.task.vector()
        self.trainings: list[Trained] = []
        self.refitted: Result | None = None

    @property
    def best(self) -> Trained:
        """The training with the lowest objective.

        Raises
        ------
        ProblemError
            When there was none.
        """
        if not self.trainings:
            raise ProblemError("nothing was trained yet; call optlab.minimize with the search")
        return min(self.trainings, key=lambda trained: trained.objective)

    # The problem ------------------------------------------------------------------------------------

    def problem(self) -> Problem:
        """State the search."""
        name = f"densities for {self.method}"
        if self.budget is None:
            low, high = _logit(self.low), _logit(self.high)
            return Problem(
                objective=lambda u: self.train((_density(float(u[0])),)).objective,
                x0=[(low + high) / 2],
                lb=low,
                ub=high,
                name=name,
            )
        blocks = self.task.sparsity.prunable
        shares = np.array([block.size for block in blocks], dtype=np.float64)
        shares /= shares.sum()
        start = np.full(shares.size, min(self.budget, self.high))
        return Problem(
            objective=lambda rho: self.train(tuple(map(float, rho))).objective,
            x0=start,
            lb=self.low,
            ub=self.high,
            constraints=lambda rho: np.array([shares @ rho]),
            jacobian=lambda rho: shares[None, :],  # noqa: ARG005
            cl=[-np.inf],
            cu=[self.budget],
            linear=[True],
            name=name,
            variable_names=[block.name for block in blocks],
        )

    def train(self, densities: tuple[float, ...]) -> Trained:
        """Train at densities (one for all, or one for each layer) from the start, and judge.

        Raises
        ------
        EvaluationError
            When the training fails.
        """
        sparsity = self._at(densities)
        result = self._compressed(self.task, sparsity)
        if not result.success:
            raise EvaluationError("objective", np.array(densities), result.message)
        self.task.write(result.x)
        loss = self._judge.objective(result.x)
        trained = Trained(
            densities=densities,
            density=sparsity.density,
            loss=loss,
            objective=loss + self.cost * sparsity.density,
            weights=result.x,
            result=result,
        )
        self.trainings.append(trained)
        return trained

    def _at(self, densities: tuple[float, ...]) -> Sparsity:
        given = self.task.sparsity
        names = [block.name for block in given.prunable]
        several = dict(zip(names, densities, strict=True)) if len(densities) > 1 else None
        return Sparsity.of(given.blocks, several or densities[0], given.scope, given.unit)

    def _compressed(self, task: PruningTask, sparsity: Sparsity) -> Result:
        """Train from the start under a limit."""
        task.write(self._start)
        problem = task.problem().replace(sparsity=sparsity)
        return minimize(problem, method=self.method, seed=self.seed, **self.options)

    def deliver(self, result: Result) -> None:  # noqa: ARG002 - the best training is what counts
        """Write the best network of all trainings into the model, trained once more where that is asked for."""
        if not self.trainings:
            return
        if self._whole is not None:
            self.refitted = self._compressed(self._whole, self._at(self.best.densities))
            if self.refitted.success:
                self._whole.write(self.refitted.x)
                return
        self.task.write(self.best.weights)

    def accuracy(self, data: Any = None) -> float:
        """Return the accuracy of the model as it is; see :meth:`optlab.adapters.TrainingTask.accuracy`."""
        return self.task.accuracy(data)


class MultiPrizeTicket(DensitySearch):
    """A binary network of random weights that are never trained: which of them stay, and how many.

    With ``density="search"`` the problem is the search for the density, each evaluation a training of scores by
    ``biprop``; with a number it is that training. The density as a variable is optlab's answer to a known
    weakness of such networks, that their accuracy falls steeply at densities which are not known beforehand.

    Parameters
    ----------
    model, loss, data
        The weights of the model are drawn anew, unless ``options={"weights": "given"}``.
    density : "search" or float
        The share of weights that stay.
    **more
        As for :class:`DensitySearch`.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        loss: Loss,
        data: Any,
        *,
        density: float | Literal["search"] = "search",
        **more: Any,
    ) -> None:
        given: dict[str, Any] = {"method": "biprop", "low": 0.02, "high": 0.5} | more
        if isinstance(density, str):
            if density != "search":
                raise OptionError(f"density is {density!r}; 'search' or a number is needed")
            self.density: float | None = None
        else:
            self.density = density
        super().__init__(model, loss, data, **given)
        if self.density is not None:
            self._at((self.density,))  # says what is wrong with it now

    def problem(self) -> Problem:
        """State the search; or, for a density that is given, the training of the scores."""
        if self.density is None:
            return super().problem()
        whole = self.task if self._whole is None else self._whole
        return whole.problem().replace(sparsity=self._at((self.density,)))

    def deliver(self, result: Result) -> None:
        """Write the best ticket into the model."""
        if self.density is None:
            super().deliver(result)
        else:
            self.task.write(result.x)

    def export_packed(self, *, keep_dense: bool = False) -> PackedNetwork:
        """Return the ticket that was delivered on bit planes; see :meth:`PruningTask.export_packed`."""
        return self.task.export_packed(keep_dense=keep_dense)


def _logit(rho: float) -> float:
    return math.log(rho / (1.0 - rho))


def _density(u: float) -> float:
    return 1.0 / (1.0 + math.exp(-u))


def _parted(data: Any, seed: int) -> tuple[Any, Any]:
    """Take a part of the samples away for validation."""
    if not (isinstance(data, tuple | list) and len(data) == 2):
        raise OptionError(
            f"data is a {type(data).__name__} and validation is None; a pair (inputs, targets) is needed to take a "
            "part of it for validation, or validation=..."
        )
    inputs, targets = data
    count = len(targets)
    order = np.random.default_rng([seed, count]).permutation(count)
    held = max(1, round(VALIDATION * count))
    return tuple((inputs[part], targets[part]) for part in (order[held:], order[:held]))  # type: ignore[return-value]

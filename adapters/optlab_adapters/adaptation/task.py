"""Adaptation to a batch without labels [WSLOD21].

    minimize  f(theta) = 1/B sum_b H(softmax(model_theta(x_b)))      over scales and offsets theta of batch normalization
    s.t.      |theta_i - theta0_i| <= r                              where a trust box is asked for

f is smooth where the model is. Its minimum is no aim: a network that answers the same class with certainty whatever it is
shown has f = 0. Few steps from theta0, or the box, keep away from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from optlab.core.problem import Problem
from optlab.core.stated import AbstractStated
from optlab.errors import OptionError, ProblemError
from optlab.typing import is_a
from optlab_adapters.adaptation.costs import Costs, saved_activations
from optlab_adapters.adaptation.norms import Norms, Statistics
from optlab_adapters.torch.modes import evaluating
from optlab_adapters.torch.training.parameters import Parameters

if TYPE_CHECKING:
    from optlab.core.result import Result
    from optlab.typing import Vector

__all__ = ["BNAdaptation", "Objective", "entropy"]

Objective = Callable[[torch.Tensor], torch.Tensor]
"""Scores (B, K) -> scalar tensor."""


def entropy(scores: torch.Tensor) -> torch.Tensor:
    """Return the mean over a batch of the entropy of softmax(scores), in nats.

    Parameters
    ----------
    scores
        (B, K)
    """
    logs = scores.log_softmax(dim=1)
    return -(logs.exp() * logs).sum(dim=1).mean()


class BNAdaptation(AbstractStated):
    """The adaptation of a network to a batch of inputs, for :func:`optlab.minimize`.

    Methods with gradients (``"adam"``, ``"sgd"``, ``"pasa"``) freeze everything but the variables; methods by values
    (``"zo-adam"``, ``"spsa"``, ``"zo"``) keep no activations. The model is not copied: an answer is written into its scales
    and offsets. Everything but batch normalization is in evaluation mode meanwhile; modes, running statistics and
    ``requires_grad`` are never changed for good.

    Parameters
    ----------
    model : torch.nn.Module
        Classifier, inputs (B, ...) -> scores (B, K), with batch normalization.
    batch : tensor or array
        Inputs, (B, ...).
    statistics : {"batch", "alpha", "ema"}
        What batch normalization normalizes by: mean and variance of the batch; their mixture with those of the model; a
        moving average that starts from those of the model and goes on with :meth:`next_batch`.
    alpha : float
        Weight of the batch in the mixture and in the moving average, in [0, 1].
    objective : "entropy" or callable
        Or a function of scores (B, K), a mean over the batch.
    bounds : float or None
        Radius r > 0 of a trust box around theta0 that the variables stay in; None: no bounds.
    anchored : bool
        Whether theta0 is what the model came with, for all batches, or else what each batch starts from.

    Attributes
    ----------
    costs : Costs
        Work so far.

    Raises
    ------
    ProblemError
        When the model has no batch normalization, or the batch does not suit.
    OptionError
        When an option makes no sense.

    Examples
    --------
    >>> import optlab, torch
    >>> from optlab.adapters import adaptation
    >>> seed = torch.manual_seed(0)
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
    >>> task = adaptation.BNAdaptation(model, torch.randn(50, 4), bounds=0.1)
    >>> before = task.objective(task.vector())
    >>> result = optlab.minimize(task, method="pasa")
    >>> bool(result.fun < before), tuple(task.predict().shape)
    (True, (50, 3))
    >>> task.reset()
    >>> task.objective(task.vector()) == before
    True
    """

    def __init__(
        self,
        model: torch.nn.Module,
        batch: Any,
        *,
        statistics: Statistics = "batch",
        alpha: float = 0.1,
        objective: str | Objective = "entropy",
        bounds: float | None = None,
        anchored: bool = True,
    ) -> None:
        if not isinstance(model, torch.nn.Module):
            raise ProblemError(
                f"model is a {type(model).__name__}; a torch.nn.Module is needed"
            )
        if bounds is not None and not (is_a(bounds, int, float) and bounds > 0.0):
            raise OptionError(
                f"bounds is {bounds!r}; the radius of a trust box, > 0, or None is needed"
            )
        if objective != "entropy" and not callable(objective):
            raise OptionError(
                f"objective is {objective!r}; 'entropy' or a function of scores (B, K) is needed"
            )
        self.model, self.radius, self.anchored = model, bounds, anchored
        self._judge: Objective = entropy if isinstance(objective, str) else objective
        self.norms = Norms(model, statistics, alpha)
        self._affine = self.norms.affine()
        self._parameters: Parameters | None = None
        if self._affine:
            with _trainable_only(model, self._affine):
                self._parameters = Parameters(model)
        self._source = [p.detach().clone() for p in self._affine]
        self._theta0 = self.vector()
        self.costs = Costs()
        self._is_used = False
        """Whether anything was evaluated since the batch was taken."""

        self._is_seen = False
        """Whether the last forward was that of the batch by the model as it is."""

        self._take(batch)

    # The problem ------------------------------------------------------------------------------------

    @property
    def n(self) -> int:
        """Number of variables: scales and offsets of all batch normalizations."""
        return 0 if self._parameters is None else self._parameters.n

    def vector(self) -> Vector:
        """Return the scales and offsets now, shape (n,), in the order of ``model.named_parameters()``."""
        return np.zeros(0) if self._parameters is None else self._parameters.vector()

    def problem(self) -> Problem:
        """State the problem, from the scales and offsets as they are.

        Raises
        ------
        ProblemError
            When batch normalization has none.
        """
        x0, low, high = self.vector(), None, None
        if self.radius is not None:
            centre = self._theta0 if self.anchored else x0
            low, high = centre - self.radius, centre + self.radius
            x0 = np.clip(x0, low, high)
        self._needed()
        return Problem(
            objective=self.objective,
            gradient=self.gradient,
            x0=x0,
            lb=low,
            ub=high,
            name=f"adaptation of {type(self.model).__name__}",
        )

    def objective(self, theta: Vector) -> float:
        """Return f(theta), by one forward that keeps nothing."""
        self._needed().load(theta)
        with self._ready(), torch.no_grad():
            return float(self._judge(self._scores(self.batch)))

    def gradient(self, theta: Vector) -> Vector:
        """Return the gradient of f at theta, shape (n,), by backpropagation to the variables only."""
        parameters = self._needed()
        parameters.load(theta)
        with (
            self._ready(),
            _trainable_only(self.model, self._affine),
            torch.enable_grad(),
        ):
            with saved_activations(self.model) as saved:
                value = self._judge(self._scores(self.batch))
            parts = torch.autograd.grad(value, parameters.tensors, materialize_grads=True)
        self.costs.backwards += 1
        self.costs.saved_bytes = max(self.costs.saved_bytes, saved.total)
        return parameters.gather(parts)

    def deliver(self, result: Result) -> None:
        """Write the answer into the model."""
        self._needed().load(result.x)
        self._is_seen = False

    # The model --------------------------------------------------------------------------------------

    @torch.no_grad()
    def predict(self, inputs: Any = None) -> torch.Tensor:
        """Return the scores (B, K) of the model as it is now, normalized by the statistics that were asked for.

        Parameters
        ----------
        inputs
            Other inputs than the batch, with statistics of their own; None: the batch.
        """
        with self._ready():
            scores = self._scores(self.batch if inputs is None else self._tensor(inputs))
        self._is_seen = inputs is None
        return scores

    def next_batch(self, batch: Any) -> None:
        """Go on with another batch, from what was reached: online adaptation.

        The moving average of ``statistics="ema"`` takes in the batch before, as the model sees it now; not if nothing was asked
        about it.
        """
        if self.norms.statistics == "ema" and self._is_used:
            if not self._is_seen:
                self.predict()
            self.norms.advance()
        self._take(batch)

    @torch.no_grad()
    def reset(self) -> None:
        """Put scales and offsets back to the bit, and forget the moving average; the batch stays."""
        for tensor, source in zip(self._affine, self._source, strict=True):
            tensor.data.copy_(source)
        self.norms.reset()
        self._is_seen = False

    # Inside -----------------------------------------------------------------------------------------

    def _needed(self) -> Parameters:
        if self._parameters is None:
            raise ProblemError(
                f"no batch normalization of {type(self.model).__name__} has scale and offset (affine=False): there is nothing "
                "to optimize; predict() has the new statistics without it"
            )
        return self._parameters

    def _take(self, batch: Any) -> None:
        tensor = self._tensor(batch)
        if tensor.ndim == 0 or len(tensor) == 0:
            raise ProblemError("the batch has no samples; at least one is needed")
        if len(tensor) == 1 and self.norms.statistics == "batch":
            raise ProblemError(
                "the batch has one sample, whose statistics would wipe out what it shows; a larger batch, or "
                "statistics='alpha' or 'ema', is needed"
            )
        self.batch = tensor
        self._is_used = self._is_seen = False

    def _tensor(self, inputs: Any) -> torch.Tensor:
        first = next((p for p in self.model.parameters() if p.is_floating_point()), None)
        made = inputs if is_a(inputs, torch.Tensor) else torch.as_tensor(np.asarray(inputs))
        if first is None:
            return made
        return made.to(first.device, first.dtype if made.is_floating_point() else made.dtype)

    def _scores(self, inputs: torch.Tensor) -> torch.Tensor:
        self.costs.forwards += 1
        scores: Any = self.model(inputs)
        if not is_a(scores, torch.Tensor) or scores.ndim != 2 or scores.shape[1] < 2:
            what = (
                f"a tensor of shape {tuple(scores.shape)}"
                if is_a(scores, torch.Tensor)
                else f"a {type(scores).__name__}"
            )
            raise ProblemError(
                f"the model returned {what}; scores of shape (B, K), K >= 2, are needed"
            )
        return torch.as_tensor(scores)

    @contextmanager
    def _ready(self) -> Iterator[None]:
        self._is_used, self._is_seen = True, False
        with evaluating(self.model), self.norms.installed():
            yield


@contextmanager
def _trainable_only(model: torch.nn.Module, wanted: list[torch.nn.Parameter]) -> Iterator[None]:
    """Let gradients go to some parameters only: activations that others would need are not kept then."""
    before = [(p, p.requires_grad) for p in model.parameters()]
    chosen = {id(p) for p in wanted}
    for parameter, _ in before:
        parameter.requires_grad_(id(parameter) in chosen)
    try:
        yield
    finally:
        for parameter, flag in before:
            parameter.requires_grad_(flag)

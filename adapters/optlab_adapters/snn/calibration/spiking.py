"""Thresholds and shifts as the variables of the spiking network's own loss, a black box.

    min over a, s   mean over samples of loss(spiking network(input; a, s), target)

with, for every layer l, the thresholds lam_l exp(a_l) and the shifts b_l + s_l delta_l added to all channels, where
lam_l, b_l and delta_l = mean(lam_l) / L belong to the network at the start. The loss is piecewise constant in a and s.
Minibatches are those of a training task: pure functions of a key, so that points compared by a step see the same samples.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn
from torch.nn import functional

from optlab.core.problem import Problem
from optlab.errors import OptionError, ProblemError
from optlab_adapters.snn.calibration.sites import sites_of
from optlab_adapters.snn.coding import Coding
from optlab_adapters.snn.graph import trace
from optlab_adapters.snn.network import SpikingNetwork, convert
from optlab_adapters.torch.training import TrainingTask

if TYPE_CHECKING:
    from torch import fx

    from optlab.typing import Vector

__all__ = ["LOSSES", "SpikingCalibration"]

BATCH = 256
"""Most samples of a minibatch where no number is given."""

FARTHEST = 1.0
"""Bound on |a|: a factor of e."""


def _divergence(output: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """Kullback-Leibler divergence of the softmax of the outputs from that of the float network's."""
    wanted = functional.log_softmax(logits, 1)
    return functional.kl_div(
        functional.log_softmax(output, 1), wanted, reduction="batchmean", log_target=True
    )


def _mismatch(output: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """Mean squared error of the outputs."""
    return functional.mse_loss(output, logits)


def _mistakes(output: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Share of samples whose largest output is not that of their class."""
    return (output.argmax(1) != labels).to(output).mean()


LOSSES: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "divergence": _divergence,
    "mismatch": _mismatch,
    "cross-entropy": functional.cross_entropy,
    "mistakes": _mistakes,
}
"""Name -> loss; the first two compare with the float network's outputs, the others with labels."""

OF_OUTPUTS = ("divergence", "mismatch")


class AdjustedNetwork(nn.Module):
    """A spiking network whose thresholds and shifts follow two numbers per layer.

    Binary codes are evaluated as the quantized network, which the spiking network equals code by code; rate codes step by
    step.
    """

    def __init__(self, q: fx.GraphModule, mode: Literal["binary", "rate"], steps: int) -> None:
        super().__init__()
        self.quantized = q.requires_grad_(requires_grad=False)
        self.sites = sites_of(q)
        self.network = None if mode == "binary" else SpikingNetwork(q, Coding(steps, "rate"))
        like = self.sites[0].neuron.threshold
        self.log_thresholds = nn.Parameter(like.new_zeros(len(self.sites)))
        self.shifts = nn.Parameter(like.new_zeros(len(self.sites)))
        self._start = [
            (
                site.neuron.threshold.detach().clone(),
                None if site.carrier is None else site.bias(),
            )
            for site in self.sites
        ]

    @torch.no_grad()
    def adjust(self) -> fx.GraphModule:
        """Write thresholds and shifts into the quantized network; return it."""
        for site, (threshold, bias), a, s in zip(
            self.sites, self._start, self.log_thresholds, self.shifts, strict=True
        ):
            site.neuron.threshold.copy_(threshold * torch.exp(a))
            if bias is not None:
                site.set_bias(bias + s * threshold.mean() / site.neuron.levels)
        return self.quantized

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the outputs of the spiking network."""
        q = self.adjust()
        with torch.no_grad():
            output: torch.Tensor = q(x) if self.network is None else self.network(x)
        return output


class SpikingCalibration(TrainingTask):
    """The loss of a spiking network over thresholds and shifts, for :func:`optlab.minimize` by values only.

    Parameters
    ----------
    q : torch.fx.GraphModule
        From :func:`optlab.adapters.snn.quantize` or a calibration, in evaluation mode. It is copied.
    inputs : torch.Tensor
        Calibration samples, (N, ...).
    targets : torch.Tensor
        Labels, (N,), or the float network's outputs, (N, classes), as the loss needs.
    loss : {"divergence", "mismatch", "cross-entropy", "mistakes"} or callable
        From the float network's class probabilities, from its outputs, or of the classification; ``loss(output, target)``.
    mode : {"binary", "rate"}
        The code of the spiking network.
    steps : int or None
        Steps of a rate code; None: T.
    batch_size : int or None
        Samples of a minibatch; None: half of them, at most 256. A loss that is constant between jumps needs the
        differences between minibatches, from which methods see how far they must step.
    seed : int
        Of the order of the samples.

    Raises
    ------
    ProblemError
        When the network cannot be converted, or inputs and targets do not fit.
    OptionError
        When an option does not fit.
    """

    has_gradient = False

    def __init__(
        self,
        q: nn.Module,
        inputs: torch.Tensor,
        targets: torch.Tensor,
        *,
        loss: str | Callable[[Any, Any], torch.Tensor] = "divergence",
        mode: Literal["binary", "rate"] = "binary",
        steps: int | None = None,
        batch_size: int | None = None,
        seed: int = 0,
    ) -> None:
        if not callable(loss) and loss not in LOSSES:
            raise OptionError(
                f"loss is {loss!r}; a function or one of {list(LOSSES)} is needed"
            )
        network = convert(q, mode, steps=steps)
        if len(inputs) != len(targets):
            raise ProblemError(
                f"there are {len(inputs)} inputs and {len(targets)} targets; as many are needed"
            )
        adjusted = AdjustedNetwork(trace(copy.deepcopy(q)), mode, network.coding.steps)
        super().__init__(
            adjusted,
            loss if callable(loss) else LOSSES[loss],
            (inputs, targets),
            batch_size=min(BATCH, -(-len(inputs) // 2)) if batch_size is None else batch_size,
            seed=seed,
            training=False,
            reuse=False,
            batched=False,
        )
        self._adjusted = adjusted

    def problem(self) -> Problem:
        """State the task as a problem without derivatives, which starts from the network as it is."""
        layers = len(self._adjusted.sites)
        farthest = [FARTHEST] * layers
        # A shift of half the levels moves every potential by half the threshold.
        longest = [
            site.neuron.levels / 2 if site.carrier is not None else 0.0
            for site in self._adjusted.sites
        ]
        bound = torch.tensor([*farthest, *longest], dtype=torch.float64).numpy()
        return Problem(
            objective=self.objective,
            x0=self.vector(),
            lb=-bound,
            ub=bound,
            name="spiking calibration",
            sampled=self,
        )

    def write(self, x: Vector) -> None:
        """Write a point into the network."""
        super().write(x)
        self._adjusted.adjust()

    @property
    def quantized(self) -> fx.GraphModule:
        """The quantized network with the thresholds and shifts of the latest :meth:`write`, a copy."""
        copied: fx.GraphModule = copy.deepcopy(self._adjusted.adjust())
        return copied

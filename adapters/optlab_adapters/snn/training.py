"""Training with a penalty on spikes (Datta et al., key ``datta2025snn`` in docs/refs.bib)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from optlab.errors import OptionError, ProblemError
from optlab_adapters.snn.activation import QuantizedReLU
from optlab_adapters.torch.training import TrainingTask

if TYPE_CHECKING:
    from torch import nn

__all__ = ["SpikeTrainingTask"]


class _BitCount(torch.autograd.Function):
    """The number of bits set in a code; its derivative is taken to be 1."""

    @staticmethod
    def forward(_context: Any, codes: torch.Tensor, steps: int) -> torch.Tensor:
        whole = codes.to(torch.int64)
        return sum(((whole >> k) & 1 for k in range(steps)), torch.zeros_like(whole)).to(codes)

    @staticmethod
    def backward(_context: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        return gradients[0], None


class SpikeTrainingTask(TrainingTask):
    """Training of a quantized network with fewer spikes: loss + c * (spikes of one sample, on average).

    Spikes are summed over layers, neurons and bits, and averaged over the samples of a batch, so c does not depend on
    the batch size. A penalty on the sum over a batch of B samples, as in Datta et al., is c / B here.

    Parameters
    ----------
    q : torch.nn.Module
        From :func:`optlab.adapters.snn.quantize`.
    loss, data, **options
        As for :class:`optlab.adapters.TrainingTask`; passes always run through the whole network.
    spike_penalty : float
        c >= 0.
    """

    def __init__(
        self, q: nn.Module, loss: Any, data: Any, *, spike_penalty: float = 0.0, **options: Any
    ) -> None:
        if not 0 <= spike_penalty < math.inf:
            raise OptionError(f"spike_penalty is {spike_penalty!r}; a number >= 0 is needed")
        neurons = [m for m in q.modules() if isinstance(m, QuantizedReLU)]
        if not neurons:
            raise ProblemError("q has no quantized activations; call quantize first")
        counts: dict[int, torch.Tensor] = {}

        def count(module: nn.Module, inputs: tuple[torch.Tensor, ...], _output: Any) -> None:
            assert isinstance(module, QuantizedReLU)
            bits = _BitCount.apply(module.codes(inputs[0]), module.steps)  # type: ignore[no-untyped-call]
            counts[id(module)] = bits.sum() / len(bits)

        def penalized(output: Any, target: Any) -> torch.Tensor:
            value: torch.Tensor = loss(output, target)
            return value + spike_penalty * sum(counts.values())

        if spike_penalty:
            for neuron in neurons:
                neuron.register_forward_hook(count)
            options |= {"reuse": False, "batched": False}
        super().__init__(q, penalized if spike_penalty else loss, data, **options)

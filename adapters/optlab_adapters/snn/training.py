"""Training with a penalty on spikes (Datta et al., key ``datta2025snn`` in docs/refs.bib)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from optlab.errors import OptionError, ProblemError
from optlab.typing import is_a
from optlab_adapters.snn.activation import QuantizedReLU
from optlab_adapters.snn.penalty import BitCounter, PenalizedLoss, SpikePenalty, timed
from optlab_adapters.snn.plots import Chart, history_chart
from optlab_adapters.torch.training import TrainingTask

if TYPE_CHECKING:
    from torch import nn

    from optlab.core.progress import Progress
    from optlab.typing import Vector

__all__ = ["SpikeHistory", "SpikeTrainingTask"]


class SpikeTrainingTask(TrainingTask):
    """Training of a quantized network with fewer spikes: loss + c * (spikes of one sample, on average).

    Spikes are summed over layers, neurons and bits, and averaged over the samples of a batch, so c does not depend on
    the batch size.

    Parameters
    ----------
    q : torch.nn.Module
        From :func:`optlab.adapters.snn.quantize`.
    loss, data, **options
        As for :class:`optlab.adapters.TrainingTask`; with a penalty, passes always run through the whole network.
    spike_penalty : float or SpikePenalty
        c >= 0, or c with a schedule.
    """

    def __init__(
        self,
        q: nn.Module,
        loss: Any,
        data: Any,
        *,
        spike_penalty: float | SpikePenalty = 0.0,
        **options: Any,
    ) -> None:
        penalty = (
            spike_penalty
            if isinstance(spike_penalty, SpikePenalty)
            else SpikePenalty(spike_penalty)
        )
        self._neurons = {n: m for n, m in q.named_modules() if isinstance(m, QuantizedReLU)}
        if not self._neurons:
            raise ProblemError("q has no quantized activations; call quantize first")
        if not penalty.weight:
            super().__init__(q, loss, data, **options)
            return
        penalized = PenalizedLoss(loss, penalty, [BitCounter() for _ in self._neurons])
        for module, counter in zip(self._neurons.values(), penalized.counters, strict=True):
            module.register_forward_hook(counter)
        super().__init__(q, penalized, data, **options | {"reuse": False, "batched": False})
        self._engine.minibatches = timed(self._engine.minibatches, penalized)

    def spikes(self, data: Any = None, x: Vector | None = None) -> dict[str, float]:
        """Return how often a neuron fires for a sample, on average, by the path of its layer; see :meth:`accuracy`."""
        if x is not None:
            self.write(x)
        counters = {name: BitCounter() for name in self._neurons}
        hooks = [m.register_forward_hook(counters[n]) for n, m in self._neurons.items()]
        totals, samples = dict.fromkeys(counters, 0.0), 0
        try:
            for _, batch in self.outputs(data):
                samples += batch.size
                for name, counter in counters.items():
                    totals[name] += batch.size * float(counter.bits) / counter.neurons
        finally:
            for hook in hooks:
                hook.remove()
        return {name: total / samples for name, total in totals.items()}


@dataclass
class SpikeHistory:
    """A callback that measures the spikes during a training: ``optlab.minimize(task, ..., callback=history)``.

    It costs two passes over the data whenever it measures: batch normalization is brought up to date for that point.

    Attributes
    ----------
    task : SpikeTrainingTask
    every : int or None
        Steps from one measurement to the next; None: an epoch.
    data
        As for the task; None: the training data.
    rows : list of (int, dict)
        Step, and spikes of a neuron for a sample by layer.
    """

    task: SpikeTrainingTask
    every: int | None = None
    data: Any = None
    rows: list[tuple[int, dict[str, float]]] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        if self.every is not None and not (is_a(self.every, int) and self.every >= 1):
            raise OptionError(f"every is {self.every!r}; a positive whole number is needed")

    def __call__(self, k: int, progress: Progress) -> None:
        """Measure, when it is time."""
        if k % (self.every or self.task.steps_per_epoch) == 0:
            self.rows.append((k, self.task.spikes(self.data, progress.x)))

    def plot(self) -> Chart:
        """Draw the spikes over the steps, a line for each layer."""
        return history_chart(self.rows)

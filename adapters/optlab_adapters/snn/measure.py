"""Measuring a spiking network on a data set, batch by batch; memory grows with the network and a batch only."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import DataLoader, Dataset

from optlab.errors import ProblemError
from optlab.typing import is_a
from optlab_adapters.snn.operations import OperationCounter
from optlab_adapters.snn.raster import raster_of
from optlab_adapters.snn.report import NeuronLayer, Setting, SpikingReport, SynapseLayer

if TYPE_CHECKING:
    from optlab_adapters.snn.energy import EnergyModel
    from optlab_adapters.snn.network import SpikingNetwork
    from optlab_adapters.snn.raster import Raster

__all__ = ["measure"]

BATCH = 256
"""Images of a batch where the data come without batches."""

SHOWN = 64
"""Neurons of a layer in the raster."""

Batch = tuple[torch.Tensor, torch.Tensor | None]


def measure(
    net: SpikingNetwork, data: Any, energy: EnergyModel, *, progress: bool
) -> SpikingReport:
    """Run a network over data; see :meth:`optlab.adapters.snn.SpikingNetwork.report`."""
    tally = _Tally(net)
    batches: Iterable[Any] = _batches(data)
    if progress:
        from rich.progress import track  # noqa: PLC0415 - only where it is asked for

        batches = track(batches, "spiking network", total=_length(data))
    with torch.no_grad():
        for number, batch in enumerate(batches):
            tally.add(*_checked(net, number, batch))
    return tally.report(energy)


class _Counts:
    """The spikes of a neuron layer so far."""

    def __init__(self, spikes: torch.Tensor) -> None:
        self.neurons = spikes[0, 0].numel()
        self.per_step = torch.zeros(len(spikes), dtype=torch.float64)
        self.silent = 0
        self.ever = torch.zeros(self.neurons, dtype=torch.bool)
        self.mismatches = 0

    def add(self, spikes: torch.Tensor, fired: torch.Tensor) -> None:
        """Count a batch: spikes (T, N, ...), and how many each neuron fired (N, ...)."""
        # Over the images first: such sums are small enough to be exact in single precision.
        over_images = spikes.sum(1).flatten(1)
        self.per_step += over_images.sum(1, dtype=torch.float64).cpu()
        self.silent += fired.numel() - int(fired.count_nonzero())
        self.ever |= (over_images > 0).any(0).cpu()


class _Tally:
    """Everything that is added up over the batches."""

    def __init__(self, net: SpikingNetwork) -> None:
        self.net = net
        self.images = self.labelled = 0
        self.right = self.quantized_right = self.agreeing = 0
        self.logit_error = 0.0
        self.counts: dict[str, _Counts] = {}
        self.operations = OperationCounter(net.traced, net.coding)
        self.raster: Raster | None = None

    def add(self, x: torch.Tensor, y: torch.Tensor | None) -> None:
        """Run a batch."""
        logits, trace = self.net.run(x)
        quantized, codes = self.net.quantized(x)
        self.images += len(x)
        self.logit_error = max(self.logit_error, float((logits - quantized).abs().max()))
        self._decisions(logits, quantized, y)
        fired = {name: spikes.sum(0) for name, spikes in trace.spikes.items()}
        for name, spikes in trace.spikes.items():
            counts = self.counts.setdefault(name, _Counts(spikes))
            counts.add(spikes, fired[name])
            if self.net.coding.mode == "binary":
                different = self.net.coding.decode(spikes) != codes[name]
                counts.mismatches += int(different.sum())
        self.operations.add(x, fired)
        if self.raster is None:
            self.raster = raster_of(trace.spikes, self.net.pipeline, SHOWN)

    def _decisions(
        self, logits: torch.Tensor, quantized: torch.Tensor, y: torch.Tensor | None
    ) -> None:
        decided, wanted = logits.flatten(1).argmax(1), quantized.flatten(1).argmax(1)
        self.agreeing += int((decided == wanted).sum())
        if y is not None:
            self.labelled += len(y)
            self.right += int((decided == y).sum())
            self.quantized_right += int((wanted == y).sum())

    def report(self, energy: EnergyModel) -> SpikingReport:
        """Return the averages."""
        if self.raster is None:
            raise ProblemError("data has no batches; at least one image is needed")
        net = self.net
        return SpikingReport(
            setting=Setting(
                net.coding.mode,
                net.coding.order,
                "float" if net.whole is None else "integer",
                net.shift is not None,
                str(energy),
            ),
            images=self.images,
            accuracy=self.right / self.labelled if self.labelled else None,
            quantized_accuracy=self.quantized_right / self.labelled if self.labelled else None,
            agreement=self.agreeing / self.images,
            logit_error=self.logit_error,
            pipeline=net.pipeline,
            neurons=tuple(self._neurons(stage.name) for stage in net.pipeline.stages),
            synapses=tuple(
                SynapseLayer(work, energy.picojoules(work), energy.picojoules(work.dense))
                for work in self.operations.layers()
            ),
            raster=self.raster,
        )

    def _neurons(self, name: str) -> NeuronLayer:
        counts, binary = self.counts[name], self.net.coding.mode == "binary"
        cases = counts.neurons * self.images
        return NeuronLayer(
            name=name,
            neurons=counts.neurons,
            per_step=tuple((counts.per_step / cases).tolist()),
            silent=counts.silent / cases,
            dead=1.0 - int(counts.ever.sum()) / counts.neurons,
            mismatches=counts.mismatches if binary else None,
            codes=cases if binary else 0,
        )


def _batches(data: Any) -> Iterator[Any]:
    """Yield what the data hold, batch by batch."""
    whole = data if isinstance(data, tuple) else (data,)
    if len(whole) in {1, 2} and all(isinstance(item, torch.Tensor) for item in whole):
        sizes = [len(item) for item in whole]
        if len(set(sizes)) != 1:
            raise ProblemError(
                f"data is a pair of tensors with {sizes[0]} and {sizes[1]} samples; as many of both are needed"
            )
        yield from zip(*(item.split(BATCH) for item in whole), strict=True)
    elif isinstance(data, Dataset):
        yield from DataLoader(data, batch_size=BATCH)
    elif is_a(data, Iterable):
        yield from data
    else:
        raise ProblemError(
            f"data is a {type(data).__name__}; a DataLoader, a Dataset, a pair of tensors (x, y), or an iterable of "
            "batches is needed"
        )


def _length(data: Any) -> int | None:
    """Return the number of batches where it is known."""
    try:
        number = len(data[0]) if isinstance(data, tuple) else len(data)
    except TypeError:
        return None
    whole = isinstance(data, (tuple, torch.Tensor, Dataset))
    return math.ceil(number / BATCH) if whole else number


def _checked(net: SpikingNetwork, number: int, batch: Any) -> Batch:
    """Return inputs as the network wants them, and labels where there are any."""
    x, *others = batch if isinstance(batch, (tuple, list)) else (batch,)
    if not isinstance(x, torch.Tensor) or len(others) > 1:
        kinds = ", ".join(type(v).__name__ for v in (x, *others))
        raise ProblemError(
            f"batch {number} of data is ({kinds}); a tensor x, or x and labels, are needed"
        )
    if not len(x):
        raise ProblemError(f"batch {number} of data has no images; at least one is needed")
    if not (x.is_floating_point() and bool(torch.isfinite(x).all())):
        raise ProblemError(
            f"the inputs of batch {number} are {x.dtype}, not all of them finite floating-point numbers; scale or repair "
            "them first"
        )
    there = next(iter(net.traced.parameters()))
    y = others[0] if others else None
    if isinstance(y, torch.Tensor) and not y.is_floating_point() and y.shape == x.shape[:1]:
        return x.to(there), y.to(there.device)
    return x.to(there), None

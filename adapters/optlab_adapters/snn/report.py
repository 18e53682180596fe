"""What a spiking network does on a data set, as numbers; made by :mod:`optlab_adapters.snn.measure`."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optlab.errors import OptionError
from optlab_adapters.pages import save_report
from optlab_adapters.snn.page import html_page
from optlab_adapters.snn.plots import Chart, activity_chart, energy_chart, raster_chart
from optlab_adapters.snn.tables import text

if TYPE_CHECKING:
    from optlab_adapters.snn.operations import LayerWork
    from optlab_adapters.snn.pipeline import Pipeline
    from optlab_adapters.snn.raster import Raster

__all__ = ["NeuronLayer", "Setting", "SpikingReport", "SynapseLayer"]

SCHEMA = "optlab-snn-report-1"


@dataclass(frozen=True)
class Setting:
    """How the network was converted, and what the energy was computed with."""

    mode: str
    order: str
    arithmetic: str
    """float or integer."""

    bias_shift: bool
    energy: str
    """The energy model in words."""


@dataclass(frozen=True)
class NeuronLayer:
    """The spikes of a neuron layer.

    Attributes
    ----------
    name : str
        Path of the layer.
    neurons : int
    per_step : tuple of float
        Share of neurons that fire at each of the T steps, on average over images.
    silent : float
        Share of neurons that do not fire for an image, on average over images.
    dead : float
        Share of neurons that fire for no image.
    mismatches : int or None
        Codes that differ from the quantized network's; None for rate codes.
    codes : int
        Codes compared.
    """

    name: str
    neurons: int
    per_step: tuple[float, ...]
    silent: float
    dead: float
    mismatches: int | None
    codes: int

    @property
    def spikes(self) -> float:
        """Spikes of a neuron for an image, on average."""
        return sum(self.per_step)


@dataclass(frozen=True)
class SynapseLayer:
    """Operations and energy of a convolution or Linear.

    Attributes
    ----------
    work : LayerWork
    energy : float
        Picojoules for an image in the spiking network.
    dense_energy : float
        Picojoules for an image in the quantized network, as the same model has it.
    """

    work: LayerWork
    energy: float
    dense_energy: float


@dataclass(frozen=True)
class SpikingReport:
    """What :meth:`optlab.adapters.snn.SpikingNetwork.report` measured. ``print`` shows a table.

    Attributes
    ----------
    setting : Setting
    images : int
    accuracy, quantized_accuracy : float or None
        Shares of images whose largest logit is the label's; None without labels.
    agreement : float
        Share of images on which spiking and quantized network decide for the same class.
    logit_error : float
        Largest difference of a logit from the quantized network's.
    pipeline : Pipeline
        Steps, latency and throughput.
    neurons : tuple of NeuronLayer
    synapses : tuple of SynapseLayer
    raster : Raster
        Spikes for the first image.
    """

    setting: Setting
    images: int
    accuracy: float | None
    quantized_accuracy: float | None
    agreement: float
    logit_error: float
    pipeline: Pipeline
    neurons: tuple[NeuronLayer, ...]
    synapses: tuple[SynapseLayer, ...]
    raster: Raster

    # Totals ---------------------------------------------------------------------------------------

    @property
    def spikes_per_image(self) -> float:
        """Spikes of all neurons for an image, on average."""
        return sum(layer.spikes * layer.neurons for layer in self.neurons)

    @property
    def spikes_per_neuron(self) -> float:
        """Spikes of a neuron for an image, on average over all neurons."""
        return self.spikes_per_image / sum(layer.neurons for layer in self.neurons)

    @property
    def silent(self) -> float:
        """Share of neurons that do not fire for an image, on average."""
        total = sum(layer.neurons for layer in self.neurons)
        return sum(layer.silent * layer.neurons for layer in self.neurons) / total

    @property
    def mismatches(self) -> int | None:
        """Codes that differ from the quantized network's; None for rate codes."""
        found = [layer.mismatches for layer in self.neurons if layer.mismatches is not None]
        return sum(found) if len(found) == len(self.neurons) else None

    @property
    def codes(self) -> int:
        """Codes compared."""
        return sum(layer.codes for layer in self.neurons)

    @property
    def macs(self) -> float:
        """Multiply-accumulates of the quantized network for an image."""
        return sum(layer.work.macs for layer in self.synapses)

    @property
    def energy(self) -> float:
        """Picojoules for an image in the spiking network."""
        return sum(layer.energy for layer in self.synapses)

    @property
    def dense_energy(self) -> float:
        """Picojoules for an image in the quantized network."""
        return sum(layer.dense_energy for layer in self.synapses)

    @property
    def energy_ratio(self) -> float:
        """Energy of the spiking network over that of the quantized one; nan where the model has no price for it."""
        return self.energy / self.dense_energy if self.dense_energy else math.nan

    # Forms ----------------------------------------------------------------------------------------

    def __str__(self) -> str:
        """Return the numbers as tables of text."""
        return text(self)

    def to_dict(self) -> dict[str, Any]:
        """Return all numbers as JSON has them, totals included."""
        totals = (
            "spikes_per_image",
            "spikes_per_neuron",
            "silent",
            "mismatches",
            "codes",
            "macs",
            "energy",
            "dense_energy",
        )
        whole: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return {
            "schema": SCHEMA,
            **whole,
            "totals": {name: getattr(self, name) for name in totals},
        }

    def save(self, path: str | Path) -> None:
        """Write a file: ``.json`` holds the numbers, ``.html`` is a page that needs nothing else.

        Raises
        ------
        OptionError
            When the name ends in something else.
        MissingDependencyError
            When a page is asked for and jinja2 is not installed.
        """
        save_report(path, lambda: html_page(self), self.to_dict)

    def plot(self, name: str = "activity") -> Chart:
        """Draw a chart; notebooks show it, ``chart.save(path)`` writes it as SVG.

        Parameters
        ----------
        name : {"activity", "energy", "raster"}
        """
        if name not in CHARTS:
            raise OptionError(f"name is {name!r}; one of {tuple(CHARTS)} is needed")
        return CHARTS[name](self)

    def save_plots(self, folder: str | Path) -> list[Path]:
        """Write all charts into a folder, which is made; return their files."""
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        files = [place / f"{name}.svg" for name in CHARTS]
        for file in files:
            self.plot(file.stem).save(file)
        return files


CHARTS: dict[str, Callable[[SpikingReport], Chart]] = {
    "activity": lambda report: activity_chart(report.neurons),
    "energy": lambda report: energy_chart(report.synapses),
    "raster": lambda report: raster_chart(report.raster),
}

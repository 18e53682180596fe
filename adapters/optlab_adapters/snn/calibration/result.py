"""What a calibration returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import fx

    from optlab.core.result import Result
    from optlab_adapters.snn.network import SpikingNetwork

__all__ = ["CalibrationResult", "LayerCalibration"]


@dataclass(frozen=True)
class LayerCalibration:
    """One quantized activation before and after."""

    name: str
    before: float
    """Squared error of the activations relative to the float network's squares, with percentile thresholds."""

    after: float
    """The same with the thresholds and shifts found."""

    threshold: float
    """Mean threshold over the channels."""

    largest_shift: float
    """Largest |shift| over the channels, in the units of the potentials."""

    result: Result | None = None
    """Of the layer's own problem; None where there was none to solve."""


@dataclass(frozen=True)
class CalibrationResult:
    """A calibrated network, the errors of its layers, and the solves behind it."""

    quantized: fx.GraphModule
    network: SpikingNetwork
    layers: tuple[LayerCalibration, ...]
    output_error: tuple[float, float]
    """Squared error of the outputs relative to the float network's squares, before and after."""

    results: tuple[Result, ...]
    """All solves in order: those of the layers, then the one by values."""

    @property
    def evaluations(self) -> int:
        """Evaluations of objectives over all solves."""
        return sum(result.evaluations["objective"] for result in self.results)

    def rows(self) -> list[dict[str, Any]]:
        """Return the table as records."""
        return [
            {
                "layer": layer.name,
                "before": layer.before,
                "after": layer.after,
                "threshold": layer.threshold,
                "largest_shift": layer.largest_shift,
            }
            for layer in self.layers
        ]

    def __str__(self) -> str:
        """Write the table of relative errors."""
        width = max(len("outputs"), *(len(layer.name) for layer in self.layers))
        head = (
            f"{'layer':<{width}}  {'before':>8}  {'after':>8}  {'threshold':>9}  {'shift':>8}"
        )
        lines = [
            f"{layer.name:<{width}}  {layer.before:8.4f}  {layer.after:8.4f}  {layer.threshold:9.3g}  "
            f"{layer.largest_shift:8.3g}"
            for layer in self.layers
        ]
        before, after = self.output_error
        return "\n".join([head, *lines, f"{'outputs':<{width}}  {before:8.4f}  {after:8.4f}"])

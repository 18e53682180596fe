"""Spiking networks that compute exactly what a quantized network computes, in T = log2 Q steps.

:func:`quantize` replaces the activations of a module, training sets weights and thresholds, and :func:`convert` makes
the spiking network. Without training, :func:`calibrate` finds thresholds and shifts. Method: Datta et al., key ``datta2025snn`` in docs/refs.bib.
"""

from __future__ import annotations

from optlab_adapters.snn.activation import QuantizedReLU
from optlab_adapters.snn.calibration import (
    CalibrationProblem,
    CalibrationResult,
    SpikingCalibration,
    calibrate,
)
from optlab_adapters.snn.coding import Coding
from optlab_adapters.snn.energy import FLOAT32, INT8, INT32, EnergyModel, OperationEnergy
from optlab_adapters.snn.exchange import SpikingGraph, export_nir, import_nir
from optlab_adapters.snn.network import SpikingNetwork, convert
from optlab_adapters.snn.operations import LayerWork
from optlab_adapters.snn.penalty import Ramp, SpikePenalty
from optlab_adapters.snn.pipeline import Pipeline, Stage
from optlab_adapters.snn.plots import Chart
from optlab_adapters.snn.quantization import quantize
from optlab_adapters.snn.raster import Raster, raster
from optlab_adapters.snn.report import SpikingReport
from optlab_adapters.snn.shift import BiasShift, ShiftInverse, shifted_bias, shifted_offset
from optlab_adapters.snn.training import SpikeHistory, SpikeTrainingTask

__all__ = [
    "FLOAT32",
    "INT8",
    "INT32",
    "BiasShift",
    "CalibrationProblem",
    "CalibrationResult",
    "Chart",
    "Coding",
    "EnergyModel",
    "LayerWork",
    "OperationEnergy",
    "Pipeline",
    "QuantizedReLU",
    "Ramp",
    "Raster",
    "ShiftInverse",
    "SpikeHistory",
    "SpikePenalty",
    "SpikeTrainingTask",
    "SpikingCalibration",
    "SpikingGraph",
    "SpikingNetwork",
    "SpikingReport",
    "Stage",
    "calibrate",
    "convert",
    "export_nir",
    "import_nir",
    "quantize",
    "raster",
    "shifted_bias",
    "shifted_offset",
]

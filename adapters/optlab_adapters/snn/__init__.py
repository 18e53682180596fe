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
from optlab_adapters.snn.network import SpikingNetwork, convert
from optlab_adapters.snn.quantization import quantize
from optlab_adapters.snn.shift import shifted_bias, shifted_offset
from optlab_adapters.snn.training import SpikeTrainingTask

__all__ = [
    "CalibrationProblem",
    "CalibrationResult",
    "Coding",
    "QuantizedReLU",
    "SpikeTrainingTask",
    "SpikingCalibration",
    "SpikingNetwork",
    "calibrate",
    "convert",
    "quantize",
    "shifted_bias",
    "shifted_offset",
]

"""Calibration of thresholds and shifts on data, without training."""

from __future__ import annotations

from optlab_adapters.snn.calibration.calibrate import calibrate
from optlab_adapters.snn.calibration.layer_problem import CalibrationProblem
from optlab_adapters.snn.calibration.result import CalibrationResult, LayerCalibration
from optlab_adapters.snn.calibration.spiking import SpikingCalibration

__all__ = [
    "CalibrationProblem",
    "CalibrationResult",
    "LayerCalibration",
    "SpikingCalibration",
    "calibrate",
]

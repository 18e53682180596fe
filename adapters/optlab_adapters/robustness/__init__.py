"""Behaviour of models on images that are not like those they were trained on.

:class:`CorruptionSuite` damages images as [HD19] does, :func:`evaluate` measures a classifier under the damage, :func:`psd` and its
kin see it by frequency, :func:`fourier_heatmap` asks which frequencies a classifier cannot bear,
:func:`path_metrics` and :func:`jacobian_norm` how abruptly a model changes its answer, and
:func:`effective_robustness` compares many models.
"""

from __future__ import annotations

from optlab_adapters.robustness.dataset import DatasetReport, corrupt_dataset
from optlab_adapters.robustness.effective import effective_robustness
from optlab_adapters.robustness.evaluation import evaluate
from optlab_adapters.robustness.fourier import fourier_heatmap, fourier_map, wave
from optlab_adapters.robustness.heat import FourierMap
from optlab_adapters.robustness.jacobian import jacobian_norm
from optlab_adapters.robustness.paths import (
    PathMetrics,
    consistent_distance,
    fourier_path,
    high_frequency_fraction,
    path_metrics,
)
from optlab_adapters.robustness.spectra import bands, frequency, log_spectrum, psd, radial
from optlab_adapters.robustness.suite import CorruptionSuite
from optlab_adapters.robustness.table import RobustnessTable
from optlab_adapters.robustness.trend import EffectiveRobustness

__all__ = [
    "CorruptionSuite",
    "DatasetReport",
    "EffectiveRobustness",
    "FourierMap",
    "PathMetrics",
    "RobustnessTable",
    "bands",
    "consistent_distance",
    "corrupt_dataset",
    "effective_robustness",
    "evaluate",
    "fourier_heatmap",
    "fourier_map",
    "fourier_path",
    "frequency",
    "high_frequency_fraction",
    "jacobian_norm",
    "log_spectrum",
    "path_metrics",
    "psd",
    "radial",
    "wave",
]

"""Behaviour of models on images that are not like those they were trained on.

:class:`CorruptionSuite` damages images as [HD19] does, :func:`evaluate` measures a classifier under the damage, :func:`psd` and its
kin see it by frequency, :func:`fourier_heatmap` asks which frequencies a classifier cannot bear,
:func:`effective_robustness` compares many models.
"""

from __future__ import annotations

from optlab_adapters.robustness.dataset import DatasetReport, corrupt_dataset
from optlab_adapters.robustness.effective import effective_robustness
from optlab_adapters.robustness.evaluation import evaluate
from optlab_adapters.robustness.fourier import fourier_heatmap, fourier_map, wave
from optlab_adapters.robustness.heat import FourierMap
from optlab_adapters.robustness.spectra import bands, frequency, log_spectrum, psd, radial
from optlab_adapters.robustness.suite import CorruptionSuite
from optlab_adapters.robustness.table import RobustnessTable
from optlab_adapters.robustness.trend import EffectiveRobustness

__all__ = [
    "CorruptionSuite",
    "DatasetReport",
    "EffectiveRobustness",
    "FourierMap",
    "RobustnessTable",
    "bands",
    "corrupt_dataset",
    "effective_robustness",
    "evaluate",
    "fourier_heatmap",
    "fourier_map",
    "frequency",
    "log_spectrum",
    "psd",
    "radial",
    "wave",
]

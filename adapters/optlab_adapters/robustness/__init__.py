"""Behaviour of models on images that are not like those they were trained on.

:class:`CorruptionSuite` damages images as [HD19] does, :func:`evaluate` measures a classifier under the damage, :func:`psd` and its
kin see it by frequency.
"""

from __future__ import annotations

from optlab_adapters.robustness.dataset import DatasetReport, corrupt_dataset
from optlab_adapters.robustness.evaluation import evaluate
from optlab_adapters.robustness.spectra import bands, frequency, log_spectrum, psd, radial
from optlab_adapters.robustness.suite import CorruptionSuite
from optlab_adapters.robustness.table import RobustnessTable

__all__ = [
    "CorruptionSuite",
    "DatasetReport",
    "RobustnessTable",
    "bands",
    "corrupt_dataset",
    "evaluate",
    "frequency",
    "log_spectrum",
    "psd",
    "radial",
]

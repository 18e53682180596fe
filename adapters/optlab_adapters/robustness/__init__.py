"""Behaviour of models on images that are not like those they were trained on.

:class:`CorruptionSuite` damages images as [HD19] does, :func:`evaluate` measures a classifier under the damage, :func:`psd` and its
kin see it by frequency, :func:`effective_robustness` compares many models.
"""

from __future__ import annotations

from optlab_adapters.robustness.effective import effective_robustness
from optlab_adapters.robustness.evaluation import evaluate
from optlab_adapters.robustness.spectra import bands, frequency, log_spectrum, psd, radial
from optlab_adapters.robustness.suite import CorruptionSuite
from optlab_adapters.robustness.table import RobustnessTable
from optlab_adapters.robustness.trend import EffectiveRobustness

__all__ = [
    "CorruptionSuite",
    "EffectiveRobustness",
    "RobustnessTable",
    "bands",
    "effective_robustness",
    "evaluate",
    "frequency",
    "log_spectrum",
    "psd",
    "radial",
]

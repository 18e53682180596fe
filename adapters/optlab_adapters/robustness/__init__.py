"""Behaviour of models on images that are not like those they were trained on.

:class:`CorruptionSuite` damages images as [HD19] does, :func:`psd` and its kin see the damage by frequency.
"""

from __future__ import annotations

from optlab_adapters.robustness.spectra import bands, frequency, log_spectrum, psd, radial
from optlab_adapters.robustness.suite import CorruptionSuite

__all__ = [
    "CorruptionSuite",
    "bands",
    "frequency",
    "log_spectrum",
    "psd",
    "radial",
]

"""NPASA, the nonlinear-programming method of the library; see :mod:`optlab.methods.npasa.npasa`."""

from __future__ import annotations

from optlab.methods.npasa.npasa import NPASA

__all__ = ["NPASA"]

"""PASA, smooth optimization over a polyhedron; see :mod:`optlab.methods.pasa.pasa`."""

from __future__ import annotations

from optlab.methods.pasa.pasa import PASA

__all__ = ["PASA"]

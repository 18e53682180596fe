"""CUTEst problems from SIF files, read natively.

The reader runs the data part of a file (parameters, loops, names) into arrays, parses the Fortran
expressions of its element and group types into trees, and evaluates all elements of one type together
as NumPy arrays. docs/sif.md tells what is supported and how evaluation works.
"""

from __future__ import annotations

from optlab_problems.sif.errors import Limits, SifError
from optlab_problems.sif.model import SifModel
from optlab_problems.sif.reader import read_sif, source
from optlab_problems.sif.settings import SifParameter, sif_parameters

__all__ = [
    "Limits",
    "SifError",
    "SifModel",
    "SifParameter",
    "read_sif",
    "sif_parameters",
    "source",
]

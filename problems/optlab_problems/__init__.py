"""Problem readers and problem collections for optlab.

`read_sif` reads CUTEst test problems; `optlab_problems.classic` holds well-known problems as Python
functions.
"""

from __future__ import annotations

from optlab_problems.sif import SifError, SifParameter, read_sif, sif_parameters

__all__ = ["SifError", "SifParameter", "read_sif", "sif_parameters"]

"""Problem readers and problem collections for optlab.

`read_sif` reads CUTEst test problems, `read_nl` AMPL's .nl files; `optlab_problems.classic` holds well-known problems as Python
functions.
"""

from __future__ import annotations

from optlab_problems.nl import NlError, read_nl
from optlab_problems.sif import SifError, SifParameter, read_sif, sif_parameters

__all__ = ["NlError", "SifError", "SifParameter", "read_nl", "read_sif", "sif_parameters"]

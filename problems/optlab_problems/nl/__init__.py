"""AMPL's .nl format: models that AMPL, Pyomo, JuMP and others write for a solver, and its answer.

`read_nl` makes a problem of a file, `ampl` is the front that lets the program ``optlab`` be called as an
AMPL solver, `solution` writes and reads .sol files. docs/ampl.md is the user's page.
"""

from __future__ import annotations

from optlab_problems.nl.errors import NlError, NlLimits
from optlab_problems.nl.model import NlModel
from optlab_problems.nl.reader import deliver, load, read_nl, recall

__all__ = ["NlError", "NlLimits", "NlModel", "deliver", "load", "read_nl", "recall"]

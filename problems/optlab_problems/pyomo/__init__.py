"""Pyomo models as problems: ``optlab.minimize(model)``.

``pyo.SolverFactory("optlab").solve(model)`` needs nothing from here: Pyomo runs the program ``optlab`` as it
runs every AMPL solver. docs/ampl.md is the user's page.
"""

from __future__ import annotations

from optlab_problems.pyomo.source import deliver, load, recall

__all__ = ["deliver", "load", "recall"]

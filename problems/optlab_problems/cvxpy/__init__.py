"""CVXPY as a modelling language for optlab, and optlab as a solver inside CVXPY.

    optlab.minimize(cp.Problem(...))                     values and dual values are set afterwards
    prob.solve(nlp=True, solver="OPTLAB")                after ``import optlab.cvxpy``
    prob.solve(method="optlab")                          the same, refusing first what CVXPY does not

The problem must be a disciplined nonlinear program (``prob.is_dnlp()``). CVXPY's own reductions make it
smooth, its derivative engine differentiates it; :mod:`~optlab_problems.cvxpy.upstream` lists every name of
CVXPY's that is not public. Nothing here imports cvxpy before it is used. User's guide: docs/cvxpy.md.
"""

from __future__ import annotations

from optlab_problems.cvxpy.refusals import refuse
from optlab_problems.cvxpy.solver import register
from optlab_problems.cvxpy.source import deliver, load, recall

__all__ = ["deliver", "load", "recall", "refuse", "register"]

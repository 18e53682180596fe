"""How the solution of a problem moves with its data: derivatives of x(p), y(p), z(p) and f(x(p), p).

    minimize f(x, p)   subject to   lb(p) <= x <= ub(p),   cl(p) <= c(x, p) <= cu(p)

==================  ==============================================================================
module              what it does
==================  ==============================================================================
``sensitivity``     the front door :func:`sensitivity` and what it returns
``solution``        the map from changes of the data to changes of the solution
``perturbation``    derivatives of the problem's data with respect to p
``family``          problems as a function of p, and their data's derivatives by differences
``point``           the solution with all derivatives there
``activity``        which rows and bounds hold it, strongly or weakly
``face``            the KKT system of the active set: forward and adjoint solves
``regularity``      whether that system is regular, and what fails where it is not
``least_norm``      solves with a singular one
``one_sided``       directional derivatives where constraints are weakly active, by a QP
``degenerate``      and where multipliers are not unique, by an LP and a QP
==================  ==============================================================================

References: [Fiacco83], chapter 3; [Jittorntrum84] and [RD95] for one-sided derivatives.
"""

from __future__ import annotations

from optlab.parametric.activity import ActiveSet
from optlab.parametric.family import AbstractFamily, DifferencedFamily
from optlab.parametric.perturbation import Change, Perturbation
from optlab.parametric.regularity import Regularity
from optlab.parametric.sensitivity import Sensitivity, sensitivity
from optlab.parametric.solution import Solution
from optlab.parametric.step import Step

__all__ = [
    "AbstractFamily",
    "ActiveSet",
    "Change",
    "DifferencedFamily",
    "Perturbation",
    "Regularity",
    "Sensitivity",
    "Solution",
    "Step",
    "sensitivity",
]

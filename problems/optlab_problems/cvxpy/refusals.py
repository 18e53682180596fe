"""What CVXPY's nonlinear interface accepts in silence, or fails on without saying why, is refused by name.

CVXPY 1.9 relaxes boolean and integer variables, and raises AttributeError for cones. Each of these is a
wrong answer or a riddle, so a problem is looked at before anything else is done with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from optlab.errors import CapabilityError, ProblemError
from optlab_problems.cvxpy.tree import atoms_of
from optlab_problems.cvxpy.upstream import private

__all__ = [
    "atoms_of",
    "check_exponent",
    "check_variables",
    "refuse",
    "rows_of",
    "variable_label",
]

_ROWS = {
    "Equality": (0.0, 0.0),
    "Zero": (0.0, 0.0),
    "Inequality": (-float("inf"), 0.0),
    "NonPos": (-float("inf"), 0.0),
    "NonNeg": (0.0, float("inf")),
}
"""Kind of constraint -> bounds on its ``expr``."""

_REWRITE = {
    "SOC": "write cp.norm(x) <= t instead of SOC(t, x)",
    "ExpCone": "write the exponential or logarithm itself, for example cp.exp(x) <= z",
    "PowCone3D": "write the powers themselves",
    "PowConeND": "write the powers themselves",
    "PSD": "semidefinite constraints need a conic solver; or factor X = L @ L.T",
}


def refuse(problem: Any) -> None:
    """Raise when the problem is not one that can be solved as it stands.

    Parameters
    ----------
    problem
        A ``cvxpy.Problem``.

    Raises
    ------
    CapabilityError
        Integer or complex variables, cones, operators without derivatives, expressions that are not DNLP.
    ProblemError
        Parameters without a value, or no variable at all.
    """
    check_variables(problem.variables())
    nameless = [p.name() for p in problem.parameters() if p.value is None]
    if nameless:
        raise ProblemError(
            f"the parameter(s) {', '.join(nameless)} have no value; set .value before the solve"
        )
    for constraint in problem.constraints:
        rows_of(constraint)
    parts = [("the objective", problem.objective)]
    parts += [(f"the constraint {_shown(c)}", c) for c in problem.constraints]
    for what, part in parts:
        _check_operators(what, part)
        if not part.is_dnlp():
            raise CapabilityError(
                f"{what} is not DNLP: a nonsmooth function (abs, max, norm1, ...) is where it is not "
                "convex, or the other way round; see cvxpy.org on disciplined nonlinear programming"
            )


def _shown(constraint: Any) -> str:
    """Write a constraint out, the middle of a long one left away."""
    text = str(constraint.label or constraint)
    return text if len(text) <= 80 else f"{text[:50]} ... {text[-25:]}"


def variable_label(variable: Any) -> str:
    """Return what a message calls a variable."""
    return f"variable {variable.name()}"


def check_variables(variables: Iterable[Any]) -> None:
    """Refuse variables that are not real numbers.

    Raises
    ------
    CapabilityError
        With the name of the variable.
    ProblemError
        When there are none.
    """
    count = 0
    for variable in variables:
        count += 1
        for attribute in ("boolean", "integer"):
            if variable.attributes[attribute]:
                raise CapabilityError(
                    f"{variable_label(variable)} is {attribute}; only continuous variables can be "
                    "solved for. Use a mixed-integer solver, or relax the variable on purpose"
                )
        if not variable.is_real():
            raise CapabilityError(
                f"{variable_label(variable)} is complex; state real and imaginary parts separately"
            )
    if count == 0:
        raise ProblemError("the problem has no variables; there is nothing to solve for")


def rows_of(constraint: Any) -> tuple[float, float]:
    """Return the bounds (low, high) that a constraint puts on its ``expr``.

    Raises
    ------
    CapabilityError
        When it is no row: a cone, a finite set.
    """
    kind = type(constraint).__name__
    if kind not in _ROWS:
        hint = _REWRITE.get(kind, "write it with ==, <= and >=")
        raise CapabilityError(
            f"the constraint {_shown(constraint)} is of the kind {kind}, which has no functions with "
            f"derivatives; {hint}"
        )
    return _ROWS[kind]


def _check_operators(what: str, part: Any) -> None:
    """Refuse an operator that neither the smoothing nor the derivative engine knows."""
    known = {
        *private("ATOM_CONVERTERS"),
        *(atom.__name__ for atom in private("SMOOTH_CANON_METHODS")),
    }
    for atom in atoms_of(part):
        name = type(atom).__name__
        if name not in known:
            raise CapabilityError(
                f"{what} uses {name}, for which CVXPY's derivative engine has no rule; state it with "
                "other functions"
            )
        check_exponent(what, atom)


def check_exponent(what: str, atom: Any) -> None:
    """Refuse the exponents that CVXPY's smoothing gets wrong.

    Raises
    ------
    CapabilityError
        For an exponent that is a parameter, a whole number given to the exact power (whose argument CVXPY
        then restricts to x >= 0), and a p-norm other than 1, 2, inf.
    """
    name = type(atom).__name__
    if name.startswith("Pnorm") and atom.p != 2:
        raise CapabilityError(
            f"{what} uses a p-norm with p = {atom.p}; CVXPY smooths p = 1, 2 and inf only"
        )
    if not name.startswith("Power"):
        return
    if atom.p.parameters():
        raise CapabilityError(
            f"{what} has a parameter as an exponent, which CVXPY fixes when it makes the problem "
            "smooth; give the exponent as a number"
        )
    if isinstance(atom.p_used, float) and atom.p_used > 1 and atom.p_used.is_integer():
        raise CapabilityError(
            f"{what} has power(x, {atom.p_used:g}, approx=False), whose argument CVXPY would restrict "
            f"to x >= 0; write x ** {atom.p_used:g}"
        )

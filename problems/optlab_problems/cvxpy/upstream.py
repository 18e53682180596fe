"""Every name of CVXPY's that is not in its documentation, in one table.

CVXPY 1.9 has no public route to a nonlinear problem's functions or to a new nonlinear solver. What is used
instead may move in any release: the extra pins ``cvxpy>=1.9,<1.10``, and a test resolves each name.
"""

from __future__ import annotations

import importlib
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from optlab.errors import CapabilityError, MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PRIVATE", "cvxpy", "missing", "private"]

_REDUCTIONS = "cvxpy.reductions"
_NLP = f"{_REDUCTIONS}.solvers.nlp_solvers"
_ENGINE = f"{_NLP}.diff_engine"

PRIVATE: Mapping[str, str] = MappingProxyType(
    {
        # The reductions that make a problem smooth, and what maps their solutions back.
        "Chain": f"{_REDUCTIONS}.chain",
        "CvxAttr2Constr": f"{_REDUCTIONS}.cvx_attr2constr",
        "Dnlp2Smooth": f"{_REDUCTIONS}.dnlp2smooth.dnlp2smooth",
        "EvalParams": f"{_REDUCTIONS}.eval_params",
        "FlipObjective": f"{_REDUCTIONS}.flip_objective",
        "SMOOTH_CANON_METHODS": f"{_REDUCTIONS}.dnlp2smooth.canonicalizers",
        "Solution": f"{_REDUCTIONS}.solution",
        "failure_solution": f"{_REDUCTIONS}.solution",
        "_set_nlp_initial_point": f"{_REDUCTIONS}.solvers.nlp_solving_chain",
        # The derivative engine.
        "ATOM_CONVERTERS": _ENGINE,
        "C_problem": _ENGINE,
        "C_problem.constraint_forward": _ENGINE,
        "C_problem.eval_hessian_vals_coo_lower_tri": _ENGINE,
        "C_problem.eval_jacobian_vals": _ENGINE,
        "C_problem.get_jacobian_sparsity_coo": _ENGINE,
        "C_problem.get_problem_hessian_sparsity_coo": _ENGINE,
        "C_problem.gradient": _ENGINE,
        "C_problem.init_hessian_coo_lower_tri": _ENGINE,
        "C_problem.init_jacobian_coo": _ENGINE,
        "C_problem.objective_forward": _ENGINE,
        "C_problem.update_params": _ENGINE,
        # Becoming a solver.
        "INSTALLED_SOLVERS": f"{_REDUCTIONS}.solvers.defines",
        "NLP_SOLVER_VARIANTS": f"{_REDUCTIONS}.solvers.defines",
        "NLPsolver": f"{_NLP}.nlp_solver",
        "SOLVER_MAP_NLP": f"{_REDUCTIONS}.solvers.defines",
        "Problem._clear_solution": "cvxpy.problems.problem",
        "SolverStats.from_dict": "cvxpy.problems.problem",
    }
)
"""Name, dotted where it is an attribute of a class -> the module that has it.

Besides, the attributes ``_status`` and ``_solver_stats`` of a problem are written, which exist only after
a problem was made; the test looks at those, too."""


def cvxpy() -> Any:
    """Import CVXPY (Any: it has no types).

    Raises
    ------
    MissingDependencyError
        When it is not installed.
    """
    try:
        return importlib.import_module("cvxpy")
    except ImportError as error:
        raise MissingDependencyError("cvxpy", "cvxpy", "a CVXPY problem") from error


def private(name: str) -> Any:
    """Look up one of the names in ``PRIVATE``.

    Raises
    ------
    CapabilityError
        When this release of CVXPY has it no more.
    """
    version = cvxpy().__version__
    try:
        found: Any = importlib.import_module(PRIVATE[name])
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise CapabilityError(
            f"CVXPY {version} has no {name} in {PRIVATE[name]}; the bridge knows CVXPY 1.9: "
            'pip install "cvxpy>=1.9,<1.10"'
        ) from error
    return found


def missing() -> list[str]:
    """Return the names that this release of CVXPY has no more; empty when all is well."""
    gone: list[str] = []
    for name in PRIVATE:
        try:
            private(name)
        except CapabilityError:
            gone.append(name)
    return gone

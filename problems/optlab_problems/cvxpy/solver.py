"""optlab as a solver inside CVXPY: ``solver="OPTLAB"`` of nonlinear solves, and ``method="optlab"``.

CVXPY has no entry point for nonlinear solvers, so :func:`register` writes into its tables. A name in lower
case chooses the method: ``solver="optlab_npasa"``, ``"optlab_ipopt"``, ...
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from optlab.api import minimize
from optlab.core.method import WarmStart
from optlab.core.registry import known_methods
from optlab.core.result import Result
from optlab.core.tables import iteration_table
from optlab.errors import CapabilityError, OptionError
from optlab.linalg.polyhedron import EmptyPolyhedronError
from optlab_problems.cvxpy.answer import no_solution, to_solution
from optlab_problems.cvxpy.canonical import Rows, to_rows
from optlab_problems.cvxpy.model import Compiled, to_problem
from optlab_problems.cvxpy.refusals import refuse
from optlab_problems.cvxpy.source import deliver_infeasible
from optlab_problems.cvxpy.tree import freezes
from optlab_problems.cvxpy.upstream import cvxpy, private

__all__ = ["register"]

NAME = "OPTLAB"

_OPTIONS = (
    "tol", "options", "max_iter", "max_eval", "max_time", "callback", "observers", "seed",
)  # fmt: skip
"""Arguments of ``optlab.minimize`` that may be given to ``prob.solve``. ``method`` is CVXPY's own word
there, so that optlab's is ``algorithm``."""


def register() -> None:
    """Make CVXPY know optlab: once more does no harm.

    Raises
    ------
    MissingDependencyError, CapabilityError
        Without CVXPY, or with one whose tables have moved.
    """
    private("SOLVER_MAP_NLP")[NAME] = _solver_class()()
    variants = private("NLP_SOLVER_VARIANTS")
    for method in known_methods():
        variants[f"optlab_{method.info.name}"] = (NAME, {"algorithm": method.info.name})
    installed = private("INSTALLED_SOLVERS")
    if NAME not in installed:
        installed.append(NAME)
    cvxpy().Problem.register_solve("optlab", _solve)


def _solve(problem: Any, **given: Any) -> Any:
    """Solve for ``prob.solve(method="optlab")``; return the value, as CVXPY does.

    Raises
    ------
    cvxpy.error.SolverError
        When the solve ends without an answer.
    CapabilityError
        For ``best_of`` of a maximisation, and see :func:`refuse`.
    """
    if "best_of" in given:
        refuse(problem)
        if type(problem.objective).__name__ == "Maximize":
            raise CapabilityError(
                "best_of of a maximisation: CVXPY 1.9 would keep the run of least value, the worst; "
                "state it as Minimize of the negative"
            )
        return problem.solve(nlp=True, solver=NAME, **given)
    algorithm, call = _arguments(given)
    if not given.get("warm_start", True):
        # CVXPY's word for a start that knows nothing but the values of the variables.
        call["warm_start"] = _cold(problem)
    try:
        result = minimize(problem, method=algorithm, **call)
    except EmptyPolyhedronError:
        deliver_infeasible(problem)
        return problem.value
    if problem.status in cvxpy().settings.ERROR:
        raise cvxpy().error.SolverError(f"Solver '{NAME}' failed: {result.message}")
    return problem.value


def _cold(problem: Any) -> WarmStart:
    from optlab_problems.cvxpy.source import load  # noqa: PLC0415

    return WarmStart(load(problem).x0)


def _arguments(given: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Split what ``prob.solve`` was given into a method and arguments of ``minimize``.

    Raises
    ------
    OptionError
        For a name that neither CVXPY nor optlab knows here.
    """
    known = {"algorithm", "verbose", "warm_start", *_OPTIONS}
    unknown = sorted(set(given) - known)
    if unknown:
        raise OptionError(
            f"OPTLAB does not know the option(s) {', '.join(unknown)}; known: {', '.join(sorted(known))}. "
            "Options of the method itself go into options={...}"
        )
    call = {name: given[name] for name in _OPTIONS if name in given}
    if given.get("verbose"):
        call["observers"] = (*call.get("observers", ()), iteration_table())
    return given.get("algorithm", "auto"), call


@cache
def _solver_class() -> Any:
    """Derive the solver from CVXPY's base class, which can be named only when CVXPY is there."""
    base: Any = private("NLPsolver")

    class Optlab(base):  # type: ignore[misc]
        """optlab behind CVXPY's interface of nonlinear solvers."""

        def name(self) -> str:
            return NAME

        def import_solver(self) -> None:
            """Nothing to import: it is running."""

        def is_installed(self) -> bool:
            return True

        def apply(self, problem: Any) -> tuple[dict[str, Rows], Rows]:
            if freezes(problem):
                problem, _ = private("EvalParams")().apply(problem)
            rows = to_rows(problem)
            return {"rows": rows}, rows

        def solve_via_data(
            self,
            data: dict[str, Rows],
            warm_start: bool,
            verbose: bool,
            solver_opts: Mapping[str, Any],
            solver_cache: dict[str, Any] | None = None,
        ) -> dict[str, Any]:
            algorithm, call = _arguments({**solver_opts, "verbose": verbose})
            return _run(data["rows"], algorithm, call, solver_cache, warm=warm_start)

        def invert(self, solution: dict[str, Any], inverse_data: Rows) -> Any:
            if solution["result"] is None:
                return no_solution()
            every = solution.get("all_objs_from_best_of")
            extra = None if every is None else {"all_objs_from_best_of": every}
            return to_solution(solution["result"], inverse_data, extra)

        def cite(self, data: Any) -> str:  # noqa: ARG002
            return "optlab: docs/refs.bib names the papers of its methods"

    return Optlab


def _run(
    rows: Rows,
    algorithm: str,
    call: dict[str, Any],
    memory: dict[str, Any] | None,
    *,
    warm: bool,
) -> dict[str, Any]:
    """Solve; reuse the engine and the last solution that CVXPY's cache kept for us."""
    kept: Compiled | None = None if memory is None else memory.get("compiled")
    if kept is not None and kept.fits(rows):
        kept.engine.update(rows.smooth)
    else:
        kept = Compiled(rows)
    before = None if memory is None or not warm else memory.get("last")
    start = _continued(rows, *before) if before is not None else None
    if start is not None:
        rows = replace(rows, x0=start.x)
    stated = to_problem(rows, kept.engine)
    try:
        result = minimize(stated, method=algorithm, warm_start=start, **call)
    except EmptyPolyhedronError:
        # A value for CVXPY, which knows infeasible problems by their status.
        return {"result": None}
    if memory is not None:
        memory.update(compiled=kept, last=(rows, result))
    return {"result": result}


def _continued(rows: Rows, before: Rows, last: Result) -> WarmStart | None:
    """Return the last solution as a start when the user's variables still hold it.

    The variables that smoothing brings in are new in every solve, and CVXPY starts them near, not at, the
    last solution; those with the same id, and those under a name that is not made of their id, are the user's.
    """
    if rows.x0.size != last.x.size or not last.success:
        return None
    olds = {block.item.id for block in before.variables}
    prefix = cvxpy().settings.VAR_PREFIX
    for block in rows.variables:
        theirs = block.item.id in olds or block.item.name() != f"{prefix}{block.item.id}"
        if theirs and not (rows.x0[block.entries] == last.x[block.entries]).all():
            return None
    multipliers = last.multipliers
    return WarmStart(last.x, multipliers.constraints, multipliers.bounds, dict(last.extras))

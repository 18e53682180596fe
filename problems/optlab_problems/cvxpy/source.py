"""CVXPY problems as a source of optlab: what ``optlab.minimize(cp.Problem(...))`` calls.

For every problem the reductions' record and the compiled derivative engine are kept as long as the
problem lives. A solve whose variables still hold what the last one delivered starts from that point and
its multipliers, whatever was done to the parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from optlab.core.method import WarmStart
from optlab.core.problem import Problem
from optlab.core.result import Result
from optlab.errors import OptionError
from optlab_problems.cvxpy.answer import no_solution, to_solution
from optlab_problems.cvxpy.canonical import Rows, to_rows
from optlab_problems.cvxpy.model import Compiled, to_problem
from optlab_problems.cvxpy.refusals import refuse
from optlab_problems.cvxpy.tree import freezes
from optlab_problems.cvxpy.upstream import cvxpy, private

__all__ = ["deliver", "deliver_infeasible", "load", "recall"]


@dataclass(slots=True)
class _Kept:
    """What is known of a CVXPY problem from one solve to the next."""

    frozen: bool
    """Whether the values of the parameters go into the structure."""

    rows: Rows
    inverse: Any
    """What ``chain.apply`` returned beside the smooth problem."""

    chain: Any
    compiled: Compiled
    problem: Problem
    last: Result | None = None
    delivered: Mapping[int, Any] = field(default_factory=dict[int, Any])
    """Values that the last solve wrote, by variable."""


_kept: WeakKeyDictionary[Any, _Kept] = WeakKeyDictionary()


def load(problem: Any, params: Mapping[str, Any] | None = None) -> Problem:
    """Turn a CVXPY problem into an optlab.Problem.

    Parameters
    ----------
    problem
        A ``cvxpy.Problem``. Variables without a value are given CVXPY's start: the middle of their bounds,
        one off a single bound, else 0.
    params
        Values for parameters, by name; they stay set.

    Raises
    ------
    CapabilityError, ProblemError
        See :func:`refuse`; and when a function is not defined at the start.
    OptionError
        For the name of a parameter that the problem does not have.
    """
    _set_parameters(problem, params or {})
    refuse(problem)
    kept = _kept.get(problem)
    if kept is not None and not kept.frozen and _untouched(problem, kept):
        return _renewed(problem, kept)
    private("_set_nlp_initial_point")(problem)
    frozen = kept.frozen if kept is not None else freezes(problem)
    chain, rows, inverse = _smoothed(problem, frozen=frozen)
    if kept is not None and kept.compiled.fits(rows):
        compiled = kept.compiled
        compiled.engine.update(rows.smooth)
    else:
        compiled = Compiled(rows)
    stated = to_problem(rows, compiled.engine)
    warm = kept is not None and kept.last is not None and _untouched(problem, kept)
    renewed = _Kept(frozen, rows, inverse, chain, compiled, stated)
    if kept is not None and warm and kept.rows.x0.size == rows.x0.size:
        renewed.last, renewed.delivered = kept.last, kept.delivered
    _kept[problem] = renewed
    return stated


def recall(problem: Any, stated: Problem) -> WarmStart | None:
    """Return where the last solve ended, unless the user has changed a variable's value since."""
    kept = _kept.get(problem)
    if kept is None or kept.last is None or kept.last.x.size != stated.n:
        return None
    multipliers = kept.last.multipliers
    return WarmStart(
        kept.last.x, multipliers.constraints, multipliers.bounds, dict(kept.last.extras)
    )


def deliver(problem: Any, stated: Problem, result: Result) -> None:  # noqa: ARG001
    """Write values, dual values, status and statistics into a CVXPY problem."""
    kept = _kept[problem]
    settings: Any = cvxpy().settings
    solution = kept.chain.invert(to_solution(result, kept.rows), kept.inverse)
    problem._clear_solution()
    if solution.status in settings.ERROR:
        problem._status = solution.status
    else:
        problem.unpack(solution)
    make: Any = private("SolverStats.from_dict")
    problem._solver_stats = make(solution.attr, f"OPTLAB ({result.method})")
    present = solution.status in settings.SOLUTION_PRESENT
    kept.last = result if present else None
    kept.delivered = {v.id: _copy(v.value) for v in problem.variables()} if present else {}


def deliver_infeasible(problem: Any) -> None:
    """Write into a CVXPY problem that its linear constraints contradict each other."""
    kept = _kept[problem]
    problem._clear_solution()
    problem.unpack(kept.chain.invert(no_solution(), kept.inverse))
    kept.last, kept.delivered = None, {}


def _set_parameters(problem: Any, params: Mapping[str, Any]) -> None:
    """Set parameters by name."""
    named = {p.name(): p for p in problem.parameters()}
    for name, value in params.items():
        if name not in named:
            raise OptionError(
                f"the problem has no parameter {name!r}; it has {', '.join(named) or 'none'}"
            )
        named[name].value = value


def _smoothed(problem: Any, *, frozen: bool) -> tuple[Any, Rows, Any]:
    """Apply CVXPY's reductions; with frozen parameters as constants."""
    steps: list[Any] = []
    if frozen:
        steps.append(private("EvalParams")())
    if type(problem.objective).__name__ == "Maximize":
        steps.append(private("FlipObjective")())
    steps += [private("CvxAttr2Constr")(reduce_bounds=False), private("Dnlp2Smooth")()]
    chain = private("Chain")(reductions=steps)
    smooth, inverse = chain.apply(problem)
    return chain, to_rows(smooth, problem.variables(), problem.constraints), inverse


def _renewed(problem: Any, kept: _Kept) -> Problem:
    """Bring new values of the parameters into an old structure, which starts where it ended."""
    for step in kept.chain.reductions:
        step.update_parameters(problem)
    kept.compiled.engine.update(kept.rows.smooth)
    lb, ub = kept.rows.bounds()
    start = kept.problem.x0 if kept.last is None else kept.last.x
    kept.problem = kept.problem.replace(x0=start, lb=lb, ub=ub)
    return kept.problem


def _untouched(problem: Any, kept: _Kept) -> bool:
    """Whether the variables hold what the last solve delivered."""
    if kept.last is None:
        return False
    return all(
        v.id in kept.delivered and _equal(kept.delivered[v.id], v.value)
        for v in problem.variables()
    )


def _copy(value: Any) -> Any:
    """Copy a variable's value: a number, an array or a sparse matrix."""
    if value is None:
        return None
    return value.copy() if hasattr(value, "copy") else np.asarray(value)


def _equal(one: Any, other: Any) -> bool:
    """Compare two values of a variable."""
    if one is None or other is None:
        return False
    if hasattr(one, "nnz") and hasattr(other, "nnz"):
        return bool(one.shape == other.shape and (one != other).nnz == 0)
    return bool(np.array_equal(one, other))


def kept_rows(problem: Any) -> Rows:
    """Return the smooth form of a problem that was loaded, for inspection."""
    return _kept[problem].rows

"""Look at a problem before solving it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.core.derivatives import check_derivatives, estimate_derivatives
from optlab.core.oracle import Oracle
from optlab.core.probe import find_linear_rows
from optlab.core.problem_sources import load_problem
from optlab.errors import EvaluationError, ProblemError
from optlab.trust.inspection import rows, start, structure
from optlab.trust.inspection.findings import Finding, Inspection, Severity, listed
from optlab.trust.inspection.sample import Sample, near

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optlab.core.derivatives.findings import WrongEntry
    from optlab.core.problem import Problem

__all__ = ["check"]

_COMPARED = 300
"""Largest number of variables whose derivatives are compared unasked: that takes four evaluations each."""


# Functions may overflow or divide by zero on the way to a value that is refused.
@np.errstate(all="ignore")
def check(
    problem: Any,
    *,
    params: Mapping[str, Any] | None = None,
    derivatives: bool | None = None,
) -> Inspection:
    """Look for mistakes in a problem without solving it.

    Compares its derivatives with differences, and looks at the start point, the scaling there, rows and
    variables that play no part, linear rows that contradict, repeat or follow from others, and equations that
    depend on each other at the start point (docs/trust.md lists the kinds).

    Parameters
    ----------
    problem
        A Problem, a file, or an object that a problem source takes.
    params
        Parameters of a file.
    derivatives
        Whether to compare derivatives: four evaluations of every function for each variable. None: when
        there are at most 300 variables.

    Returns
    -------
    Inspection
        The findings, worst first; true when none is serious.

    Raises
    ------
    OptlabError
        When the problem cannot be read.

    Examples
    --------
    >>> import numpy as np
    >>> from optlab import Problem, check
    >>> found = check(Problem(objective=lambda x: x[0] ** 2, gradient=lambda x: 3 * x, x0=[1.0]))
    >>> [finding.kind for finding in found], bool(found)
    (['wrong-gradient'], False)
    """
    given = load_problem(problem, params)
    look = _Look(given)
    look.at_start(derivatives)
    found = sorted(look.findings, key=lambda finding: -finding.severity)
    return Inspection(given.name, given.n, given.m, tuple(found), tuple(look.skipped))


class _Look:
    """Collects findings."""

    def __init__(self, problem: Problem) -> None:
        self.given = problem
        self.problem = estimate_derivatives(problem)
        self.findings: list[Finding] = []
        self.skipped: list[str] = []

    def at_start(self, derivatives: bool | None) -> None:
        """Look at what needs no values, then at what needs those at the start point."""
        problem = self.problem
        self.findings += structure.fixed_and_free(problem)
        self.findings += start.outside(problem)
        oracle = Oracle(problem)
        x = np.clip(problem.x0, problem.lb, problem.ub)
        try:
            first = Sample.at(oracle, x)
        except EvaluationError as error:
            self.findings.append(start.undefined(problem, error))
            self.skipped.append("everything that needs values at the start point")
            return
        self.findings += start.infeasible(problem, first)
        self.findings += structure.scaling(problem, first)
        second = self._second(oracle, first)
        # Start points like to have zeros that hide errors.
        self._compare(derivatives, first if second is None else second)
        if second is not None:
            self._at_two_points(oracle, first, second)
        self._rank(first)

    def _second(self, oracle: Oracle, first: Sample) -> Sample | None:
        try:
            return Sample.at(oracle, near(self.problem, first.x))
        except EvaluationError as error:
            self.skipped.append(f"empty rows and columns, linear rows: {error}")
            return None

    def _at_two_points(self, oracle: Oracle, first: Sample, second: Sample) -> None:
        problem = self.problem
        self.findings += structure.empty(problem, first, second)
        wrong = list(rows.nonlinear(problem, oracle, first, second))
        self.findings += wrong
        if wrong:
            self.skipped.append("linear rows against each other, because some are not linear")
        elif problem.m:
            self._linear_rows(oracle, first)

    def _linear_rows(self, oracle: Oracle, first: Sample) -> None:
        problem = self.problem
        if problem.derivatives == "estimated":
            self.skipped.append(
                "linear rows against each other, because derivatives are estimated"
            )
            return
        if problem.linear is None:
            problem = problem.replace(linear=find_linear_rows(oracle, first.x))
        conflict, work = rows.conflicts(problem)
        if conflict is not None:
            self.findings.append(conflict)
        if work is not None:
            self.findings += rows.superfluous(problem, work)

    def _rank(self, first: Sample) -> None:
        problem = self.problem
        equations = int(np.count_nonzero(problem.cl == problem.cu))
        if equations * problem.n > rows.RANK_ENTRIES:
            self.skipped.append(
                f"the rank of the equations, because {equations} of them in {problem.n} "
                "variables are many for a dense factorization"
            )
            return
        self.findings += rows.dependent(problem, first)

    def _compare(self, wanted: bool | None, at: Sample) -> None:
        n = self.given.n
        if wanted is False or (wanted is None and n > _COMPARED):
            why = (
                "not asked for"
                if wanted is False
                else f"{n} variables take {4 * n} evaluations"
            )
            self.skipped.append(f"derivatives: {why}")
            return
        try:
            found = check_derivatives(self.given, at.x)
        except (EvaluationError, ProblemError, ArithmeticError) as error:
            self.skipped.append(f"derivatives: {error}")
            return
        for verb in ("gradient", "jacobian", "hessian"):
            wrong = [entry for entry in found.wrong if entry.verb == verb]
            if wrong:
                self.findings.append(_wrong(verb, wrong))


def _wrong(verb: str, entries: list[WrongEntry]) -> Finding:
    return Finding(
        Severity.ERROR,
        f"wrong-{verb}",
        f"{len(entries)} entries of the {verb} differ from differences: {listed(map(str, entries))}",
        tuple(entry.label for entry in entries),
        "correct the formula, or leave the derivative away and have it estimated "
        "(derivatives='3-point')",
    )

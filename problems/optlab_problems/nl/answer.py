"""Turn the result of a solve into what AMPL is told: status number, duals, suffixes, message.

AMPL's duals are the change of the stated objective per unit of a row's right-hand side. With the signs of
docs/notation.md that is -y for a minimum and y for a maximum, whose negative was minimised. Bound
multipliers go out under the names that IPOPT made usual.
"""

from __future__ import annotations

import numpy as np

import optlab
from optlab.core.result import Result
from optlab.core.status import PointStatus, StopReason
from optlab.typing import Vector
from optlab_problems.nl.content import Suffix
from optlab_problems.nl.model import NlModel
from optlab_problems.nl.solution import Solution

__all__ = ["ampl_bound_duals", "ampl_duals", "solution_of", "status_number"]

_LIMITS = {StopReason.MAX_ITER: 400, StopReason.MAX_TIME: 401, StopReason.MAX_EVAL: 402}
_FAILURES = {StopReason.EVAL_ERROR: 501, StopReason.NUMERICAL_ERROR: 502}
_INTERRUPTED = 403

#: Of a point that satisfies the constraints although the solve did not converge.
_PERHAPS, _INFEASIBLE, _UNBOUNDED, _FAILED = 100, 200, 300, 500


def status_number(result: Result) -> int:
    """Return AMPL's solve_result_num for a result."""
    if result.success:
        return 0
    if result.point is PointStatus.UNBOUNDED_DIRECTION:
        return _UNBOUNDED
    if result.point is PointStatus.INFEASIBLE_STATIONARY:
        return _INFEASIBLE
    if result.stop in _LIMITS:
        return _LIMITS[result.stop]
    if result.stop is StopReason.USER:
        return _INTERRUPTED
    if result.stop in _FAILURES:
        return _FAILURES[result.stop]
    if result.point in (PointStatus.STATIONARY, PointStatus.FEASIBLE):
        return _PERHAPS
    return _FAILED


def ampl_duals(result: Result, sign: float) -> Vector:
    """Return the duals of the rows, (m,); zero where they are not known.

    Parameters
    ----------
    result
        Of the minimised problem.
    sign
        What the stated objective was multiplied by: 1, or -1 for a maximum.
    """
    # Adding zero turns -0.0 into 0.0.
    return -sign * np.nan_to_num(result.multipliers.constraints) + 0.0


def ampl_bound_duals(result: Result, sign: float) -> tuple[Vector, Vector]:
    """Return the multipliers of lower and upper bounds, (n,) each, with the signs of AMPL's duals."""
    z = np.nan_to_num(result.multipliers.bounds)
    return sign * np.maximum(-z, 0.0) + 0.0, -sign * np.maximum(z, 0.0) + 0.0


def solution_of(model: NlModel, result: Result, objno: int) -> Solution:
    """Return what the .sol file says.

    Parameters
    ----------
    model
        What was solved.
    result
        The answer.
    objno
        Which objective, counted from 1; 0: none.
    """
    header = model.content.header
    suffixes = []
    if header.flags & 1:
        for name, values in zip(
            ("ipopt_zL_out", "ipopt_zU_out"), ampl_bound_duals(result, model.sign), strict=True
        ):
            given = np.flatnonzero(values)
            if given.size:
                suffixes.append(Suffix(name, 0, True, given, values[given]))
    return Solution(
        message=_message(model, result),
        x=np.asarray(result.x, dtype=np.float64),
        duals=ampl_duals(result, model.sign),
        status=status_number(result),
        objno=objno,
        sizes=(header.rows, header.variables),
        options=header.options,
        vbtol=header.vbtol,
        suffixes=suffixes,
    )


def _message(model: NlModel, result: Result) -> str:
    lines = [f"optlab {optlab.__version__}: {result.message}"]
    if result.stop is StopReason.EVAL_ERROR:
        undefined = model.undefined(np.asarray(result.x, dtype=np.float64))
        lines += [undefined] if undefined else []
    lines.append(f"objective {model.sign * result.fun + 0.0:.12g}")
    lines.append(f"{result.iterations} iterations, method {result.method}")
    return "\n".join(lines)

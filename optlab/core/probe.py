"""Find the linear rows of a problem that does not say which they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.core.derivatives.estimates import AbstractEstimate
from optlab.core.oracle import Oracle
from optlab.core.sparse import row_max
from optlab.errors import EvaluationError
from optlab.typing import is_a

if TYPE_CHECKING:
    from optlab.core.problem import Problem
    from optlab.typing import Mask, Matrix, Vector

__all__ = ["find_linear_rows", "still_linear", "with_linear_rows"]

_SEED = 20210712
"""Fixed, so that the same problem always gives the same answer whatever the user's seed is."""

_SPREADS = (1e-2, 1.0)
"""Distances of the probes from the start point, relative to max(1, |x_j|)."""

_RELATIVE = 1e-10
"""Relative change of a row's gradient, and of its value against the affine prediction, that
rounding may cause."""


_VALUES = 1e-13
"""The same for values alone, whose terms may cancel: a curvature of 1e-8 shows at a distance of 1e-2."""

_CANCELLED = 1e-14
"""Rounding in the value of an affine row relative to its terms, which may cancel to nothing: between two
near points, as in a warm start, it is all that is left."""


# As in the driver: large finite values overflow on the way to a verdict, which is no reason to warn.
@np.errstate(all="ignore")
def find_linear_rows(oracle: Oracle, x0: Vector) -> Mask:
    """Compare the Jacobian at the start point and at two random points near it.

    A row is called linear when its gradient is the same at all three points and its values follow
    it. The Jacobian and the rows are evaluated three times each, counted like all evaluations. A
    probe that cannot be evaluated is tried nearer; if that fails too, no row is called linear.

    A row that stays constant is not called linear: it is more likely flat near the start only, as
    max(0, x_1 - 5)**3 is, and as a linear row it would be dropped, or prove the problem infeasible.

    An estimated Jacobian is too coarse for that: the rows are then compared with their mean at the ends
    of two segments, in six evaluations.

    Parameters
    ----------
    oracle
        Door to the problem.
    x0
        Start point, (n,).

    Returns
    -------
    Mask
        (m,) a guess, to be verified at the solution with :func:`still_linear`.
    """
    rng = np.random.default_rng(_SEED)
    mask = np.ones(oracle.m, dtype=bool)
    steep = np.zeros(oracle.m, dtype=bool)
    at_base = np.zeros(oracle.m)
    base = np.clip(x0, oracle.lb, oracle.ub)
    estimated = is_a(oracle.problem.jacobian, AbstractEstimate)
    compare = _affine_between if estimated else still_linear
    try:
        if estimated:
            at_base = oracle.constraints(base)
        else:
            steep = row_max(oracle.jacobian(base)) > 0.0
    except EvaluationError:
        return ~mask
    for spread in _SPREADS:
        direction = rng.uniform(-1.0, 1.0, oracle.n) * np.maximum(1.0, np.abs(base))
        for shrink in (1.0, 1e-3):
            x = np.clip(base + shrink * spread * direction, oracle.lb, oracle.ub)
            try:
                mask &= compare(oracle, base, x)
                if estimated:
                    steep |= oracle.constraints(x) != at_base
            except EvaluationError:
                continue
            break
        else:
            return np.zeros(oracle.m, dtype=bool)
    return mask & steep


@np.errstate(all="ignore")
def still_linear(oracle: Oracle, x0: Vector, x: Vector) -> Mask:
    """Say which rows have the same gradient at both points and values that follow it.

    Parameters
    ----------
    x0, x
        (n,)

    Raises
    ------
    EvaluationError
        When something cannot be evaluated at one of the points.
    """
    estimated = is_a(oracle.problem.jacobian, AbstractEstimate)
    J: Any = oracle.jacobian(x)
    # Estimated once, the gradients of rows called linear are the same everywhere.
    J0 = J if estimated else oracle.jacobian(x0)
    c0, c = oracle.constraints(x0), oracle.constraints(x)
    s = x - x0
    size = row_max(J0)
    same_gradient = row_max(_difference(J, J0)) <= _RELATIVE * size
    reach = size * float(np.abs(s).sum()) + np.abs(c0) + np.abs(c)
    terms = size * float(np.abs(x0).sum() + np.abs(x).sum())
    follows = np.abs(c - c0 - J0 @ s) <= np.maximum(_RELATIVE * reach, _CANCELLED * terms)
    return np.asarray(same_gradient & follows)


def _difference(A: Matrix, B: Matrix) -> Any:
    left: Any = A
    return left - B


def _affine_between(oracle: Oracle, x0: Vector, x: Vector) -> Mask:
    """Say which rows have, in the middle between two points, the mean of their values there."""
    # x comes last, because the caller asks for its values once more.
    c0, middle, c = (oracle.constraints(p) for p in (x0, 0.5 * (x0 + x), x))
    reach = np.maximum(np.maximum(np.abs(c0), np.abs(c)), np.abs(middle))
    return np.asarray(np.abs(middle - 0.5 * (c0 + c)) <= _VALUES * np.maximum(reach, 1e-300))


def with_linear_rows(problem: Problem) -> Problem:
    """Return the problem with its linear rows known: as it says, or else as probing at x0 finds them."""
    if problem.linear is not None or not problem.has_jacobian:
        return problem
    return problem.replace(linear=find_linear_rows(Oracle(problem), problem.x0))

"""How accurate estimated derivatives are at a point, and better steps where they are not.

The estimate with steps twice as long has a truncation error two (2-point) or four (3-point) times as
large, so the change says how large it is; what rounding does is known from the size of the values:

    error = max_j k |D(2d)_j - D(d)_j| + noise (|f| + sum_i |y_i c_i|) / d_j

where D(d) is grad f + J'y estimated with steps d, k is 2 for 2-point and 1 for 3-point, and the sum is over
the rows that depend on x_j.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.core.control import BudgetSpent
from optlab.core.derivatives.estimates import AbstractFirstOrder
from optlab.core.derivatives.options import stencil
from optlab.errors import EvaluationError
from optlab.typing import Vector, is_a

if TYPE_CHECKING:
    from optlab.core.derivatives.estimates import Sample
    from optlab.core.kkt import Evaluable
    from optlab.core.oracle import Oracle

__all__ = ["derivative_error", "refined"]

_CANDIDATES = 10.0 ** np.arange(-4.0, 4.0)
"""Steps that :func:`refined` tries, relative to the scheme's own."""

_ANALYTIC = 1e-4
"""Relative disagreement of a complex step with a real one that says that the function is not analytic as
it is written; then nothing is known."""

_CURVED = 1e-2
"""Share of the second difference along the same direction that the third may have."""

_ROUNDING = 1e3
"""Disagreement, in units of noise * |value|, that the noise explains."""


def derivative_error(door: Evaluable, x: Vector, y: Vector) -> float:
    """Estimate the error of the estimated grad f + J'y at x, max-norm; inf when it cannot be told.

    Costs as many evaluations as the estimates themselves.

    Parameters
    ----------
    door
        Oracle, or Problem.
    x, y
        (n,) and (m,)
    """
    problem = getattr(door, "problem", door)
    try:
        total = np.zeros(x.size)
        for verb, weights in (("gradient", None), ("jacobian", y)):
            estimate: Any = getattr(problem, verb)
            if is_a(estimate, AbstractFirstOrder) and (weights is None or weights.any()):
                sample: Sample = getattr(door, "sample", estimate.direct)
                known = getattr(door, verb)(x)
                total += np.abs(_error_of(estimate, sample, x, (known, weights)))
    except (BudgetSpent, EvaluationError):
        return math.inf
    return float(total.max(initial=0.0))


def _error_of(
    estimate: Any, sample: Sample, x: Vector, known: tuple[Any, Vector | None]
) -> Vector:
    """Return D(2d) - D(d), or what the weights make of it, (n,)."""
    value, weights = known
    if estimate.options.scheme == "complex-step":
        return _disagreement(estimate, sample, x, known)
    coarse = estimate.with_steps(estimate.options, 2.0 * estimate.steps).estimate(sample, x)
    # The change is three times the truncation error of a central difference, once that of a forward one.
    change = (2.0 if estimate.options.scheme == "2-point" else 1.0) * (coarse - value)
    change = np.asarray(change if weights is None else change.T @ weights)
    steps: Vector = estimate.steps * np.maximum(1.0, np.abs(x))
    error: Vector = np.abs(change) + _rounding(estimate, sample, x, (value, weights)) / steps
    return error


def _rounding(
    estimate: Any, sample: Sample, x: Vector, known: tuple[Any, Vector | None]
) -> Vector:
    """Return noise (|f| or sum_i |y_i c_i|), the rounding error of D(d) times d, (n,)."""
    value, weights = known
    noise = estimate.options.noise
    if weights is None:
        return np.full(x.size, noise * abs(float(sample("objective", x))))
    c = np.abs(np.asarray(sample("constraints", x)) * weights)
    return np.asarray(noise * ((abs(value) > 0.0) * 1.0).T @ c)


def _disagreement(
    estimate: Any, sample: Sample, x: Vector, known: tuple[Any, Vector | None]
) -> Vector:
    """Compare a complex step with a real one along one direction: 0, or inf when they disagree."""
    value, weights = known
    p = estimate.home
    points = stencil(x, p.lb, p.ub, "3-point", estimate.options.noise ** (1.0 / 3.0))
    share = np.random.default_rng(x.size).uniform(0.5, 1.0, x.size)
    verb = "objective" if weights is None else "constraints"
    a, b = (share * offset for offset in points.offsets)
    at, there, back = (np.asarray(sample(verb, point)) for point in (x, x + a, x + b))
    allowed = _ANALYTIC * (abs(value) @ np.abs(a - b))
    allowed = allowed + _CURVED * np.abs(there + back - 2.0 * at)
    allowed = allowed + _ROUNDING * estimate.options.noise * np.abs(at)
    wrong = np.abs(there - back - value @ (a - b)) > allowed
    return np.full(x.size, math.inf if bool(np.any(wrong)) else 0.0)


def refined(oracle: Oracle, x: Vector, y: Vector) -> dict[str, Any]:
    """Choose for every variable the 3-point step that is most accurate at x.

    Eight steps, each ten times the one before, are tried; the best is where the estimate changes least
    from one to the next on either side. Complex steps are not refined.

    Returns
    -------
    dict
        The estimates to put into the problem, by verb.
    """
    found: dict[str, Any] = {}
    for verb in ("gradient", "jacobian"):
        estimate: Any = getattr(oracle.problem, verb)
        if not is_a(estimate, AbstractFirstOrder) or estimate.options.scheme == "complex-step":
            continue
        options = replace(estimate.options, scheme="3-point")
        base = options.relative_step()
        values: list[Any] = []
        for factor in _CANDIDATES:
            trial = estimate.with_steps(options, base * factor)
            try:
                values.append(trial.estimate(oracle.sample, x))
            except EvaluationError:
                values.append(None)  # a long step may leave the domain of a function
        weights = None if verb == "gradient" else np.abs(y) + 1.0
        changes = [_size(*pair, weights, x.size) for pair in pairwise(values)]
        nothing = np.full(x.size, math.inf)
        # A small change may be chance: both neighbours must agree, and rounding is never less than this.
        errors = np.maximum(np.array([nothing, *changes]), np.array([*changes, nothing]))
        known = next((v for v in values if v is not None), np.zeros(x.size))
        rounding = _rounding(estimate, oracle.sample, x, (known, weights))
        errors += rounding / (base * _CANDIDATES[:, None] * np.maximum(1.0, np.abs(x)))
        best = _CANDIDATES[np.argmin(errors, axis=0)]
        unclear = ~np.isfinite(errors.min(axis=0))
        found[verb] = estimate.with_steps(options, base * np.where(unclear, 1.0, best))
    return found


def _size(before: Any, after: Any, weights: Vector | None, n: int) -> Vector:
    """Return the size of a change per variable, (n,)."""
    if before is None or after is None:
        return np.full(n, math.inf)
    change = abs(after - before)
    return np.asarray(change if weights is None else change.T @ weights)

"""Products of a simulator's Jacobian from the left, estimated from runs at displaced points.

For outputs y = S(z) and a vector v, the product J_S(z)'v is the gradient of z -> <S(z), v>. So any estimator of gradients
gives it; the values of that function come from runs at z + s_1, ..., z + s_k, for all samples of a batch at once:

    CGE, central     (J'v)_i ~ <S(z + h_i e_i) - S(z - h_i e_i), v> / (2 h_i)              2n runs per sample
    RGE              J'v ~ mean over j of <S(z + h u_j) - S(z), v> u_j / h                 q runs per sample
    h_i = smoothing * (upper_i - lower_i)

S(z) itself is known from the forward pass and is not run again. See [Tsa22].
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from optlab import zo
from optlab.errors import OptionError, ProblemError
from optlab.methods.zeroth.estimators.base import AbstractEstimator, Box, Plan
from optlab.typing import Vector
from optlab_adapters.blackbox.finite import finite_rows
from optlab_adapters.blackbox.runs import AbstractRun
from optlab_adapters.blackbox.simulator import Simulator

__all__ = ["Differentiated", "differentiated"]

SMOOTHING = 1e-3
"""Displacements in units of upper - lower: the error of central differences is some 1e-5 of the gradient there, and
simulators that print six digits still move."""

ROUNDING = 1e-5
"""By which part of upper - lower a point may lie outside: float32 rounds upper itself to 1e-7 of its size."""


@dataclass(frozen=True)
class Differentiated:
    """A simulator on a box, with products of its Jacobian."""

    simulator: Simulator
    estimator: AbstractEstimator
    lower: Vector
    upper: Vector

    @property
    def n(self) -> int:
        """Number of inputs."""
        return self.lower.size

    @property
    def width(self) -> Vector:
        """Size of the box in every input, 1 where it has none."""
        width = self.upper - self.lower
        sizes: Vector = np.where(np.isfinite(width), width, 1.0)
        return sizes

    def inside(self, z: Vector) -> Vector:
        """Return points (k, n) with rounding errors beyond the box cut off.

        Raises
        ------
        ProblemError
            When a point is outside by more than that, or not finite, or of the wrong length.
        """
        if z.ndim != 2 or z.shape[1] != self.n:
            raise ProblemError(
                f"the black box was given shape {z.shape}; shape (batch, {self.n}) is needed, one column for every bound"
            )
        if not np.isfinite(z).all():
            raise ProblemError(
                "the black box was given values that are not finite; the training has diverged, or its data have nan"
            )
        slack = ROUNDING * self.width
        outside = (z < self.lower - slack) | (z > self.upper + slack)
        if outside.any():
            b, i = map(int, np.argwhere(outside)[0])
            raise ProblemError(
                f"input {i} of sample {b} is {z[b, i]:g}; between {self.lower[i]:g} and {self.upper[i]:g} is needed. Let the "
                "network end with squash(), which maps all numbers into the box"
            )
        clipped: Vector = np.clip(z, self.lower, self.upper)
        return clipped

    def product(self, z: Vector, y: Vector, v: Vector, rng: np.random.Generator) -> Vector:
        """Estimate J_S(z_b)'v_b for every sample b.

        Parameters
        ----------
        z
            (batch, n), inside the box.
        y
            (batch, m), S(z); a row with nan is a sample that failed: its product is 0 and costs nothing.
        v
            (batch, m); a row of zeros costs nothing.
        rng
            For estimators that draw directions.

        Returns
        -------
        Vector
            (batch, n)

        Raises
        ------
        EvaluationError, BudgetError
            From the simulator, when its policy is to stop or its budget is spent.
        """
        solved, usable = finite_rows(y), finite_rows(v)
        products = np.zeros(z.shape)
        # What a loss does with nan is not hidden, as long as the sample is one that counts.
        products[solved & ~usable] = np.nan
        wanted = np.flatnonzero(solved & usable & (v != 0.0).any(axis=1))
        if not wanted.size:
            return products
        plans = [self._plan(z[b], rng) for b in wanted]
        rows = [plan.shifts.rows() for plan in plans]
        fresh = [row.any(axis=1) for row in rows]
        points = np.concatenate(
            [(z[b] + r)[f] for b, r, f in zip(wanted, rows, fresh, strict=True)]
        )
        found = self.simulator.evaluate(np.clip(points, self.lower, self.upper)).values
        start = 0
        for b, plan, row, new in zip(wanted, plans, rows, fresh, strict=True):
            values = np.full(new.size, y[b] @ v[b])
            stop = start + int(new.sum())
            values[new] = found[start:stop] @ v[b]
            start = stop
            products[b] = plan.combine(_mended(values, row, y[b] @ v[b])).gradient
        return products

    def _plan(self, z: Vector, rng: np.random.Generator) -> Plan:
        return self.estimator.plan(self.n, rng, box=Box(z, self.lower, self.upper))


def _mended(values: Vector, rows: Vector, middle: float) -> Vector:
    """Where one half of a pair x + s, x - s is lost, continue the line through the other half and the middle.

    The central difference of the pair then is a one-sided one.
    """
    for j in np.flatnonzero(np.isnan(values)):
        opposite = (rows == -rows[j]).all(axis=1) & np.isfinite(values)
        if opposite.any():
            values[j] = 2.0 * middle - values[int(np.argmax(opposite))]
    return values


def differentiated(
    simulator: Any, lower: Any, upper: Any, queries: Any, smoothing: float | None
) -> Differentiated:
    """Make sense of the arguments of a black-box layer.

    Raises
    ------
    OptionError
        When bounds or queries are none.
    """
    if not isinstance(simulator, Simulator):
        takes_many = not isinstance(simulator, AbstractRun)
        simulator = Simulator(simulator, batch=takes_many)
    try:
        low, high = np.broadcast_arrays(
            np.array(lower, dtype=np.float64, ndmin=1), np.array(upper, dtype=np.float64)
        )
        fits = low.ndim == 1 and bool((low < high).all())
    except ValueError:
        fits = False
    if not fits:
        raise OptionError(
            f"lower={lower!r} and upper={upper!r} are no box; (n,) numbers each, lower < upper, are needed"
        )
    made = Differentiated(simulator, zo.CGE(), low.copy(), high.copy())
    return replace(made, estimator=_estimator(queries, smoothing, made.width))


def _estimator(queries: Any, smoothing: float | None, width: Vector) -> AbstractEstimator:
    """Return the estimator that is meant, with steps in proportion to the box."""
    radius = SMOOTHING if smoothing is None else smoothing
    if queries == "cge":
        estimator: AbstractEstimator = zo.CGE(central=True, smoothing=radius)
    elif queries == "rge":
        estimator = zo.RGE(smoothing=radius)
    elif isinstance(queries, AbstractEstimator):
        if smoothing is not None:
            raise OptionError(
                "smoothing belongs to the estimator that is given as queries; give it there"
            )
        estimator = queries
    else:
        raise OptionError(
            f"queries is {queries!r}; 'cge', 'rge' or an estimator such as optlab.zo.RGE(...) is needed"
        )
    return replace(estimator, scale=width) if estimator.scale is None else estimator

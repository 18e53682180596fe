"""The thresholds and shifts of one layer as a constrained least-squares problem.

A layer has channels c with potentials u (its inputs, those of a network whose earlier layers are quantized already)
and targets r = relu of the potentials of the float network. With lam = delta L, the quantized activation of u + b is

    h(u + b; delta) = delta (number of k = 1..L with u > e_k),   e_k = (k - 1/2) delta - b.

So, with the tails S, R, V of :mod:`optlab_adapters.snn.calibration.tails`, the weighted squared error of a channel is

    sum_i w_i (h_i - r_i)^2 = sum_i w_i r_i^2 - 2 delta sum_k R(e_k) + delta^2 sum_k (2k - 1) S(e_k),

and its mean activation is delta sum_k V(e_k). The problem is

    min over delta, b   sum over channels of the errors, relative to sum_i w_i r_i^2 of the layer
    s.t.                |delta_c sum_k V_c(e_k) / mean_c(r) - 1| <= tolerance, for channels c that are seen to fire
                        bounds on delta, and on b in units of the threshold at the start.

Tails are smooth, so Newton's method applies. Source: derived here; the half steps are those of the activation.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from optlab.core.problem import Problem
from optlab.core.stated import AbstractStated
from optlab.errors import OptionError, ProblemError
from optlab_adapters.snn.calibration.tails import BINS, Tails
from optlab_adapters.snn.coding import check_steps

if TYPE_CHECKING:
    from optlab.typing import Indices, Matrix, Vector
    from optlab_adapters.snn.calibration.tails import Edge

__all__ = ["CalibrationProblem"]

LOWEST, HIGHEST = 0.02, 2.0
"""Bounds on thresholds, in units of the largest potential or target of their channels."""

LONGEST_SHIFT = 0.5
"""Bound on shifts, in the same units."""

SEEN = 1e-3
"""Share of samples above zero below which the mean of a channel is not a constraint: there is too little to keep."""

CANDIDATES = 120
"""Thresholds tried for the start."""


@dataclass(frozen=True)
class Values:
    """What is shared by the functions at one point: steps and edges by channel, and the tails there."""

    delta: Vector
    edge: Edge


class CalibrationProblem(AbstractStated):
    """Thresholds and shifts of a layer by constrained least squares, for :func:`optlab.minimize`.

    Variables are the thresholds, in units of ``scale``, then the shifts in the same units.

    Parameters
    ----------
    potentials : array, shape (C, N)
        Inputs of the activations, N samples of each channel.
    targets : array, shape (C, N)
        What the activations should be, >= 0.
    steps : int
        T; L = 2^T - 1.
    channelwise : bool
        Whether every channel has its threshold, or the layer one.
    shifts : bool
        Whether shifts are variables; if not they are 0 and means are free.
    mean_tolerance : float or None
        By how much, relatively, the mean activation of a channel may change; 0 is an equation, None no constraint.
    weights : array, shape (C, N), or None
        w >= 0; None: ones.
    bins : int
        Grid intervals on which a channel's samples are smoothed.

    Raises
    ------
    ProblemError
        When arrays do not fit, are not finite or have nothing above zero.
    OptionError
        When the steps do not fit.
    """

    def __init__(
        self,
        potentials: Vector,
        targets: Vector,
        steps: int,
        *,
        channelwise: bool = True,
        shifts: bool = True,
        mean_tolerance: float | None = 0.0,
        weights: Vector | None = None,
        bins: int = BINS,
    ) -> None:
        self.levels = 2 ** check_steps(steps) - 1
        if not bins >= 16:
            raise OptionError(f"bins is {bins!r}; a whole number of at least 16 is needed")
        if mean_tolerance is not None and not mean_tolerance >= 0:
            raise OptionError(
                f"mean_tolerance is {mean_tolerance!r}; None or a number >= 0 is needed"
            )
        self.tolerance = mean_tolerance
        u, r, w = _checked(potentials, targets, weights)
        self.channels = len(u)
        self.shifts = shifts
        self.group = (
            np.arange(self.channels) if channelwise else np.zeros(self.channels, np.intp)
        )
        highest = np.maximum(u.max(axis=1), r.max(axis=1))
        if not channelwise:
            highest = np.full(self.channels, highest.max())
        #: (C,) unit of thresholds and shifts; a channel that is never above zero borrows the layer's.
        self.scale = np.where(highest > 0, highest, highest.max())
        unit = self.scale[:, None]
        energy = float((w * r**2).sum())
        count = u.shape[1]
        share = w * unit**2 / energy
        columns = np.stack([share, share * r / unit, np.full_like(w, 1 / count)], axis=2)
        self._tails = Tails(u / unit, columns, bins)
        self._mean = r.mean(axis=1) / self.scale
        seen = ((u > 0).mean(axis=1) > SEEN) & ((r > 0).mean(axis=1) > SEEN)
        #: Channels whose mean is kept.
        self.kept: Indices = np.flatnonzero(seen & (shifts and mean_tolerance is not None))
        self._at: tuple[bytes, Values] | None = None

    # The variables --------------------------------------------------------------------------------

    @cached_property
    def groups(self) -> int:
        """Number of thresholds."""
        return int(self.group.max()) + 1

    @property
    def n(self) -> int:
        """Number of variables."""
        return self.groups + self.channels * self.shifts

    def thresholds(self, x: Vector) -> Vector:
        """Return the thresholds that a point stands for, (C,) or (1,)."""
        chosen: Vector = x[: self.groups] * self.scale[: self.groups]
        return chosen

    def offsets(self, x: Vector) -> Vector:
        """Return the shifts that a point stands for, (C,)."""
        if not self.shifts:
            return np.zeros(self.channels)
        moved: Vector = x[self.groups :] * self.scale
        return moved

    def point(self, thresholds: Vector, offsets: Vector | None = None) -> Vector:
        """Return the point of thresholds, (C,) or (1,), and shifts, (C,), None meaning none."""
        lam: Vector = np.broadcast_to(thresholds, self.groups) / self.scale[: self.groups]
        if not self.shifts:
            return lam
        shift: Vector = np.zeros(self.channels) if offsets is None else offsets / self.scale
        return np.concatenate([lam, shift])

    def start(self) -> Vector:
        """Return, for every threshold, the best of a geometric grid without shifts."""
        grid = np.geomspace(LOWEST * 2, 1.0, CANDIDATES)
        errors = np.array(
            [self._by_group(self._errors(self._values(self._plain(lam)))) for lam in grid]
        )
        return self._plain(grid[errors.argmin(axis=0)])

    def _plain(self, thresholds: Vector | float) -> Vector:
        x = np.zeros(self.n)
        x[: self.groups] = thresholds
        return x

    def _by_group(self, by_channel: Vector) -> Vector:
        summed: Vector = np.bincount(self.group, by_channel, self.groups).astype(np.float64)
        return summed

    # The functions --------------------------------------------------------------------------------

    @cached_property
    def _half(self) -> Vector:
        """The half steps k - 1/2 for k = 1..L; 2k - 1 is twice that."""
        half: Vector = np.arange(self.levels, dtype=np.float64) + 0.5
        return half

    def _values(self, x: Vector) -> Values:
        key = x.tobytes()
        if self._at is None or self._at[0] != key:
            delta = x[self.group] / self.levels
            shift = x[self.groups :, None] if self.shifts else 0.0
            self._at = key, Values(delta, self._tails.at(delta[:, None] * self._half - shift))
        return self._at[1]

    def _errors(self, values: Values) -> Vector:
        """Return the errors of the channels, up to the sum of w r^2."""
        tail, delta = values.edge.tail, values.delta
        total: Vector = -2 * delta * tail[..., 1].sum(axis=1) + 2 * delta**2 * (
            tail[..., 0] @ self._half
        )
        return total

    def objective(self, x: Vector) -> float:
        """Return the squared error relative to the targets' squares."""
        return 1.0 + float(self._errors(self._values(x)).sum())

    def gradient(self, x: Vector) -> Vector:
        """Return the gradient, (n,)."""
        values = self._values(x)
        tail, density, delta = values.edge.tail, values.edge.density, values.delta
        direct = -2 * tail[..., 1].sum(axis=1) + 4 * delta * (tail[..., 0] @ self._half)
        by_edge = self._by_edge(density, delta)
        return self._gathered(direct + by_edge @ self._half, -by_edge.sum(axis=1))

    def _by_edge(self, change: Vector, delta: Vector) -> Vector:
        """Return 2 delta R' - delta^2 (2k - 1) S' of densities, or of their slopes, (C, L)."""
        step = delta[:, None]
        moved: Vector = 2 * step * change[..., 1] - 2 * step**2 * self._half * change[..., 0]
        return moved

    def _gathered(self, by_delta: Vector, by_shift: Vector) -> Vector:
        of_thresholds = self._by_group(by_delta) / self.levels
        return np.concatenate([of_thresholds, by_shift]) if self.shifts else of_thresholds

    def constraints(self, x: Vector) -> Vector:
        """Return the mean activations of the kept channels, relative to what they should be."""
        values = self._values(x)
        mean = values.delta * values.edge.tail[..., 2].sum(axis=1)
        relative: Vector = mean[self.kept] / self._mean[self.kept]
        return relative

    def jacobian(self, x: Vector) -> Matrix:
        """Return their derivatives, sparse, two in a row."""
        values = self._values(x)
        tail, density = values.edge.tail[self.kept, :, 2], values.edge.density[self.kept, :, 2]
        delta = values.delta[self.kept]
        by_delta = tail.sum(axis=1) - delta * (density @ self._half)
        by_shift = delta * density.sum(axis=1)
        entries = (
            np.stack([by_delta / self.levels, by_shift], axis=1) / self._mean[self.kept, None]
        )
        columns = np.stack([self.group[self.kept], self.groups + self.kept], axis=1)
        rows = np.repeat(np.arange(len(self.kept)), 2)
        matrix: Matrix = sparse.csr_array(
            (entries.ravel(), (rows, columns.ravel())), shape=(len(self.kept), self.n)
        )
        return matrix

    def hessian(self, x: Vector, y: Vector, sigma: float) -> Matrix:
        """Return sigma times the objective's Hessian plus the y-weighted sum of the constraints', sparse."""
        values = self._values(x)
        edge, delta, half = values.edge, values.delta, self._half
        tail, density, slope = edge.tail, edge.density, edge.slope
        mixed = 2 * density[..., 1] - 4 * delta[:, None] * half * density[..., 0]
        bent = self._by_edge(slope, delta)
        thresholds = sigma * (4 * (tail[..., 0] @ half) + 2 * mixed @ half + bent @ half**2)
        both = -sigma * (mixed.sum(axis=1) + bent @ half)
        shift = sigma * bent.sum(axis=1)
        weight = np.zeros(self.channels)
        weight[self.kept] = np.asarray(y, dtype=np.float64) / self._mean[self.kept]
        rise, change = density[..., 2], delta[:, None] * slope[..., 2]
        thresholds -= weight * (2 * rise @ half + change @ half**2)
        both += weight * (rise.sum(axis=1) + change @ half)
        shift -= weight * change.sum(axis=1)
        return self._assembled(thresholds, both, shift)

    def _assembled(self, thresholds: Vector, both: Vector, shift: Vector) -> Matrix:
        of, own = self.group, np.arange(self.channels) + self.groups
        diagonal = np.arange(self.groups), self._by_group(thresholds) / self.levels**2
        matrix: Matrix = sparse.csr_array((diagonal[1], (diagonal[0], diagonal[0])))
        if not self.shifts:
            return matrix
        size = (self.n, self.n)
        crossed = both / self.levels
        rows = np.concatenate([diagonal[0], of, own, own])
        columns = np.concatenate([diagonal[0], own, of, own])
        entries = np.concatenate([diagonal[1], crossed, crossed, shift])
        full: Matrix = sparse.csr_array((entries, (rows, columns)), shape=size)
        return full

    def problem(self, x0: Vector | None = None) -> Problem:
        """State the problem for a solver; it starts from :meth:`start` unless x0 is given."""
        ones = np.ones(self.groups)
        moves = np.full(self.channels * self.shifts, LONGEST_SHIFT)
        rows, slack = len(self.kept), self.tolerance or 0.0
        return Problem(
            objective=self.objective,
            gradient=self.gradient,
            hessian=self.hessian,
            constraints=self.constraints if rows else None,
            jacobian=self.jacobian if rows else None,
            x0=self.start() if x0 is None else x0,
            lb=np.concatenate([LOWEST * ones, -moves]),
            ub=np.concatenate([HIGHEST * ones, moves]),
            cl=np.full(rows, 1 - slack) if rows else None,
            cu=np.full(rows, 1 + slack) if rows else None,
            linear=np.zeros(rows, dtype=bool) if rows else None,
            name="calibration",
        )


def _checked(
    potentials: Vector, targets: Vector, weights: Vector | None
) -> tuple[Vector, Vector, Vector]:
    u, r = (np.asarray(a, dtype=np.float64) for a in (potentials, targets))
    w = np.ones_like(r) if weights is None else np.asarray(weights, dtype=np.float64)
    if u.ndim != 2 or not u.shape == r.shape == w.shape or u.size == 0:
        raise ProblemError(
            f"potentials, targets and weights have shapes {u.shape}, {r.shape} and {w.shape}; one shape "
            "(channels, samples) is needed"
        )
    if not (np.isfinite(u).all() and np.isfinite(r).all() and np.isfinite(w).all()):
        raise ProblemError("potentials, targets or weights are not finite")
    if (r < 0).any() or (w < 0).any() or not (w * r).any() or not (u > 0).any():
        raise ProblemError(
            "targets and weights must not be negative, and some target with weight and some potential must be "
            "positive; a layer that never fires has nothing to calibrate"
        )
    return u, r, w

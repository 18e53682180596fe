"""Exact minimiser of the projection's dual along a line: NumPy twin and dispatch.

For min 1/2 |x - y|^2 over {bl <= A x <= bu, lo <= x <= hi} the negative dual function is

    phi(lam) = sum_i max(bu_i lam_i, bl_i lam_i) - lam'A x(lam) - 1/2 |x(lam) - y|^2,
    x(lam) = min(max(lo, y - A'lam), hi).

Along lam + t d it is convex and piecewise quadratic in t. With u = y - A'lam and w = A'd its
derivative

    phi'(t) = sum_i d_i b_i(t) - sum_j w_j x_j(t),     x_j(t) = clip(u_j - t w_j, lo_j, hi_j),

has slope sum of w_j^2 over the variables strictly between their bounds, and jumps by
|d_i| (bu_i - bl_i) where lam_i changes sign. The minimiser is where phi' passes zero: found by
sorting the breakpoints and adding up, O(k log k).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from optlab.kernels import use_numba

if TYPE_CHECKING:
    import numpy.typing as npt

    FloatArray = npt.NDArray[np.float64]

# The slope is a sum with cancellation; below this fraction of its largest term it is zero.
ZERO_SLOPE = 1e-14
# Where the polyhedron has no interior phi' tends to zero along whole rays, and rounding must not
# make it negative there: below this fraction of sum |d_i b_i| + sum |w_j u_j|, the terms whose
# differences the walk adds up, the derivative is zero.
ZERO_DERIVATIVE = 1e-14


class DualLine(NamedTuple):
    """The data of one line search, all float64 arrays.

    Attributes
    ----------
    u, w, lo, hi : (n,)
    lam, d, bl, bu : (m,)
    """

    u: FloatArray
    w: FloatArray
    lo: FloatArray
    hi: FloatArray
    lam: FloatArray
    d: FloatArray
    bl: FloatArray
    bu: FloatArray


def line_minimum(line: DualLine) -> float:
    """Return the least minimiser t >= 0 of phi(lam + t d); inf if phi falls for ever.

    d must be a direction in which phi is finite: d_i >= 0 where lam_i = 0 and bl_i = -inf,
    d_i <= 0 where lam_i = 0 and bu_i = inf.
    """
    if use_numba(line.u.size + line.lam.size):
        from optlab.kernels.compiled import line_minimum_compiled  # noqa: PLC0415 - numba is slow

        return float(line_minimum_compiled(*line))
    return line_minimum_numpy(line)


def line_minimum_numpy(line: DualLine) -> float:
    """NumPy twin of :func:`optlab.kernels.compiled.line_minimum_compiled`."""
    moving = line.w.nonzero()[0]
    w, u = line.w[moving], line.u[moving]
    lo, hi = line.lo[moving], line.hi[moving]
    falling = w > 0.0
    t_in = (u - np.where(falling, hi, lo)) / w
    t_out = (u - np.where(falling, lo, hi)) / w
    square = w * w
    slope = float(square[(t_in <= 0.0) & (t_out > 0.0)].sum())
    changed = line.d.nonzero()[0]
    lam, d = line.lam[changed], line.d[changed]
    bl, bu = line.bl[changed], line.bu[changed]
    upper = (lam > 0.0) | ((lam == 0.0) & (d > 0.0))
    side = np.where(upper, bu, bl)
    derivative = float(d.dot(side)) - float(w.dot(np.clip(u, lo, hi)))
    if derivative >= 0.0:
        return 0.0
    zero = ZERO_DERIVATIVE * (
        float(np.abs(d).dot(np.abs(side))) + float(np.abs(w).dot(np.abs(u)))
    )
    t_row = -lam / d
    enters = t_in > 0.0
    leaves = (t_out > 0.0) & (t_out < math.inf)
    kinks = (t_row > 0.0) & (bu > bl)
    times = np.concatenate((t_in[enters], t_out[leaves], t_row[kinks]))
    n_kinks = int(np.count_nonzero(kinks))
    slopes = np.concatenate((square[enters], -square[leaves], np.zeros(n_kinks)))
    jumps = np.zeros(times.size)
    if n_kinks:
        jumps[-n_kinks:] = np.abs(d[kinks]) * (bu[kinks] - bl[kinks])
    order = times.argsort()
    return _walk((derivative, slope), times[order], slopes[order], jumps[order], zero)


def _walk(
    start: tuple[float, float],
    times: FloatArray,
    slopes: FloatArray,
    jumps: FloatArray,
    zero: float,
) -> float:
    """Find where the derivative passes zero, given its sorted breakpoints.

    ``start`` holds the derivative and its slope at t = 0; ``zero`` is what counts as zero.
    """
    derivative, slope = start
    largest = max(slope, float(np.abs(slopes).max(initial=0.0)))
    starts = np.concatenate(((0.0,), times))
    # slope_after[k] holds between breakpoints k and k + 1, breakpoint 0 being t = 0.
    slope_after = slope + np.concatenate(((0.0,), slopes.cumsum()))
    slope_after[slope_after <= ZERO_SLOPE * largest] = 0.0
    growth = (slope_after[:-1] * np.diff(starts)).cumsum()
    jumped = jumps.cumsum()
    after = derivative + growth + jumped
    passed = (after >= -zero).nonzero()[0]
    if passed.size:
        k = int(passed[0])
        before = derivative + float(growth[k]) + (float(jumped[k - 1]) if k else 0.0)
        if before <= 0.0:
            return float(times[k])
    else:
        k = times.size
        if slope_after[k] == 0.0:
            return math.inf
    at_start = derivative if k == 0 else float(after[k - 1])
    return float(starts[k]) - at_start / float(slope_after[k])

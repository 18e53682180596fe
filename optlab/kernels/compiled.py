"""The kernels that numba compiles; importing this module imports numba.

Every function here has a plain twin that a test compares it with.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from optlab.kernels.coloring import color_plain, star_plain
from optlab.kernels.elimination import factor_nnz_plain

# The same numbers as in the twin; numba freezes globals into the compiled code.
ZERO_SLOPE = 1e-14
ZERO_DERIVATIVE = 1e-14


@njit(cache=True)
def line_minimum_compiled(u, w, lo, hi, lam, d, bl, bu):  # type: ignore[no-untyped-def]
    """Minimise the projection's dual along a line; see :mod:`optlab.kernels.line_minimum`."""
    n, m = u.size, lam.size
    times = np.empty(2 * n + m)
    slopes = np.empty(2 * n + m)
    jumps = np.zeros(2 * n + m)
    count = 0
    slope = 0.0
    largest = 0.0
    derivative = 0.0
    magnitude = 0.0
    for j in range(n):
        wj = w[j]
        if wj == 0.0:
            continue
        derivative -= wj * min(max(u[j], lo[j]), hi[j])
        magnitude += abs(wj * u[j])
        if wj > 0.0:
            t_in, t_out = (u[j] - hi[j]) / wj, (u[j] - lo[j]) / wj
        else:
            t_in, t_out = (u[j] - lo[j]) / wj, (u[j] - hi[j]) / wj
        square = wj * wj
        if t_in <= 0.0 < t_out:
            slope += square
        if t_in > 0.0:
            times[count], slopes[count] = t_in, square
            count += 1
            largest = max(largest, square)
        if 0.0 < t_out < np.inf:
            times[count], slopes[count] = t_out, -square
            count += 1
            largest = max(largest, square)
    largest = max(largest, slope)
    for i in range(m):
        di = d[i]
        if di == 0.0:
            continue
        upper = lam[i] > 0.0 or (lam[i] == 0.0 and di > 0.0)
        side = bu[i] if upper else bl[i]
        derivative += di * side
        magnitude += abs(di * side)
        t = -lam[i] / di
        if t > 0.0 and bu[i] > bl[i]:
            times[count], slopes[count] = t, 0.0
            jumps[count] = abs(di) * (bu[i] - bl[i])
            count += 1
    if derivative >= 0.0:
        return 0.0
    zero = ZERO_DERIVATIVE * magnitude
    start = 0.0
    raw = slope
    for k in np.argsort(times[:count]):
        slope = raw if raw > ZERO_SLOPE * largest else 0.0
        before = derivative + slope * (times[k] - start)
        if before > 0.0:
            return start - derivative / slope
        if before + jumps[k] >= -zero:
            return times[k]
        derivative = before + jumps[k]
        start = times[k]
        raw += slopes[k]
    if raw <= ZERO_SLOPE * largest:
        return np.inf
    return start - derivative / raw


factor_nnz_compiled = njit(cache=True)(factor_nnz_plain)
color_compiled = njit(cache=True)(color_plain)
star_compiled = njit(cache=True)(star_plain)

"""Approximate Wolfe line search on [0, a_max].

Finds a step ``a`` with either the Wolfe conditions

    phi(a) <= phi(0) + delta a phi'(0),      phi'(a) >= sigma phi'(0)              (W)

or the approximate Wolfe conditions of [HZ05], which stay decidable when ``phi(a) - phi(0)`` is
smaller than rounding:

    (2 delta - 1) phi'(0) >= phi'(a) >= sigma phi'(0),    phi(a) <= phi(0) + eps |phi(0)|   (AW)

The lower curvature bound is waived at ``a_max``, where the feasible segment ends.

References
----------
.. [HZ05] W. W. Hager and H. Zhang, "A new conjugate gradient method with guaranteed descent and an
   efficient line search", SIAM J. Optim. 16 (2005), sections 3 and 4.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LineSearchOptions", "LineStep", "approximate_wolfe"]


@dataclass(frozen=True, slots=True)
class LineSearchOptions:
    """Constants of the search; the defaults are those of [HZ05] unless a comment says otherwise."""

    decrease: float = 1e-4
    """delta in (W): required fraction of the linear decrease. [HZ05] uses 0.1 for conjugate
    gradients; 1e-4 is Armijo's usual constant and lets unit Newton steps through."""

    curvature: float = 0.9
    """sigma in (W) and (AW)."""

    rounding: float = 1e-11
    """eps in (AW), relative to ``|phi(0)|``: differences below it are taken as noise."""

    expansion: float = 4.0
    """Growth of the step while the slope still says "further"."""

    max_trials: int = 40
    """Evaluations of phi before the search gives up."""


@dataclass(frozen=True, slots=True)
class LineStep:
    """The outcome of a search: ``size == 0`` when no acceptable step was found."""

    size: float
    value: float
    trials: int

    @property
    def found(self) -> bool:
        """Whether an acceptable step was found."""
        return self.size > 0.0


def approximate_wolfe(
    value: Callable[[float], float],
    slope: Callable[[float], float],
    start: tuple[float, float],
    a_max: float,
    options: LineSearchOptions,
    reference: float | None = None,
) -> LineStep:
    """Search for a step that satisfies (W) or (AW), first trial ``a = min(1, a_max)``.

    Parameters
    ----------
    value
        ``a -> phi(a)``; ``inf`` where the function cannot be evaluated.
    slope
        ``a -> phi'(a)``, called only at points where ``value`` was just found acceptable.
    start
        ``(phi(0), phi'(0))`` with ``phi'(0) < 0``.
    a_max
        Largest feasible step, at least 1 for directions that stay in a convex set.
    reference
        Nonmonotone reference value that replaces ``phi(0)`` in the decrease test (None: monotone).

    Returns
    -------
    LineStep
        ``size == 0`` when the trials ran out.
    """
    f0, slope0 = start
    level = f0 if reference is None or not reference > f0 else reference
    noise = options.rounding * max(abs(f0), 1e-300)
    best = LineStep(0.0, f0, 0)
    low, f_low = 0.0, f0
    high = math.inf
    a = min(1.0, a_max)
    for trial in range(1, options.max_trials + 1):
        fa = value(a)
        wolfe = fa <= level + options.decrease * a * slope0
        if not wolfe and not fa <= level + noise:
            high = a
            a = _shrink(low, high, (f_low, fa), slope0 if low == 0.0 else None)
            if best.found or a <= 1e-16:
                return LineStep(best.size, best.value, trial)
            continue
        dfa = slope(a)
        if not wolfe and dfa > (2.0 * options.decrease - 1.0) * slope0:
            # (AW) fails from above: the minimiser of the noise-level bowl lies to the left.
            high = a
            a = 0.5 * (low + high)
            continue
        if best.found and fa >= best.value:
            return LineStep(best.size, best.value, trial)
        best = LineStep(a, fa, trial)
        if dfa >= options.curvature * slope0 or a >= a_max:
            return best
        low, f_low = a, fa
        # The growth itself grows: a ray along which phi is unbounded is left in a few dozen trials.
        if math.isinf(high):
            a = min(options.expansion * a * max(a, 1.0) ** 0.25, a_max)
        else:
            a = 0.5 * (low + high)
    return LineStep(best.size, best.value, options.max_trials)


def _shrink(
    low: float, high: float, values: tuple[float, float], slope_low: float | None
) -> float:
    """Return a point of (low, high): quadratic interpolation, kept inside [0.1, 0.5]."""
    f_low, f_high = values
    width = high - low
    if slope_low is not None and math.isfinite(f_high):
        curvature = (f_high - f_low) / width - slope_low
        if curvature > 0.0:
            fraction = -0.5 * slope_low / curvature
            return low + width * min(max(fraction, 0.1), 0.5)
        return low + 0.5 * width
    return low + (0.5 if math.isfinite(f_high) else 0.25) * width

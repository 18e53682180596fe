"""How derivatives are estimated: the scheme, its steps, and what the user knows of the functions.

    2-point:       (f(x + d) - f(x)) / d                                   d = eps^(1/2) max(1, |x|)
    3-point:       the slope at x of the parabola through x, x + d1, x + d2
                   (f(x + d) - f(x - d)) / 2d  for  d1 = d, d2 = -d        d = eps^(1/3) max(1, |x|)
    complex-step:  Im f(x + i d) / d                                       d = 1e-20 max(1, |x|)

with eps the relative error of the function's values: rounding, or what the user says ([NW06],
section 8.1). No point outside the bounds is ever asked for: a 2-point step turns round or becomes shorter
at a bound, and the parabola takes both points from the inside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from optlab.errors import OptionError
from optlab.typing import Vector

__all__ = ["ALIASES", "Differences", "Scheme", "Stencil", "differences", "stencil"]

Scheme: TypeAlias = Literal["2-point", "3-point", "complex-step"]

ALIASES = {"finite-difference": "3-point", "cs": "complex-step"}
"""What else is understood: a word for the default, and SciPy's name."""

_EPS = float(np.finfo(np.float64).eps)

_COMPLEX_STEP = 1e-20
"""So small that its square vanishes beside 1: the complex step has no truncation error."""

_NOISE_MAX = 0.1
"""A relative noise above it leaves no digit to take differences of."""

_NARROW = 0.1
"""Fraction of the wanted step that a side must have room for; otherwise both points of the parabola are
taken on the other side."""


_SYMMETRIC = 1e-6
"""Difference in length, relative, of the two steps of a central difference."""


@dataclass(frozen=True, kw_only=True)
class Differences:
    """How missing derivatives are estimated.

    Raises
    ------
    OptionError
        When a value makes no sense.
    """

    scheme: str = "3-point"
    """``"2-point"`` (forward, one evaluation per variable or colour, half the digits),
    ``"3-point"`` (central, two evaluations, two thirds of the digits), ``"complex-step"`` (one
    evaluation at a complex point, all digits; for functions that are analytic as written).
    ``"finite-difference"`` means ``"3-point"``, ``"cs"`` means ``"complex-step"``."""

    noise: float = _EPS
    """Relative error of the functions' values; the steps grow with it."""

    jacobian_pattern: Any = None
    """(m, n) bool array or scipy.sparse matrix: where the Jacobian may be nonzero. None: detected by
    dense differences at two random points near the start, when there are enough variables for that to
    pay."""

    hessian_pattern: Any = None
    """(n, n) symmetric pattern of the Hessian of the Lagrangian. When given, ``estimate_derivatives`` estimates
    the Hessian by differences of gradients, if gradient and Jacobian are exact. None: it does not; a Hessian
    asked for by a scheme (``Problem(hessian="3-point")``) has its pattern detected."""

    def __post_init__(self) -> None:
        scheme = ALIASES.get(self.scheme, self.scheme)
        if scheme not in get_args(Scheme):
            known = ", ".join(repr(s) for s in (*get_args(Scheme), *ALIASES))
            raise OptionError(f"the scheme is {self.scheme!r}; needed is one of {known}")
        object.__setattr__(self, "scheme", scheme)
        if not 0.0 < self.noise <= _NOISE_MAX:
            raise OptionError(
                f"noise is {self.noise!r}; a relative error of function values, above 0 and at most "
                f"{_NOISE_MAX}, is needed"
            )
        object.__setattr__(self, "noise", max(float(self.noise), _EPS))

    def relative_step(self) -> float:
        """Return d for |x| <= 1."""
        if self.scheme == "complex-step":
            return _COMPLEX_STEP
        return float(self.noise ** (0.5 if self.scheme == "2-point" else 1.0 / 3.0))


def differences(wanted: str | Differences) -> Differences:
    """Read what the user wrote: a scheme's name or a record.

    Raises
    ------
    OptionError
        When it is neither.
    """
    return wanted if isinstance(wanted, Differences) else Differences(scheme=wanted)


@dataclass(frozen=True, slots=True)
class Stencil:
    """Offsets and weights of the estimate, one of each per variable.

    derivative_j = base_j f(x) + sum_k weights[k]_j f(x + offsets[k]_j e_j)
    """

    offsets: tuple[Vector, ...]
    weights: tuple[Vector, ...]
    base: Vector
    """(n,) weight of the value at x."""

    @property
    def needs_base(self) -> bool:
        """Whether the value at x takes part."""
        return bool(self.base.any())


def stencil(
    x: Vector, lb: Vector, ub: Vector, scheme: str, relative: Vector | float
) -> Stencil:
    """Choose the points around x, all within the bounds.

    Parameters
    ----------
    x, lb, ub
        (n,). An x outside its bounds is moved towards them.
    scheme
        ``"2-point"`` or ``"3-point"``.
    relative
        Wanted steps for |x_j| <= 1, (n,) or one for all.

    Returns
    -------
    Stencil
        All weights of a variable that cannot move (lb = ub) are 0.
    """
    wanted = relative * np.maximum(1.0, np.abs(x))
    up, down = np.maximum(ub - x, 0.0), np.maximum(x - lb, 0.0)
    if scheme == "2-point":
        turned = (up < wanted) & (down > up)
        d = np.where(turned, -np.minimum(wanted, down), np.minimum(wanted, up))
        d = _representable(x, d, lb, ub)
        weight = _inverse(d)
        return Stencil((d,), (weight,), -weight)
    first, second = np.minimum(wanted, up), -np.minimum(wanted, down)
    narrow_up, narrow_down = up < _NARROW * wanted, down < _NARROW * wanted
    below = narrow_up & (down > up)  # both points below x
    above = narrow_down & ~below
    first = np.where(below, -0.5 * np.minimum(2.0 * wanted, down), first)
    second = np.where(below, -np.minimum(2.0 * wanted, down), second)
    first = np.where(above, 0.5 * np.minimum(2.0 * wanted, up), first)
    second = np.where(above, np.minimum(2.0 * wanted, up), second)
    first, second = _representable(x, first, lb, ub), _representable(x, second, lb, ub)
    usable = (first != 0.0) & (second != 0.0) & (first != second)
    a, b = np.where(usable, first, 1.0), np.where(usable, second, -1.0)
    # Rounding in x + d leaves the points a little asymmetric; the value at x is not worth an evaluation.
    central = np.abs(a + b) <= _SYMMETRIC * np.abs(a)
    w1 = np.where(central, 1.0 / (a - b), -b / (a * (a - b)))
    w2 = np.where(central, -w1, -a / (b * (b - a)))
    w1, w2 = np.where(usable, w1, 0.0), np.where(usable, w2, 0.0)
    base = np.where(usable & ~central, -(w1 + w2), 0.0)
    return Stencil((first, second), (w1, w2), base)


def _representable(x: Vector, d: Vector, lb: Vector, ub: Vector) -> Vector:
    """Make x + d a number of the machine inside the bounds; rounding in d would be an error of order 1."""
    moved: Vector = np.minimum(np.maximum(x + d, np.minimum(lb, x)), np.maximum(ub, x))
    return moved - x


def _inverse(d: Vector) -> Vector:
    return np.where(d == 0.0, 0.0, 1.0 / np.where(d == 0.0, 1.0, d))

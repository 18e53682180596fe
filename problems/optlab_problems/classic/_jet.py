"""Second-order forward differentiation: a value carried with its gradient and Hessian.

For ``w = u op v`` the chain rule gives the gradient and Hessian of ``w`` from those of ``u`` and
``v``, so a formula written once for numbers also yields exact first and second derivatives
[GW08, chapters 3 and 13]. Cost: O(n²) per operation, meant for problems of a few variables. The
formula is evaluated in the form it is written in, never expanded, so no accuracy is lost.

===========  =========================================
paper        code
===========  =========================================
u            ``value``
∇u           ``gradient``, shape (n,)
∇²u          ``hessian``, shape (n, n), both triangles
===========  =========================================
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from optlab.typing import Vector


@dataclass(frozen=True, slots=True, eq=False)
class Jet:
    """A number with its first and second derivatives with respect to n variables.

    Supports ``+ - *`` with numbers and jets, division by numbers, and integer powers.

    Examples
    --------
    >>> x, y = variables(np.array([2.0, 3.0]))
    >>> w = x**2 * y
    >>> float(w.value), w.gradient.tolist(), w.hessian.tolist()
    (12.0, [12.0, 4.0], [[6.0, 4.0], [4.0, 0.0]])
    """

    value: float
    gradient: Float64[Vector, " n"]
    hessian: Float64[Vector, "n n"]

    def __add__(self, other: Jet | float) -> Jet:
        if isinstance(other, Jet):
            return Jet(
                self.value + other.value,
                self.gradient + other.gradient,
                self.hessian + other.hessian,
            )
        return Jet(self.value + other, self.gradient, self.hessian)

    __radd__ = __add__

    def __neg__(self) -> Jet:
        return Jet(-self.value, -self.gradient, -self.hessian)

    def __sub__(self, other: Jet | float) -> Jet:
        return self + (-other)

    def __rsub__(self, other: float) -> Jet:
        return (-self) + other

    def __mul__(self, other: Jet | float) -> Jet:
        if isinstance(other, Jet):
            cross = np.outer(self.gradient, other.gradient)
            return Jet(
                self.value * other.value,
                self.value * other.gradient + other.value * self.gradient,
                self.value * other.hessian + other.value * self.hessian + cross + cross.T,
            )
        return Jet(self.value * other, self.gradient * other, self.hessian * other)

    __rmul__ = __mul__

    def __truediv__(self, other: float) -> Jet:
        return self * (1.0 / other)

    def __pow__(self, power: int) -> Jet:
        """Raise to an integer power of at least 1.

        ∇uᵖ = p uᵖ⁻¹ ∇u and ∇²uᵖ = p uᵖ⁻¹ ∇²u + p (p−1) uᵖ⁻² ∇u ∇uᵀ.
        """
        u = self.value
        first = power * u ** (power - 1)
        second = power * (power - 1) * u ** (power - 2) if power > 1 else 0.0
        return Jet(
            u**power,
            first * self.gradient,
            first * self.hessian + second * np.outer(self.gradient, self.gradient),
        )


def variables(x: Float64[Vector, " n"]) -> list[Jet]:
    """Return the n independent variables at the point ``x``: unit gradients, no curvature."""
    unit = np.eye(x.size)
    flat = np.zeros((x.size, x.size))
    return [Jet(value, unit[i], flat) for i, value in enumerate(x.tolist())]


def jet_of(value: Jet | float, n: int) -> Jet:
    """Return ``value`` as a jet in n variables; a plain number becomes a constant."""
    if isinstance(value, Jet):
        return value
    return Jet(float(value), np.zeros(n), np.zeros((n, n)))

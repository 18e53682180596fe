"""Iterative refinement that never makes the residual larger.

To solve K x = b with an approximate inverse B (a factorization of a regularised K), take

    z_k = B r_k,  q_k = K z_k,  alpha_k = q_k'r_k / q_k'q_k,  x += alpha_k z_k,  r -= alpha_k q_k

with the q_k made orthogonal to the earlier ones (generalised conjugate residuals,
[Eisenstat83]). With alpha_k = 1 this is classical refinement, which diverges where B is poor;
the minimising alpha_k and the orthogonalisation cost two vectors per step and end at the least
residual of the space searched, also when K is singular and the system inconsistent.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from optlab.linalg.arrays import EPS

if TYPE_CHECKING:
    from collections.abc import Callable

    from optlab.linalg.arrays import FloatArray

# A backward error of some rounding units can hardly be improved in this arithmetic.
BACKWARD_ERROR = 32.0 * EPS
MAX_STEPS = 12
# A step that gains less than this factor is the last one.
SLOW = 0.5


def norm(v: FloatArray) -> float:
    """Return the Euclidean norm of v; an inner product is the cheapest reduction there is."""
    return math.sqrt(v.dot(v))


def refined_solve(
    matvec: Callable[[FloatArray], FloatArray],
    apply_inverse: Callable[[FloatArray], FloatArray],
    b: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Solve K x = b to the accuracy that the approximate inverse allows.

    Parameters
    ----------
    matvec, apply_inverse : callable
        v -> K v and v -> B v for arrays (n,). K should be equilibrated: entries of order one.
    b : (n,)

    Returns
    -------
    x, residual : (n,) each
        With residual = b - K x as computed, and no larger than b.
    """
    size = norm(b)
    if size == 0.0:
        return np.zeros_like(b), np.zeros_like(b)
    x = apply_inverse(b)
    residual = b - matvec(x)
    error = norm(residual)
    if error <= BACKWARD_ERROR * (norm(x) + size):
        return x, residual
    if not math.isfinite(error):
        return np.zeros_like(b), b.copy()
    return _minimise_residual(matvec, apply_inverse, b, x)


def _minimise_residual(
    matvec: Callable[[FloatArray], FloatArray],
    apply_inverse: Callable[[FloatArray], FloatArray],
    b: FloatArray,
    z: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Run the recurrence of the module's docstring; z = B b is its first direction."""
    x = np.zeros_like(b)
    residual = b.copy()
    size = error = norm(b)
    directions: list[tuple[FloatArray, FloatArray]] = []
    for _ in range(MAX_STEPS):
        q = matvec(z)
        for z_old, q_old in directions:
            component = q_old.dot(q)
            q = q - component * q_old
            z = z - component * z_old
        length = norm(q)
        if not 0.0 < length < math.inf:
            break
        z, q = z / length, q / length
        x_new = x + q.dot(residual) * z
        # The residual is computed afresh: the recurrence for it would hide rounding errors.
        residual_new = b - matvec(x_new)
        error_new = norm(residual_new)
        if not error_new < error:
            break
        slow = error_new > SLOW * error and len(directions) > 1
        x, residual, error = x_new, residual_new, error_new
        if slow or error <= BACKWARD_ERROR * (norm(x) + size):
            break
        directions.append((z, q))
        z = apply_inverse(residual)
    return x, residual

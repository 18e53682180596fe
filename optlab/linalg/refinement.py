"""Iterative refinement that never makes the residual larger.

To solve K x = b with an approximate inverse B (a factorization of a regularised K), take

    z_k = B r_k,  q_k = K z_k,  alpha_k = q_k'r_k / q_k'q_k,  x += alpha_k z_k,  r -= alpha_k q_k

with the q_k made orthogonal to the earlier ones (generalised conjugate residuals,
[Eisenstat83]). With alpha_k = 1 this is classical refinement, which diverges where B is poor;
the minimising alpha_k and the orthogonalisation cost two vectors per step and end at the least
residual of the space searched, also when K is singular and the system inconsistent.
"""

from __future__ import annotations

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


def largest(v: FloatArray) -> float:
    """Return the maximum norm of v, 0.0 for an empty one."""
    return float(np.abs(v).max(initial=0.0))


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
    size = largest(b)
    if size == 0.0:
        return np.zeros_like(b), np.zeros_like(b)
    x = apply_inverse(b)
    if not np.isfinite(x).all():
        return np.zeros_like(b), b.copy()
    residual = b - matvec(x)
    error = largest(residual)
    if error <= BACKWARD_ERROR * (largest(x) + size):
        return x, residual
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
    size = largest(b)
    directions: list[tuple[FloatArray, FloatArray]] = []
    norm = float(np.linalg.norm(residual))
    for _ in range(MAX_STEPS):
        q = matvec(z)
        for z_old, q_old in directions:
            component = float(q_old @ q)
            q = q - component * q_old
            z = z - component * z_old
        length = float(np.linalg.norm(q))
        if not 0.0 < length < np.inf:
            break
        z, q = z / length, q / length
        alpha = float(q @ residual)
        x_new = x + alpha * z
        # The residual is computed afresh: the recurrence for it would hide rounding errors.
        residual_new = b - matvec(x_new)
        norm_new = float(np.linalg.norm(residual_new))
        if not norm_new < norm:
            break
        slow = norm_new > SLOW * norm and len(directions) > 1
        x, residual, norm = x_new, residual_new, norm_new
        if slow or largest(residual) <= BACKWARD_ERROR * (largest(x) + size):
            break
        directions.append((z, q))
        z = apply_inverse(residual)
    return x, residual

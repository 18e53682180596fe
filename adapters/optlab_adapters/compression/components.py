"""Linear autoencoders: principal components, and what a projection does to the error of a damaged image.

With m the mean, U the leading r eigenvectors of the covariance, P = U U' and Q = I - P, the codec is C(x) = m + P (x - m). For
a damaged x + e its three errors are exactly

    D = |C(x) - x|^2 = |Q (x - m)|^2
    R = |C(x + e) - x|^2 = D + |P e|^2
    G = |C(x + e) - (x + e)|^2 = D + |Q e|^2 + 2 <Q (x - m), Q e>

so a damage is taken out of an image as far as it lies outside of the range of P.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

import optlab
from optlab.errors import OptionError, ProblemError
from optlab.typing import Vector

__all__ = ["Components", "LinearErrors", "pca_problem"]


@dataclass(frozen=True)
class LinearErrors:
    """Squared errors of a projection and what they consist of; all of shape (N,).

    Attributes
    ----------
    distortion, robustness, generalization : Vector
        D, R, G, each computed from its definition.
    kept, removed : Vector
        |P e|^2 and |Q e|^2.
    cross : Vector
        <Q (x - m), Q e>.
    """

    distortion: Vector
    robustness: Vector
    generalization: Vector
    kept: Vector
    removed: Vector
    cross: Vector


@dataclass(frozen=True, eq=False)
class Components:
    """A mean and an orthonormal basis, variances falling.

    Attributes
    ----------
    mean : Vector
        Shape (n,).
    basis : Vector
        Columns are eigenvectors of the covariance, shape (n, r).
    variances : Vector
        Their eigenvalues, shape (r,).
    """

    mean: Vector
    basis: Vector
    variances: Vector

    @classmethod
    def of(cls, samples: ArrayLike, rank: int | None = None) -> Components:
        """Return the leading principal components.

        Parameters
        ----------
        samples
            Shape (N, n).
        rank
            How many, 1 to n; None: all.

        Raises
        ------
        ProblemError
            When there are no samples, or they are not finite.
        OptionError
            For a rank that is none.
        """
        values = np.asarray(samples, dtype=np.float64)
        if values.ndim != 2 or 0 in values.shape or not np.isfinite(values).all():
            raise ProblemError(
                f"samples have shape {values.shape}; finite values of shape (N, n) are needed"
            )
        n = values.shape[1]
        kept = n if rank is None else rank
        if not 1 <= kept <= n:
            raise OptionError(f"rank is {rank}; 1 to {n} is needed")
        mean = values.mean(axis=0)
        spread, vectors = np.linalg.eigh((values - mean).T @ (values - mean) / len(values))
        order = np.argsort(spread)[::-1][:kept]
        return cls(mean, vectors[:, order], np.maximum(spread[order], 0))

    def project(self, samples: Vector) -> Vector:
        """Return m + P (x - m), shape (N, n)."""
        projected: Vector = self.mean + (samples - self.mean) @ self.basis @ self.basis.T
        return projected

    def errors(self, clean: Vector, damage: Vector) -> LinearErrors:
        """Return D, R and G for samples x and damages e of shape (N, n), and the parts they consist of."""
        damaged = clean + damage
        kept = damage @ self.basis @ self.basis.T
        outside = (clean - self.mean) - (clean - self.mean) @ self.basis @ self.basis.T
        return LinearErrors(
            _squares(self.project(clean) - clean),
            _squares(self.project(damaged) - clean),
            _squares(self.project(damaged) - damaged),
            _squares(kept),
            _squares(damage - kept),
            np.sum(outside * (damage - kept), axis=1),
        )


def pca_problem(covariance: ArrayLike, rank: int, *, seed: int = 0) -> optlab.Problem:
    """State principal components as an optimization problem.

        min  -tr (U' S U)   subject to   U' U = I

    U has n rows and r columns, x is U row by row. Its solutions span the eigenspace of the r largest eigenvalues, and -f is
    their sum.

    Parameters
    ----------
    covariance
        S, symmetric, shape (n, n).
    rank
        r, 1 to n.
    seed
        Of the start, normal with unit columns on average.

    Raises
    ------
    ProblemError
        When S is not symmetric.
    OptionError
        For a rank that is none.
    """
    matrix = np.asarray(covariance, dtype=np.float64)
    if matrix.ndim != 2 or not np.array_equal(matrix, matrix.T):
        raise ProblemError(
            f"the covariance, of shape {matrix.shape}, is not symmetric; pass (S + S.T) / 2"
        )
    n = len(matrix)
    if not 1 <= rank <= n:
        raise OptionError(f"rank is {rank}; 1 to {n} is needed")
    upper = np.triu_indices(rank)
    pairs = len(upper[0])

    def jacobian(x: Vector) -> Vector:
        u = x.reshape(n, rank)
        rows = np.zeros((pairs, n, rank))
        for row, (i, j) in enumerate(zip(*upper, strict=True)):
            rows[row, :, i] += u[:, j]
            rows[row, :, j] += u[:, i]
        return rows.reshape(pairs, -1)

    def hessian(x: Vector, y: Vector, sigma: float) -> Vector:  # noqa: ARG001
        gram = np.zeros((rank, rank))
        np.add.at(gram, upper, y)
        return -2 * sigma * np.kron(matrix, np.eye(rank)) + np.kron(np.eye(n), gram + gram.T)

    def gram(x: Vector) -> Vector:
        u = x.reshape(n, rank)
        return (u.T @ u - np.eye(rank))[upper]

    return optlab.Problem(
        objective=lambda x: -float(np.sum(x.reshape(n, rank) * (matrix @ x.reshape(n, rank)))),
        gradient=lambda x: -2 * (matrix @ x.reshape(n, rank)).ravel(),
        constraints=gram,
        jacobian=jacobian,
        hessian=hessian,
        x0=np.random.default_rng(seed).standard_normal(n * rank) / np.sqrt(n),
        cl=np.zeros(pairs),
        cu=np.zeros(pairs),
        name="principal components",
    )


def _squares(values: Vector) -> Vector:
    total: Vector = np.sum(values**2, axis=1)
    return total

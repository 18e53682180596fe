"""Damped BFGS: with all of the matrix for few variables, with limited memory in compact form for many.

    B+ = B - B s s'B / s'B s + y y' / s'y

With the last k <= m pairs S = [s_1 .. s_k], Y = [y_1 .. y_k] and gamma the scale of the initial
matrix, the BFGS matrix is ([BNS94], theorem 2.3)

    B = gamma I - [gamma S, Y] N^{-1} [gamma S, Y]',    N = [[ gamma S'S,  L ],
                                                             [ L',        -D ]]

with L the strictly lower triangle of S'Y and D its diagonal. It is positive definite because
every stored pair satisfies s'y > 0: a pair that does not is damped ([Powell78]; with theta =
0.2), that is y is replaced by the combination of y and B s with s'y = 0.2 s'B s.

The inverse needs no factorization: the two-loop recursion ([NW06], algorithm 7.4) applies it to a vector.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from optlab.linalg.low_rank import LowRank

if TYPE_CHECKING:
    from optlab.linalg.arrays import BoolArray, FloatArray

__all__ = ["DenseBFGS", "LimitedMemoryBFGS"]

# Pairs kept: SuiteOPT's CG_DESCENT keeps 11, and there L-BFGS with 11 was never worse than CG.
MEMORY = 11
# Smallest fraction of s'Bs that s'y may have before it is damped, [Powell78].
DAMPING = 0.2
# The scale gamma stays within these factors of 1; outside, differences are rounding.
GAMMA_RANGE = (1e-10, 1e10)
# Curvature of a function whose gradient has never changed: nearly that of a linear one.
FLAT = 1e-6


class DenseBFGS:
    """Full BFGS model of a Hessian, always symmetric positive definite.

    It forgets nothing, which limited memory does after a few steps: on problems of up to some hundred
    variables whose Hessian is ill-conditioned it needs a fraction of the iterations.

    Parameters
    ----------
    n : int
        Number of variables.
    """

    def __init__(self, n: int) -> None:
        self.n = n
        self.clear()

    def clear(self) -> None:
        """Forget every pair; the model is the identity again."""
        self.size = 0
        self._B = np.eye(self.n)

    def update(self, s: FloatArray, change: FloatArray) -> bool:
        """Learn that the gradient changed by ``change`` along the step ``s``; (n,) both.

        Returns
        -------
        bool
            False if nothing could be learned: a zero step, or numbers that are not finite.
        """
        if self.size == 0 and _is_flat(s, change):
            self._B = FLAT * np.eye(self.n)
            return True
        scale = _scale(s, change)
        if scale is None:
            return False
        B = self._B if self.size else scale * np.eye(self.n)
        Bs = B @ s
        sBs = float(s.dot(Bs))
        y = _damped(s, change, Bs, sBs)
        sy = float(s.dot(y))
        if not (sy > 0.0 and sBs > 0.0):  # a step so short that the products underflow
            return False
        learned: FloatArray = B - np.outer(Bs, Bs / sBs) + np.outer(y, y / sy)
        if not np.isfinite(learned).all():
            return False
        # Rounding must not make it unsymmetric: the factorization reads one triangle only.
        self._B = 0.5 * (learned + learned.T)
        self.size += 1
        return True

    def matrix(self) -> FloatArray:
        """Return B, (n, n); later updates make new arrays."""
        return self._B


class LimitedMemoryBFGS:
    """Limited-memory model of a Hessian, always symmetric positive definite.

    Parameters
    ----------
    n : int
        Number of variables.
    memory : int
        Pairs kept.
    """

    def __init__(self, n: int, memory: int = MEMORY) -> None:
        self.n = n
        self.memory = memory
        self.clear()

    def clear(self) -> None:
        """Forget every pair; the model is the identity again."""
        self._S = np.zeros((0, self.n))
        self._Y = np.zeros((0, self.n))
        self.gamma = 1.0
        self._matrix: LowRank | None = None

    @property
    def size(self) -> int:
        """Return the number of pairs stored."""
        return int(self._S.shape[0])

    def update(self, s: FloatArray, change: FloatArray) -> bool:
        """Learn that the gradient changed by ``change`` along the step ``s``.

        Parameters
        ----------
        s, change : (n,)
            ``change`` is damped where the curvature along s is too small or negative.

        Returns
        -------
        bool
            False if nothing could be learned: a zero step, or numbers that are not finite.
        """
        if self.size == 0 and _is_flat(s, change):
            self.gamma, self._matrix = FLAT, None
            return True
        scale = _scale(s, change)
        if scale is None:
            return False
        if self.size == 0:
            self.gamma = scale
            self._matrix = None
        Bs = self.matrix().matvec(s)
        y = _damped(s, change, Bs, float(s.dot(Bs)))
        sy = float(s.dot(y))
        if not sy > 0.0:  # a step so short that the product underflows
            return False
        keep = slice(max(0, self.size + 1 - self.memory), None)
        self._S = np.vstack((self._S[keep], s))
        self._Y = np.vstack((self._Y[keep], y))
        self.gamma = _within(float(y.dot(y)) / sy)
        self._matrix = None
        return True

    def matrix(self) -> LowRank:
        """Return B = gamma I + U M U' with U = [gamma S, Y], M = -N^{-1}."""
        if self._matrix is None:
            self._matrix = self._compact()
        return self._matrix

    def _compact(self) -> LowRank:
        k = self.size
        if k == 0:
            return LowRank(self.gamma, np.zeros((self.n, 0)), np.zeros((0, 0)))
        # Pairs are normalised by |s|; B does not change and N is better conditioned.
        lengths = np.sqrt(np.einsum("ij,ij->i", self._S, self._S))[:, None]
        S, Y = self._S / lengths, self._Y / lengths
        sy = S @ Y.T
        lower = np.tril(sy, -1)
        N = np.zeros((2 * k, 2 * k))
        N[:k, :k] = self.gamma * (S @ S.T)
        N[:k, k:] = lower
        N[k:, :k] = lower.T
        N[k:, k:] = -np.diag(sy.diagonal())
        try:
            M = -np.linalg.inv(N)
        except np.linalg.LinAlgError:
            # Dependent steps to the last bit: the newest half says what there is to know.
            self._S, self._Y = self._S[(k + 1) // 2 :], self._Y[(k + 1) // 2 :]
            return self._compact()
        U = np.vstack((self.gamma * S, Y)).T
        return LowRank(self.gamma, U, 0.5 * (M + M.T))

    def inverse_times(self, v: FloatArray, free: BoolArray | None = None) -> FloatArray:
        """Return B^{-1} v by the two-loop recursion.

        Parameters
        ----------
        v : (n,)
        free : (n,) bool or None
            The recursion runs on these variables only: the pairs are cut down to them and
            those whose curvature s'y is then not positive are left out. Entries of fixed
            variables are zero in the result.
        """
        S, Y = self._S, self._Y
        q = v.copy()
        if free is not None:
            S, Y = np.where(free, S, 0.0), np.where(free, Y, 0.0)
            q[~free] = 0.0
        curvature = np.einsum("ij,ij->i", S, Y)
        floor = 1e-12 * np.sqrt(np.einsum("ij,ij->i", S, S) * np.einsum("ij,ij->i", Y, Y))
        used = np.flatnonzero(curvature > floor)
        weights = np.zeros(S.shape[0])
        for i in used[::-1]:
            weights[i] = S[i].dot(q) / curvature[i]
            q -= weights[i] * Y[i]
        if used.size:
            newest = used[-1]
            q *= curvature[newest] / Y[newest].dot(Y[newest])
        else:
            q /= self.gamma
        for i in used:
            q += (weights[i] - Y[i].dot(q) / curvature[i]) * S[i]
        return q


def _within(gamma: float) -> float:
    return min(max(gamma, GAMMA_RANGE[0]), GAMMA_RANGE[1])


def _is_flat(s: FloatArray, change: FloatArray) -> bool:
    """Whether a step other than zero left the gradient as it was, to the last bit."""
    return not change.any() and 0.0 < float(s.dot(s)) < math.inf


def _scale(s: FloatArray, change: FloatArray) -> float | None:
    """Return the curvature of a pair, None when it says nothing.

    Before the first pair the scale of the model is that of this pair, so that the identity of an arbitrary
    scale does not decide how strongly it is damped.
    """
    ss = float(s.dot(s))
    yy = float(change.dot(change))
    sy = float(s.dot(change))
    if not (0.0 < ss < math.inf and 0.0 < yy < math.inf and math.isfinite(sy)):
        return None
    return _within(abs(sy) / ss or math.sqrt(yy / ss))


def _damped(s: FloatArray, change: FloatArray, Bs: FloatArray, sBs: float) -> FloatArray:
    """Return y with s'y >= 0.2 s'Bs, a combination of the change and B s ([Powell78])."""
    sy = float(s.dot(change))
    if sy >= DAMPING * sBs:
        return change
    theta = (1.0 - DAMPING) * sBs / (sBs - sy)
    damped: FloatArray = theta * change + (1.0 - theta) * Bs
    return damped

"""The analysis of a KKT pattern, and the ladder of factorizations to be tried on it.

    (1e-10, 1e-9)  ->  (1e-8, 1e-7)  ->  a factorization with pivoting  ->  (1e-6, 1e-6)

A rung is left when the factorization on it is not to be trusted; see :mod:`optlab.linalg.kkt_sparse`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from optlab.kernels.elimination import factor_nnz
from optlab.linalg.factorization import AbstractSymbolic, analyze, is_available

if TYPE_CHECKING:
    from optlab.linalg.kkt_pattern import KKTPattern

__all__ = ["HEAVY", "LADDER", "TRUSTED_BACKWARD_ERROR", "Analysis", "Rung"]


@dataclass(frozen=True, slots=True)
class Rung:
    """One attempt at a stable factorization: regularisations and the kind of backend."""

    primal: float
    dual: float
    pivoting: bool = False


LADDER = (
    Rung(1e-10, 1e-9),
    Rung(1e-8, 1e-7),
    Rung(0.0, 1e-11, pivoting=True),
    Rung(1e-6, 1e-6),
)
# Factorizations after which the first rung is tried again.
RETRY = 20
# Backward error up to which the signs of the pivots are believed; eigenvalues of the
# equilibrated matrix below it are not told from zero, and they are not by rho and delta.
TRUSTED_BACKWARD_ERROR = 1e-9
# Up to the first order the dense factorization is the cheapest one with pivoting, up to the second
# it is worth its time where SSIDS is not installed.
DENSE_PIVOTING_ORDER = 100
DENSE_PIVOTING_ORDER_MAX = 1000
# A factor with more than this part of the n^2 entries is full; up to this order a dense
# factorization then replaces it.
DENSE_FILL = 0.25
DENSE_FILL_ORDER = 3000
# Entries of a column of the factor, on average, from which on SSIDS, whose columns are merged into dense
# blocks, is twice as fast as a factorization column by column (quadratic programs with dense rows).
HEAVY = 100
# The count of the factor's entries stops here: 8 bytes each, that is 1.6 GB.
MAX_COUNTED = 200_000_000


class Analysis:
    """A pattern with the symbolic factorizations made for it so far.

    Attributes
    ----------
    fill_ratio : float
        Entries of the factor over entries of the lower triangle, counted as far as it matters; nan
        where the backend does not tell its ordering. Thousands mean that no good ordering exists: CG on the face
        (:mod:`optlab.linalg.krylov`) is then the better way.
    mean_column : float
        Entries of a column of the factor, on average; half of it is about what a factorization costs
        in solves. 0 where it is not known.
    first_rung : int
        Where on the ladder the last factorization was trusted.
    """

    def __init__(self, pattern: KKTPattern) -> None:
        self.pattern = pattern
        self.fill_ratio = math.nan
        self.mean_column = 0.0
        self.first_rung = 0
        self._visits = 0
        self._symbolic: dict[bool, AbstractSymbolic] = {}
        order = pattern.lower.n
        self.probe = np.where(np.random.default_rng(order).random(order) < 0.5, -1.0, 1.0)

    def restart(self) -> None:
        """Forget what the last solve has learnt about its numbers."""
        self.first_rung = self._visits = 0

    def symbolic(self, pivoting: bool) -> AbstractSymbolic | None:
        """Return the analysis of a backend with or without pivoting, if there is one."""
        if pivoting not in self._symbolic:
            lower = self.pattern.lower
            backend: str | None = "auto"
            if pivoting:
                backend = _pivoting_backend(lower.n)
            elif lower.nnz > HEAVY * lower.n and is_available("ssids"):
                # The factor has no fewer entries: there is nothing to find out.
                self.mean_column, backend = lower.nnz / lower.n, "ssids"
            if backend is None:
                return None
            known = self._symbolic.get(False)
            order = None if known is None else known.order
            symbolic = analyze(self.pattern.lower, backend, order)
            self._symbolic[pivoting] = symbolic if pivoting else self._unless_full(symbolic)
        return self._symbolic[pivoting]

    def _unless_full(self, symbolic: AbstractSymbolic) -> AbstractSymbolic:
        """Measure the fill; exchange a sparse factorization that would be full for a dense one."""
        lower = self.pattern.lower
        if symbolic.order is None:
            return symbolic
        full = lower.full()
        rescue = is_available("ssids")
        enough = min(MAX_COUNTED, HEAVY * lower.n + 1) if rescue else MAX_COUNTED
        entries = factor_nnz(full.indptr, full.indices, symbolic.order, enough)
        self.fill_ratio = entries / lower.nnz
        self.mean_column = entries / lower.n
        if self.mean_column > HEAVY and rescue:
            return analyze(lower, "ssids", symbolic.order)
        if lower.n <= DENSE_FILL_ORDER and entries > DENSE_FILL * lower.n * lower.n:
            return analyze(lower, "dense")
        return symbolic

    def rungs(self) -> list[int]:
        """Return the rungs to try, from the one that was good last.

        Problems that need a stronger regularisation need it at every iteration; the first
        rung gets another chance now and then.
        """
        self._visits += 1
        if self._visits % RETRY == 0:
            self.first_rung = 0
        return list(range(self.first_rung, len(LADDER)))


def _pivoting_backend(order: int) -> str | None:
    if order > DENSE_PIVOTING_ORDER and is_available("ssids"):
        return "ssids"
    return "dense" if order <= DENSE_PIVOTING_ORDER_MAX else None

"""What the dense and the sparse factorization of a KKT matrix on a face have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from optlab.linalg.account import SOLVES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optlab.linalg.account import TimeAccount
    from optlab.linalg.arrays import FloatArray
    from optlab.linalg.factorization import Inertia


class AbstractFaceFactor(ABC):
    """Factor of K on one face; see :mod:`optlab.linalg.kkt_system`.

    Attributes
    ----------
    inertia : Inertia
        Of the (if need be, regularised) face matrix; ``Inertia(0, 0, order)`` when unknown.
    inertia_ok : bool
        Exactly n_free positive and mh + n_active negative eigenvalues.
    residual : float
        ``|b - K x| / |b|`` of the last solve against the unregularised matrix, in the
        Euclidean norm after equilibration; not small means dependent rows with an inconsistent
        right-hand side, and the solution is then one of least residual.
    account : TimeAccount or None
        Where the time of solves goes; None: nobody counts it.
    """

    inertia: Inertia
    inertia_ok: bool
    account: TimeAccount | None = None
    residual: float = 0.0
    _sizes: tuple[int, int, int]

    @abstractmethod
    def _solve_stacked(self, b: FloatArray) -> FloatArray:
        """Solve for the stacked right-hand side (n + mh + ml,), ignoring entries off the face."""

    @property
    @abstractmethod
    def diagnostics(self) -> Mapping[str, float | str]:
        """Return the backend, the regularisation and the fill."""

    def solve(
        self, rx: FloatArray, rh: FloatArray | None = None, ra: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Solve K [dx; dh; da] = [rx; rh; ra] on the face.

        Parameters
        ----------
        rx, rh, ra : (n,), (mh,), (ml,)
            None stands for zeros. Entries of fixed variables and inactive rows are ignored.

        Returns
        -------
        dx, dh, da : (n,), (mh,), (ml,)
            Zero at fixed variables and inactive rows.
        """
        n, mh, ml = self._sizes
        b = np.zeros(n + mh + ml)
        b[:n] = rx
        if rh is not None:
            b[n : n + mh] = rh
        if ra is not None:
            b[n + mh :] = ra
        x = self._timed_solve(b)
        return x[:n], x[n : n + mh], x[n + mh :]

    def _timed_solve(self, b: FloatArray) -> FloatArray:
        account = self.account
        if account is None:
            return self._solve_stacked(b)
        account.enter(SOLVES)
        try:
            return self._solve_stacked(b)
        finally:
            account.leave()

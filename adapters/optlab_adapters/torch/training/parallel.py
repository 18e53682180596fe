"""Forward parallelization: displacements spread over processes (Chen et al., DeepZero, ICLR 2024, section 4).

The task travels to a worker once. A step sends it the number of the sample and its share of the displacements, indices
and lengths, and gets numbers back; the point lies in memory that all processes share, from where a worker copies it
into its own model. Shares are cut between units (:mod:`optlab_adapters.torch.training.units`), so the values are those
of one process, to the bit.
"""

from __future__ import annotations

import itertools
import os
import pickle
import tempfile
import warnings
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.core.shifts import AbstractShifts, CoordinateShifts, DenseShifts
from optlab.core.workers import Workers
from optlab.errors import OptlabWarning, ProblemError
from optlab.typing import Indices, Vector

if TYPE_CHECKING:
    from optlab_adapters.torch.training.engine import Engine, Recipe

__all__ = ["Spread", "processes_of", "some_of"]

_NUMBERS = itertools.count()

_SHARED = Path("/dev/shm")
"""Where the point is laid out."""

_engines: dict[str, Engine] = {}
"""In a worker: the task that it has, by token."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a worker finds the point, and which task it belongs to."""

    token: str
    point: str
    """File that holds the point."""

    n: int


def processes_of(executor: Executor | None) -> int:
    """Return how many processes of this machine an executor has; 0: none, or threads, which would share a model."""
    if isinstance(executor, Workers):
        return executor.processes
    if isinstance(executor, ProcessPoolExecutor):
        number: int = executor._max_workers  # type: ignore[attr-defined]
        return number
    return 0


class Spread:
    """A task laid out for other processes.

    Parameters
    ----------
    engine
        Evaluates here.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        n = engine.parameters.n
        folder = _SHARED if _SHARED.is_dir() and os.access(_SHARED, os.W_OK) else None
        handle, name = tempfile.mkstemp(prefix="optlab-point-", dir=folder)
        os.close(handle)
        self._file = Path(name)
        self._point = np.memmap(self._file, dtype=np.float64, mode="w+", shape=(n,))
        self._address = Address(f"{os.getpid()}-{next(_NUMBERS)}", name, n)

    def __del__(self) -> None:
        """Remove the point."""
        self._file.unlink(missing_ok=True)

    def values(
        self,
        x: Vector,
        shifts: AbstractShifts,
        key: int,
        shares: Sequence[Indices],
        executor: Executor,
    ) -> Vector:
        """Evaluate shares of the displacements elsewhere, the rest here; shape (k,).

        Parameters
        ----------
        shares
            Numbers of the displacements of each share; those in none are evaluated here.
        """
        self._point[:] = x
        found = np.full(len(shifts), np.nan)
        away = [rows for rows in shares if rows.size]
        sent = [(rows, self._sent(executor, shifts, rows, key, None)) for rows in away]
        here = np.setdiff1d(np.arange(len(shifts)), np.concatenate([*away, np.zeros(0, int)]))
        if here.size:
            found[here] = self._engine.values(x, some_of(shifts, here), key)
        lost = self._collected(executor, shifts, key, sent, found)
        for rows in self._again(executor, shifts, key, lost, found):
            found[rows] = self._engine.values(x, some_of(shifts, rows), key)
        return found

    def _sent(
        self,
        executor: Executor,
        shifts: AbstractShifts,
        rows: Indices,
        key: int,
        recipe: bytes | None,
    ) -> Future[Any] | None:
        try:
            return executor.submit(work, self._address, recipe, some_of(shifts, rows), key)
        except BrokenExecutor:
            return None

    def _collected(
        self,
        executor: Executor,
        shifts: AbstractShifts,
        key: int,
        sent: list[tuple[Indices, Future[Any] | None]],
        found: Vector,
    ) -> list[Indices]:
        """Put values in their places; returns the shares whose workers died."""
        lost = []
        unknown = []
        for rows, future in sent:
            values = _result(future)
            if values is _UNKNOWN:
                unknown.append(rows)
            elif values is None:
                lost.append(rows)
            else:
                found[rows] = values
        if unknown:
            recipe = self._packed()
            second = [(r, self._sent(executor, shifts, r, key, recipe)) for r in unknown]
            for rows, future in second:
                values = _result(future)
                if values is None:
                    lost.append(rows)
                else:
                    found[rows] = values
        return lost

    def _packed(self) -> bytes:
        """Return the task as bytes: left to itself, torch would let all processes write into one memory."""
        try:
            return pickle.dumps(self._engine.recipe())
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise ProblemError(
                f"the task cannot be sent to other processes: {error}; define model, loss and data set at the top level "
                "of a module that workers can import, or leave executor out"
            ) from error

    def _again(
        self,
        executor: Executor,
        shifts: AbstractShifts,
        key: int,
        lost: list[Indices],
        found: Vector,
    ) -> list[Indices]:
        """Try once more what died with a worker, where there are new ones; returns what is left."""
        if not lost:
            return []
        renewable = isinstance(executor, Workers)
        where = "by new workers" if renewable else "in this process"
        warnings.warn(
            f"a worker died; {sum(r.size for r in lost)} of {found.size} values are evaluated again {where}, the "
            "others are kept",
            OptlabWarning,
            stacklevel=2,
        )
        if not isinstance(executor, Workers):
            return lost
        executor.renew()
        sent = [(rows, self._sent(executor, shifts, rows, key, None)) for rows in lost]
        return self._collected(executor, shifts, key, sent, found)


_UNKNOWN = "the task is not known here"


def work(address: Address, recipe: bytes | None, part: AbstractShifts, key: int) -> Any:
    """Evaluate displacements in a worker, (k,); asks for the task where it is not known yet."""
    if address.token not in _engines:
        if recipe is None:
            return _UNKNOWN
        _engines.clear()  # one task at a time: models are large
        made: Recipe = pickle.loads(recipe)
        _engines[address.token] = made.engine()
    point = np.memmap(address.point, dtype=np.float64, mode="r", shape=(address.n,))
    return _engines[address.token].values(np.array(point), part, key)


def some_of(shifts: AbstractShifts, rows: Indices) -> AbstractShifts:
    """Return some of the displacements, in the same description."""
    if isinstance(shifts, CoordinateShifts):
        return CoordinateShifts(shifts.n, shifts.index[rows], shifts.step[rows])
    return DenseShifts(np.concatenate([shifts.rows(j, j + 1) for j in rows.tolist()]))


def _result(future: Future[Any] | None) -> Any:
    """Return what a worker found, None when it died."""
    if future is None:
        return None
    try:
        values = future.result()
    except BrokenExecutor:
        return None
    return _UNKNOWN if isinstance(values, str) else values

"""Where a sweep runs: local processes, or a Dask cluster named by its address."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from optlab.bench.sweep import executor_or_local
from optlab.errors import MissingDependencyError, OptionError

if TYPE_CHECKING:
    from concurrent.futures import Executor

__all__ = ["open_executor"]

_DASK = "dask://"

_CONNECT = 10.0
"""Seconds to wait for a scheduler."""


@contextlib.contextmanager
def open_executor(name: str, jobs: int) -> Generator[Executor, None, None]:
    """Open the executor of a name and close it at the end.

    Parameters
    ----------
    name
        ``local``, or ``dask://HOST:PORT`` of a running scheduler, whose workers need optlab and the
        problem files under the same path. A worker does as many runs at a time as it has threads.
    jobs
        Processes at a time, for ``local``.

    Raises
    ------
    OptionError
        The name means nothing, or no scheduler answers.
    MissingDependencyError
        The package distributed is not installed.
    """
    if name == "local":
        with executor_or_local(jobs) as pool:
            yield pool
        return
    if not name.startswith(_DASK) or not name.removeprefix(_DASK):
        raise OptionError(f"executor is {name!r}; local or dask://HOST:PORT is needed")
    try:
        distributed: Any = importlib.import_module("distributed")
    except ImportError:
        raise MissingDependencyError("distributed", "dask", "a sweep on a cluster") from None
    address = "tcp://" + name.removeprefix(_DASK)
    try:
        client: Any = distributed.Client(address, timeout=_CONNECT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise OptionError(
            f"no Dask scheduler answers at {address} ({error}); start one with 'dask scheduler'"
        ) from error
    with client:
        # Every run is a run of its own, also one that was done before with the same arguments.
        yield client.get_executor(pure=False)

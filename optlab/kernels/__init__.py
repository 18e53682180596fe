"""Flat loops over arrays: a numba version of each kernel, and its NumPy twin.

numba is optional and its import costs more than most small solves, so :func:`use_numba` is
asked with the size of the work: small arrays take the NumPy twin and never import it.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

# Array length above which compiled loops win back the import within a few calls.
NUMBA_SIZE = 20_000


@cache
def _has_numba() -> bool:
    return find_spec("numba") is not None


def use_numba(size: int) -> bool:
    """Say whether arrays of this length are worth the compiled kernels."""
    return size >= NUMBA_SIZE and _has_numba()

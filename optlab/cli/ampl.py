"""The calls by which AMPL and what speaks its language use their solvers (docs/ampl.md)."""

from __future__ import annotations

import importlib
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["answer"]


def answer(words: Sequence[str], stream: IO[str]) -> int | None:
    """Run a call by AMPL; its exit codes are those of AMPL's solvers. None: it is no such call."""
    first = words[0] if words else ""
    if "-AMPL" not in words and first not in ("-v", "-=") and not first.endswith(".nl"):
        return None
    # Problems are a layer above: found when they are called for, as problem sources are.
    front: Any = importlib.import_module("optlab_problems.nl.ampl")
    code: int = front.main(words, stream)
    return code

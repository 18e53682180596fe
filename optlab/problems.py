"""Problem readers and collections, under the name users expect: ``from optlab.problems import ...``.

Everything lives in the package ``optlab_problems``, which optlab itself does not need; it is
imported when the first name is asked for.
"""

from __future__ import annotations

import importlib
from typing import Any

__all__: list[str] = []


def __getattr__(name: str) -> Any:
    """Look a name up in ``optlab_problems``."""
    if name.startswith("__"):
        raise AttributeError(name)
    package = importlib.import_module("optlab_problems")
    try:
        return getattr(package, name)
    except AttributeError:
        raise AttributeError(f"module 'optlab.problems' has no attribute {name!r}") from None


def __dir__() -> list[str]:
    """List the names of ``optlab_problems``."""
    return sorted(importlib.import_module("optlab_problems").__all__)

"""Learning tasks as problems, under the name users expect: ``from optlab.adapters import ...``.

Everything lives in the package ``optlab_adapters``, which optlab itself does not need; it is
imported when the first name is asked for.
"""

from __future__ import annotations

import importlib
from typing import Any

__all__: list[str] = []


def __getattr__(name: str) -> Any:
    """Look a name up in ``optlab_adapters``."""
    if name.startswith("__"):
        raise AttributeError(name)
    package = importlib.import_module("optlab_adapters")
    try:
        return getattr(package, name)
    except AttributeError:
        raise AttributeError(f"module 'optlab.adapters' has no attribute {name!r}") from None


def __dir__() -> list[str]:
    """List the names of ``optlab_adapters``."""
    return sorted(importlib.import_module("optlab_adapters").__all__)

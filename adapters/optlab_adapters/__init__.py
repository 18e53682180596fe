"""Learning tasks stated as optimization problems, and derivatives by the programs of machine learning.

Names are imported when they are asked for; what they need (torch, JAX) only when they are used. Adapters register
themselves in the entry-point groups ``optlab.problem_sources`` and ``optlab.derivatives``.
"""

from __future__ import annotations

import importlib
from typing import Any

_LAZY = {
    "jax_problem": "optlab_adapters.jax",
    "torch_problem": "optlab_adapters.torch",
}
"""Name -> module."""

__all__ = ["jax_problem", "torch_problem"]


def __getattr__(name: str) -> Any:
    """Import a public name."""
    if name not in _LAZY:
        raise AttributeError(f"module 'optlab_adapters' has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)

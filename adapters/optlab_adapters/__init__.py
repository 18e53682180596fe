"""Learning tasks stated as optimization problems, derivatives by the programs of machine learning, solves as layers.

===================  =============================================================================
name                 what it is
===================  =============================================================================
``torch_problem``    a problem from torch functions of x, all derivatives exact
``jax_problem``      the same from JAX functions
``TorchFamily``      problems in torch functions of x and parameters, for sensitivity and layers
``SolveLayer``       a torch layer whose forward is a solve and whose backward is its derivative
``TrainingTask``     the training of a torch module, with or without gradients
===================  =============================================================================

Names are imported when they are asked for; what they need (torch, JAX) only when they are used. Adapters register
themselves in the entry-point groups ``optlab.problem_sources`` and ``optlab.derivatives``.
"""

from __future__ import annotations

import importlib
from typing import Any

from optlab.errors import MissingDependencyError

_LAZY = {
    "SolveLayer": "optlab_adapters.torch.solve_layer",
    "TorchFamily": "optlab_adapters.torch.parametric",
    "TrainingTask": "optlab_adapters.torch.training",
    "jax_problem": "optlab_adapters.jax",
    "torch_problem": "optlab_adapters.torch",
}
"""Name -> module."""

__all__ = ["SolveLayer", "TorchFamily", "TrainingTask", "jax_problem", "torch_problem"]


def __getattr__(name: str) -> Any:
    """Import a public name; say which extra is missing where it cannot be."""
    if name not in _LAZY:
        raise AttributeError(f"module 'optlab_adapters' has no attribute {name!r}")
    try:
        module = importlib.import_module(_LAZY[name])
    except ImportError as error:
        if error.name != "torch":
            raise
        raise MissingDependencyError("torch", "torch", name) from error
    return getattr(module, name)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)

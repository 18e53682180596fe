"""optlab as a solver inside CVXPY: ``import optlab.cvxpy``, then ``prob.solve(nlp=True, solver="OPTLAB")``.

Everything lives in the package ``optlab_problems.cvxpy``, which optlab itself does not need. Importing this
module imports CVXPY and enters optlab into its tables of solvers; ``optlab.minimize(cp.Problem(...))`` needs
no import.
"""

from __future__ import annotations

import importlib
from typing import Any

__all__: list[str] = []

importlib.import_module("optlab_problems.cvxpy").register()


def __getattr__(name: str) -> Any:
    """Look a name up in ``optlab_problems.cvxpy``."""
    if name.startswith("__"):
        raise AttributeError(name)
    package = importlib.import_module("optlab_problems.cvxpy")
    try:
        return getattr(package, name)
    except AttributeError:
        raise AttributeError(f"module 'optlab.cvxpy' has no attribute {name!r}") from None


def __dir__() -> list[str]:
    """List the names of ``optlab_problems.cvxpy``."""
    return sorted(importlib.import_module("optlab_problems.cvxpy").__all__)

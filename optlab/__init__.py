"""optlab: numerical optimization behind one call.

>>> import numpy as np
>>> import optlab
>>> problem = optlab.Problem(
...     objective=lambda x: float(x @ x), gradient=lambda x: 2 * x, x0=np.ones(3), lb=0.5
... )
>>> problem.n
3
"""

from __future__ import annotations

import importlib
import sys
import types
from typing import TYPE_CHECKING, Any

import optlab.methods  # noqa: F401 - turned into a callable package below
from optlab.core.derivatives import Differences, check_derivatives, estimate_derivatives
from optlab.core.kkt import Certificate, error_estimators
from optlab.core.problem import Problem
from optlab.core.progress import Progress
from optlab.core.result import Result
from optlab.core.status import PointStatus, StopReason
from optlab.version import __version__

if TYPE_CHECKING:
    from optlab import adapters, problems, zo
    from optlab.api import ask_tell, methods, minimize, sources
    from optlab.core.checkpoint import Checkpoint
    from optlab.linalg.projection import project
    from optlab.parametric import Perturbation, sensitivity
    from optlab.series import sequence
    from optlab.trust.inspection import check
    from optlab.trust.report import read_report, write_report
    from optlab.trust.verification import verify

__all__ = [
    "Certificate",
    "Checkpoint",
    "Differences",
    "Perturbation",
    "PointStatus",
    "Problem",
    "Progress",
    "Result",
    "StopReason",
    "__version__",
    "adapters",
    "ask_tell",
    "check",
    "check_derivatives",
    "error_estimators",
    "estimate_derivatives",
    "methods",
    "minimize",
    "problems",
    "project",
    "read_report",
    "sensitivity",
    "sequence",
    "sources",
    "verify",
    "write_report",
    "zo",
]


class _MethodsPackage(types.ModuleType):
    """The package ``optlab.methods``, which is also the public function of that name.

    Importing a subpackage puts it into the parent under its own name, so a function beside it could
    not stay there; a package that can be called serves both.
    """

    def __call__(self) -> Any:
        """Return the capability records of all methods; see :func:`optlab.api.methods`."""
        return importlib.import_module("optlab.api").methods()


sys.modules["optlab.methods"].__class__ = _MethodsPackage

_LAZY = {
    "Checkpoint": "optlab.core.checkpoint",
    "ask_tell": "optlab.api",
    "minimize": "optlab.api",
    "sources": "optlab.api",
    "check": "optlab.trust.inspection",
    "project": "optlab.linalg.projection",
    "sequence": "optlab.series",
    "read_report": "optlab.trust.report",
    "write_report": "optlab.trust.report",
    "verify": "optlab.trust.verification",
    "sensitivity": "optlab.parametric",
    "Perturbation": "optlab.parametric",
}
"""Name -> module; imported on first use, so that `import optlab` stays light."""


def __getattr__(name: str) -> Any:
    """Import a lazy public name."""
    if name in {"problems", "adapters", "zo"}:
        return importlib.import_module(f"optlab.{name}")
    if name in _LAZY:
        value = getattr(importlib.import_module(_LAZY[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'optlab' has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names, lazy ones included."""
    return sorted({*globals(), *__all__})

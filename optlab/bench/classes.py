"""Which class a problem belongs to: from the classification that CUTEst files carry, or its structure.

A classification such as ``SUR2-MN-57-0`` (``C-CSUR2-MN-57-0`` in newer files, where a prefix tells the
kind of variables) starts with a letter for the objective
(N none, C constant, L linear, Q quadratic, S sum of squares, O other) and one for the constraints
(U none, X fixed variables, B bounds, N network, L linear, Q quadratic, O other) [CUTEst].
"""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.core.options import constraint_kind

if TYPE_CHECKING:
    from optlab.core.problem import Problem

__all__ = ["CLASSES", "classification", "classify", "declared_class", "structural_class"]

CLASSES = ("unconstrained", "bounds", "QP", "linear", "nonlinear")
"""Problem classes in the order of tables. QP: linear rows with a linear or quadratic objective;
linear: linear rows with any other objective."""

_LINE = re.compile(
    r"classification\s+(?:C-[A-Z])?(?P<code>[CNLQSO][UXBNLQO][RI][0-9]-[AMRC][NY]-\S+)",
    re.IGNORECASE,
)
_LINES = 400
"""The classification stands in the comments at the top of a file."""


def classification(file: str | Path) -> str | None:
    """Return the classification in a file's comments without its prefix, None when it has none."""
    try:
        with Path(file).open(encoding="utf-8", errors="replace") as lines:
            for line in islice(lines, _LINES):
                match = _LINE.search(line)
                if match:
                    return match["code"].upper()
    except OSError:
        return None
    return None


def declared_class(code: str) -> str:
    """Translate a classification into one of :data:`CLASSES`.

    Examples
    --------
    >>> declared_class("SUR2-AN-V-0"), declared_class("QLR2-MN-V-V"), declared_class("LOR2-AN-3-1")
    ('unconstrained', 'QP', 'nonlinear')
    """
    objective, rows = code[0], code[1]
    if rows in "UX":
        return "unconstrained"
    if rows == "B":
        return "bounds"
    if rows in "NL":
        return "QP" if objective in "NCLQ" else "linear"
    return "nonlinear"


def structural_class(problem: Problem) -> str:
    """Find the class from the problem itself; rows not known to be linear are nonlinear."""
    kind = constraint_kind(problem)
    if kind == "nonlinear":
        return "nonlinear"
    if kind == "linear":
        return "QP" if _quadratic(problem) else "linear"
    bounded = np.isfinite(problem.lb).any() or np.isfinite(problem.ub).any()
    return "bounds" if bounded else "unconstrained"


def classify(file: str | Path, problem: Problem) -> str:
    """Return the declared class of a file, else the structural one."""
    code = classification(file)
    return structural_class(problem) if code is None else declared_class(code)


def _quadratic(problem: Problem) -> bool:
    """Whether the objective's Hessian is the same at two points; False when it has none."""
    if not problem.has_hessian:
        return False
    away = problem.x0 + 0.1 * np.sin(np.arange(1, problem.n + 1)) * (1.0 + np.abs(problem.x0))
    y = np.zeros(problem.m)
    try:
        first, second = (_dense(problem.hessian(x, y, 1.0)) for x in (problem.x0, away))
    except Exception:  # noqa: BLE001 - a function that fails decides nothing here
        return False
    size = float(np.abs(first).max(initial=0.0))
    return bool(np.abs(first - second).max(initial=0.0) <= 1e-10 * (1.0 + size))


def _dense(matrix: Any) -> Any:
    """Return the entries to compare: the data of a sparse matrix, whose pattern is fixed."""
    return np.asarray(matrix.data if hasattr(matrix, "indptr") else matrix)

"""Read a .nl file as an `optlab.Problem`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from optlab.core.method import WarmStart
from optlab.core.problem import Problem
from optlab.core.result import Result
from optlab.errors import OptionError
from optlab_problems.nl.errors import NlLimits
from optlab_problems.nl.model import NlModel

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["deliver", "load", "read_nl", "recall"]


def read_nl(
    path: str | Path | bytes,
    objno: int | None = None,
    *,
    dense: bool | None = None,
    limits: NlLimits | None = None,
) -> Problem:
    """Read a problem from AMPL's .nl format, text or binary.

    The format is what AMPL, Pyomo, JuMP and others write for a solver ([Gay05]_). Derivatives are exact
    and sparse. Names come from the .col and .row files beside the file; without them they are x[0] and
    c[0] counted from 0, as in the file.

    Parameters
    ----------
    path
        The file, or its bytes.
    objno
        Which objective, counted from 1; 0: none, any feasible point will do; None: the first, where
        there is one. One that is maximised is negated.
    dense
        True: Jacobian and Hessian are ndarrays. False: csr_arrays of a fixed pattern, whose index
        arrays are shared between calls and must not be changed. None: ndarrays when n and m are at
        most 150.
    limits
        What the file may cost; the defaults refuse files that would take minutes or gigabytes.

    Returns
    -------
    Problem
        With gradient, Jacobian, Hessian and its products, linear rows marked, and names. A variable
        without a start value starts at 0, as AMPL defines; the start is moved into the bounds.

    Raises
    ------
    NlError
        The file is wrong, with ``line`` or ``offset``; or it has integer variables, imported
        functions, logical or complementarity constraints, or an operator that is not supported.
    OSError
        The file cannot be read.

    Examples
    --------
    >>> from importlib.resources import files
    >>> read_nl(files("optlab_problems.nl") / "hs71.nl")
    Problem('hs71', n=4, m=2, has: gradient, jacobian, hessian, hprod)

    .. [Gay05] D. M. Gay, *Writing .nl Files*, Sandia National Laboratories, 2005.
    """
    return NlModel(path, objno, dense=dense, limits=limits).problem()


def load(path: Any, params: Mapping[str, Any]) -> Problem:
    """Read a file for `optlab.minimize`; ``params`` may have ``objno``."""
    unknown = sorted(set(params) - {"objno"})
    if unknown:
        raise OptionError(f"{unknown[0]!r} is no parameter of a .nl file; objno is one")
    return read_nl(path, **params)


def recall(path: Any, problem: Problem) -> WarmStart | None:  # noqa: ARG001
    """Return the multipliers that the file carries."""
    return _model(problem).warm_start()


def deliver(path: Any, problem: Problem, result: Result) -> None:  # noqa: ARG001
    """Warn with the name of what could not be evaluated, if that is how the solve ended."""
    _model(problem).warn_if_undefined(result)


def _model(problem: Problem) -> NlModel:
    model: Any = getattr(problem.objective, "__self__", None)
    assert isinstance(model, NlModel)
    return model

"""Read a SIF file as an `optlab.Problem`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from optlab.core.problem import Problem
from optlab.core.problem_sources import ProblemSource
from optlab.errors import ProblemError
from optlab_problems.sif.errors import Limits, SifError
from optlab_problems.sif.model import SifModel

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_sif", "source"]


def read_sif(
    path: str | Path,
    params: Mapping[str, Any] | None = None,
    *,
    dense: bool | None = None,
    fortran_single: bool = False,
    limits: Limits | None = None,
) -> Problem:
    """Read a CUTEst test problem from its SIF file, without Fortran or a compiler.

    Objective groups (type N) are summed; the rows of c are the other groups in the file's order.
    Derivatives are exact, from the file's own G and H lines.

    Parameters
    ----------
    path
        The file.
    params
        Values for parameters that the file marks ``$-PARAMETER``, such as ``{"N": 1000}``; each
        replaces every line of its name, active or commented out. `sif_parameters` lists them.
    dense
        True: Jacobian and Hessian are ndarrays. False: csr_arrays of a fixed pattern, whose index
        arrays are shared between calls and must not be changed. None: ndarrays when n and m are
        at most 150.
    fortran_single
        Read constants without a D exponent in single precision, as the Fortran that CUTEst
        generates does; some reference values need it. The default is the mathematics as written.
    limits
        What the file may cost; the defaults refuse files that would take minutes or gigabytes.

    Returns
    -------
    Problem
        With gradient, Jacobian, Hessian and its products, linear rows marked, and names. The
        start point is that of the file, not moved into the bounds. When the Hessian's pattern has
        more than ``limits.pattern_entries`` entries, only its products are there.

    Raises
    ------
    SifError
        The file is wrong, or not SIF: with ``file``, ``line``, ``text`` and ``reason``. Also when
        a parameter is not one of the file's.
    OSError
        The file cannot be read.

    Examples
    --------
    >>> from importlib.resources import files
    >>> path = files("optlab_problems.classic") / "sif" / "HS71.SIF"
    >>> read_sif(path)
    Problem('HS71', n=4, m=2, has: gradient, jacobian, hessian, hprod)
    """
    model = SifModel(path, params, dense=dense, single=fortran_single, limits=limits)
    s = model.structure
    has_rows = s.cl.size > 0
    try:
        return Problem(
            **model.functions(rows=has_rows),
            x0=s.x0,
            lb=s.lb,
            ub=s.ub,
            cl=s.cl if has_rows else None,
            cu=s.cu if has_rows else None,
            linear=model.linear if has_rows else None,
            name=s.name,
            variable_names=s.variable_names,
            constraint_names=model.constraint_names if has_rows else None,
        )
    except ProblemError as error:
        raise SifError(f"the file decodes, but {error}", path) from error


def _load(path: Any, params: Mapping[str, Any]) -> Problem:
    return read_sif(path, params)


#: What the entry-point group ``optlab.problem_sources`` loads.
source = ProblemSource("sif", "CUTEst test problem, read natively", _load, (".sif",))

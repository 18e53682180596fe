"""Take a Pyomo model through its own .nl writer, and write the answer back into it.

Values go to the variables; multipliers go to the suffixes that the model declares for import: ``dual`` of the
constraints, ``ipopt_zL_out`` and ``ipopt_zU_out`` of the bounds, and ``rc``, the sum of these two. Signs are
those that Pyomo has from every AMPL solver: the change of the stated objective per unit of the right-hand side.
"""

from __future__ import annotations

import importlib
import io
from collections.abc import Mapping
from typing import Any

from optlab.core.method import WarmStart
from optlab.core.problem import Problem
from optlab.core.result import Result
from optlab.errors import MissingDependencyError, OptionError, ProblemError
from optlab.typing import Vector
from optlab_problems.nl.answer import ampl_bound_duals, ampl_duals
from optlab_problems.nl.model import NlModel
from optlab_problems.nl.names import Names

__all__ = ["deliver", "load", "recall"]

_WRITER = {
    # A presolve would remove variables, and scaling would change the units of the answer.
    "linear_presolve": False,
    "scale_model": False,
    "skip_trivial_constraints": True,
}


class _PyomoModel(NlModel):
    """A written model that remembers which component every variable and row is."""

    def __init__(self, data: bytes, info: Any, objno: int | None) -> None:
        self.variable_data, self.constraint_data = list(info.variables), list(info.constraints)
        names = Names(
            tuple(component.name for component in self.variable_data),
            tuple(component.name for component in self.constraint_data),
        )
        super().__init__(data, objno, names=names)


def load(model: Any, params: Mapping[str, Any]) -> Problem:
    """Return a Pyomo model as a problem.

    Parameters
    ----------
    model
        A ConcreteModel, or a block of one.
    params
        ``objno``: which of several active objectives, counted from 1.

    Raises
    ------
    ProblemError
        When Pyomo cannot write the model: it is not constructed, has no variables, or a constraint
        without variables does not hold.
    NlError
        When it has integer variables or functions that optlab does not solve; with the name.
    """
    unknown = sorted(set(params) - {"objno"})
    if unknown:
        raise OptionError(f"{unknown[0]!r} is no parameter of a Pyomo model; objno is one")
    if not model.is_constructed():
        raise ProblemError(
            "the Pyomo model is not constructed; pass a ConcreteModel, or create_instance()"
        )
    text = io.StringIO()
    try:
        # Ask for what registers the writer: the user's own import need not have.
        importlib.import_module("pyomo.environ")
        writer = importlib.import_module("pyomo.repn.plugins.nl_writer").NLWriter()
        refusal: type[Exception] = importlib.import_module("pyomo.common.errors").PyomoException
    except ImportError as error:
        raise MissingDependencyError("pyomo", "pyomo", "a Pyomo model") from error
    try:
        info = writer.write(model, text, **_WRITER)
    except (refusal, ValueError, TypeError, RuntimeError) as error:
        raise ProblemError(f"Pyomo cannot write the model as a .nl file: {error}") from error
    if not info.variables:
        raise ProblemError(
            "the Pyomo model has no variables in active objectives or constraints"
        )
    written = _PyomoModel(text.getvalue().encode(), info, params.get("objno"))
    return written.problem().replace(name=str(model.name))


def recall(model: Any, problem: Problem) -> WarmStart | None:  # noqa: ARG001
    """Return the multipliers in the suffixes that the model exports (``dual``, ``ipopt_zL_in``, ...)."""
    return _written(problem).warm_start()


def deliver(model: Any, problem: Problem, result: Result) -> None:
    """Write values and multipliers into the model."""
    written = _written(problem)
    stale: Any = importlib.import_module("pyomo.core.staleflag").StaleFlagManager
    stale.mark_all_as_stale()
    for variable, number in zip(written.variable_data, result.x.tolist(), strict=True):
        variable.set_value(number, skip_validation=True)
    lower, upper = ampl_bound_duals(result, written.sign)
    written.warn_if_undefined(result)
    known: dict[str, tuple[list[Any], Vector]] = {
        "dual": (written.constraint_data, ampl_duals(result, written.sign)),
        "ipopt_zL_out": (written.variable_data, lower),
        "ipopt_zU_out": (written.variable_data, upper),
        "rc": (written.variable_data, lower + upper),
    }
    suffix_type = importlib.import_module("pyomo.core.base.suffix").Suffix
    for suffix in model.component_objects(suffix_type, active=True, descend_into=False):
        if suffix.local_name in known and suffix.import_enabled():
            components, values = known[suffix.local_name]
            suffix.clear()
            suffix.update(zip(components, values.tolist(), strict=True))


def _written(problem: Problem) -> _PyomoModel:
    written: Any = getattr(problem.objective, "__self__", None)
    assert isinstance(written, _PyomoModel)
    return written

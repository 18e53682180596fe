"""From what the user writes to a method with its options, checked against the problem."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.core.method import AbstractMethod, ConstraintKind, MethodInfo
from optlab.core.registry import method_class
from optlab.errors import CapabilityError, OptionError, UnknownMethodError
from optlab.typing import is_a

if TYPE_CHECKING:
    from optlab.core.problem import Problem

__all__ = ["build_method", "check_capabilities", "choose_method", "constraint_kind"]

DEFAULT_TOL = 1e-6

_KINDS: tuple[ConstraintKind, ...] = ("none", "linear", "nonlinear")


def constraint_kind(problem: Problem) -> ConstraintKind:
    """Say which rows a problem has; rows not known to be linear are nonlinear."""
    if problem.m == 0:
        return "none"
    if problem.linear is not None and bool(problem.linear.all()):
        return "linear"
    return "nonlinear"


def choose_method(problem: Problem) -> str:
    """Choose for ``method="auto"``: npasa for nonlinear rows, pasa for all else.

    Noisy objectives, averages over samples among them: adam where there is a gradient of a sample, else zo.

    Raises
    ------
    CapabilityError
        When the problem has no gradient.
    """
    if problem.noisy:
        sampled = problem.sampled
        return "adam" if sampled is not None and sampled.has_gradient else "zo"
    if not problem.has_gradient:
        raise CapabilityError(
            "method='auto' finds no method: the problem has no gradient, and every method here "
            "needs one; pass gradient=... to optlab.Problem, or jac=... to optlab.minimize"
        )
    return "npasa" if constraint_kind(problem) == "nonlinear" else "pasa"


def build_method(
    method: str | type[AbstractMethod[Any]] | AbstractMethod[Any],
    tol: float = DEFAULT_TOL,
    options: Mapping[str, Any] | object | None = None,
) -> AbstractMethod[Any]:
    """Make a method instance.

    Parameters
    ----------
    method
        Registered name, class or instance. An instance keeps its own ``tol`` unless another than
        the default is given here.
    tol
        Goes to the method's ``tol`` unless ``options`` has one.
    options
        Mapping of option names to values; or an instance of the method's class, which is then the
        method.

    Raises
    ------
    UnknownMethodError
        When no method has that name.
    OptionError
        When an option does not exist (with the nearest names) or has a value of the wrong type.
    """
    chosen: Any = method_class(method) if isinstance(method, str) else _opaque(method)
    given: Any = options
    if is_a(given, AbstractMethod):
        wanted = chosen if is_a(chosen, type) else chosen.__class__
        if not is_a(given, wanted):
            raise OptionError(
                f"options is a {type(given).__name__}, the method is {wanted.__name__}; pass a "
                f"{wanted.__name__}(...) or a dict"
            )
        chosen, given = given, None
    values = _mapping(given)
    is_instance = is_a(chosen, AbstractMethod)
    if not is_instance and not (is_a(chosen, type) and AbstractMethod in chosen.__mro__):
        raise UnknownMethodError(
            f"method is {chosen!r}; a name, a method class or an instance of one is needed "
            "(see optlab.methods())"
        )
    if not is_instance or tol != DEFAULT_TOL:
        values.setdefault("tol", tol)
    _check_options(chosen.__class__ if is_instance else chosen, values)
    built: AbstractMethod[Any] = replace(chosen, **values) if is_instance else chosen(**values)
    return built


def check_capabilities(info: MethodInfo, problem: Problem, *, rows: bool = True) -> None:
    """Refuse a problem that the method cannot handle, before anything is evaluated.

    Parameters
    ----------
    rows
        Whether the kind of the rows is known and must fit.

    Raises
    ------
    CapabilityError
        Says what was given, what is needed and how to fix it.
    """
    name = f"the problem {problem.name!r}" if problem.name else "the problem"
    if info.needs_gradient:
        if not problem.has_gradient:
            raise CapabilityError(
                f"method {info.name!r} needs the gradient of the objective and {name} has none; "
                "pass gradient=... to optlab.Problem, or jac=... to optlab.minimize"
            )
        if problem.m and not problem.has_jacobian:
            raise CapabilityError(
                f"method {info.name!r} needs the Jacobian of the constraints and {name} has "
                "none; pass jacobian=... to optlab.Problem"
            )
    if info.needs_hessian and not (problem.has_hessian or problem.has_hprod):
        raise CapabilityError(
            f"method {info.name!r} needs second derivatives and {name} has none; pass "
            "hessian=... or hprod=... to optlab.Problem, or hess=... to optlab.minimize"
        )
    bounded = bool(np.isfinite(problem.lb).any() or np.isfinite(problem.ub).any())
    if bounded and not info.handles_bounds:
        raise CapabilityError(
            f"method {info.name!r} cannot handle bounds and {name} has some; choose another "
            "method (see optlab.methods())"
        )
    if info.max_variables is not None and problem.n > info.max_variables:
        raise CapabilityError(
            f"method {info.name!r} is for at most {info.max_variables} variable(s) and {name} has {problem.n}"
        )
    if problem.sparsity is not None and not info.handles_sparsity:
        raise CapabilityError(
            f"method {info.name!r} does not keep to the sparsity of {name}; use one that prunes, such as 'lrr' "
            "(see optlab.methods()), or state it without sparsity"
        )
    if info.handles_sparsity and problem.sparsity is None:
        raise CapabilityError(
            f"method {info.name!r} prunes and {name} does not say how many variables may stay; pass a "
            "PruningTask, or sparsity=... to optlab.Problem"
        )
    kind = constraint_kind(problem)
    if info.handles_constraints == "none" and kind != "none":
        raise CapabilityError(
            f"method {info.name!r} cannot handle constraints and {name} has {problem.m}; use "
            "method='npasa' or method='auto'"
        )
    if rows and _KINDS.index(kind) > _KINDS.index(info.handles_constraints):
        nonlinear = problem.m if problem.linear is None else int((~problem.linear).sum())
        raise CapabilityError(
            f"method {info.name!r} handles {info.handles_constraints} constraints only and "
            f"{name} has {nonlinear} nonlinear ones; use method='npasa' or method='auto', or "
            "pass linear=... to optlab.Problem when they are affine"
        )


def _opaque(value: object) -> Any:
    return value


def _mapping(options: Any) -> dict[str, Any]:
    """Bring options into a dict."""
    if options is None:
        return {}
    if is_a(options, Mapping):
        return {str(key): value for key, value in options.items()}
    if is_dataclass(options) and not is_a(options, type):
        return {field.name: getattr(options, field.name) for field in fields(options)}
    raise OptionError(
        f"options is a {type(options).__name__}; a dict of option names and values, or a "
        "dataclass, is needed"
    )


def _check_options(cls: type[AbstractMethod[Any]], given: Mapping[str, Any]) -> None:
    """Refuse unknown names and values of the wrong type."""
    known = {field.name: field.type for field in fields(cls) if field.init}
    for name, value in given.items():
        if name not in known:
            close = get_close_matches(name, known, n=3)
            near = f" (did you mean {' or '.join(close)}?)" if close else ""
            raise OptionError(
                f"{cls.info.name} has no option {name!r}{near}; its options: "
                f"{', '.join(sorted(known))}"
            )
        if not _fits(value, known[name]):
            raise OptionError(
                f"option {name} of {cls.info.name} is {value!r} of type "
                f"{type(value).__name__}; needed is {_text(known[name])}"
            )


def _fits(value: Any, annotation: Any) -> bool:
    """Whether a value has the type of a field, for the simple types that most options have.

    Anything else is left to the method's own checks.
    """
    text = _text(annotation)
    allowed: set[type] = set()
    for part in text.split("|"):
        if part.strip() not in _SIMPLE:
            return True
        allowed.update(_SIMPLE[part.strip()])
    if isinstance(value, bool):
        return bool in allowed
    return isinstance(value, tuple(allowed))


def _text(annotation: Any) -> str:
    """Return an annotation as written."""
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "?")


_SIMPLE: dict[str, tuple[type, ...]] = {
    "bool": (bool,),
    "int": (int, np.integer),
    "float": (float, int, np.floating, np.integer),
    "str": (str,),
    "None": (type(None),),
}
"""Type as written in a method's field -> what the user may give."""

"""SciPy's names of methods and options, put into ours.

==========================================  ====================================================
SciPy's option                              here
==========================================  ====================================================
``maxiter``                                 ``max_iter`` of :func:`optlab.minimize`
``maxfun``, ``maxfev``                      ``max_eval``
``disp``, ``verbose``, ``iprint``           a summary on standard output; above 1 the iterations
``gtol``, ``tol``                           ``tol``
``catol``                                   ``ctol``
``eps``, ``finite_diff_rel_step``           the noise that suits such steps
``return_all``, ``workers``                 accepted when they ask for nothing
==========================================  ====================================================

SciPy's own methods behind the call get all others as they are; for the methods of optlab they are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from optlab.core.method import AbstractMethod
from optlab.core.registry import method_class
from optlab.errors import OptionError, UnknownMethodError
from optlab.typing import is_a

if TYPE_CHECKING:
    from optlab.core.result import Result

__all__ = ["ReadOptions", "method_name", "read_options", "summary", "with_more"]

_ALIASES = {"l-bfgs-b": "lbfgsb"}
"""SciPy's name -> ours, where they differ in more than case."""

_NO_PEER = {
    "cg", "bfgs", "newton-cg", "tnc", "cobyla", "dogleg", "trust-ncg", "trust-exact", "trust-krylov",
}  # fmt: skip
"""SciPy's methods that are not offered here."""

_SCIPY_PEERS = (
    "slsqp", "trust-constr", "lbfgsb", "cobyqa", "nelder-mead", "powell",
)  # fmt: skip
"""SciPy's methods that are; they know SciPy's options."""

_MAX_EVAL = ("maxfun", "maxfev")
_SHOW = ("disp", "verbose", "iprint")
_STEPS = ("eps", "finite_diff_rel_step")
_NOTHING: Mapping[str, tuple[Any, ...]] = {"return_all": (False, None), "workers": (1, None)}
_KNOWN = ("maxiter", *_MAX_EVAL, *_SHOW, "gtol", "catol", *_STEPS)

_ELSEWHERE = {
    "ftol", "xtol", "fatol", "xatol", "barrier_tol", "xrtol", "c1", "c2", "norm", "maxcor", "maxls",
    "initial_tr_radius", "initial_constr_penalty", "initial_barrier_parameter", "rhobeg", "tol_norm",
    "initial_barrier_tolerance", "factorization_method", "hess_inv0", "maxCGit", "stepmx", "eta", "accuracy",
    "minfev", "rescale", "offset", "scale", "adaptive", "initial_simplex", "direc", "sparse_jacobian",
}  # fmt: skip
"""Options of SciPy's methods that mean nothing to ours."""


def method_name(method: Any) -> Any:
    """Read ``method``: None means ``"auto"``, SciPy's names in any case mean the peers.

    Raises
    ------
    UnknownMethodError
        For a method of SciPy that is not offered here.
    """
    if method is None:
        return "auto"
    if not isinstance(method, str):
        return method
    name = method.lower()
    if name in _NO_PEER:
        raise UnknownMethodError(
            f"SciPy's method {method!r} is not offered here; leave method out (or say 'auto') to have one "
            f"chosen, or name one of optlab.methods(); of SciPy's there are SLSQP, trust-constr, L-BFGS-B, COBYQA (the "
            "successor of COBYLA), Nelder-Mead and Powell"
        )
    if name == "auto":
        return "auto"
    return _ALIASES.get(name, method)


@dataclass(slots=True)
class ReadOptions:
    """What the user's options say, sorted."""

    options: Any
    """What is left for the method."""

    max_iter: int | None = None
    max_eval: int | None = None
    step: Any = None
    """Relative step of differences; None: chosen here."""

    show: int = 0
    """1: a summary at the end; 2: the iterations, too."""


def with_more(method: Any, options: Any, more: Mapping[str, Any]) -> Any:
    """Add options that were given as keywords of the call.

    Raises
    ------
    OptionError
        When one is given twice, or there are keywords and ``options`` is no mapping.
    TypeError
        When there is no method that they could belong to.
    """
    if not more:
        return options
    if method == "auto":
        raise TypeError(
            f"minimize has no argument {next(iter(more))!r}; options of a method can be given by name when method= names one"
        )
    if options is not None and not is_a(options, Mapping):
        raise OptionError(
            f"options is a {type(options).__name__} and {', '.join(more)} are given beside it; give all in one"
        )
    named: dict[str, Any] = dict(options or {})
    twice = sorted(set(more) & set(named))
    if twice:
        raise OptionError(f"{', '.join(twice)} given twice: as keyword and in options")
    return named | dict(more)


def read_options(
    method: Any, options: Any, limits: tuple[int | None, int | None]
) -> ReadOptions:
    """Sort options into those of the call and those of the method.

    Parameters
    ----------
    method
        As :func:`method_name` returns it.
    options
        A mapping is looked through; anything else is the method's own business.
    limits
        ``max_iter`` and ``max_eval`` of the call.

    Raises
    ------
    OptionError
        When an option is given twice, or means nothing to the method.
    """
    read = ReadOptions(options, *limits)
    if not is_a(options, Mapping):
        return read
    cls = _class_of(method)
    own: set[str] = set() if cls is None else {field.name for field in fields(cls)}
    peer = cls is not None and cls.info.name in _SCIPY_PEERS
    left: dict[str, Any] = {}
    theirs: dict[str, Any] = {}
    for key, value in options.items():
        name = str(key)
        if name in own or _take(read, name, value, peer=peer):
            if name in own:
                left[name] = value
        elif name == "gtol" and not peer:
            left["tol"] = value
        elif name == "catol":
            left["ctol"] = value
        elif peer:
            theirs[name] = value
        else:
            _refuse_elsewhere(name, method)
            left[name] = value
    if theirs:
        left["peer_options"] = {**left.get("peer_options", {}), **theirs}
    read.options = left
    return read


def _class_of(method: Any) -> type[AbstractMethod[Any]] | None:
    """Return the class of a method, None for "auto" and what is no method."""
    if isinstance(method, str):
        return None if method == "auto" else method_class(method)
    cls: Any = method if is_a(method, type) else method.__class__
    return cls if AbstractMethod in cls.__mro__ else None


def _take(read: ReadOptions, name: str, value: Any, *, peer: bool) -> bool:
    """Take an option of the call; says whether it is one."""
    if name == "maxiter":
        read.max_iter = _limit(name, value, "max_iter", read.max_iter)
    elif name in _MAX_EVAL:
        read.max_eval = _limit(name, value, "max_eval", read.max_eval)
    elif name in _SHOW:
        read.show = max(read.show, min(2, max(0, int(value or 0))))
    elif name in _STEPS and not (peer and value is None):
        read.step = value
    elif name in _NOTHING:
        if not any(value is nothing or value == nothing for nothing in _NOTHING[name]):
            raise OptionError(f"option {name} = {value!r} is not supported; leave it out")
    else:
        return False
    return True


def _limit(name: str, value: Any, ours: str, given: int | None) -> int | None:
    """Return a limit; None is none."""
    if value is None:
        return given
    number = int(value) if is_a(value, float) and float(value).is_integer() else value
    if given is not None and given != number:
        raise OptionError(
            f"options has {name} = {value!r} and {ours} is {given}; give one of them"
        )
    return number


def _refuse_elsewhere(name: str, method: Any) -> None:
    if name in _ELSEWHERE:
        who = "the methods of optlab" if method == "auto" else f"method {method!r}"
        raise OptionError(
            f"option {name} belongs to other methods of SciPy and means nothing to {who}; tol=... sets the "
            f"accuracy. Of SciPy's options these are known: {', '.join(_KNOWN)}"
        )


def summary(result: Result) -> str:
    """Say in a few lines how a solve ended, as SciPy's ``disp`` does."""
    counts = result.evaluations
    lines = [
        f"{result.message}    (exit mode {result.status})",
        f"    Current function value: {result.fun:.10g}",
        f"    Iterations: {result.iterations}",
        *(f"    {_TITLES.get(k, k)} evaluations: {counts[k]}" for k in counts if counts[k]),
    ]
    return "\n".join(lines) + "\n"


_TITLES = {
    "objective": "Function", "gradient": "Gradient", "constraints": "Constraint", "jacobian": "Jacobian",
    "hessian": "Hessian",
}  # fmt: skip

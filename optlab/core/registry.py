"""Which methods there are, and what they can do.

Built-in names resolve lazily through a table of modules, so that ``import optlab`` stays light;
outside code registers through the entry-point group ``optlab.methods``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from optlab.core.method import AbstractMethod, MethodInfo
from optlab.errors import OptionError, UnknownMethodError
from optlab.typing import is_a

__all__ = [
    "known_methods",
    "method_class",
    "register",
]

M = TypeVar("M", bound=type[AbstractMethod[Any]])

_BUILTIN = {
    "npasa": "optlab.methods.npasa",
    "pasa": "optlab.methods.pasa",
    "zo": "optlab.methods.zeroth.adaptive",
    "mezo": "optlab.methods.zeroth.mezo",
    "zo-sgd": "optlab.methods.zeroth.optimizers",
    "zo-adam": "optlab.methods.zeroth.optimizers",
    "zo-sign": "optlab.methods.zeroth.optimizers",
    "zo-fzoo": "optlab.methods.zeroth.optimizers",
    "zo-muon": "optlab.methods.zeroth.optimizers",
    "spsa": "optlab.methods.zeroth.optimizers",
    "zo-svrg": "optlab.methods.zeroth.svrg",
    "deepzero": "optlab.methods.zeroth.deepzero",
    "sgd": "optlab.methods.zeroth.first_order",
    "adam": "optlab.methods.zeroth.first_order",
    "magnitude": "optlab.methods.compact.pruners",
    "gmp": "optlab.methods.compact.pruners",
    "lth": "optlab.methods.compact.pruners",
    "lrr": "optlab.methods.compact.pruners",
    "edge-popup": "optlab.methods.compact.tickets",
    "biprop": "optlab.methods.compact.tickets",
    # Other projects' solvers: the modules are light, the solvers are imported when they run.
    "ipopt": "optlab.methods.external.ipopt",
    "pounce": "optlab.methods.external.pounce",
    "uno": "optlab.methods.external.uno",
    "slsqp": "optlab.methods.external.scipy_peers",
    "trust-constr": "optlab.methods.external.scipy_peers",
    "lbfgsb": "optlab.methods.external.scipy_peers",
    "bounded": "optlab.methods.external.bounded",
    "cobyqa": "optlab.methods.external.cobyqa",
    "zo-local": "optlab.methods.external.zo_local",
    "cma-es": "optlab.methods.external.cma_es",
    "nelder-mead": "optlab.methods.external.scipy_values",
    "powell": "optlab.methods.external.scipy_values",
}
"""Name of a method -> module that registers it when imported."""

_METHOD_GROUP = "optlab.methods"

_methods: dict[str, type[AbstractMethod[Any]]] = {}


def register(info: MethodInfo) -> Callable[[M], M]:
    """Make a decorator that registers a method class under ``info.name``.

    Raises
    ------
    OptionError
        By the decorator: the name belongs to another class.
    """

    def decorate(cls: M) -> M:
        taken = _methods.get(info.name)
        # The same class again is a reload of its module, which must work in a notebook.
        if taken is not None and _identity(taken) != _identity(cls):
            raise OptionError(
                f"the method name {info.name!r} is taken by {_identity(taken)}; choose another"
            )
        cls.info = info
        _methods[info.name] = cls
        return cls

    return decorate


def method_class(name: str) -> type[AbstractMethod[Any]]:
    """Find a method by name, importing its module when needed.

    Raises
    ------
    UnknownMethodError
        With the nearest names.
    """
    key = name.lower()
    if key not in _methods and key in _BUILTIN:
        importlib.import_module(_BUILTIN[key])
    if key not in _methods:
        for point in entry_points(group=_METHOD_GROUP):
            if point.name.lower() == key:
                _load_method(point)
    if key in _methods:
        return _methods[key]
    names = sorted({*_methods, *_BUILTIN, *(p.name for p in entry_points(group=_METHOD_GROUP))})
    raise UnknownMethodError(
        f"there is no method {name!r}{_near(name, names)}; known: auto, {', '.join(names)}"
    )


def known_methods() -> list[type[AbstractMethod[Any]]]:
    """Import every built-in and registered method; sorted by name."""
    for module in _BUILTIN.values():
        importlib.import_module(module)
    for point in entry_points(group=_METHOD_GROUP):
        if point.name.lower() not in _methods:
            _load_method(point)
    return [_methods[name] for name in sorted(_methods)]


def _load_method(point: EntryPoint) -> None:
    """Import what an entry point names: a module or a class, which registers itself."""
    cls: Any = point.load()
    if not is_a(cls, type) or AbstractMethod not in cls.__mro__:
        return  # a module, which registers its classes when imported
    if "info" not in vars(cls):
        raise OptionError(
            f"the entry point {point.value!r} names {cls.__name__}, which has no MethodInfo; "
            "decorate it with @register(MethodInfo(...))"
        )


def _identity(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _near(name: str, names: list[str]) -> str:
    close = get_close_matches(name, names, n=3)
    return f" (did you mean {' or '.join(close)}?)" if close else ""

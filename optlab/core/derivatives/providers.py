"""Providers of exact derivatives: programs that differentiate what a user's function does.

A provider takes a function written in its own operations (torch's, JAX's) and returns its value and derivatives as
functions of NumPy vectors. The core imports none of them: ``"torch"`` and ``"jax"`` are found by name when they are
asked for; outside code registers with :func:`register_provider` or through the entry-point group
``optlab.derivatives``, whose points name a :class:`DerivativeProvider`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

from optlab.errors import OptionError
from optlab.typing import Matrix, Vector, is_a

__all__ = [
    "DerivativeProvider",
    "Differentiated",
    "derivative_provider",
    "is_provider",
    "provider_names",
    "register_provider",
]

_GROUP = "optlab.derivatives"


@dataclass(frozen=True, slots=True)
class Differentiated:
    """A function of x and its exact derivatives, all of NumPy vectors in double precision."""

    value: Callable[[Vector], Any]
    """f(x): a number, or (m,)."""

    first: Callable[[Vector], Vector]
    """Gradient (n,) of a number, Jacobian (m, n) of a vector."""

    second: Callable[[Vector, Vector], Matrix]
    """``second(x, v)``: sum_i v_i Hess f_i(x), (n, n); v has one entry where f is a number."""


@dataclass(frozen=True, slots=True)
class DerivativeProvider:
    """Something that differentiates functions exactly."""

    name: str
    """What the user writes: ``jac="torch"``."""

    summary: str
    differentiate: Callable[[Callable[[Any], Any], str], Differentiated]
    """``differentiate(function, label)``: the function gets the provider's own arrays; the label names it in
    messages. Nothing is evaluated yet."""


_BUILTIN = {
    "torch": ("optlab_adapters.torch", "derivatives by torch.func"),
    "jax": ("optlab_adapters.jax", "derivatives by JAX"),
}
"""Name -> module with a function ``differentiate``, imported when it is used."""

_providers: dict[str, DerivativeProvider] = {}


def register_provider(provider: DerivativeProvider) -> None:
    """Register a provider; a later one of the same name replaces the earlier."""
    _providers[provider.name.lower()] = provider


def provider_names() -> list[str]:
    """Name all providers, sorted; imports none of them."""
    return sorted(
        {*_providers, *_BUILTIN, *(p.name.lower() for p in entry_points(group=_GROUP))}
    )


def is_provider(name: Any) -> bool:
    """Whether this is the name of a provider."""
    return isinstance(name, str) and name.lower() in provider_names()


def derivative_provider(name: str) -> DerivativeProvider:
    """Find a provider by name, importing it when needed.

    Raises
    ------
    OptionError
        When there is none of that name.
    MissingDependencyError
        When its package is not installed.
    """
    key = name.lower()
    if key in _providers:
        return _providers[key]
    if key in _BUILTIN:
        module, summary = _BUILTIN[key]
        adapter: Any = importlib.import_module(module)
        return DerivativeProvider(key, summary, adapter.differentiate)
    for point in entry_points(group=_GROUP):
        if point.name.lower() == key:
            loaded: Any = point.load()
            if is_a(loaded, DerivativeProvider):
                register_provider(loaded)
                return derivative_provider(loaded.name)
    known = ", ".join(repr(k) for k in provider_names())
    raise OptionError(f"no provider of derivatives is called {name!r}; known: {known}")

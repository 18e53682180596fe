"""What a simulator is called in the cache: the same name must mean the same results."""

from __future__ import annotations

import functools
import hashlib
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

from optlab.errors import OptionError

__all__ = ["function_identity"]


def function_identity(function: Callable[..., Any]) -> str:
    """Name a Python function by where it is defined and by a digest of its source.

    What the function calls and the global variables it reads are not seen.

    Raises
    ------
    OptionError
        When the source does not say what the function computes: a closure, a bound method, a partial, an object.
    """
    where = f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', '?')}"
    if not inspect.isfunction(function):
        what = "a partial" if isinstance(function, functools.partial) else "no plain function"
        raise _unnamed(where, f"it is {what}, so its source does not say what it computes")
    if function.__closure__:
        names = ", ".join(function.__code__.co_freevars)
        raise _unnamed(where, f"it depends on variables of an enclosing function ({names})")
    try:
        source = textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError) as error:
        raise _unnamed(where, "its source is not available") from error
    return f"{where} {hashlib.sha256(source.encode()).hexdigest()}"


def _unnamed(where: str, why: str) -> OptionError:
    return OptionError(
        f"the results of {where} cannot be kept in a cache under its own name: {why}. Pass identity='...', a text that "
        "changes whenever the results may change"
    )

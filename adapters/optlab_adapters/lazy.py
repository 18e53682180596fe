"""Names that are imported when they are asked for, so that a package can be used in part without torch."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from optlab.errors import MissingDependencyError

__all__ = ["names_of"]


def names_of(package: str, where: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a package.

    Parameters
    ----------
    package
        Its name, for messages.
    where
        Name -> the module that has it; a name may be that of a package itself.

    Raises
    ------
    MissingDependencyError
        By the function, for a name that needs torch where that is missing.
    """

    def get(name: str) -> Any:
        if name not in where:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            module = importlib.import_module(where[name])
        except ImportError as error:
            if error.name != "torch":
                raise
            raise MissingDependencyError("torch", "torch", name) from error
        return module if where[name] == f"{package}.{name}" else getattr(module, name)

    return get

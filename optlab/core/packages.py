"""Optional packages: whether they are there."""

from __future__ import annotations

from importlib.util import find_spec

__all__ = ["availability", "is_installed"]


def is_installed(package: str) -> bool:
    """Whether an optional package can be imported; looks for it without importing it.

    Parameters
    ----------
    package
        Import name; empty: nothing is needed.
    """
    return not package or find_spec(package) is not None


def availability(package: str) -> str:
    """Return the name of a package with what can be said of it, ``"pyomo (missing)"``."""
    return f"{package} ({'installed' if is_installed(package) else 'missing'})"

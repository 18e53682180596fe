"""Versions of what computes."""

from __future__ import annotations

import contextlib
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version

from optlab.version import __version__

__all__ = ["platform_name", "versions"]

_EVERYWHERE = ("numpy", "scipy")
"""Distributions that can change the path of any method."""


def versions(package: str = "") -> dict[str, str]:
    """Return the versions of optlab, Python, and the distributions that take part.

    Parameters
    ----------
    package
        Import name of an optional package that a method needs; empty: none.
    """
    return dict(_versions(package))


@cache
def _versions(package: str) -> tuple[tuple[str, str], ...]:
    """Look them up once: reading the metadata of all distributions takes a tenth of a second."""
    found = {"optlab": __version__, "python": platform.python_version()}
    names = list(_EVERYWHERE)
    if package:
        # A distribution need not be named like what it installs: cyipopt-wheels installs cyipopt.
        names += sorted(set(packages_distributions().get(package, [])))
    for name in names:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return tuple(found.items())


def platform_name() -> str:
    """Return operating system and processor, ``"Linux x86_64"``."""
    return f"{platform.system()} {platform.machine()}".strip()

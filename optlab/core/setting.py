"""What was solved and how: what a result carries so that somebody else can do it again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from optlab.core.control import Limits, Tolerances
from optlab.core.plain import plain

if TYPE_CHECKING:
    from optlab.core.method import AbstractMethod

__all__ = ["Origin", "Setting", "Stated"]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a problem comes from."""

    source: str
    """Name of the problem source, such as ``"sif"``."""

    params: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Parameters that the source was given."""

    file: str | None = None
    """Name of the file as it was given; None for an object."""

    sha256: str | None = None
    """SHA-256 of the file, hexadecimal."""

    size: int | None = None
    """Length of the file in bytes."""

    @classmethod
    def of(cls, source: str, thing: Any, params: Mapping[str, Any]) -> Origin:
        """Describe what a source has read; the digest is that of the file now."""
        if not isinstance(thing, str | Path) or not Path(thing).is_file():
            return cls(source, dict(params))
        content = Path(thing).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        return cls(source, dict(params), str(thing), digest, len(content))

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name."""
        names = (item.name for item in fields(self))
        return {name: plain(getattr(self, name)) for name in names}


class Stated(Protocol):
    """What is solved, be it a problem or a task in place."""

    @property
    def n(self) -> int:
        """Number of variables."""
        ...

    @property
    def m(self) -> int:
        """Number of rows."""
        ...

    @property
    def name(self) -> str:
        """For people; empty: none."""
        ...

    @property
    def origin(self) -> Origin | None:
        """Where it comes from; None: it was stated in Python."""
        ...


@dataclass(frozen=True, slots=True)
class Setting:
    """The sizes of a problem, where it comes from, and how it was solved."""

    n: int
    m: int
    origin: Origin | None
    """None for a problem stated in Python."""

    options: Mapping[str, Any]
    """All options of the method, defaults included."""

    tolerances: Tolerances
    """What the final check asked for."""

    limits: Limits
    package: str = ""
    """Import name of the package that did the work; empty: optlab."""

    @classmethod
    def of(cls, method: AbstractMethod[Any], stated: Stated, limits: Limits) -> Setting:
        """Describe a run."""
        options = cls.options_of(method)
        return cls(
            stated.n,
            stated.m,
            stated.origin,
            options,
            method.tolerances(),
            limits,
            method.info.requires,
        )

    @staticmethod
    def options_of(method: AbstractMethod[Any]) -> dict[str, Any]:
        """Return all options of a method as plain values, defaults included."""
        return {f.name: plain(getattr(method, f.name)) for f in fields(method)}

    def as_dict(self) -> dict[str, Any]:
        """Return options, tolerances and limits as plain values."""
        return {
            "tol": self.tolerances.tol,
            "ctol": self.tolerances.ctol,
            "options": dict(self.options),
            "limits": {
                f.name: plain(getattr(self.limits, f.name)) for f in fields(self.limits)
            },
        }

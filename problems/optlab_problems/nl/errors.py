"""Errors and limits of the .nl reader."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from optlab.errors import ParseError
from optlab_problems.expressions.evaluator import PlanLimits

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["NlError", "NlLimits", "fail"]


class NlError(ParseError):
    """A .nl or .sol file is wrong, or states something that optlab does not solve.

    Parameters
    ----------
    message
        The reason, one sentence.
    file
        The file, or None when the text did not come from a file.
    line
        1-based line number in a text file.
    offset
        Byte offset in a binary file.
    """

    def __init__(
        self,
        message: str,
        file: str | Path | None = None,
        line: int | None = None,
        offset: int | None = None,
    ) -> None:
        super().__init__(message, file, line)
        self.offset = offset
        self.args = (message, file, line, offset)

    def __str__(self) -> str:
        place = super().__str__()
        return place if self.offset is None else f"{place} (at byte {self.offset})"


@dataclass(frozen=True, slots=True)
class NlLimits:
    """Bounds on what one file may cost; beyond them the file is refused.

    What the header announces is believed only as far as the file is long, so a short file is cheap
    whatever it says.
    """

    #: Bytes of the file.
    file_bytes: int = 500_000_000
    #: Distinct operations of all expressions.
    operations: int = 5_000_000
    #: Linear terms of all rows, after linear defined variables are written out.
    terms: int = 5_000_000
    #: Depth of the operations, defined variables written out; a level takes 0.2 ms to plan.
    levels: int = 100_000
    #: What first and second derivatives may need; beyond the latter only products are offered.
    plans: PlanLimits = field(default_factory=PlanLimits)


def fail(message: str) -> NoReturn:
    """Raise an NlError that the reader completes with file and place."""
    raise NlError(message)

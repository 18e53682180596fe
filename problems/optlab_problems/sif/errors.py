"""Errors and limits of the SIF reader.

A SIF file is a small program (parameters, loops) that writes a problem. Files come from anywhere, so
everything that a few lines can make large is bounded here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from optlab.errors import ParseError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Limits", "SifError", "fail"]


class SifError(ParseError):
    """A SIF file cannot be decoded.

    Parameters
    ----------
    message
        The reason, one sentence.
    file
        The file.
    line
        1-based line number, or None when the error belongs to no single line.
    text
        The text of that line, as it stands in the file.
    """

    def __init__(
        self,
        message: str,
        file: str | Path | None = None,
        line: int | None = None,
        text: str = "",
    ) -> None:
        super().__init__(message, file, line)
        self.reason = message
        self.text = text
        self.args = (message, file, line, text)

    def __str__(self) -> str:
        place = super().__str__()
        return f"{place}\n    {self.text.rstrip()}" if self.text.strip() else place


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what one file may build; beyond them the file is refused."""

    #: Bytes of text. The largest file of the CUTEst collection has about 35 MB.
    file_bytes: int = 100_000_000
    #: Cards executed, a card in a loop once per round, and rounds of loops.
    steps: int = 50_000_000
    #: Variables, groups, elements and linear coefficients, each.
    items: int = 5_000_000
    #: Nesting of loops. The reference says three; files use up to four.
    loop_depth: int = 20
    #: Nesting of brackets in one Fortran expression; the parser needs nine Python frames for each.
    expression_depth: int = 40
    #: Entries of one sparse pattern (Jacobian, or lower triangle of the Hessian).
    pattern_entries: int = 20_000_000


def fail(message: str) -> NoReturn:
    """Raise a SifError that the executor completes with file, line and text."""
    raise SifError(message)

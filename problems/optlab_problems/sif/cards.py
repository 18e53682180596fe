"""Read the lines of a SIF file into cards.

Fixed format [SIF92]_, section 2.1: field 1 in columns 2-3, field 2 in 5-14, field 3 in 15-24, field 4
(a number) in 25-36, field 5 in 40-49, field 6 (a number) in 50-61; field 7 (a Fortran expression, only
in the ELEMENTS and GROUPS parts) in 25-65. Free format, section 6: strings separated by blanks, ``_``
stands for an empty field, ``;`` ends a card and ``$`` starts a comment.

.. [SIF92] A. R. Conn, N. I. M. Gould, Ph. L. Toint, *LANCELOT*, Springer 1992, chapter 7: "The SIF
   Reference Report".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from optlab_problems.sif.errors import Limits, SifError

__all__ = ["Card", "Section", "Setting", "SifText", "read_cards", "settings", "to_number"]

#: A value that the caller may set: `` IE N  10   $-PARAMETER``, active or commented out by ``*``.
_SETTING = re.compile(r"^[ *]([IR]E) (.{10})(.{10})(.{12})(.*)\$-PARAMETER", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]? *(\d+\.?\d*|\.\d+)([EeDd][+-]?\d+|[+-]\d+)?")

_DATA_KEYWORDS = {
    "GROUPS": "GROUPS", "ROWS": "GROUPS", "CONSTRAINTS": "GROUPS",
    "VARIABLES": "VARIABLES", "COLUMNS": "VARIABLES",
    "CONSTANTS": "CONSTANTS", "RHS": "CONSTANTS", "RHS'": "CONSTANTS",
    "RANGES": "RANGES", "BOUNDS": "BOUNDS", "START POINT": "START POINT",
    "QUADRATIC": "QUADRATIC", "HESSIAN": "QUADRATIC", "QUADS": "QUADRATIC",
    "QUADOBJ": "QUADRATIC", "QSECTION": "QUADRATIC", "QMATRIX": "QMATRIX",
    "ELEMENT TYPE": "ELEMENT TYPE", "ELEMENT USES": "ELEMENT USES",
    "GROUP TYPE": "GROUP TYPE", "GROUP USES": "GROUP USES",
    "OBJECT BOUND": "OBJECT BOUND", "OBJSENSE": "OBJSENSE", "OBJECT SENSE": "OBJSENSE",
}  # fmt: skip
_FUNCTION_KEYWORDS = {
    "TEMPORARIES": "TEMPORARIES", "GLOBALS": "GLOBALS", "INDIVIDUALS": "INDIVIDUALS",
}  # fmt: skip
_FREE_OPENERS = {*_DATA_KEYWORDS, *_FUNCTION_KEYWORDS, "NAME", "ENDATA", "ELEMENTS"}


@dataclass(slots=True)
class Card:
    """One data card: its fields as text, and where it stands."""

    line: int
    text: str
    code: str
    name2: str = ""
    name3: str = ""
    value4: str = ""
    name5: str = ""
    value6: str = ""
    expression: str = ""


@dataclass(slots=True)
class Section:
    """An indicator card and the data cards after it."""

    keyword: str
    line: int
    text: str
    cards: list[Card] = field(default_factory=list)


@dataclass(slots=True)
class SifText:
    """A whole file: the data part, and the ELEMENTS and GROUPS parts where there are any."""

    file: str
    name: str
    data: list[Section]
    elements: list[Section] | None = None
    groups: list[Section] | None = None


@dataclass(frozen=True, slots=True)
class Setting:
    """One value that a file offers for a parameter."""

    name: str
    value: float
    integer: bool
    active: bool
    line: int


def to_number(text: str) -> float:
    """Return the value of a numeric field: ``1``, ``-.5``, ``1.0D+2``; text after it is ignored.

    Raises
    ------
    SifError
        When the field does not start with a number.
    """
    stripped = text.strip()
    match = _NUMBER.match(stripped)
    if match is None:
        raise SifError(f"a number is needed in columns 25-36 or 50-61, not {stripped!r}")
    mantissa, exponent = match.group(1), match.group(2)
    sign = "-" if stripped[0] == "-" else ""
    if exponent is None:
        return float(sign + mantissa)
    return float(f"{sign}{mantissa}E{exponent.lstrip('EeDd')}")


def settings(lines: list[str]) -> Iterator[Setting]:
    """Yield every ``$-PARAMETER`` line, active or commented out.

    Parameters
    ----------
    lines
        The lines of the file.
    """
    for number, text in enumerate(lines, start=1):
        if "$-PARAMETER" not in text:
            continue
        match = _SETTING.match(text)
        if match is None:
            continue
        try:
            value = to_number(match.group(4))
        except SifError:
            continue
        integer = match.group(1).upper() == "IE"
        yield Setting(match.group(2).rstrip(), value, integer, text[0] != "*", number)


def read_cards(
    path: str | Path, chosen: Mapping[str, float] | None = None, limits: Limits | None = None
) -> SifText:
    """Split a file into parts, sections and cards.

    Parameters
    ----------
    path
        The file.
    chosen
        Values for ``$-PARAMETER`` names; each replaces every such line of its name, active or
        commented out.
    limits
        What the file may cost.

    Raises
    ------
    SifError
        When the file is too large, or cards stand outside any section.
    OSError
        When it cannot be read.
    """
    lines = read_lines(path, limits or Limits())
    reader = _Reader(str(path), _chosen_lines(lines, dict(chosen or {})))
    for number, text in enumerate(lines, start=1):
        reader.take(number, text)
        if reader.finished:
            break
    return reader.result(len(lines))


def read_lines(path: str | Path, limits: Limits) -> list[str]:
    """Return the lines of a file, tabs expanded as Fortran editors do."""
    source = Path(path)
    size = source.stat().st_size
    if size > limits.file_bytes:
        raise SifError(f"{size} bytes of text; at most {limits.file_bytes} are read", path)
    text = source.read_bytes().decode("latin-1")
    return [line.expandtabs(8) if "\t" in line else line for line in text.splitlines()]


def _chosen_lines(lines: list[str], chosen: dict[str, float]) -> dict[int, float]:
    """Map line numbers to the value that the caller wants there."""
    return (
        {s.line: chosen[s.name] for s in settings(lines) if s.name in chosen} if chosen else {}
    )


class _Reader:
    """State of the pass over the lines: which part, which section, which format."""

    def __init__(self, file: str, chosen: dict[int, float]) -> None:
        self.file = file
        self.chosen = chosen
        self.text = SifText(file, "", [])
        self.part = "before"
        self.section: Section | None = None
        self.free = False
        self.finished = False

    def take(self, number: int, text: str) -> None:
        """Read one line."""
        if number in self.chosen:
            name = text[4:14].rstrip()
            self._add(
                number,
                text,
                Card(number, text, text[1:3].upper(), name, "", repr(self.chosen[number])),
            )
            return
        if not text or text[0] == "*" or text.isspace():
            return
        if self.free:
            for words in _free_cards(text):
                self._take_free(number, text, words)
        elif text[0] != " ":
            self._indicator(number, text, text)
        else:
            self._add(number, text, _fixed_card(number, text))

    def result(self, line_count: int) -> SifText:
        """Return what was read."""
        if self.part == "before":
            raise SifError("no NAME card: this is not a SIF file", self.file)
        if self.part == "data":
            raise SifError("the file ends without an ENDATA card", self.file, line_count)
        return self.text

    def _take_free(self, number: int, text: str, words: list[str]) -> None:
        first = words[0].upper()
        pair = " ".join(words[:2]).upper()
        if first in _FREE_OPENERS or pair in _FREE_OPENERS or pair == "FIXED FORMAT":
            self._indicator(number, text, " ".join(words))
        else:
            self._add(number, text, _free_card(number, text, words))

    def _indicator(self, number: int, text: str, words_text: str) -> None:
        words = words_text.split("$", maxsplit=1)[0].upper().split()
        if not words:
            # "$" in column 1: a remark.
            return
        pair = " ".join(words[:2])
        if pair in ("FREE FORMAT", "FIXED FORMAT"):
            self.free = pair == "FREE FORMAT"
        elif words[0] == "ENDATA":
            self._end_part()
        elif self.part in ("before", "after"):
            self._open_part(number, text, words_text)
        else:
            self._open_section(number, text, words[0], pair)

    def _end_part(self) -> None:
        self.section = None
        self.free = False
        if self.part != "before":
            self.part = "after"

    def _open_part(self, number: int, text: str, words_text: str) -> None:
        words = words_text.split()
        keyword = words[0].upper()
        if self.part == "before" and keyword == "NAME":
            self.part = "data"
            self.text.name = words[1] if len(words) > 1 else Path(self.file).stem
        elif self.part == "after" and keyword == "ELEMENTS" and self.text.elements is None:
            self.part, self.text.elements = "elements", []
        elif self.part == "after" and keyword == "GROUPS" and self.text.groups is None:
            self.part, self.text.groups = "groups", []
        elif self.part == "before":
            raise SifError("a NAME card must come first", self.file, number, text)
        else:
            # Text after the last part belongs to other programs; it is not ours to judge.
            self.finished = True

    def _open_section(self, number: int, text: str, word: str, pair: str) -> None:
        known = _DATA_KEYWORDS if self.part == "data" else _FUNCTION_KEYWORDS
        keyword = known.get(pair) or known.get(word)
        if keyword is None:
            raise SifError(
                f"{word!r} is not an indicator card of the {self.part.upper()} part",
                self.file, number, text,
            )  # fmt: skip
        self.section = Section(keyword, number, text)
        self._sections().append(self.section)

    def _sections(self) -> list[Section]:
        if self.part == "elements" and self.text.elements is not None:
            return self.text.elements
        if self.part == "groups" and self.text.groups is not None:
            return self.text.groups
        return self.text.data

    def _add(self, number: int, text: str, card: Card) -> None:
        if self.part in ("before", "after"):
            if self.part == "after":
                self.finished = True
                return
            raise SifError("a data card before the NAME card", self.file, number, text)
        if self.section is None:
            self.section = Section("PARAMETERS", number, text)
            self._sections().append(self.section)
        self.section.cards.append(card)


def _fixed_card(number: int, text: str) -> Card:
    code = text[1:3].strip()
    # Column 4 is a gap. A name that starts there (TAX1C) is one column early, not another name.
    name2 = text[3:14].strip() if text[3:4].strip() else text[4:14].rstrip()
    name3 = text[14:24].rstrip()
    if name3[:1] == "$":
        return Card(number, text, code, name2)
    name5 = text[39:49].rstrip()
    value6 = text[49:61]
    if name5[:1] == "$":
        name5, value6 = "", ""
    return Card(
        number, text, code, name2, name3, text[24:36].strip(), name5,
        value6.strip(), text[24:65],
    )  # fmt: skip


def _free_cards(text: str) -> Iterator[list[str]]:
    """Split a free-format line at ``;`` into cards, each a list of strings."""
    body = text.partition("$")[0]
    for piece in body.split(";"):
        words: list[str] = []
        for chunk in re.findall(r"_|[^\s_]+_?", piece):
            # "V1_X2" is V1, an empty string, X2; a lone "_" is an empty string.
            word = chunk.removesuffix("_")
            if word:
                words.append(word)
            if chunk.endswith("_"):
                words.append("")
        if words:
            yield words


def _free_card(number: int, text: str, words: list[str]) -> Card:
    padded = [*words, "", "", "", "", "", ""]
    code, name2, name3, value4, name5, value6 = padded[:6]
    rest = " ".join(words[3:])
    return Card(number, text, code[:2], name2, name3, value4, name5, value6, rest)

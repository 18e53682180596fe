"""The header: ten lines of text with all counts, the same in text and binary files ([Gay05]_, section 3).

.. [Gay05] D. M. Gay, *Writing .nl Files*, Sandia National Laboratories, report 2005-7907P, 2005.
"""

from __future__ import annotations

from dataclasses import dataclass

from optlab_problems.nl.errors import NlError, fail

__all__ = ["Header", "read_header"]

_LINES = 10
_MOST_OPTIONS = 9
_LONGEST_LINE = 10_000
_BYTE_ORDERS = {1: "<", 2: ">"}
"""The number of an arithmetic in the header -> byte order; 3 to 5 are not IEEE."""


@dataclass(frozen=True, slots=True)
class Header:
    """The counts of a .nl file; the names of the fields are those of the report where it has some."""

    binary: bool
    byte_order: str
    options: tuple[int, ...]
    """What AMPL wants back in the .sol file."""

    vbtol: float | None
    """A tolerance that also goes back."""

    variables: int
    rows: int
    objectives: int
    logical_rows: int
    complementarities: int
    nonlinear_in_rows: int
    """nlvc: variables before this index occur nonlinearly in rows."""

    nonlinear_in_objectives: int
    """nlvo"""

    nonlinear_in_both: int
    """nlvb"""

    functions: int
    flags: int
    """1: output suffixes are wanted."""

    integers: tuple[int, int, int, int, int]
    """nbv, niv, nlvbi, nlvci, nlvoi: binary and integer linear ones; integer nonlinear in both, rows,
    objectives."""

    defined: int
    """Defined variables (common expressions), all five kinds."""

    end: int
    """Offset of what follows the header."""

    @property
    def integer_variables(self) -> list[int]:
        """Indices of all variables that may take whole values only ([Gay05]_, table 3)."""
        binary, integer, both, rows, objectives = self.integers
        ends = (
            (self.nonlinear_in_both, both),
            (self.nonlinear_in_rows, rows),
            (max(self.nonlinear_in_objectives, self.nonlinear_in_rows), objectives),
            (self.variables, binary + integer),
        )
        found: set[int] = set()
        for end, count in ends:
            found.update(range(max(0, end - count), end))
        return sorted(found)


def read_header(data: bytes) -> Header:
    """Read the header.

    Parameters
    ----------
    data
        The file.

    Raises
    ------
    NlError
        With the line, when this is no .nl file or its counts are impossible.
    """
    lines, start = [], 0
    for number in range(1, _LINES + 1):
        stop = data.find(b"\n", start, start + _LONGEST_LINE)
        if stop < 0:
            raise NlError(
                "the header of a .nl file has ten lines, and this file does not", line=number
            )
        lines.append(data[start:stop].partition(b"#")[0])
        start = stop + 1
    number = 1
    try:
        kind, options, vbtol = _first_line(lines[0])
        rows = []
        for number, line in enumerate(lines[1:], 2):
            # Lines 8 and 9 count nonzeros and letters of names, which nothing is set aside for.
            limit = 2**31 if number in (8, 9) else len(data)
            rows.append([_count(word, limit) for word in line.split()])
        number = 6
        return _header(kind, options, vbtol, rows, start)
    except NlError as error:
        raise NlError(error.message, line=number) from None


def _first_line(line: bytes) -> tuple[str, tuple[int, ...], float | None]:
    kind = line[:1].decode("latin-1")
    if kind not in ("g", "b"):
        fail(f"a .nl file begins with g (text) or b (binary), not {kind!r}")
    words = line[1:].split()
    count = _number(words[0]) if words else 0
    if not 0 <= count <= _MOST_OPTIONS:
        fail(f"{count} options are announced; at most {_MOST_OPTIONS} are possible")
    options = tuple(_number(word) for word in words[1 : 1 + count])
    if len(options) < count:
        fail(f"{count} options are announced and {len(options)} are there")
    vbtol = None
    if len(options) > 1 and options[1] == 3:
        try:
            vbtol = float(words[1 + count]) if len(words) > 1 + count else 0.0
        except ValueError:
            fail("the last word of the first line is no number")
    return kind, options, vbtol


def _header(
    kind: str,
    options: tuple[int, ...],
    vbtol: float | None,
    rows: list[list[int]],
    end: int,
) -> Header:
    sizes, nonlinear, _, shared, other, discrete, _, _, defined = (
        row + [0] * (6 - len(row)) for row in rows
    )
    if not rows[0] or len(rows[0]) < 3:
        fail("the second line must count variables, rows and objectives")
    arithmetic = other[2]
    if kind == "b" and arithmetic not in _BYTE_ORDERS:
        fail(f"arithmetic {arithmetic}; 1 (IEEE, little-endian) or 2 (big-endian) is needed")
    header = Header(
        binary=kind == "b",
        byte_order=_BYTE_ORDERS.get(arithmetic, "<"),
        options=options,
        vbtol=vbtol,
        variables=sizes[0],
        rows=sizes[1],
        objectives=sizes[2],
        logical_rows=sizes[5],
        complementarities=nonlinear[2] + nonlinear[3],
        nonlinear_in_rows=shared[0],
        nonlinear_in_objectives=shared[1],
        nonlinear_in_both=shared[2],
        functions=other[1],
        flags=other[3],
        integers=(discrete[0], discrete[1], discrete[2], discrete[3], discrete[4]),
        defined=sum(defined[:5]),
        end=end,
    )
    most = max(shared[0], shared[1], shared[2], sum(discrete[:5]))
    if most > header.variables:
        fail(f"{most} variables of one kind are announced, of {header.variables} in all")
    return header


def _count(word: bytes, limit: int) -> int:
    """Read a count; everything that is counted takes at least a byte."""
    value = _number(word)
    if value < -1 or value > limit:
        fail(f"a count of {value} cannot belong to a file of {limit} bytes")
    return max(value, 0)


def _number(word: bytes) -> int:
    try:
        return int(word)
    except ValueError:
        fail(f"{word[:40].decode('latin-1')!r} is found where a whole number is needed")

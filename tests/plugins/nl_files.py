"""Small .nl files: written from pieces, and turned from text into binary independently of the reader."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

HEADER_LINES = 10


@dataclass
class NlFile:
    """Pieces of a text .nl file; expressions are blank-separated items, such as ``o2 v0 n3``."""

    n: int = 2
    objective: str = "n0"
    maximise: bool = False
    rows: list[str] = field(default_factory=list)
    """Nonlinear parts, ``""`` for rows without one."""

    row_bounds: list[str] = field(default_factory=list)
    """As in the r segment; all free when not given."""

    bounds: list[str] = field(default_factory=list)
    linear: dict[int, dict[int, float]] = field(default_factory=dict)
    """Row -> column -> coefficient; row -1 is the objective."""

    defined: list[str] = field(default_factory=list)
    """Expressions of the defined variables; ``linear | expression`` with ``column:coefficient`` items."""

    start: dict[int, float] = field(default_factory=dict)
    extra: str = ""
    """More segments, before the others."""

    counts: dict[int, str] = field(default_factory=dict)
    """Header lines (1 to 10) that are not the usual ones."""

    def text(self) -> bytes:
        """Return the file."""
        m, n = len(self.rows), self.n
        header = {
            1: "g3 1 1 0",
            2: f" {n} {m} 1 0 0",
            3: f" {m} 1",
            4: " 0 0",
            5: f" {n} {n} {n}",
            6: " 0 0 0 1",
            7: " 0 0 0 0 0",
            8: " 0 0",
            9: " 0 0",
            10: f" {len(self.defined)} 0 0 0 0",
        } | self.counts
        lines = [header[k] for k in range(1, HEADER_LINES + 1)]
        lines += self.extra.splitlines()
        for k, definition in enumerate(self.defined):
            linear, _, expression = definition.rpartition("|")
            terms = linear.split()
            lines += [f"V{n + k} {len(terms)} 0", *(term.replace(":", " ") for term in terms)]
            lines += expression.split()
        for i, row in enumerate(self.rows):
            if row:
                lines += [f"C{i}", *row.split()]
        lines += [f"O0 {int(self.maximise)}", *self.objective.split()]
        if self.start:
            lines += [f"x{len(self.start)}", *(f"{j} {v!r}" for j, v in self.start.items())]
        if m:
            lines += ["r", *(self.row_bounds or ["3"] * m)]
        lines += ["b", *(self.bounds or ["3"] * n)]
        for index, terms_of in self.linear.items():
            key = "G0" if index < 0 else f"J{index}"
            lines += [f"{key} {len(terms_of)}", *(f"{j} {v!r}" for j, v in terms_of.items())]
        return ("\n".join(lines) + "\n").encode()


def binary(text: bytes, order: str = "<") -> bytes:
    """Encode a text .nl file in binary, ``order`` being "<" or ">"."""
    lines = text.decode().splitlines()
    header = lines[:HEADER_LINES]
    words = header[5].partition("#")[0].split()
    words += ["0"] * (4 - len(words))
    header[0] = "b" + header[0][1:]
    header[5] = " ".join([*words[:2], "1" if order == "<" else "2", words[3]])
    out = ("\n".join(header) + "\n").encode()
    return out + _Encoder(lines[HEADER_LINES:], order).run()


class _Encoder:
    def __init__(self, lines: list[str], order: str) -> None:
        self.lines = [line.partition("#")[0].split() for line in lines]
        self.lines = [words for words in self.lines if words]
        self.at = 0
        self.order = order
        self.out = b""

    def ints(self, *values: object) -> None:
        self.out += struct.pack(f"{self.order}{len(values)}i", *(int(str(v)) for v in values))

    def reals(self, *values: object) -> None:
        self.out += struct.pack(f"{self.order}{len(values)}d", *(float(str(v)) for v in values))

    def name(self, text: str) -> None:
        self.ints(len(text.encode()))
        self.out += text.encode()

    def next(self) -> list[str]:
        self.at += 1
        return self.lines[self.at - 1]

    def pairs(self, count: int, *, whole: bool = False) -> None:
        for _ in range(count):
            index, value = self.next()
            self.ints(index)
            (self.ints if whole else self.reals)(value)

    def run(self) -> bytes:
        while self.at < len(self.lines):
            words = self.next()
            key, words[0] = words[0][0], words[0][1:]
            self.out += key.encode()
            self.segment(key, [word for word in words if word])
        return self.out

    def segment(self, key: str, words: list[str]) -> None:
        if key in "CLOV":
            self.ints(*words)
            if key == "V":
                self.pairs(int(words[1]))
            self.expression()
        elif key in "JGxd":
            self.ints(*words)
            self.pairs(int(words[-1]))
        elif key == "k":
            self.ints(*words)
            for _ in range(int(words[0])):
                self.ints(*self.next())
        elif key == "S":
            self.ints(*words[:2])
            self.name(words[2])
            self.pairs(int(words[1]), whole=not int(words[0]) & 4)
        elif key == "F":
            self.ints(*words[:3])
            self.name(words[3])
        else:
            self.intervals()

    def intervals(self) -> None:
        while self.at < len(self.lines) and self.lines[self.at][0] in "012345":
            kind, *values = self.next()
            self.out += kind.encode()
            (self.ints if kind == "5" else self.reals)(*values)

    def expression(self) -> None:
        wanted = 1
        while wanted:
            words = self.next()
            key, text = words[0][0], words[0][1:]
            self.out += key.encode()
            wanted -= 1
            if key == "n":
                self.reals(text)
            elif key == "s":
                self.out += struct.pack(f"{self.order}h", int(text))
            elif key in "lv":
                self.ints(text)
            elif key == "f":
                self.ints(text, words[1])
                wanted += int(words[1])
            elif key == "o":
                wanted += self.operands(int(text))

    def operands(self, opcode: int) -> int:
        self.ints(opcode)
        if opcode in (11, 12, 54, 59, 60, 61, 70, 71, 74):
            count = int(self.next()[0])
            self.ints(count)
            return count
        if opcode == 64:
            count = int(self.next()[0])
            self.ints(count)
            return 2 * count
        if opcode in (35, 65, 72):
            return 3
        unary = {13, 14, 15, 16, 34, 77, *range(37, 54)} - {48}
        return 1 if opcode in unary else 2

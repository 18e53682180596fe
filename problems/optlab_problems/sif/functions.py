"""Read the ELEMENTS and GROUPS parts: what every element type and group type computes.

[SIF92]_ sections 3 and 4: TEMPORARIES declares names, GLOBALS assigns those that all types share,
INDIVIDUALS holds per type (T) the transformation to internal variables (R), assignments (A; I when a
logical is true; E when it is false), the value (F) and derivatives (G, H).

.. [SIF92] A. R. Conn, N. I. M. Gould, Ph. L. Toint, *LANCELOT*, Springer 1992, chapter 7.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from optlab_problems.sif.cards import Card, Section, to_number
from optlab_problems.sif.errors import Limits, SifError, fail
from optlab_problems.sif.fortran import Tree, parse

__all__ = ["Functions", "Statement", "TypeBody", "read_functions"]

#: Continuation cards of one expression: the reference says 19; this leaves room and bounds memory.
_MOST_CONTINUATIONS = 200


@dataclass(slots=True)
class Statement:
    """One card with an expression: code A, I, E, F, G or H, its names, and the tree."""

    card: Card
    code: str
    first: str
    second: str
    tree: Tree


@dataclass(slots=True)
class TypeBody:
    """The statements of one element type or group type, in order."""

    name: str
    card: Card
    statements: list[Statement] = field(default_factory=list)
    #: (internal variable, elemental variable, coefficient, its card)
    ranges: list[tuple[str, str, float, Card]] = field(default_factory=list)


@dataclass(slots=True)
class Functions:
    """One part: declared names with their kind, global assignments and types."""

    file: str
    declared: dict[str, str] = field(default_factory=dict)
    globals: list[Statement] = field(default_factory=list)
    bodies: dict[str, TypeBody] = field(default_factory=dict)


def read_functions(file: str, sections: list[Section] | None, limits: Limits) -> Functions:
    """Read one part.

    Parameters
    ----------
    file
        For messages.
    sections
        Its sections; None when the file has no such part.
    limits
        What expressions may cost.

    Raises
    ------
    SifError
        With file, line, text and reason.
    """
    functions = Functions(file)
    for section in sections or []:
        if section.keyword == "PARAMETERS":
            # BATCH repeats its element types here; the reference decoder skips such cards.
            continue
        reader = _READERS[section.keyword](functions, limits)
        for pieces in _joined(section.cards):
            try:
                reader.take(pieces[0], "".join(card.expression for card in pieces))
            except SifError as error:
                card = pieces[0]
                raise SifError(error.reason, file, card.line, card.text) from None
    return functions


def _joined(cards: list[Card]) -> list[list[Card]]:
    """Group every card with the continuation cards after it."""
    joined: list[list[Card]] = []
    for card in cards:
        if card.code.endswith("+") and len(card.code) == 2 and joined:
            joined[-1].append(card)
        else:
            joined.append([card])
    return joined


class _AbstractReader:
    """Takes the cards of one section."""

    def __init__(self, functions: Functions, limits: Limits) -> None:
        self.functions = functions
        self.limits = limits

    def take(self, card: Card, text: str) -> None:
        """Take a card with its joined expression."""
        raise NotImplementedError

    def statement(self, card: Card, text: str) -> Statement:
        """Parse the expression of a card."""
        if len(text) > 41 * _MOST_CONTINUATIONS:
            fail(f"an expression of more than {_MOST_CONTINUATIONS} lines")
        first, second = card.name2.strip().upper(), card.name3.strip().upper()
        return Statement(
            card, card.code, first, second, parse(text, self.limits.expression_depth)
        )


class _Temporaries(_AbstractReader):
    """TEMPORARIES: I, R, L for variables, M for intrinsic and F for external functions."""

    def take(self, card: Card, text: str) -> None:  # noqa: ARG002  no expression here
        """Declare a name."""
        if card.code not in ("I", "R", "L", "M", "F"):
            fail(f"code {card.code!r}: I, R, L, M or F is needed")
        self.functions.declared[card.name2.strip().upper()] = card.code


class _Globals(_AbstractReader):
    """GLOBALS: assignments before any type."""

    def take(self, card: Card, text: str) -> None:
        """Add an assignment."""
        if card.code not in ("A", "I", "E"):
            fail(f"code {card.code!r}: A, I or E is needed")
        self.functions.globals.append(self.statement(card, text))


class _Individuals(_AbstractReader):
    """INDIVIDUALS: the types."""

    def take(self, card: Card, text: str) -> None:
        """Open a type or add to the open one."""
        bodies = self.functions.bodies
        if card.code == "T":
            if card.name2 in bodies:
                fail(f"type {card.name2!r} is described twice")
            bodies[card.name2] = self.open = TypeBody(card.name2, card)
            return
        body: TypeBody | None = getattr(self, "open", None)
        if body is None:
            fail("a T card must name the type first")
        if card.code == "R":
            internal = card.name2.strip().upper()
            for name, value in ((card.name3, card.value4), (card.name5, card.value6)):
                if name.strip():
                    body.ranges.append((internal, name.strip().upper(), to_number(value), card))
        elif card.code in ("A", "I", "E", "F", "G", "H"):
            body.statements.append(self.statement(card, text))
        else:
            fail(f"code {card.code!r}: T, R, A, I, E, F, G or H is needed")


_READERS: dict[str, type[_AbstractReader]] = {
    "TEMPORARIES": _Temporaries,
    "GLOBALS": _Globals,
    "INDIVIDUALS": _Individuals,
}

"""The sections of a file that describe its linear part, bounds and start point.

[SIF92]_ sections 2.2.5 to 2.2.13a. Every class compiles the cards of one section into actions on a
`Draft`. A code that starts with X or Z makes the names array names; one that starts with Z takes its
value from the real parameter named in field 5.

.. [SIF92] A. R. Conn, N. I. M. Gould, Ph. L. Toint, *LANCELOT*, Springer 1992, chapter 7.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import ClassVar

from optlab_problems.sif.cards import Card, to_number
from optlab_problems.sif.draft import Draft, Vector
from optlab_problems.sif.errors import fail
from optlab_problems.sif.parameters import Action, Parameters, name_template

__all__ = [
    "AbstractSection",
    "BoundsSection",
    "ConstantsSection",
    "GroupsSection",
    "QuadraticSection",
    "StartSection",
    "VariablesSection",
]

Name = Callable[[], str]
Value = Callable[[], float]

_DEFAULT = "'DEFAULT'"
_SCALE = "'SCALE'"


class AbstractSection:
    """Compiles the cards of one section.

    Parameters
    ----------
    draft
        Where the actions write.
    parameters
        The tables that names and values are looked up in.
    """

    def __init__(self, draft: Draft, parameters: Parameters) -> None:
        self.draft = draft
        self.parameters = parameters

    def compile(self, card: Card) -> Action:
        """Return the action of a card."""
        raise NotImplementedError

    def name(self, card: Card, text: str) -> Name:
        """Return a function that gives a name of the card at run time."""
        if card.code[:1] in ("X", "Z"):
            return name_template(self.parameters, text)
        return lambda: text

    def real(self, text: str) -> Value:
        """Return a function that gives a real parameter at run time."""
        name, parameters = name_template(self.parameters, text), self.parameters
        return lambda: parameters.real(name())

    def pairs(self, card: Card, blank: float | None = None) -> Iterator[tuple[Name, Value]]:
        """Yield the one or two (name, value) pairs of fields 3-4 and 5-6.

        Parameters
        ----------
        card
            The card.
        blank
            The value of an empty numeric field; None makes that an error.
        """
        if card.code[:1] == "Z":
            if not card.name5:
                fail("a Z card needs the name of a real parameter in columns 40-49")
            yield self.name(card, card.name3), self.real(card.name5)
            return
        for name, text in ((card.name3, card.value4), (card.name5, card.value6)):
            if name.strip():
                yield self.name(card, name), _constant(text, blank)


def _constant(text: str, blank: float | None) -> Value:
    value = blank if blank is not None and not text.strip() else to_number(text)
    return lambda: value


class GroupsSection(AbstractSection):
    """GROUPS, ROWS or CONSTRAINTS, before or after the variables."""

    def compile(self, card: Card) -> Action:
        """Return the action of a card."""
        kind = card.code[-1:]
        if kind not in ("N", "G", "L", "E") or len(card.code) > 2:
            fail(f"code {card.code!r}: a group is N, G, L or E, alone or after X, Z or D")
        if card.code[0] == "D":
            return self._combination(card, kind)
        draft, group_name = self.draft, self.name(card, card.name2)
        if not card.name3.strip():
            return lambda: _ignore(draft.new_group(group_name(), kind))
        actions = [
            self._one(card, kind, group_name, name, value) for name, value in self.pairs(card)
        ]
        return _sequence(actions)

    def _one(self, card: Card, kind: str, group_name: Name, name: Name, value: Value) -> Action:
        draft = self.draft
        if (name() if card.code[:1] not in ("X", "Z") else card.name3) == _SCALE:

            def scale() -> None:
                factor = value()
                if factor == 0.0:
                    fail("a scale factor of zero")
                draft.group_scales[draft.new_group(group_name(), kind)] = factor

            return scale

        variable, add, new_group = draft.variable, draft.add_term, draft.new_group
        return lambda: add(new_group(group_name(), kind), variable(name()), value())

    def _combination(self, card: Card, kind: str) -> Action:
        draft = self.draft
        first, second = to_number(card.value4), to_number(card.value6 or "0")
        two = bool(card.name5.strip())

        def combine() -> None:
            group = draft.new_group(card.name2, kind)
            left = draft.group(card.name3)
            right = draft.group(card.name5) if two else left
            draft.combinations.append((group, left, first, right, second if two else 0.0))

        return combine


class VariablesSection(AbstractSection):
    """VARIABLES or COLUMNS, before or after the groups."""

    def __init__(self, draft: Draft, parameters: Parameters) -> None:
        super().__init__(draft, parameters)
        self._integer_block = False

    def compile(self, card: Card) -> Action:
        """Return the action of a card."""
        if card.code not in ("", "X", "Z"):
            fail(f"code {card.code!r}: a card of VARIABLES has a blank code, X or Z")
        if card.name3.strip() == "'MARKER'":
            self._integer_block = "INTORG" in card.name5 + card.text
            return lambda: None
        draft, name2 = self.draft, self.name(card, card.name2)
        define = _Definition(draft, name2, integer=self._integer_block)
        word = card.name3.strip().strip("'")
        if not word:
            return lambda: _ignore(define())
        # Files write these two words with and without quotes.
        if word in ("INTEGER", "ZERO-ONE"):
            return _Definition(draft, name2, integer=True, binary=word == "ZERO-ONE").action
        return _sequence([self._one(card, define, *pair) for pair in self.pairs(card)])

    def _one(self, card: Card, define: _Definition, name: Name, value: Value) -> Action:
        draft = self.draft
        if card.name3.strip() == _SCALE:
            return lambda: draft.variable_scales.__setitem__(define(), value())
        add, group = draft.add_term, draft.group
        return lambda: add(group(name()), define(), value())


class _Definition:
    """Defines a variable when called."""

    def __init__(
        self, draft: Draft, name: Name, *, integer: bool = False, binary: bool = False
    ) -> None:
        self.draft, self.name, self.integer, self.binary = draft, name, integer, binary

    def __call__(self) -> int:
        position = self.draft.new_variable(self.name())
        if self.integer:
            self.draft.integers.add(position)
        if self.binary:
            self.draft.bounds.lower.values[position] = 0.0
            self.draft.bounds.upper.values[position] = 1.0
        return position

    def action(self) -> None:
        self()


class ConstantsSection(AbstractSection):
    """CONSTANTS (or RHS), and RANGES: one number a group, with a default."""

    def __init__(self, draft: Draft, parameters: Parameters, vector: Vector) -> None:
        super().__init__(draft, parameters)
        self.vector = vector

    def compile(self, card: Card) -> Action:
        """Return the action of a card."""
        if card.code[:1] not in ("", "X", "Z"):
            fail(f"code {card.code!r}: a card here has a blank code, X or Z")
        if not self.vector.selects(card.name2):
            return lambda: None
        vector, group = self.vector, self.draft.group
        if card.name3.strip() == _DEFAULT:
            _, value = next(self.pairs(card))
            return lambda: setattr(vector, "default", value())
        return _sequence([_put(vector.values, group, *pair) for pair in self.pairs(card)])


class BoundsSection(AbstractSection):
    """BOUNDS: lower and upper bounds, with defaults 0 and infinity."""

    _SIMPLE: ClassVar[dict[str, str]] = {
        "LO": "L", "UP": "U", "FX": "X", "FR": "R", "MI": "M", "PL": "P", "BV": "B",
        "LI": "L", "UI": "U",
    }  # fmt: skip

    def compile(self, card: Card) -> Action:
        """Return the action of a card."""
        kind = self._SIMPLE.get(card.code)
        if kind is None and card.code[:1] in ("X", "Z") and card.code[1:] in "LUXRMPB":
            kind = card.code[1:]
        if not kind:
            fail(f"code {card.code!r}: not a kind of bound")
        if not self.draft.bounds.lower.selects(card.name2):
            return lambda: None
        value = self._value(card, kind)
        put = self._put_default if card.name3.strip() == _DEFAULT else self._put
        name = self.name(card, card.name3)
        return lambda: put(kind, name(), value())

    def _value(self, card: Card, kind: str) -> Value:
        if kind in "RMPB":
            return lambda: 0.0
        if card.code[:1] == "Z":
            return self.real(card.name5)
        return _constant(card.value4, None)

    def _put(self, kind: str, name: str, value: float) -> None:
        position = self.draft.variable(name)
        lower, upper = self.draft.bounds.lower, self.draft.bounds.upper
        if kind in "LXB":
            lower.values[position] = value
        if kind in "UX":
            upper.values[position] = value
        if kind in "RM":
            lower.values[position] = -_INFINITY
        if kind in "RP":
            upper.values[position] = _INFINITY
        if kind == "B":
            upper.values[position] = 1.0
        # MPS compatibility, end of section 2.2.12: an upper bound of zero over the default lower
        # bound of zero frees the variable below.
        if kind == "U" and value == 0.0 and lower.values.get(position, lower.default) == 0.0:
            lower.values[position] = -_INFINITY

    def _put_default(self, kind: str, _name: str, value: float) -> None:
        lower, upper = self.draft.bounds.lower, self.draft.bounds.upper
        if kind in "LXB":
            lower.default = value
        if kind in "UX":
            upper.default = value
        if kind in "RM":
            lower.default = -_INFINITY
        if kind in "RP":
            upper.default = _INFINITY
        if kind == "B":
            upper.default = 1.0


class StartSection(AbstractSection):
    """START POINT: first estimates of variables (V) and multipliers (M)."""

    def compile(self, card: Card) -> Action:
        """Return the action of a card."""
        base = card.code.removeprefix("X") if card.code[:1] == "X" else card.code
        base = base.removeprefix("Z")
        if base not in ("", "V", "M"):
            fail(f"code {card.code!r}: V, M or blank, alone or after X or Z, is needed")
        start, multipliers = self.draft.start, self.draft.multipliers
        if not start.selects(card.name2):
            return lambda: None
        if card.name3.strip() == _DEFAULT:
            _, value = next(self.pairs(card))
            targets = [v for v, skip in ((start, "M"), (multipliers, "V")) if base != skip]
            return _sequence([_set_default(target, value) for target in targets])
        return _sequence([self._one(base, name, value) for name, value in self.pairs(card)])

    def _one(self, base: str, name: Name, value: Value) -> Action:
        draft = self.draft
        if base == "V":
            return _put(draft.start.values, draft.variable, name, value)
        if base == "M":
            return _put(draft.multipliers.values, draft.group, name, value)

        def either() -> None:
            text = name()
            position = draft.variable_index.get(text)
            if position is not None:
                draft.start.values[position] = value()
            elif text in draft.group_index:
                draft.multipliers.values[draft.group_index[text]] = value()
            else:
                fail(f"{text!r} is neither a variable nor a group")

        return either


class QuadraticSection(AbstractSection):
    """QUADRATIC and its synonyms: half of sum h_jk x_j x_k, one of each pair given."""

    def __init__(self, draft: Draft, parameters: Parameters, *, whole: bool = False) -> None:
        super().__init__(draft, parameters)
        self.whole = whole

    def compile(self, card: Card) -> Action:
        """Return the action of a card."""
        if card.code not in ("", "X", "Z"):
            fail(f"code {card.code!r}: a card here has a blank code, X or Z")
        draft, name2, whole = self.draft, self.name(card, card.name2), self.whole

        def one(name: Name, value: Value) -> Action:
            def add() -> None:
                row, column = draft.variable(name2()), draft.variable(name())
                # A QMATRIX gives both triangles, the other keywords one.
                half = 0.5 if whole and row != column else 1.0
                draft.quadratic.append((row, column, half * value()))

            return add

        return _sequence([one(name, value) for name, value in self.pairs(card)])


_INFINITY = float("inf")


def _put(
    values: dict[int, float], position: Callable[[str], int], name: Name, value: Value
) -> Action:
    return lambda: values.__setitem__(position(name()), value())


def _set_default(target: Vector, value: Value) -> Action:
    return lambda: setattr(target, "default", value())


def _ignore(_value: object) -> None:
    """Turn an expression into an action."""


def _sequence(actions: list[Action]) -> Action:
    if len(actions) == 1:
        return actions[0]

    def run() -> None:
        for action in actions:
            action()

    return run

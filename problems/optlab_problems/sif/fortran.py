"""Parse the Fortran expressions of a SIF file into a syntax tree.

Blanks have no meaning (fixed-form Fortran), case neither. The tree is data: it is lowered to a graph
of arithmetic operations and never handed to Python's own compiler.

Grammar, loosest binding first, as in Fortran 77 section 6::

    .EQV. .NEQV. | .OR. | .AND. | .NOT. | .EQ. .NE. .LT. .LE. .GT. .GE. | + - | * / | **

``**`` associates to the right; a sign in front of a term binds looser than ``*``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from optlab_problems.sif.errors import SifError, fail

__all__ = ["Binary", "Call", "Logical", "Name", "Number", "Tree", "Unary", "parse"]


@dataclass(frozen=True, slots=True)
class Number:
    """A constant. ``kind`` is "integer", "single" (no D exponent) or "double"."""

    text: str
    kind: str


@dataclass(frozen=True, slots=True)
class Logical:
    """``.TRUE.`` or ``.FALSE.``."""

    value: bool


@dataclass(frozen=True, slots=True)
class Name:
    """A variable, parameter or temporary."""

    name: str


@dataclass(frozen=True, slots=True)
class Unary:
    """``-a`` or ``.NOT. a``."""

    operator: str
    operand: Tree


@dataclass(frozen=True, slots=True)
class Binary:
    """``a operator b``."""

    operator: str
    left: Tree
    right: Tree


@dataclass(frozen=True, slots=True)
class Call:
    """An intrinsic function of one or more arguments."""

    function: str
    arguments: tuple[Tree, ...]


Tree: TypeAlias = Number | Logical | Name | Unary | Binary | Call

_WORDS = "EQ|NE|LT|LE|GT|GE|AND|OR|NOT|EQV|NEQV|TRUE|FALSE"
# In "1.EQ.I" the dot belongs to the operator, in "1.E5" to the number.
_TOKEN = re.compile(
    rf"""
    (?P<number>(?:\d+\.(?!(?:{_WORDS})\.)\d*|\.\d+|\d+)(?:[ED][+-]?\d+)?(?:_\w+)?)
  | (?P<word>\.(?:{_WORDS})\.)
  | (?P<name>[A-Z][A-Z0-9_]*)
  | (?P<operator>\*\*|==|/=|<=|>=|<|>|[-+*/(),])
    """,
    re.VERBOSE,
)
_RELATIONS = {
    ".EQ.": "==", ".NE.": "!=", ".LT.": "<", ".LE.": "<=", ".GT.": ">", ".GE.": ">=",
    "==": "==", "/=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">=",
}  # fmt: skip


def parse(text: str, depth_limit: int = 40) -> Tree:
    """Parse one expression.

    Parameters
    ----------
    text
        Fortran text, continuation lines joined.
    depth_limit
        Nesting that is accepted.

    Raises
    ------
    SifError
        When the text is not an expression; the message says where it stops making sense.
    """
    return _Parser(text, depth_limit).whole()


def _tokens(text: str) -> list[tuple[str, str]]:
    squeezed = re.sub(r"\s+", "", text).upper()
    tokens: list[tuple[str, str]] = []
    position = 0
    while position < len(squeezed):
        match = _TOKEN.match(squeezed, position)
        if match is None:
            fail(
                f"Fortran expression: {squeezed[position : position + 12]!r} is not understood"
            )
        kind = match.lastgroup
        assert kind is not None
        tokens.append((kind, match.group()))
        position = match.end()
    return tokens


class _Parser:
    """Recursive descent with one method per precedence level and a bounded depth."""

    def __init__(self, text: str, depth_limit: int) -> None:
        self.tokens = _tokens(text)
        self.position = 0
        self.depth = 0
        self.depth_limit = depth_limit

    def whole(self) -> Tree:
        """Parse all tokens."""
        if not self.tokens:
            fail("a Fortran expression is needed in columns 25-65, the field is empty")
        tree = self.equivalence()
        if self.position < len(self.tokens):
            fail(f"Fortran expression: {self.peek()!r} is not expected here")
        return tree

    def peek(self) -> str:
        """Return the text of the next token, empty at the end."""
        return self.tokens[self.position][1] if self.position < len(self.tokens) else ""

    def accept(self, *choices: str) -> str:
        """Consume the next token when it is one of the choices."""
        token = self.peek()
        if token and token in choices:
            self.position += 1
            return token
        return ""

    def equivalence(self) -> Tree:
        """Parse a whole (sub)expression."""
        self.depth += 1
        if self.depth > self.depth_limit:
            fail(f"Fortran expression nested more than {self.depth_limit} deep")
        tree = self.disjunction()
        while operator := self.accept(".EQV.", ".NEQV."):
            tree = Binary(operator, tree, self.disjunction())
        self.depth -= 1
        return tree

    def disjunction(self) -> Tree:
        """Parse operands of .OR."""
        tree = self.conjunction()
        while self.accept(".OR."):
            tree = Binary(".OR.", tree, self.conjunction())
        return tree

    def conjunction(self) -> Tree:
        """Parse operands of .AND."""
        tree = self.negation()
        while self.accept(".AND."):
            tree = Binary(".AND.", tree, self.negation())
        return tree

    def negation(self) -> Tree:
        """Parse .NOT."""
        odd = False
        while self.accept(".NOT."):
            odd = not odd
        tree = self.relation()
        return Unary(".NOT.", tree) if odd else tree

    def relation(self) -> Tree:
        """Parse a comparison."""
        tree = self.sum()
        operator = self.accept(*_RELATIONS)
        return Binary(_RELATIONS[operator], tree, self.sum()) if operator else tree

    def sum(self) -> Tree:
        """Parse terms, the first with an optional sign."""
        sign = self.accept("+", "-")
        tree = self.product()
        if sign == "-":
            tree = Unary("-", tree)
        while operator := self.accept("+", "-"):
            tree = Binary(operator, tree, self.product())
        return tree

    def product(self) -> Tree:
        """Parse factors."""
        tree = self.power()
        while operator := self.accept("*", "/"):
            tree = Binary(operator, tree, self.power())
        return tree

    def power(self) -> Tree:
        """Parse a base and its exponents; ``a**b**c`` is ``a**(b**c)``, ``-a**2`` is ``-(a**2)``."""
        # Compilers accept a sign after another operator: A*-B, A**-2.
        sign = self.accept("+", "-")
        parts = [self.primary()]
        signs = [sign]
        while self.accept("**"):
            if len(parts) > self.depth_limit:
                fail(f"Fortran expression nested more than {self.depth_limit} deep")
            signs.append(self.accept("+", "-"))
            parts.append(self.primary())
        tree = _with_sign(signs.pop(), parts.pop())
        while parts:
            tree = _with_sign(signs.pop(), Binary("**", parts.pop(), tree))
        return tree

    def primary(self) -> Tree:
        """Parse a constant, a name, a call or a bracket."""
        if self.position >= len(self.tokens):
            fail("Fortran expression: it ends where an operand is needed")
        kind, text = self.tokens[self.position]
        self.position += 1
        if kind == "number":
            return _number(text)
        if kind == "name":
            return self.call(text) if self.accept("(") else Name(text)
        if text in (".TRUE.", ".FALSE."):
            return Logical(text == ".TRUE.")
        if text == "(":
            tree = self.equivalence()
            self.close()
            return tree
        raise SifError(f"Fortran expression: {text!r} is not expected here")

    def call(self, function: str) -> Tree:
        """Parse the arguments of a function."""
        arguments = [self.equivalence()]
        while self.accept(","):
            arguments.append(self.equivalence())
        self.close()
        return Call(function, tuple(arguments))

    def close(self) -> None:
        """Consume a closing bracket."""
        if not self.accept(")"):
            fail(f"Fortran expression: ')' is needed before {self.peek() or 'its end'!r}")


def _with_sign(sign: str, tree: Tree) -> Tree:
    return Unary("-", tree) if sign == "-" else tree


def _number(text: str) -> Number:
    body = text.partition("_")[0]
    if body.isdigit():
        return Number(body, "integer")
    if "D" in body:
        return Number(body.replace("D", "E"), "double")
    return Number(body, "single")

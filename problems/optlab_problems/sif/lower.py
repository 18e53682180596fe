"""Lower syntax trees to a graph, with Fortran's types.

Integers, reals and logicals are told apart because ``1/2`` is 0 in Fortran and 0.5 is not; integer
values are held as floats, exactly up to 2^53. With ``single=True`` constants without a D exponent, and
arithmetic among them, are rounded to single precision as Fortran compilers do (the README of the
collection calls it a trap: the mathematics is the double reading, which is the default).
"""

from __future__ import annotations

from optlab_problems.expressions.graph import Graph
from optlab_problems.sif.errors import SifError, fail
from optlab_problems.sif.fortran import Binary, Call, Logical, Name, Number, Tree, Unary
from optlab_problems.sif.functions import Functions, Statement

__all__ = ["Scope"]

_INTEGER, _SINGLE, _REAL, _LOGICAL = "integer", "single", "real", "logical"
_KINDS = {"I": _INTEGER, "R": _REAL, "L": _LOGICAL}
_RANK = {_INTEGER: 0, _SINGLE: 1, _REAL: 2}

_ARITHMETIC = {"+": "add", "-": "sub", "*": "mul"}
_CONNECTIVES = {".AND.": "and", ".OR.": "or", ".EQV.": "==", ".NEQV.": "!="}

#: Fortran name: operation. Specific names of Fortran 77 stand beside the generic ones.
_UNARY_FUNCTIONS = {
    name: operation
    for operation, names in {
        "sqrt": "SQRT DSQRT", "exp": "EXP DEXP", "log": "LOG ALOG DLOG",
        "log10": "LOG10 ALOG10 DLOG10", "sin": "SIN DSIN", "cos": "COS DCOS",
        "tan": "TAN DTAN", "asin": "ASIN DASIN", "acos": "ACOS DACOS", "atan": "ATAN DATAN",
        "sinh": "SINH DSINH", "cosh": "COSH DCOSH", "tanh": "TANH DTANH", "erf": "ERF DERF",
        "erfc": "ERFC DERFC", "gamma": "GAMMA DGAMMA", "loggamma": "LOG_GAMMA ALGAMA DLGAMA",
    }.items()
    for name in names.split()
}  # fmt: skip
_KEEP_KIND = {"ABS": "abs", "DABS": "abs", "IABS": "abs"}
_TO_REAL = ("DBLE", "DFLOAT", "REAL", "FLOAT", "SNGL")
_TO_INTEGER = {"INT": "trunc", "IDINT": "trunc", "IFIX": "trunc", "NINT": "nint", "IDNINT": "nint",
               "AINT": "trunc", "DINT": "trunc", "ANINT": "nint", "DNINT": "nint"}  # fmt: skip
_PAIRS = {
    "ATAN2": "atan2", "DATAN2": "atan2", "MOD": "mod", "AMOD": "mod", "DMOD": "mod",
    "SIGN": "sign", "DSIGN": "sign", "ISIGN": "sign",
}  # fmt: skip
_MANY = {
    "MAX": "max", "MAX0": "max", "MAX1": "max", "AMAX0": "max", "AMAX1": "max", "DMAX1": "max",
    "MIN": "min", "MIN0": "min", "MIN1": "min", "AMIN0": "min", "AMIN1": "min", "DMIN1": "min",
}  # fmt: skip

Typed = tuple[int, str]


class Scope:
    """Names with their current values while the statements of one type are lowered.

    Parameters
    ----------
    graph
        Where the operations go.
    functions
        The part, for its declared names.
    bound
        Nodes of the variables and parameters of the type.
    single
        The Fortran reading of constants without a D exponent.
    """

    def __init__(
        self, graph: Graph, functions: Functions, bound: dict[str, int], *, single: bool = False
    ) -> None:
        self.graph = graph
        self.functions = functions
        self.single = single
        self.values: dict[str, Typed] = {name: (node, _REAL) for name, node in bound.items()}
        for statement in functions.globals:
            self.run(statement)

    def run(self, statement: Statement) -> int:
        """Lower one statement and return the node of its expression.

        Raises
        ------
        SifError
            With file, line, text and reason.
        """
        try:
            node, kind = self.lower(statement.tree)
            if statement.code == "A":
                self._assign(statement.first, node, kind)
            elif statement.code in ("I", "E"):
                self._assign_if(statement, node, kind)
            elif kind == _LOGICAL:
                fail("a number is needed here, the expression is logical")
        except SifError as error:
            card = statement.card
            raise SifError(error.reason, self.functions.file, card.line, card.text) from None
        return node

    def lower(self, tree: Tree) -> Typed:
        """Lower an expression."""
        # Sums and products nest to the left, as deep as they are long: walk that side in a loop.
        spine: list[Binary] = []
        while isinstance(tree, Binary):
            spine.append(tree)
            tree = tree.left
        value = self._leaf(tree)
        while spine:
            binary = spine.pop()
            value = self._binary(binary.operator, value, self.lower(binary.right))
        return value

    def _leaf(self, tree: Tree) -> Typed:
        if isinstance(tree, Number):
            return self._number(tree)
        if isinstance(tree, Name):
            found = self.values.get(tree.name)
            if found is None:
                fail(f"{tree.name} has no value here")
            return found
        if isinstance(tree, Call):
            return self._call(tree)
        if isinstance(tree, Logical):
            return self.graph.constant(tree.value), _LOGICAL
        assert isinstance(tree, Unary)
        node, kind = self.lower(tree.operand)
        if tree.operator == ".NOT.":
            _need(kind == _LOGICAL, ".NOT. needs a logical")
            return self.graph.apply("not", node), _LOGICAL
        _need(kind != _LOGICAL, "a sign before a logical")
        return self.graph.apply("neg", node), kind

    def _number(self, tree: Number) -> Typed:
        try:
            value = float(tree.text)
        except ValueError:
            fail(f"{tree.text!r} is not a number")
        if tree.kind == "integer":
            return self.graph.constant(value), _INTEGER
        if tree.kind == "single" and self.single:
            return self.graph.apply("single", self.graph.constant(value)), _SINGLE
        return self.graph.constant(value), _REAL

    def _binary(self, operator: str, left: Typed, right: Typed) -> Typed:
        graph = self.graph
        (a, kind_a), (b, kind_b) = left, right
        if operator in _CONNECTIVES:
            _need(kind_a == kind_b == _LOGICAL, f"{operator} needs two logicals")
            return graph.apply(_CONNECTIVES[operator], a, b), _LOGICAL
        _need(_LOGICAL not in (kind_a, kind_b), f"{operator} needs two numbers")
        if operator in ("==", "!=", "<", "<=", ">", ">="):
            return graph.apply(operator, a, b), _LOGICAL
        kind = kind_a if _RANK[kind_a] >= _RANK[kind_b] else kind_b
        if operator == "**":
            node = graph.power(a, b)
            if kind == _INTEGER:
                node = graph.apply("trunc", node)
        elif operator == "/":
            node = graph.apply("div", a, b)
            if kind == _INTEGER:
                node = graph.apply("trunc", node)
        else:
            node = graph.apply(_ARITHMETIC[operator], a, b)
        return self._rounded(node, kind)

    def _rounded(self, node: int, kind: str) -> Typed:
        return (self.graph.apply("single", node) if kind == _SINGLE else node), kind

    def _call(self, tree: Call) -> Typed:
        name, count = tree.function, len(tree.arguments)
        if self.functions.declared.get(name) == "F":
            fail(f"{name} is an external function, Fortran code outside the SIF file")
        arguments = [self.lower(argument) for argument in tree.arguments]
        nodes = [node for node, _ in arguments]
        kinds = [kind for _, kind in arguments]
        _need(_LOGICAL not in kinds, f"{name} needs numbers")
        kind = max(kinds, key=_RANK.__getitem__)
        if name in _MANY and count >= 2:
            node = nodes[0]
            for other in nodes[1:]:
                node = self.graph.apply(_MANY[name], node, other)
            return node, kind
        wanted = 2 if name in _PAIRS else 1
        if name not in _KNOWN:
            fail(f"{name} is not an intrinsic function that is known here")
        _need(count == wanted, f"{name} takes {wanted} argument(s), {count} given")
        if name in _PAIRS:
            return self._rounded(self.graph.apply(_PAIRS[name], *nodes), kind)
        if name in _UNARY_FUNCTIONS:
            result = _SINGLE if kind == _SINGLE else _REAL
            return self._rounded(self.graph.apply(_UNARY_FUNCTIONS[name], nodes[0]), result)
        if name in _KEEP_KIND:
            return self.graph.apply(_KEEP_KIND[name], nodes[0]), kind
        if name in _TO_INTEGER:
            real = name[0] in "AD"
            return self.graph.apply(_TO_INTEGER[name], nodes[0]), _REAL if real else _INTEGER
        return nodes[0], _REAL

    def _assign(self, name: str, node: int, kind: str) -> None:
        declared = self.functions.declared.get(name)
        if declared in _KINDS:
            wanted = _KINDS[declared]
        elif name in self.values:
            # QC assigns to a variable of the type; in Fortran that is a local copy.
            wanted = _REAL
        else:
            fail(f"{name or 'the blank name'} is not declared I, R or L in TEMPORARIES")
        _need(
            (wanted == _LOGICAL) == (kind == _LOGICAL), f"{name} is {wanted}, the value {kind}"
        )
        if wanted == _INTEGER and kind != _INTEGER:
            node = self.graph.apply("trunc", node)
        self.values[name] = node, wanted

    def _assign_if(self, statement: Statement, node: int, kind: str) -> None:
        condition = self.values.get(statement.first)
        _need(
            condition is not None and condition[1] == _LOGICAL,
            f"{statement.first} is not a logical that has a value",
        )
        assert condition is not None
        before = self.values.get(statement.second)
        self._assign(statement.second, node, kind)
        after, wanted = self.values[statement.second]
        # A temporary that no branch has set yet holds NaN, so reading it cannot go unnoticed.
        unset = self.graph.constant(False if wanted == _LOGICAL else float("nan"))
        other = unset if before is None else before[0]
        branches = (after, other) if statement.code == "I" else (other, after)
        self.values[statement.second] = (
            self.graph.apply("choose", condition[0], *branches),
            wanted,
        )


_KNOWN = {*_UNARY_FUNCTIONS, *_KEEP_KIND, *_TO_REAL, *_TO_INTEGER, *_PAIRS}


def _need(condition: bool, message: str) -> None:
    if not condition:
        fail(message)

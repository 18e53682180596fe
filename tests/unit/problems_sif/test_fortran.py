"""Fortran expressions: precedence, types, intrinsics, both ways of running them."""

from __future__ import annotations

import contextlib
import math
import operator
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optlab_problems.expressions.graph import Graph
from optlab_problems.expressions.operations import SCALAR, VECTOR
from optlab_problems.sif.cards import Card
from optlab_problems.sif.errors import SifError
from optlab_problems.sif.fortran import parse
from optlab_problems.sif.functions import Functions
from optlab_problems.sif.lower import Scope
from optlab_problems.sif.tape import Tape


def run(text: str, *, single: bool = False, **values: float) -> float:
    """Evaluate with Python floats, check that arrays agree, and return the value."""
    graph = Graph()
    nodes = {name: graph.input(name) for name in values}
    scope = Scope(graph, Functions("test"), nodes, single=single)
    output, _ = scope.lower(parse(text))
    inputs = list(nodes.values())
    results = []
    for functions, given_values in (
        (SCALAR, list(values.values())),
        (VECTOR, [np.full(3, value) for value in values.values()]),
    ):
        tape = Tape(graph, [[output]], inputs, functions)
        registers = tape.start(given_values)
        with np.errstate(all="ignore"):
            tape.run(0, registers)
        results.append(registers[tape.outputs[0][0]])
    assert np.broadcast_to(results[1], 3) == pytest.approx(results[0], rel=1e-13, nan_ok=True)
    return float(results[0])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2 * 3", 7),
        ("- 2 ** 2", -4),
        ("2 ** 3 ** 2", 512),
        ("2.0D0 ** - 1", 0.5),
        ("8.0 / 2.0 / 2.0", 2),
        ("7 - 2 - 1", 4),
        ("1 / 2 * 4.0", 0),
        ("1.0 / 2 * 4", 2),
        ("- 7 / 2", -3),
        ("2 ** (-1)", 0),
        ("3.D0 * 1.5D+1", 45),
        (".5E1 + 5.", 10),
        ("1.E0 * 2", 2),
        ("4.0 * - 2.0", -8),
        ("X1 ** 2 + X 1", 12),
        ("x1 * X1", 9),
        ("SQRT ( 16.0 ) + ABS( - 2 )", 6),
        ("MAX( 1, 5, X1 ) + MIN( 2.0, X1 )", 7),
        ("MOD( 7, 4 ) + MOD( - 7, 4 )", 0),
        ("SIGN( 2.0, - 0.5 ) * SIGN( - 2.0, 0.5 )", -4),
        ("INT( - 2.7 ) + NINT( 2.5 ) + NINT( - 2.5 )", -2),
        ("DBLE( 3 ) / 2", 1.5),
        ("INT( 3.9 ) / 2", 1),
        ("ATAN2( 1.0, - 1.0 ) * 4.0", 3 * math.pi),
        ("EXP( LOG( X1 ) ) + LOG10( 100.0 )", 5),
        ("ERF( 0.0 ) + GAMMA( 5.0 )", 24),
    ],
)
def test_values(text: str, expected: float) -> None:
    assert run(text, X1=3.0) == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("X .LT. 2.0", True),
        ("X .GE. 2 .OR. X .EQ. 1", True),
        ("X.EQ.1.AND.X.EQ.2", False),
        (".NOT. X .GT. 2 .AND. X /= 2", True),
        ("( X <= 1.0 ) .EQV. .FALSE.", False),
        ("X == 1 .NEQV. X >= 1", False),
    ],
)
def test_logic(condition: str, expected: bool) -> None:
    graph = Graph()
    node, kind = Scope(graph, Functions("test"), {"X": graph.constant(1.0)}).lower(
        parse(condition)
    )
    assert kind == "logical"
    assert graph.constants[node] is expected


def test_single_precision_is_a_choice() -> None:
    # Fortran: 0.1 is single, 0.1D0 double; 1.0 / 3.0 is divided in single precision.
    assert run("0.1") == 0.1
    assert run("0.1", single=True) == float(np.float32(0.1))
    assert run("0.1D0", single=True) == 0.1
    assert run("1.0 / 3.0 * X", single=True, X=1.0) == float(np.float32(1.0) / np.float32(3.0))
    assert run("X / 3.0", single=True, X=1.0) == 1.0 / 3.0


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.0 / X", math.inf),
        ("- 1.0 / X", -math.inf),
        ("X / X", math.nan),
        ("LOG( X )", -math.inf),
        ("LOG( X - 1.0 )", math.nan),
        ("SQRT( X - 1.0 )", math.nan),
        ("EXP( X + 1000.0 )", math.inf),
        ("( X - 8.0 ) ** 0.5", math.nan),
        ("( X - 10.0 ) ** 301.0 * 1.0D300", -math.inf),
        ("X ** ( - 0.5 )", math.inf),
        ("SINH( X - 1000.0 )", -math.inf),
        ("ASIN( X + 2.0 )", math.nan),
        ("MOD( X + 1.0, X )", math.nan),
    ],
)
def test_undefined_operations_are_values(text: str, value: float) -> None:
    assert run(text, X=0.0) == pytest.approx(value, nan_ok=True)


def test_branches_do_not_leak_from_the_side_not_taken() -> None:
    functions = Functions("test", declared={"B": "L", "T": "R"})
    graph = Graph()
    scope = Scope(graph, functions, {"X": graph.input("X")})
    for code, first, second, text in (
        ("A", "B", "", "X .GT. 0.0"),
        ("I", "B", "T", "LOG( X )"),
        ("E", "B", "T", "0.0"),
    ):
        from optlab_problems.sif.functions import Statement

        scope.run(Statement(Card(1, text, code), code, first, second, parse(text)))
    tape = Tape(graph, [[scope.values["T"][0]]], [graph.input("X")], VECTOR)
    registers = tape.start([np.array([-1.0, 0.0, 1.0, math.e])])
    with np.errstate(all="ignore"):
        tape.run(0, registers)
    assert registers[tape.outputs[0][0]] == pytest.approx([0.0, 0.0, 0.0, 1.0])


def test_equal_subexpressions_are_one_operation() -> None:
    graph = Graph()
    scope = Scope(graph, Functions("test"), {"X": graph.input("X"), "Y": graph.input("Y")})
    first = scope.lower(parse("EXP( X * Y ) + 1.0 * X"))
    size = len(graph.operations)
    assert scope.lower(parse("X + EXP( Y * X )")) == first
    assert len(graph.operations) == size


Twin = Callable[[float, float], float]


@st.composite
def expressions(draw: st.DrawFn, depth: int = 4) -> tuple[str, Twin]:
    """Draw Fortran text and a Python function that means the same."""
    if depth == 0 or draw(st.integers(0, 3)) == 0:
        leaves: list[tuple[str, Twin]] = [
            ("X", lambda x, _: x), ("Y", lambda _, y: y), ("2.0", lambda *_: 2.0),
            ("0.25D0", lambda *_: 0.25),
        ]  # fmt: skip
        return draw(st.sampled_from(leaves))
    shape = draw(st.sampled_from(["+", "-", "*", "**2", "neg", "SIN", "EXP", "()"]))
    a, f = draw(expressions(depth=depth - 1))
    if shape in "+-*":
        b, g = draw(expressions(depth=depth - 1))
        combine = {"+": operator.add, "-": operator.sub, "*": operator.mul}[shape]
        return f"({a}) {shape} ({b})", lambda x, y: combine(f(x, y), g(x, y))
    if shape == "**2":
        return f"({a}) ** 2", lambda x, y: f(x, y) * f(x, y)
    if shape == "neg":
        return f"-({a})", lambda x, y: -f(x, y)
    if shape == "()":
        return f"( {a} )", f
    function = {"SIN": math.sin, "EXP": math.exp}[shape]
    return f"{shape}(({a}) / 64.0)", lambda x, y: function(f(x, y) / 64.0)


@given(expressions(), st.floats(-2, 2), st.floats(-2, 2))
def test_random_expressions_mean_the_same_as_in_python(
    pair: tuple[str, Twin], x: float, y: float
) -> None:
    text, twin = pair
    try:
        expected = twin(x, y)
    except (OverflowError, ValueError):
        return
    assert run(text, X=x, Y=y) == pytest.approx(expected, rel=1e-12, abs=1e-12, nan_ok=True)


@given(st.text(alphabet="X Y1.+-*/()EDQANLT,<=>", max_size=30))
def test_any_text_parses_or_is_refused(text: str) -> None:
    with contextlib.suppress(SifError):
        parse(text)

"""Every operator: value, first and second derivatives, in text and both binary encodings."""

# ruff: noqa: ARG005  every reference takes both variables
from __future__ import annotations

import math
import re
from collections.abc import Callable

import numpy as np
import pytest
from nl_files import NlFile, binary

from optlab import check_derivatives
from optlab_problems.nl import NlError, read_nl
from optlab_problems.nl.opcodes import NAMES

POINTS = (np.array([0.3, 0.7]), np.array([0.61, 0.23]))
CASES: dict[int, tuple[str, Callable[[float, float], float]]] = {
    0: ("o0 v0 v1", lambda a, b: a + b),
    1: ("o1 v0 v1", lambda a, b: a - b),
    2: ("o2 v0 v1", lambda a, b: a * b),
    3: ("o3 v0 v1", lambda a, b: a / b),
    4: ("o4 o2 n7 v0 v1", lambda a, b: math.fmod(7 * a, b)),
    5: ("o5 v0 v1", lambda a, b: a**b),
    6: ("o6 v0 v1", lambda a, b: max(a - b, 0.0)),
    11: ("o11 3 v0 v1 o2 v0 v1", lambda a, b: min(a, b, a * b)),
    12: ("o12 3 o5 v0 n2 v1 o2 v0 v1", lambda a, b: max(a**2, b, a * b)),
    13: ("o0 v0 o13 o2 n9 v1", lambda a, b: a + math.floor(9 * b)),
    14: ("o0 v0 o14 o2 n9 v1", lambda a, b: a + math.ceil(9 * b)),
    15: ("o15 o1 v0 v1", lambda a, b: abs(a - b)),
    16: ("o16 o2 v0 v1", lambda a, b: -a * b),
    20: ("o35 o20 o22 v0 n0 o22 v1 n1 o2 v0 v1 v0", lambda a, b: a * b),
    21: ("o35 o21 o22 v0 n0 o22 v1 n1 o2 v0 v1 v0", lambda a, b: a),
    22: ("o35 o22 v0 v1 o2 v0 v1 o5 v0 n3", lambda a, b: a * b if a < b else a**3),
    23: ("o35 o23 v0 v1 o2 v0 v1 o5 v0 n3", lambda a, b: a * b if a <= b else a**3),
    24: ("o35 o24 v0 v1 o2 v0 v1 o5 v0 n3", lambda a, b: a**3),
    28: ("o35 o28 v0 v1 o2 v0 v1 o5 v0 n3", lambda a, b: a * b if a >= b else a**3),
    29: ("o35 o29 v0 v1 o2 v0 v1 o5 v0 n3", lambda a, b: a * b if a > b else a**3),
    30: ("o35 o30 v0 v1 o2 v0 v1 o5 v0 n3", lambda a, b: a * b),
    34: ("o35 o34 o22 v0 v1 o2 v0 v1 v0", lambda a, b: a if a < b else a * b),
    35: ("o35 o22 v0 v1 o43 v0 o39 v1", lambda a, b: math.log(a) if a < b else math.sqrt(b)),
    37: ("o37 o2 v0 v1", lambda a, b: math.tanh(a * b)),
    38: ("o38 o2 v0 v1", lambda a, b: math.tan(a * b)),
    39: ("o39 o2 v0 v1", lambda a, b: math.sqrt(a * b)),
    40: ("o40 o2 v0 v1", lambda a, b: math.sinh(a * b)),
    41: ("o41 o2 v0 v1", lambda a, b: math.sin(a * b)),
    42: ("o42 o2 v0 v1", lambda a, b: math.log10(a * b)),
    43: ("o43 o2 v0 v1", lambda a, b: math.log(a * b)),
    44: ("o44 o2 v0 v1", lambda a, b: math.exp(a * b)),
    45: ("o45 o2 v0 v1", lambda a, b: math.cosh(a * b)),
    46: ("o46 o2 v0 v1", lambda a, b: math.cos(a * b)),
    47: ("o47 o2 v0 v1", lambda a, b: math.atanh(a * b)),
    48: ("o48 v0 o0 v1 v0", lambda a, b: math.atan2(a, a + b)),
    49: ("o49 o2 v0 v1", lambda a, b: math.atan(a * b)),
    50: ("o50 o2 v0 v1", lambda a, b: math.asinh(a * b)),
    51: ("o51 o2 v0 v1", lambda a, b: math.asin(a * b)),
    52: ("o52 o0 n1.5 o2 v0 v1", lambda a, b: math.acosh(1.5 + a * b)),
    53: ("o53 o2 v0 v1", lambda a, b: math.acos(a * b)),
    54: ("o54 3 v0 o2 v0 v1 n2", lambda a, b: a + a * b + 2),
    55: ("o0 v1 o55 o2 n9 v0 v1", lambda a, b: b + math.trunc(9 * a / b)),
    57: ("o0 v1 o57 v0 n1", lambda a, b: b + math.floor(10 * a + 0.5) / 10),
    58: ("o0 v1 o58 v0 n1", lambda a, b: b + math.trunc(10 * a) / 10),
    64: (
        "o64 3 n-1 n0.2 s2 n0.5 l4 v0",
        lambda a, b: -0.2 + 2 * (min(a, 0.5) - 0.2) + 4 * max(a - 0.5, 0),
    ),
    70: ("o35 o70 3 o22 v0 n9 o22 v1 n9 o22 v0 n8 o2 v0 v1 v0", lambda a, b: a * b),
    71: ("o35 o71 2 o22 v0 n0 o22 v1 n0 o2 v0 v1 v0", lambda a, b: a),
    73: ("o35 o73 o22 v0 n0 o22 v1 n0 o2 v0 v1 v0", lambda a, b: a * b),
    76: ("o76 o0 v0 v1 n2.5", lambda a, b: (a + b) ** 2.5),
    77: ("o77 o0 v0 v1", lambda a, b: (a + b) ** 2),
    78: ("o78 n3 o2 v0 v1", lambda a, b: 3 ** (a * b)),
}


@pytest.mark.parametrize("opcode", CASES)
@pytest.mark.parametrize("encoding", ["text", "<", ">"])
def test_an_operator_has_its_value_and_derivatives(opcode: int, encoding: str) -> None:
    expression, reference = CASES[opcode]
    data = NlFile(objective=expression, rows=[expression]).text()
    problem = read_nl(data if encoding == "text" else binary(data, encoding))
    for x in POINTS:
        expected = reference(*x.tolist())
        assert problem.objective(x) == pytest.approx(expected, rel=1e-14)
        assert problem.constraints(x) == pytest.approx([expected], rel=1e-14)
        # Differences stay on one side of every kink and branch at these points.
        found = check_derivatives(problem, x, rtol=1e-6)
        assert found, found


@pytest.mark.parametrize("opcode", sorted(set(NAMES) - set(CASES)))
def test_an_operator_of_discrete_models_is_refused_by_name(opcode: int) -> None:
    with pytest.raises(NlError, match=re.escape(f"o{opcode} ({NAMES[opcode]})")) as caught:
        read_nl(NlFile(objective=f"o{opcode} v0 v1").text())
    assert caught.value.line == 12


@pytest.mark.parametrize("opcode", [7, 36, 79, 80, 81, 82, 99, -1])
def test_a_number_that_is_no_operator_is_refused(opcode: int) -> None:
    with pytest.raises(NlError, match=f"operator o{opcode} is not supported"):
        read_nl(NlFile(objective=f"o{opcode} v0 v1").text())


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("o5 n0 n0", 1.0),
        ("o3 n1 n0", math.inf),
        ("o5 v0 n0", 1.0),
        ("o5 v0 n-3", 0.3**-3),
        ("o5 v0 n17", 0.3**17),
        ("o2 n0 v0", 0.0),
        ("o35 o22 n1 n2 v0 v1", 0.3),
        ("o16 o16 v0", 0.3),
        ("o3 v0 n1e-320", math.inf),
        ("o11 1 v0", 0.3),
        ("o54 1 v0", 0.3),
        ("o44 n1000", math.inf),
    ],
)
def test_constants_are_folded_and_corner_cases_follow_ieee(
    expression: str, value: float
) -> None:
    problem = read_nl(NlFile(objective=expression).text())
    assert problem.objective(POINTS[0]) == pytest.approx(value, rel=1e-14)


def test_the_branch_that_is_not_taken_may_be_undefined() -> None:
    # sqrt and log have infinite slopes or no value where the other branch is taken.
    expression = "o35 o28 v0 n0 o2 v0 v1 o2 o43 v0 o39 v0"
    problem = read_nl(NlFile(objective=expression, rows=["o11 2 o43 v0 v1"]).text())
    x = np.array([0.0, 2.0])
    assert problem.objective(x) == 0.0
    assert problem.gradient(x) == pytest.approx([2.0, 0.0])
    assert np.asarray(problem.hessian(x, np.zeros(1), 1.0)) == pytest.approx(
        np.array([[0.0, 1.0], [1.0, 0.0]])
    )
    assert problem.hprod(x, np.zeros(1), 1.0, np.array([1.0, 3.0])) == pytest.approx([3.0, 1.0])


def test_powers_of_zero_have_the_slopes_of_the_limit() -> None:
    problem = read_nl(NlFile(objective="o0 o5 v0 n1.5 o5 v1 n1").text())
    x = np.zeros(2)
    assert problem.gradient(x) == pytest.approx([0.0, 1.0])
    general = read_nl(NlFile(objective="o5 v0 v1").text())
    at = np.array([0.0, 3.0])
    assert general.gradient(at) == pytest.approx([0.0, 0.0])
    assert np.asarray(general.hessian(at, np.zeros(0), 1.0)) == pytest.approx(np.zeros((2, 2)))

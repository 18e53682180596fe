from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from optlab import Problem
from optlab.errors import CapabilityError, ProblemError


def make(**more: Any) -> Problem:
    given: dict[str, Any] = {"objective": lambda x: float(x @ x), "x0": [1.0, 2.0]}
    return Problem(**(given | more))


ROWS: dict[str, Any] = {"constraints": lambda x: x, "cl": [0.0, 0.0], "cu": [1.0, 1.0]}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"lb": [0.0, 3.0], "ub": [1.0, 2.0]}, r"lb\[1\] = 3 and ub\[1\] = 2"),
        ({"lb": [np.inf, 0.0]}, r"lb\[0\]"),
        ({"lb": [0.0]}, r"shape \(2,\) is needed"),
        ({"ub": [0.0, np.nan]}, r"ub\[1\] is nan"),
        ({"x0": [[1.0, 2.0]]}, "one-dimensional"),
        ({"x0": [1.0, np.inf]}, r"x0\[1\]"),
        ({"x0": "here"}, "numbers"),
        ({"cl": [0.0]}, "no constraints"),
        ({"constraints": lambda x: x}, "without cl and cu"),
        (ROWS | {"cl": [0.0]}, "one of each per row"),
        (ROWS | {"cl": [2.0, 0.0]}, r"cl\[0\] = 2"),
        (ROWS | {"linear": [True]}, "bool array"),
        (ROWS | {"linear": [1, 0]}, "bool array"),
        ({"variable_names": ["a", "a"]}, "repeats 'a'"),
        ({"variable_names": ["a"]}, "2 are needed"),
        (ROWS | {"constraint_names": ["r", "r"]}, "repeats 'r'"),
        ({"gradient": np.ones(2)}, "callable"),
    ],
)
def test_contradictions_are_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ProblemError, match=words):
        make(**given)


def test_defaults() -> None:
    problem = make(lb=0.0)
    assert (problem.n, problem.m) == (2, 0)
    assert np.array_equal(problem.lb, [0.0, 0.0])
    assert np.array_equal(problem.ub, [np.inf, np.inf])
    assert problem.constraints(problem.x0).shape == (0,)
    assert problem.jacobian(problem.x0).shape == (0, 2)
    assert make(**ROWS).linear is None


def test_nothing_can_be_changed() -> None:
    start = np.array([1.0, 2.0])
    problem = make(x0=start)
    start[0] = 9.0
    assert problem.x0[0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        problem.x0[0] = 5.0
    with pytest.raises(AttributeError, match="replace"):
        problem.n = 3
    with pytest.raises(AttributeError, match="immutable"):
        del problem.lb


def test_replace_keeps_the_rest() -> None:
    problem = make(**ROWS, name="rows", lb=0.0)
    other = problem.replace(x0=[5.0, 6.0])
    assert np.array_equal(other.x0, [5.0, 6.0])
    assert np.array_equal(problem.x0, [1.0, 2.0])
    assert (other.name, other.m) == ("rows", 2)
    assert np.array_equal(other.lb, problem.lb)
    assert not other.has_gradient
    with pytest.raises(TypeError, match="colour"):
        problem.replace(colour="red")


def test_a_missing_function_says_how_to_give_it() -> None:
    with pytest.raises(CapabilityError, match="gradient=") as caught:
        make(name="P").gradient(np.ones(2))
    assert isinstance(caught.value, TypeError)
    assert "'P'" in str(caught.value)

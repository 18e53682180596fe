"""The graph, sums and the evaluator by levels, without a file around them."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from optlab.errors import ParseError
from optlab_problems.expressions.adjoints import Seeds
from optlab_problems.expressions.evaluator import Evaluator, Outputs, PlanLimits
from optlab_problems.expressions.graph import Graph
from optlab_problems.expressions.layout import Layout
from optlab_problems.expressions.operations import SCALAR, VECTOR
from optlab_problems.expressions.pushes import TooLarge
from optlab_problems.expressions.slopes import FIRST, SECOND
from optlab_problems.expressions.sums import Sum


def evaluator(
    graph: Graph, inputs: list[int], roots: list[int], limits: PlanLimits | None = None
) -> Evaluator:
    """Make an evaluator whose outputs are single nodes, the first the objective."""
    layout = Layout(graph, inputs, roots)
    rows = np.arange(len(roots))
    slots = np.array([layout.slot[node] for node in roots])
    none = np.zeros(0, dtype=np.intp)
    outputs = Outputs(
        np.zeros(len(roots)), none, none, np.zeros(0), Seeds(rows, slots, np.ones(len(roots)))
    )
    return Evaluator(layout, outputs, dense=False, limits=limits)


def chain(n: int) -> tuple[Graph, list[int], int]:
    """Return sum over i of exp(x_i x_(i+1))."""
    graph = Graph()
    x = [graph.input(str(i)) for i in range(n)]
    total = Sum()
    for a, b in pairwise(x):
        total = total.plus(Sum.of(graph.apply("exp", graph.apply("mul", a, b))))
    return graph, x, total.node(graph)


def test_patterns_and_plans_follow_the_sparsity() -> None:
    sizes = {}
    for n in (50, 100):
        made = evaluator(*_with_root(chain(n)))
        x = np.linspace(-1.0, 1.0, n)
        hessian: Any = made.hessian(x, np.zeros(0), 1.0)
        assert hessian.nnz == 3 * n - 2
        assert made._arcs is not None
        sizes[n] = sum(step.sources.size for step in made._arcs._steps)
        products = x[:-1] * x[1:]
        value = np.exp(products)
        off = value * (1.0 + products)
        expected = np.diag(off, 1) + np.diag(off, -1)
        expected[range(n - 1), range(n - 1)] += value * x[1:] ** 2
        expected[range(1, n), range(1, n)] += value * x[:-1] ** 2
        assert hessian.toarray() == pytest.approx(expected)
    # Twice the variables, twice the work.
    assert sizes[100] / sizes[50] == pytest.approx(2.0, rel=0.05)


def _with_root(made: tuple[Graph, list[int], int]) -> tuple[Graph, list[int], list[int]]:
    graph, x, root = made
    return graph, x, [root]


def test_plans_that_are_too_large_are_not_made() -> None:
    graph, x, root = chain(10)
    with pytest.raises(TooLarge):
        evaluator(graph, x, [root], PlanLimits(first=5))
    made = evaluator(graph, x, [root], PlanLimits(second=5))
    assert not made.has_hessian
    point, v = np.linspace(-1.0, 1.0, 10), np.arange(10.0)
    full: Any = evaluator(graph, x, [root]).hessian(point, np.zeros(0), 2.0)
    assert made.hprod(point, np.zeros(0), 2.0, v) == pytest.approx(full @ v)


def test_results_do_not_depend_on_earlier_calls() -> None:
    graph, x, root = chain(6)
    made = evaluator(graph, x, [root, root])
    a, b, y = np.linspace(0.0, 1.0, 6), np.linspace(1.0, -1.0, 6), np.array([0.5])
    first = made.gradient(a).copy()
    made.hessian(b, y, 1.0)
    made.objective(b)
    assert np.array_equal(made.gradient(a), first)
    returned = made.constraints(a)
    returned[:] = 7.0
    assert made.constraints(a)[0] == pytest.approx(made.objective(a))


def test_a_sum_of_many_terms_is_one_node() -> None:
    graph = Graph()
    x = [graph.input(str(i)) for i in range(1000)]
    total = Sum(2.0)
    for node in x:
        total = Sum.of(node).plus(total.negated()).negated()
    root = total.node(graph)
    assert graph.operations[root] == "sum"
    assert graph.operands[root][1:3] == (graph.constant(-1.0), x[0])
    assert graph.constants[graph.operands[root][0]] == 2.0
    assert graph.combination(0.0, {x[3]: 1.0, x[4]: 0.0}) == x[3]
    assert graph.constants[graph.combination(5.0, {})] == 5.0
    assert graph.combination(0.0, {x[1]: 2.0, x[0]: 3.0}) == graph.combination(
        0.0, {x[0]: 3.0, x[1]: 2.0}
    )


def test_long_sums_are_scaled_as_a_node() -> None:
    graph = Graph()
    x = [graph.input(str(i)) for i in range(20)]
    total = Sum(1.0)
    for node in x:
        total = total.plus(Sum.of(node))
    scaled = total.times(3.0, graph)
    assert len(scaled.terms) == 1
    made = evaluator(graph, x, [scaled.node(graph)])
    assert made.objective(np.ones(20)) == 63.0


def test_a_graph_has_a_limit() -> None:
    graph = Graph(limit=2)
    graph.input("a")
    graph.constant(1.0)
    with pytest.raises(ParseError, match="more than 2 operations"):
        graph.input("b")


@pytest.mark.parametrize("operation", sorted(set(SCALAR) & set(VECTOR)))
def test_scalar_and_vector_arithmetic_agree(operation: str) -> None:
    binary = {"add", "sub", "mul", "div", "pow", "mod", "atan2", "sign", "min", "max", "and", "or",
              "<", "<=", ">", ">=", "==", "!="}  # fmt: skip
    arity = 2 if operation in binary else 3 if operation == "choose" else 1
    with np.errstate(all="ignore"):
        for first in (-1.5, -1.0, 0.0, 0.5, 1.0, 2.25, 800.0, math.inf, math.nan):
            operands = [first, 0.75, -2.0][:arity]
            vector = VECTOR[operation](*[np.full(2, value) for value in operands])
            scalar = float(SCALAR[operation](*operands))
            if operation in ("gamma", "loggamma") and first <= 0.0:
                continue  # poles and branches, which each library places for itself
            assert np.asarray(vector, dtype=float)[0] == pytest.approx(
                scalar, rel=1e-13, nan_ok=True
            )


def test_every_second_derivative_belongs_to_first_ones() -> None:
    for operation, pairs in SECOND.items():
        for a, b in pairs:
            assert a <= b
            assert {a, b} <= set(FIRST[operation])

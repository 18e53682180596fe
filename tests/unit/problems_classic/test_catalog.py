"""The catalog: names, sizes, known solutions, errors."""

from __future__ import annotations

import numpy as np
import pytest

from optlab.errors import ProblemError
from optlab_problems import catalog
from optlab_problems.catalog import Kind, Outcome
from optlab_problems.classic import planted_qp, planted_solution, sif_names, sif_path
from optlab_problems.classic.sized import chained_rosenbrock

BOOK_VALUES = {
    "hs63": (3.512118414, 0.2169881741, 3.552174034),
    "hs71": (1.0, 4.742999637, 3.821149984, 1.379408293),
    "hs76": (0.2727272727, 2.090909091, -0.26e-10, 0.5454545455),
    "hs100": (2.330499, 1.951372, -0.4775414, 4.365726, -0.6244870, 1.038131, 1.594227),
    "hs106": (
        579.3066, 1359.9707, 5109.9707, 182.01770, 295.60117, 217.98230, 286.41653, 395.60117,
    ),
}  # fmt: skip
"""Minimizers as [HS81] prints them, too short to be the catalog's `solution`."""


def test_names_are_unique_and_filters_select() -> None:
    names = catalog.names()
    assert len(names) == len(set(names)) >= 28
    assert "hs71" in catalog.names(kind="nonlinear", outcome="solved")
    assert "hs71" not in catalog.names(kind=Kind.LINEAR)
    assert set(catalog.names(outcome=Outcome.UNBOUNDED)) == {
        "unbounded-ray",
        "unbounded-saddle",
    }
    with pytest.raises(ValueError, match="quadratic"):
        catalog.names(kind="quadratic")


@pytest.mark.parametrize("item", catalog.entries(), ids=lambda item: item.name)
def test_kind_says_what_the_problem_has(item: catalog.Entry) -> None:
    problem = catalog.load(item.name)
    bounded = bool(np.isfinite(problem.lb).any() or np.isfinite(problem.ub).any())
    if problem.m and problem.linear is not None and not problem.linear.all():
        kind = Kind.NONLINEAR
    elif problem.m:
        kind = Kind.LINEAR
    else:
        kind = Kind.BOUNDS if bounded else Kind.UNCONSTRAINED
    assert item.kind is kind
    assert problem.name == item.name
    assert item.source


def violation(name: str, x: np.ndarray) -> float:
    problem = catalog.load(name)
    parts = [problem.lb - x, x - problem.ub]
    if problem.m:
        c = problem.constraints(x)
        parts += [problem.cl - c, c - problem.cu]
    return float(max(part.max() for part in parts))


@pytest.mark.parametrize(
    "item",
    [e for e in catalog.entries() if e.solution is not None and e.optimum is not None],
    ids=lambda item: item.name,
)
def test_known_solution_is_feasible_and_has_the_known_value(item: catalog.Entry) -> None:
    x = np.array(item.solution)
    assert violation(item.name, x) <= 1e-12
    assert catalog.load(item.name).objective(x) == pytest.approx(item.optimum, abs=1e-12)


@pytest.mark.parametrize("name", sorted(BOOK_VALUES))
def test_printed_solution_gives_the_known_value(name: str) -> None:
    x = np.array(BOOK_VALUES[name])
    optimum = catalog.entry(name).optimum
    assert optimum is not None
    scale = 1e-4 * abs(optimum)
    assert violation(name, x) <= scale
    assert catalog.load(name).objective(x) == pytest.approx(optimum, abs=scale)


@pytest.mark.parametrize("n", [12, 30, 400])
def test_planted_solution_satisfies_the_optimality_conditions(n: int) -> None:
    problem = planted_qp(n)
    x = planted_solution(n)
    c = problem.constraints(x)
    assert np.all(c >= problem.cl - 1e-12)
    assert np.all(c <= problem.cu + 1e-12)
    # Stationarity: the gradient is -(A'y + z) with signs allowed by the active sides only.
    rows = problem.jacobian(x)
    m = problem.m
    role = np.arange(m) % 4
    y = np.select(
        [role == 0, role == 1, role == 2], [np.sin(1.0 + np.arange(m)), -0.5, 0.5], 0.0
    )
    z = -(problem.gradient(x) + rows.T @ y)
    assert np.all(np.abs(z[(x > 0) & (x < 1)]) <= 1e-12)
    assert np.all(z[x == 0] < 0)
    assert np.all(z[x == 1] > 0)
    assert np.all(c[y < 0] == problem.cl[y < 0])
    assert np.all(c[y > 0] == problem.cu[y > 0])


def test_isolated_is_infeasible_and_stationary_for_the_violation_at_its_solution() -> None:
    problem = catalog.load("isolated")
    c = problem.constraints(np.zeros(2))
    np.testing.assert_array_equal(c, 1.0)
    np.testing.assert_array_equal(problem.jacobian(np.zeros(2)).T @ c, 0.0)
    rng = np.random.default_rng(0)
    for x in rng.uniform(-5, 5, (50, 2)):
        assert problem.constraints(x).max() >= 1.0


def test_unbounded_problems_decrease_without_end() -> None:
    for name, direction in (("unbounded-ray", [1.0, 0.0]), ("unbounded-saddle", [1.0, -1.0])):
        problem = catalog.load(name)
        values = [
            problem.objective(problem.x0 + t * np.array(direction)) for t in (1e3, 1e6, 1e9)
        ]
        assert values[2] < values[1] < values[0] < -100


def test_size_parameters_reach_the_problem() -> None:
    assert catalog.load("chained-rosenbrock", n=7).n == 7
    assert catalog.load("chained-rosenbrock").n == 1000
    ones = np.ones(500)
    assert chained_rosenbrock(500).objective(ones) == 0.0
    np.testing.assert_array_equal(
        catalog.load("chained-rosenbrock-rows", n=50).constraints(ones[:50]), 0.0
    )


def test_mistakes_are_answered_with_what_exists() -> None:
    with pytest.raises(ProblemError, match=r"catalog\.names"):
        catalog.load("hs999")
    with pytest.raises(ProblemError, match="size parameters: none"):
        catalog.load("hs71", n=3)
    with pytest.raises(ProblemError, match="n >= 2"):
        catalog.load("chained-rosenbrock", n=1)
    with pytest.raises(ProblemError, match="HS71"):
        sif_path("nothing")


def test_sif_files_are_shipped() -> None:
    assert {"HS71", "CHAINROS", "POLYQP", "NOPOINT"} <= set(sif_names())
    assert sif_path("hs71").read_text(encoding="ascii").startswith("*")

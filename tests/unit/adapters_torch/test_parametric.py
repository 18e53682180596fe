"""Families in torch: their derivatives agree with differences, and mistakes are named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optlab
from optlab.errors import ProblemError
from optlab.parametric import DifferencedFamily

torch = pytest.importorskip("torch")
adapters = pytest.importorskip("optlab.adapters")
pytestmark = pytest.mark.torch

P = (np.array([1.0, 0.5, 0.8]), np.array(0.1), np.array([[0.9, 0.2]]))


def curved(**changes: Any) -> Any:
    """Return a family that uses its parameters everywhere."""
    given: dict[str, Any] = {
        "objective": lambda x, a, b, _c: ((x - a) ** 4).sum() + (x * x).sum() * b.exp(),
        "constraints": lambda x, a, _b, c: torch.stack(
            [x.prod() * a[0], x.sum() - c[0, 0] * x[0] ** 2]
        ),
        "shapes": [(3,), (), (1, 2)],
        "x0": lambda a, _b, _c: a,
        "cl": lambda _a, b, _c: torch.stack([b * 0 - torch.inf, b]),
        "cu": lambda a, b, _c: torch.stack([0.1 * a[2] ** 2, b]),
        "ub": lambda _a, _b, c: c[0, 0],
        "lb": -2.0,
        "name": "curved",
    }
    return adapters.TorchFamily(**(given | changes))


def test_derivatives_in_x_are_right() -> None:
    problem = curved().problem(P)
    assert (problem.n, problem.m, problem.name) == (3, 2, "curved")
    assert optlab.check_derivatives(problem, np.array([0.3, 0.2, -0.4])).ok


def test_derivatives_in_p_agree_with_differences() -> None:
    family, flat = curved(), np.concatenate([v.reshape(-1) for v in P])
    result = optlab.minimize(family.problem(P), tol=1e-10)
    exact = optlab.sensitivity(family, result, P)
    rough = optlab.sensitivity(DifferencedFamily(family.problem), result, flat)
    assert exact.regular
    for part in ("dx", "dy", "dz", "df"):
        np.testing.assert_allclose(getattr(exact, part), getattr(rough, part), atol=1e-8)
    np.testing.assert_array_equal(optlab.sensitivity(family, result, flat).dx, exact.dx)


def test_the_pulled_back_weights_are_the_contracted_ones() -> None:
    family = curved()
    result = optlab.minimize(family.problem(P), tol=1e-10)
    s = optlab.sensitivity(family, result, P)
    rng = np.random.default_rng(0)
    vx, vy, vz = rng.standard_normal(3), rng.standard_normal(2), rng.standard_normal(3)
    weights, _ = s.solution.adjoint(vx, vy, vz, 0.4)
    point = s.solution.point
    pulled = family.pulled_back(weights, family.parameters(P), point.x, point.y)
    assert [tuple(g.shape) for g in pulled] == [(3,), (), (1, 2)]
    flat = torch.cat([g.reshape(-1) for g in pulled]).numpy()
    np.testing.assert_allclose(flat, s.adjoint(vx, vy, vz, 0.4), atol=1e-12)


def test_parameters_that_nothing_depends_on() -> None:
    family = adapters.TorchFamily(
        objective=lambda x, _p: (x * x).sum(), shapes=[(2,)], x0=[1.0], lb=0.5
    )
    s = optlab.sensitivity(family, optlab.minimize(family.problem([0, 0])), [0.0, 0.0])
    assert not s.dx.any()
    weights, _ = s.solution.adjoint(np.ones(1))
    (pulled,) = family.pulled_back(weights, family.parameters([0, 0]), np.ones(1), np.zeros(0))
    assert pulled.tolist() == [0.0, 0.0]


def test_a_constant_or_linear_objective_has_derivatives_too() -> None:
    flat = adapters.TorchFamily(objective=lambda _x, p: p.sum(), shapes=[(1,)], x0=[1.0, 2.0])
    problem = flat.problem([3.0])
    assert problem.objective(problem.x0) == 3.0
    assert not problem.gradient(problem.x0).any()
    assert not problem.hessian(problem.x0, np.zeros(0), 1.0).any()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"objective": 3}, r"a function of \(x, \*parameters\) in torch"),
        ({"constraints": 3}, "constraints is 3"),
        ({"shapes": []}, "at least one parameter"),
        ({"shapes": [3, ()]}, "a shape for every parameter"),
        ({"objective": lambda x, *_: x}, "a single number"),
        ({"objective": lambda *_: 3.0}, "float"),
        ({"constraints": lambda x, *_: x.sum()}, r"value\[None\]"),
        ({"constraints": lambda *_: [1.0]}, "list"),
        ({"x0": lambda *_: "here"}, "array of numbers"),
        ({"cl": lambda *_: torch.zeros(3)}, "cl has 3 entries"),
    ],
)
def test_families_that_are_stated_wrongly(changes: Any, words: str) -> None:
    with pytest.raises(ProblemError, match=words):
        curved(**changes).problem(P)


@pytest.mark.parametrize(
    ("p", "words"),
    [
        (np.zeros(5), "need 6"),
        ((P[0], P[1]), "2 parameters are given; the family has 3"),
        ((P[0], P[0], P[2]), r"parameter 1 has shape \(3,\)"),
        (("a", P[1], P[2]), "array of numbers"),
    ],
)
def test_parameters_that_do_not_fit(p: Any, words: str) -> None:
    with pytest.raises(ProblemError, match=words):
        curved().problem(p)

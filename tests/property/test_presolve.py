"""Presolve on problems with a known KKT point, dressed up with rows that are not needed.

A problem from :mod:`planted` keeps its feasible set while bounds become rows, rows get copies, and
rows that say nothing are added. Presolve has to undress it; the multipliers of the undressed problem,
mapped back, have to satisfy the shared checker on the dressed one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from planted import Planted, planted
from scipy.optimize import linprog
from scipy.sparse import csr_array

import optlab
from optlab.core.kkt import certificate
from optlab.core.reduction import Chain, FixedVariables, Inverse, Multiplied
from optlab.core.reduction.presolve import Presolve
from optlab.linalg.polyhedron import EmptyPolyhedronError, Polyhedron
from optlab.typing import Vector

ROUNDING = 1e-9


@dataclass
class Dressed:
    """The planted problem in n + f variables, f of them fixed, with more rows than it needs."""

    base: Planted
    rng: np.random.Generator
    values: Vector
    """(f,) of the fixed variables."""

    rows: list[Vector] = field(default_factory=list)
    curvature: list[float] = field(default_factory=list)
    constant: list[float] = field(default_factory=list)
    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    scale: dict[str, tuple[int, float]] = field(default_factory=dict)
    """Planted row and factor, for rows that are multiples of one."""

    def __post_init__(self) -> None:
        n, f = self.base.x.size, self.values.size
        self.lb = np.concatenate((self.base.lb, self.values))
        self.ub = np.concatenate((self.base.ub, self.values))
        self.x = np.concatenate((self.base.x, self.values))
        self.n, self.f = n, f
        self.box = (self.lb.copy(), self.ub.copy())

    def add(self, name: str, a: Vector, low: float, high: float, factor: float = 1.0) -> None:
        """Add factor * (a'x + fixed part + constant), sides given for a'x alone."""
        k = 0.0
        if name in self.scale:
            k = float(self.base.k[self.scale[name][0]])
        tail = self.rng.standard_normal(self.f) * (self.rng.random(self.f) < 0.5)
        constant = float(self.rng.choice([0.0, 3.25]))
        shift = float(tail @ self.values) + constant
        sides = (factor * (low + shift), factor * (high + shift))
        self.rows.append(factor * np.concatenate((a, tail)))
        self.curvature.append(factor * k)
        self.constant.append(factor * constant)
        self.low.append(min(sides))
        self.high.append(max(sides))
        self.names.append(name)

    def factor(self) -> float:
        return float(self.rng.choice([-1.0, 1.0]) * self.rng.uniform(0.5, 2.0))

    def coin(self) -> bool:
        return bool(self.rng.random() < 0.5)

    def hide_bounds(self) -> None:
        """Turn some bounds into rows, and leave a looser bound or none."""
        for j in range(self.n):
            unit = np.eye(self.n)[j]
            looser = float(self.rng.choice([0.5, np.inf]))
            if self.coin():
                self.add(f"low{j}", unit, self.lb[j], np.inf, self.factor())
                self.lb[j] -= looser
            if self.coin():
                self.add(f"high{j}", unit, -np.inf, self.ub[j], self.factor())
                self.ub[j] += looser
                self.add(f"loose{j}", unit, -np.inf, self.ub[j] + 1.0, self.factor())

    def hide_fixed(self) -> None:
        """Turn some fixed variables into free ones with an equality row."""
        for j in range(self.n, self.n + self.f):
            if self.coin():
                a = np.zeros(self.n + self.f)
                a[j] = factor = self.factor()
                self.rows.append(a)
                self.curvature.append(0.0)
                self.constant.append(1.0)
                self.low.append(factor * self.x[j] + 1.0)
                self.high.append(factor * self.x[j] + 1.0)
                self.names.append(f"fix{j}")
                self.lb[j], self.ub[j] = -np.inf, np.inf

    def copy_rows(self) -> None:
        """Add the planted rows; linear ones perhaps twice, each copy with one tight side."""
        for i, a in enumerate(self.base.A):
            name, low, high = f"row{i}", self.base.cl[i], self.base.cu[i]
            self.scale[name] = (i, 1.0)
            if self.base.k[i] or self.coin():
                self.add(name, a, low, high)
                continue
            first = [low, high] if self.coin() else [low - 0.5, high]
            second = [low, high] if first[0] < low or self.coin() else [low - 1.0, high + 1.0]
            factor = self.factor()
            self.scale[f"copy{i}"] = (i, factor)
            self.add(name, a, *first)
            self.add(f"copy{i}", a, second[0], second[1], factor)

    def say_nothing(self) -> None:
        """Add empty and redundant rows, some of which touch the feasible set."""
        self.add("empty", np.zeros(self.n), -1.0, 0.0)
        self.add("free", self.rng.standard_normal(self.n), -np.inf, np.inf)
        a = self.rng.standard_normal(self.n) * (self.rng.random(self.n) < 0.7)
        least = np.minimum(a * self.base.lb, a * self.base.ub).sum()
        self.add(
            "redundant", a, least - float(self.rng.choice([1e-12, 1.0])), np.inf, self.factor()
        )

    def problem(self, *, sparse: bool) -> optlab.Problem:
        order = self.rng.permutation(len(self.rows))
        A, k = np.array(self.rows)[order], np.array(self.curvature)[order]
        constant, n = np.array(self.constant)[order], self.n
        Q, q = self.base.Q, self.base.q
        size = n + self.f

        def dress(matrix: Any) -> Any:
            return csr_array(matrix) if sparse else matrix

        def jacobian(x: Vector) -> Any:
            return dress(A + np.outer(k, np.concatenate((x[:n], np.zeros(self.f)))))

        def hessian(x: Vector, y: Vector, sigma: float) -> Any:  # noqa: ARG001
            H = np.zeros((size, size))
            H[:n, :n] = sigma * Q + (k @ y) * np.eye(n)
            return dress(H)

        return optlab.Problem(
            objective=lambda x: float(0.5 * x[:n] @ Q @ x[:n] + q @ x[:n] + x[n:].sum()),
            gradient=lambda x: np.concatenate((Q @ x[:n] + q, np.ones(self.f))),
            hessian=hessian,
            constraints=lambda x: A @ x + 0.5 * k * (x[:n] @ x[:n]) + constant,
            jacobian=jacobian,
            x0=np.zeros(size),
            lb=self.lb,
            ub=self.ub,
            cl=np.array(self.low)[order],
            cu=np.array(self.high)[order],
            linear=k == 0.0,
            constraint_names=[self.names[i] for i in order],
            variable_names=[f"x{j}" for j in range(size)],
        )


@st.composite
def dressed(draw: st.DrawFn) -> Dressed:
    case = draw(planted(curved=draw(st.booleans()), degenerate=draw(st.booleans())))
    if draw(st.booleans()):
        # A linear objective has the same multipliers.
        slope = case.Q @ case.x
        case = Planted(**{**vars(case), "Q": np.zeros_like(case.Q), "q": case.q + slope})
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    made = Dressed(case, rng, rng.uniform(-2.0, 2.0, draw(st.integers(0, 3))))
    made.hide_fixed()
    made.copy_rows()
    made.say_nothing()
    made.hide_bounds()
    return made


def undress(problem: optlab.Problem) -> tuple[optlab.Problem, Inverse]:
    return Chain((Presolve(), FixedVariables())).apply(problem)


def known_point(made: Dressed, reduced: optlab.Problem) -> Multiplied:
    """Return the planted solution with multipliers for the rows that are left."""
    assert reduced.variable_names is not None
    x = made.x[[int(name[1:]) for name in reduced.variable_names]]
    y = np.zeros(reduced.m)
    given = set()
    for at, name in enumerate(reduced.constraint_names or ()):
        row, factor = made.scale[name]
        assert row not in given, "two multiples of one row are left"
        given.add(row)
        y[at] = made.base.y[row] / factor
    z = -np.asarray(reduced.gradient(x))
    if reduced.m:
        z -= reduced.jacobian(x).T @ y
    return Multiplied(x, y, np.where(np.abs(z) <= ROUNDING, 0.0, z))


@pytest.mark.parametrize("sparse", [False, True])
@given(made=dressed())
def test_a_kkt_point_comes_back_as_one(sparse: bool, made: Dressed) -> None:
    original = made.problem(sparse=sparse)
    reduced, inverse = undress(original)
    assert reduced.m <= made.base.x.size + made.base.y.size
    assert not {"empty", "free", "redundant"} & set(reduced.constraint_names or ())
    at = known_point(made, reduced)
    before = certificate(reduced, at.x, at.y, at.z)
    assert before.E1 <= ROUNDING
    back = inverse.back(at, exact=True)
    np.testing.assert_allclose(back.x, made.x, atol=ROUNDING)
    after = certificate(original, back.x, back.y, back.z)
    assert after.E1 <= 1e-8
    assert after.E0 <= 1e-4  # square roots of rounding


@given(made=dressed(), seed=st.integers(0, 2**32 - 1))
def test_any_point_keeps_its_residuals(made: Dressed, seed: int) -> None:
    """Stationarity and products of multipliers and gaps stay, whatever the multipliers are."""
    original = made.problem(sparse=True)
    reduced, inverse = undress(original)
    rng = np.random.default_rng(seed)
    x = np.clip(rng.uniform(-3.0, 3.0, reduced.n), reduced.lb, reduced.ub)
    y, z = rng.standard_normal(reduced.m), rng.standard_normal(reduced.n)
    # A multiplier of a side that does not exist is an error in both problems, in other units.
    y[np.isinf(np.where(y > 0.0, reduced.cu, reduced.cl))] = 0.0
    z[np.isinf(np.where(z > 0.0, reduced.ub, reduced.lb))] = 0.0
    back = inverse.back(Multiplied(x, y, z), exact=True)
    assert back.y is not None
    assert back.z is not None
    there, here = weighed(reduced, x, y, z), weighed(original, back.x, back.y, back.z)
    np.testing.assert_allclose(here, there, atol=ROUNDING, rtol=ROUNDING)
    before = certificate(reduced, x, y, z).primal
    assert certificate(original, back.x, back.y, back.z).primal <= 2.0 * before + ROUNDING


def gradients(problem: optlab.Problem, at: Multiplied) -> Vector:
    """Return grad f + J'y + z, (n,)."""
    assert at.y is not None
    assert at.z is not None
    d: Vector = np.asarray(problem.gradient(at.x)) + at.z
    return d + problem.jacobian(at.x).T @ at.y if problem.m else d


def weighed(problem: optlab.Problem, x: Vector, y: Vector, z: Vector) -> tuple[float, float]:
    """Return |grad L| and the sum of multipliers times signed gaps."""
    gradient = gradients(problem, Multiplied(x, y, z))
    at, low, high, signed = x, problem.lb, problem.ub, z
    if problem.m:
        at = np.concatenate((x, problem.constraints(x)))
        low, high = np.concatenate((low, problem.cl)), np.concatenate((high, problem.cu))
        signed = np.concatenate((z, y))
    above, below = signed > 0.0, signed < 0.0
    up = signed[above] @ (high - at)[above]
    down = signed[below] @ (low - at)[below]
    return float(np.linalg.norm(gradient)), float(up + down)


@given(made=dressed(), seed=st.integers(0, 2**32 - 1))
def test_a_point_within_the_reduced_bounds_and_rows_is_feasible(
    made: Dressed, seed: int
) -> None:
    """And the other way round: nothing feasible is cut off."""
    original = made.problem(sparse=False)
    reduced, inverse = undress(original)
    rng = np.random.default_rng(seed)
    x = np.clip(made.x + rng.uniform(-0.5, 0.5, made.x.size), *made.box)
    inside = inverse.forward(Multiplied(x, None, None)).x
    there = certificate(reduced, inside, None, None).primal
    here = certificate(original, x, None, None).primal
    assert (there <= ROUNDING) == (here <= ROUNDING)


@given(made=dressed(), seed=st.integers(0, 2**32 - 1))
def test_a_warm_start_survives_the_way_there_and_back(made: Dressed, seed: int) -> None:
    original = made.problem(sparse=True)
    reduced, inverse = undress(original)
    rng = np.random.default_rng(seed)
    x = rng.uniform(-3.0, 3.0, reduced.n)
    start = Multiplied(x, rng.standard_normal(reduced.m), rng.standard_normal(reduced.n))
    there = inverse.back(start, exact=True)
    again = inverse.forward(there)
    np.testing.assert_array_equal(again.x, x)
    np.testing.assert_allclose(
        gradients(reduced, again), gradients(reduced, start), atol=ROUNDING
    )
    assert again.z is not None
    assert start.z is not None
    np.testing.assert_allclose(again.z, start.z, atol=ROUNDING)
    # At a solution the estimators do not notice.
    solved = inverse.back(known_point(made, reduced), exact=True)
    again = inverse.back(inverse.forward(solved), exact=True)
    assert certificate(original, again.x, again.y, again.z).E1 <= 1e-8


@given(made=dressed(), data=st.data())
def test_a_contradiction_is_found_and_proven_in_the_users_rows(
    made: Dressed, data: Any
) -> None:
    linear = np.flatnonzero(made.base.k == 0.0)
    assume(linear.size > 0)
    i = int(data.draw(st.sampled_from(linear.tolist())))
    a, high = made.base.A[i], float(made.base.cu[i])
    # One more multiple of a planted row, above its upper side.
    made.add("against", a, high + data.draw(st.floats(0.01, 10.0)), np.inf, made.factor())
    problem = made.problem(sparse=True)
    with pytest.raises(EmptyPolyhedronError, match="contradict each other") as caught:
        undress(problem)
    rows = problem.linear
    assert rows is not None
    ray = caught.value.ray
    assert not ray[~rows].any()
    constant = problem.constraints(np.zeros(problem.n))[rows]
    J: Any = problem.jacobian(np.zeros(problem.n))
    polyhedron = Polyhedron(
        J[rows],
        problem.cl[rows] - constant,
        problem.cu[rows] - constant,
        problem.lb,
        problem.ub,
    )
    assert polyhedron.proves_empty(ray[rows])


@pytest.mark.parametrize("method", ["pasa", "npasa"])
@settings(max_examples=25)
@given(made=dressed())
def test_solved_to_the_planted_solution_with_the_users_multipliers(
    method: str, made: Dressed
) -> None:
    assume(bool(made.base.Q.any()) and (method == "npasa" or not made.base.k.any()))
    problem = made.problem(sparse=True)
    result = optlab.minimize(problem, method=method, tol=1e-8, options={"presolve": True})
    assert result.success, result
    # The linear term moves the fixed variables nowhere.
    np.testing.assert_allclose(result.x, made.x, atol=1e-5)
    assert result.multipliers.constraints.shape == (problem.m,)


@st.composite
def small_programs(draw: st.DrawFn) -> optlab.Problem:
    """Draw a linear program of small integers: rows of one variable, copies, corners, contradictions."""
    n, m = draw(st.integers(1, 5)), draw(st.integers(1, 7))
    numbers = st.sampled_from([0, 0, 0, 1, 1, -1, 2, -3])
    A = np.array(
        draw(st.lists(numbers, min_size=m * n, max_size=m * n)), dtype=np.float64
    ).reshape(m, n)
    sides = st.tuples(st.integers(-4, 4), st.sampled_from([0, 0, 1, 3]), st.integers(0, 3))

    def limits(size: int) -> tuple[Vector, Vector]:
        drawn = draw(st.lists(sides, min_size=size, max_size=size))
        low = np.array(
            [-np.inf if kind == 1 else value for value, _, kind in drawn], dtype=float
        )
        high = np.array([np.inf if k == 2 else v + w for v, w, k in drawn], dtype=float)
        return low, high

    (cl, cu), (lb, ub) = limits(m), limits(n)
    c = np.array(draw(st.lists(st.integers(-3, 3), min_size=n, max_size=n)), dtype=np.float64)
    return optlab.Problem(
        objective=lambda x: float(c @ x),
        gradient=lambda _x: c,
        constraints=lambda x: A @ x,
        jacobian=lambda _x: A,
        x0=np.zeros(n),
        lb=lb,
        ub=ub,
        cl=cl,
        cu=cu,
        linear=np.ones(m, dtype=bool),
    )


def highs(problem: optlab.Problem) -> tuple[int, Multiplied | None]:
    """Solve with HiGHS: its status (0 solved, 2 infeasible, 3 unbounded) and primal-dual solution."""
    n = problem.n
    A = np.zeros((0, n)) if problem.m == 0 else np.asarray(problem.jacobian(np.zeros(n)))
    constant = np.asarray(problem.constraints(np.zeros(n)))
    cl, cu = problem.cl - constant, problem.cu - constant
    up, down = np.isfinite(cu), np.isfinite(cl)
    found = linprog(
        problem.gradient(np.zeros(n)),
        np.vstack((A[up], -A[down])),
        np.concatenate((cu[up], -cl[down])),
        bounds=np.column_stack((problem.lb, problem.ub)),
        options={"presolve": False},
    )
    if found.status != 0:
        return int(found.status), None
    y = np.zeros(problem.m)
    weights = found.ineqlin.marginals
    y[up] -= weights[: up.sum()]
    y[down] += weights[up.sum() :]
    return 0, Multiplied(found.x, y, -found.lower.marginals - found.upper.marginals)


@settings(max_examples=300)
@given(problem=small_programs())
def test_another_solver_finds_the_same_answer_with_and_without(problem: optlab.Problem) -> None:
    status, solution = highs(problem)
    try:
        reduced, inverse = undress(problem)
    except EmptyPolyhedronError as error:
        ray: Vector | None = error.ray
    else:
        ray = None
    if ray is not None:
        assert status != 0  # HiGHS may say "infeasible or unbounded"
        J = np.asarray(problem.jacobian(problem.x0))
        polyhedron = Polyhedron(J, problem.cl, problem.cu, problem.lb, problem.ub)
        assert polyhedron.proves_empty(ray)
        return
    status_then, at = highs(reduced)
    # HiGHS may call a problem "unbounded" that is infeasible as well.
    assert (status == 0) == (status_then == 0)
    if at is None or solution is None:
        return
    assert reduced.objective(at.x) == pytest.approx(problem.objective(solution.x), abs=1e-9)
    back = inverse.back(at, exact=True)
    assert certificate(problem, back.x, back.y, back.z).E1 <= 1e-9
    again = inverse.forward(back)
    assert certificate(reduced, again.x, again.y, again.z).E1 <= 1e-9
    forth = inverse.forward(solution)
    assert certificate(reduced, forth.x, None, None).primal <= 1e-9

"""Projection onto a polyhedron: nearest, idempotent, nonexpansive, equal to a QP solver's answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, sparse

import optlab
from optlab.linalg.polyhedron import EmptyPolyhedronError
from optlab.typing import Vector


@dataclass(frozen=True)
class Case:
    A: Vector
    bl: Vector
    bu: Vector
    lo: Vector
    hi: Vector
    inside: Vector
    y: Vector

    def project(self, y: Vector) -> Vector:
        return optlab.project(y, self.A, self.bl, self.bu, self.lo, self.hi)

    def violation(self, x: Vector) -> float:
        rows = self.A @ x
        sides = [self.lo - x, x - self.hi, self.bl - rows, rows - self.bu]
        return float(max(side.max(initial=0.0) for side in sides))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw a polyhedron that holds a known point, with every kind of row, and a point to project."""
    n, m = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    roles = np.array(draw(st.lists(st.integers(0, 3), min_size=m, max_size=m)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    A = np.round(rng.standard_normal((m, n)) * (rng.random((m, n)) < 0.7), 2)
    inside = np.round(rng.uniform(-1, 1, n), 2)
    value = A @ inside
    gap = rng.choice([0.0, 0.5, 1.0], (2, m))
    return Case(
        A=A,
        bl=np.where(roles == 0, -np.inf, np.where(roles == 3, value, value - gap[0])),
        bu=np.where(roles == 1, np.inf, np.where(roles == 3, value, value + gap[1])),
        lo=np.where(rng.random(n) < 0.3, -np.inf, inside - rng.choice([0.0, 1.0], n)),
        hi=np.where(rng.random(n) < 0.3, np.inf, inside + rng.choice([0.0, 1.0], n)),
        inside=inside,
        y=rng.uniform(-4, 4, n),
    )


@given(cases())
def test_the_result_is_feasible_and_nearest(case: Case) -> None:
    x = case.project(case.y)
    assert case.violation(x) <= 1e-10
    # Obtuse angle: x is the projection iff (y - x)'(v - x) <= 0 for every feasible v.
    rng = np.random.default_rng(0)
    feasible = [case.inside] + [case.project(rng.uniform(-4, 4, x.size)) for _ in range(4)]
    for v in feasible:
        assert (case.y - x) @ (v - x) <= 1e-8


@given(cases())
def test_idempotent(case: Case) -> None:
    x = case.project(case.y)
    np.testing.assert_allclose(case.project(x), x, atol=1e-10)


@given(cases(), st.integers(0, 2**32 - 1))
def test_nonexpansive(case: Case, seed: int) -> None:
    other = case.y + np.random.default_rng(seed).standard_normal(case.y.size)
    moved = np.linalg.norm(case.project(other) - case.project(case.y))
    assert moved <= np.linalg.norm(other - case.y) + 1e-9


@given(cases())
def test_equal_to_a_general_solver(case: Case) -> None:
    # SLSQP starts from the identity, the exact Hessian here, so it solves one QP exactly.
    rows = []
    for sign, side in ((1.0, case.bl), (-1.0, case.bu)):
        keep = np.isfinite(side)
        if keep.any():
            rows.append({
                "type": "ineq",
                "fun": lambda x, s=sign, b=side, k=keep: s * (case.A[k] @ x - b[k]),
                "jac": lambda _x, s=sign, k=keep: s * case.A[k],
            })  # fmt: skip
    answer = optimize.minimize(
        lambda x: 0.5 * np.sum((x - case.y) ** 2),
        case.inside,
        jac=lambda x: x - case.y,
        method="SLSQP",
        bounds=list(zip(case.lo, case.hi, strict=True)),
        constraints=rows,
        options={"ftol": 1e-14, "maxiter": 200},
    )
    ours = case.project(case.y)
    # SLSQP may stop early on degenerate rows; ours must never be farther away.
    assert np.linalg.norm(ours - case.y) <= np.linalg.norm(answer.x - case.y) + 1e-7
    if answer.success and case.violation(answer.x) <= 1e-12:
        np.testing.assert_allclose(ours, answer.x, atol=1e-5)


@given(cases())
def test_sparse_rows_give_the_same_point(case: Case) -> None:
    rows = sparse.csr_array(case.A)
    x = optlab.project(case.y, rows, case.bl, case.bu, case.lo, case.hi)
    np.testing.assert_allclose(x, case.project(case.y), atol=1e-9)


@given(cases(), st.integers(0, 2**32 - 1), st.floats(0.1, 5.0))
def test_an_empty_polyhedron_is_proved_empty(case: Case, seed: int, gap: float) -> None:
    # A combination of the rows is required to exceed what the box and the rows allow.
    weights = np.random.default_rng(seed).uniform(0.5, 1.5, case.y.size)
    lo, hi = case.inside - 1.0, case.inside + 1.0
    A = np.vstack([case.A, weights])
    bl = np.append(case.bl, float(weights @ hi) + gap)
    bu = np.append(case.bu, np.inf)
    with pytest.raises(EmptyPolyhedronError) as caught:
        optlab.project(case.y, A, bl, bu, lo, hi)
    # Farkas: lam'Ax is at most its largest value over the box, yet the row limits demand more.
    ray = caught.value.ray
    combined = ray @ A
    largest = np.where(combined > 0, combined * hi, combined * lo).sum()
    smallest = np.where(combined > 0, combined * lo, combined * hi).sum()
    used = ray != 0
    upper = np.where(ray > 0, bu, bl)[used] @ ray[used]
    lower = np.where(ray > 0, bl, bu)[used] @ ray[used]
    assert lower > largest or upper < smallest

"""Convex models minimised along the central path: against Clarabel and the active-set methods."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from optlab.linalg.kkt_system import KKTSystem
from optlab.linalg.polyhedron import Polyhedron
from optlab.methods.pasa.convexify import Convexifier, curvature_radii
from optlab.methods.pasa.face import FaceSolver
from optlab.methods.pasa.interior import CentralPath
from optlab.methods.pasa.model import QuadraticModel
from optlab.methods.pasa.working_set import active_at

clarabel = pytest.importorskip("clarabel")


class Case:
    """A random convex model over a polyhedron with every kind of side, feasible at x."""

    def __init__(self, seed: int, *, flat: bool = False, block: bool = False) -> None:
        rng = np.random.default_rng(seed)
        self.n, self.ml, self.mh = n, ml, mh = 30, 12, 5 if block else 0
        B = rng.standard_normal((n, n)) * (rng.random((n, n)) < 0.1)
        W = np.zeros((n, n)) if flat else B.T @ B + 0.1 * np.eye(n)
        A = rng.standard_normal((ml, n)) * (rng.random((ml, n)) < 0.4)
        self.x = rng.uniform(0.0, 1.0, n)
        r = A @ self.x
        self.bl, self.bu = r - rng.uniform(0.0, 0.5, ml), r + rng.uniform(0.0, 0.5, ml)
        self.bl[:2] = self.bu[:2] = r[:2]
        self.bl[2], self.bu[3] = -np.inf, np.inf
        self.bl[4], self.bu[4] = -np.inf, np.inf
        lo, hi = np.zeros(n), np.ones(n)
        lo[0] = hi[0] = self.x[0]
        if not flat:
            lo[1], hi[2] = -np.inf, np.inf
        self.lo, self.hi, self.A = lo, hi, A
        self.polyhedron = Polyhedron(sp.csr_array(A), self.bl, self.bu, lo, hi)
        J = sp.csr_array(rng.standard_normal((mh, n))) if block else None
        self.model = QuadraticModel(
            gradient=rng.standard_normal(n) * 3.0,
            hessian=sp.csr_array(W),
            jacobian=J,
            residual=rng.standard_normal(mh),
            dual_regularization=0.2 if block else 0.0,
        )
        self.kkt = KKTSystem(n, mh, self.polyhedron.A, jacobian=J)

    def optimum(self) -> float:
        """Solve by Clarabel: minimise the model over s, with the block's term written out."""
        m = self.model
        P = m.hessian.toarray()
        q = m.gradient.copy()
        if self.mh:
            J = m.jacobian.toarray()
            P = P + J.T @ J / m.dual_regularization
            q = q + J.T @ m.residual / m.dual_regularization
        rows = np.vstack((np.eye(self.n), self.A))
        low = np.concatenate((self.lo - self.x, self.bl - self.A @ self.x))
        high = np.concatenate((self.hi - self.x, self.bu - self.A @ self.x))
        G = np.vstack((rows[np.isfinite(high)], -rows[np.isfinite(low)]))
        h = np.concatenate((high[np.isfinite(high)], -low[np.isfinite(low)]))
        settings = clarabel.DefaultSettings()
        settings.verbose = False
        solver = clarabel.DefaultSolver(
            sp.csc_matrix(np.triu(P)), q, sp.csc_matrix(G), h,
            [clarabel.NonnegativeConeT(h.size)], settings,
        )  # fmt: skip
        found: Any = solver.solve()
        assert str(found.status) == "Solved"
        return float(found.obj_val)


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("block", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_it_ends_at_the_minimum(seed: int, block: bool, flat: bool) -> None:
    case = Case(seed, flat=flat, block=block)
    point = CentralPath(case.model, case.x, case.polyhedron, case.kkt).follow(1e-9)
    assert point is not None
    y = case.x + point.step
    assert (y >= case.lo).all()
    assert (y <= case.hi).all()
    assert case.polyhedron.violation(y) < 1e-7
    best = case.optimum()
    assert case.model.value(point.step) == pytest.approx(best, rel=1e-5, abs=1e-5)


def test_going_on_is_the_same_as_going_at_once() -> None:
    case = Case(5)
    path = CentralPath(case.model, case.x, case.polyhedron, case.kkt)
    rough, fine = path.follow(1e-3), path.follow(1e-9)
    at_once = CentralPath(case.model, case.x, case.polyhedron, case.kkt).follow(1e-9)
    assert rough is not None
    assert fine is not None
    assert at_once is not None
    np.testing.assert_array_equal(fine.step, at_once.step)
    best = case.optimum()
    gap = case.model.value(rough.step) - best
    assert gap > 10.0 * abs(case.model.value(fine.step) - best)


def test_the_guessed_face_is_where_the_solution_lies() -> None:
    case = Case(7)
    point = CentralPath(case.model, case.x, case.polyhedron, case.kkt).follow(1e-12)
    assert point is not None
    y = case.x + point.step
    gap = np.minimum(y - case.lo, case.hi - y)
    held = point.held.bounds != 0
    assert 0 < held.sum() < case.n
    # Strict complementarity holds in a random problem: what is held is closer by orders of magnitude.
    assert gap[held].max() < 1e-3 * gap[~held].min()


def test_a_model_without_a_minimum_has_no_end() -> None:
    """W is flat and nothing bounds the variables below."""
    n = 20
    polyhedron = Polyhedron(None, np.zeros(0), np.zeros(0), np.full(n, -np.inf), np.ones(n))
    model = QuadraticModel(np.ones(n), sp.csr_array(1e-14 * np.eye(n)))
    kkt = KKTSystem(n, 0, None)
    assert CentralPath(model, np.zeros(n), polyhedron, kkt).follow(1e-6) is None


@pytest.mark.parametrize("seed", range(3))
def test_the_face_solver_finds_the_same_minimum_without_its_first_method(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The primal-dual method is made to fail once, as it does where it cycles."""
    case = Case(seed)
    solver = FaceSolver(case.polyhedron, Convexifier(case.polyhedron, case.kkt), 60)
    monkeypatch.setattr("optlab.methods.pasa.face.MANY", 10)
    failed: list[int] = []
    honest = FaceSolver.primal_dual

    def first_fails(self: FaceSolver, *args: Any) -> Any:
        if not failed:
            failed.append(1)
            return None
        return honest(self, *args)

    monkeypatch.setattr(FaceSolver, "primal_dual", first_fails)
    held = active_at(case.x, case.A @ case.x, case.polyhedron)
    found = solver.minimize(case.model, case.x, held, np.zeros(case.ml))
    assert found.solved
    assert case.model.value(found.step) == pytest.approx(case.optimum(), rel=1e-6, abs=1e-6)


@given(st.integers(0, 500))
def test_the_radii_bound_every_negative_eigenvalue(seed: int) -> None:
    rng = np.random.default_rng(seed)
    W = rng.standard_normal((9, 9)) * (rng.random((9, 9)) < 0.4) * 10.0 ** rng.integers(-3, 4)
    W = W + W.T
    radii = curvature_radii(W)
    np.testing.assert_allclose(radii, curvature_radii(sp.csr_array(W)))
    assert np.linalg.eigvalsh(W + np.diag(radii)).min() >= -1e-9 * np.abs(W).max()

"""The source of second derivatives: exact, or learned for everything but the slacks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

import optlab
from optlab.core.oracle import Oracle
from optlab.core.reduction import Slacks
from optlab.linalg.low_rank import LowRank
from optlab.linalg.polyhedron import EmptyPolyhedronError
from optlab.linalg.projection import Projector
from optlab.linalg.quasi_newton import DenseBFGS, LimitedMemoryBFGS
from optlab.methods.pasa import objective
from optlab.methods.pasa.face import FaceSolver
from optlab.methods.pasa.objective import Curvature
from optlab_problems import catalog


def with_slacks(n: int, rows: int) -> Oracle:
    problem = optlab.Problem(
        objective=lambda x: float(x @ x), gradient=lambda x: 2.0 * x, x0=np.ones(n),
        constraints=lambda x: np.full(rows, x @ x), jacobian=lambda x: np.tile(2.0 * x, (rows, 1)),
        cl=np.zeros(rows), cu=np.ones(rows), linear=np.zeros(rows, dtype=bool),
    )  # fmt: skip
    return Oracle(Slacks().apply(problem)[0])


def full(W: Any) -> np.ndarray:
    if isinstance(W, LowRank):
        return W.dense()
    return np.asarray(W.toarray() if sp.issparse(W) else W)


@pytest.mark.parametrize(
    ("dense_size", "padded_size", "kind", "form"),
    [
        (200, 500, DenseBFGS, np.ndarray),
        (200, 0, DenseBFGS, sp.csr_array),
        (0, 500, LimitedMemoryBFGS, LowRank),
    ],
)
def test_a_full_model_is_zero_on_the_slacks(
    dense_size: int, padded_size: int, kind: type, form: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objective, "DENSE_SIZE", dense_size)
    monkeypatch.setattr(objective, "PADDED_SIZE", padded_size)
    n, k = 5, 3
    curvature = Curvature.of(with_slacks(n, k), 11)
    assert isinstance(curvature.memory, kind)
    rng = np.random.default_rng(0)
    H = np.diag(np.arange(1.0, n + 1.0))
    for _ in range(4):
        s = rng.standard_normal(n + k)
        curvature.update(s, np.concatenate((H @ s[:n], np.zeros(k))))
    W: Any = curvature.quasi_newton()
    assert isinstance(W, form)
    dense = full(W)
    assert dense.shape == (n + k, n + k)
    if kind is DenseBFGS:
        assert not dense[n:].any()
        assert not dense[:, n:].any()
        np.testing.assert_allclose(dense[:n, :n] @ s[:n], H @ s[:n], rtol=1e-10)
    else:
        assert np.linalg.eigvalsh(dense)[0] > 0.0
    product: Any = curvature.quasi_newton() @ s
    np.testing.assert_allclose(product, dense @ s, atol=1e-12)


def test_an_exact_hessian_needs_no_memory() -> None:
    curvature = Curvature.of(Oracle(catalog.load("hs71")), 11)
    assert curvature.exact
    assert curvature.memory is None
    curvature.update(np.ones(4), np.ones(4))


@pytest.mark.parametrize("name", ["hs39", "hs40", "hs43", "hs63", "hs71", "hs100", "maratos"])
@pytest.mark.parametrize("dense_size", [0, 200])
def test_packaged_problems_are_solved_without_hessians(
    name: str, dense_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objective, "DENSE_SIZE", dense_size)
    problem = catalog.load(name)
    exact = optlab.minimize(problem, method="npasa")
    bare = optlab.minimize(problem.replace(hessian=None, hprod=None), method="npasa")
    assert bare.success
    assert bare.evaluations["hessian"] == 0
    assert bare.fun == pytest.approx(exact.fun, rel=1e-5, abs=1e-6)
    values = optlab.Problem(
        **{
            k: getattr(problem, k)
            for k in ("objective", "constraints", "x0", "lb", "ub", "cl", "cu")
        }
    )
    without = optlab.minimize(values, method="npasa")
    assert without.success
    assert without.fun == pytest.approx(exact.fun, rel=1e-5, abs=1e-6)


def test_a_projection_that_fails_far_away_costs_a_step_and_not_the_solve(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    project = Projector.project
    asked: list[float] = []

    def fails_far_away(self: Projector, y: np.ndarray) -> Any:
        asked.append(float(np.abs(y).max()))
        if asked[-1] > 0.75:
            raise EmptyPolyhedronError(np.ones(1))
        return project(self, y)

    def no_face(*_: Any) -> Any:
        raise optlab.errors.EvaluationError(
            "objective", np.zeros(3), "no face step, so that PASA projects"
        )

    problem = optlab.Problem(
        objective=lambda x: float(np.cosh(x - 0.2).sum()),
        gradient=lambda x: np.sinh(x - 0.2),
        constraints=lambda x: np.array([x.sum()]), jacobian=lambda _x: np.ones((1, 3)),
        cl=[-1.0], cu=[1.0], linear=[True], x0=[1.0, -1.4, 0.0],
    )  # fmt: skip
    monkeypatch.setattr(Projector, "project", fails_far_away)
    monkeypatch.setattr(FaceSolver, "minimize", no_face)
    result = optlab.minimize(problem, method="pasa", max_iter=200)
    assert max(asked) > 0.75
    assert result.fun < problem.objective(problem.x0) - 0.5
    assert result.stop.name in ("CONVERGED", "STALLED", "MAX_ITER")

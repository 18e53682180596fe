"""The packaged SIF files, read by the decoder, say the same as the Python versions."""

from __future__ import annotations

import numpy as np
import pytest

from optlab import Problem
from optlab.typing import Vector
from optlab_problems import catalog, read_sif
from optlab_problems.classic import sif_names, sif_path


def dense(matrix: object) -> Vector:
    toarray = getattr(matrix, "toarray", None)
    return np.asarray(toarray() if toarray is not None else matrix)


def assert_same_functions(sif: Problem, twin: Problem, shift: Vector) -> None:
    """Compare at seeded points; ``shift`` is what the twin's rows have on top of the file's."""
    np.testing.assert_array_equal(sif.lb, twin.lb)
    np.testing.assert_array_equal(sif.ub, twin.ub)
    np.testing.assert_array_equal(sif.cl + shift, twin.cl)
    np.testing.assert_array_equal(sif.cu + shift, twin.cu)
    rng = np.random.default_rng(3)
    for _ in range(3):
        x, y = rng.uniform(-2, 2, sif.n), rng.standard_normal(sif.m)
        assert sif.objective(x) == pytest.approx(twin.objective(x), rel=1e-13)
        np.testing.assert_allclose(sif.gradient(x), twin.gradient(x), rtol=1e-12, atol=1e-11)
        if sif.m:
            np.testing.assert_allclose(
                sif.constraints(x) + shift, twin.constraints(x), rtol=1e-12
            )
            np.testing.assert_allclose(
                dense(sif.jacobian(x)), dense(twin.jacobian(x)), rtol=1e-12
            )
        np.testing.assert_allclose(
            dense(sif.hessian(x, y, 0.5)),
            dense(twin.hessian(x, y, 0.5)),
            rtol=1e-12,
            atol=1e-11,
        )


def test_hs71() -> None:
    sif, twin = read_sif(sif_path("HS71")), catalog.load("hs71")
    assert_same_functions(sif, twin, np.zeros(2))
    np.testing.assert_array_equal(sif.x0, twin.x0)


@pytest.mark.parametrize("n", [10, 300])
def test_chained_rosenbrock(n: int) -> None:
    sif = read_sif(sif_path("CHAINROS"), params={"N": n})
    twin = catalog.load("bounded-rosenbrock", n=n)
    assert_same_functions(sif, twin, np.zeros(0))
    np.testing.assert_array_equal(sif.x0, twin.x0)


def test_infeasible() -> None:
    assert_same_functions(
        read_sif(sif_path("NOPOINT")), catalog.load("line-off-circle"), np.array([1.0, 3.0])
    )


def test_polyhedral_quadratic_program() -> None:
    n = 30
    sif = read_sif(sif_path("POLYQP"), params={"N": n})
    windows = len(range(0, n - 5, 3))
    assert (sif.n, sif.m) == (n, windows + 1)
    assert sif.linear is not None
    assert sif.linear.all()
    x = np.linspace(0.1, 0.9, n)
    objective = 1.5 * (x @ x) - x[:-1] @ x[1:] - np.arange(1, n + 1) @ x / n
    assert sif.objective(x) == pytest.approx(objective, rel=1e-14)
    sums = [x[k : k + 6].sum() for k in range(0, n - 5, 3)]
    rows = sif.constraints(x)
    low, high = sif.cl - rows, sif.cu - rows
    # Constants may stand in the rows or in their bounds; the distances to the bounds may not differ.
    np.testing.assert_allclose(np.sort(low), np.sort([*(1 - np.array(sums)), x[-1] - x[0]]))
    np.testing.assert_allclose(np.sort(high), np.sort([*(2 - np.array(sums)), x[-1] - x[0]]))
    assert (sif.lb == 0).all()
    assert (sif.ub == 1).all()


@pytest.mark.parametrize("name", sif_names())
def test_every_packaged_file_is_read(name: str) -> None:
    problem = read_sif(sif_path(name))
    assert problem.name == name
    assert np.isfinite(problem.objective(problem.x0))

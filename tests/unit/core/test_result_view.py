"""A result has all that SciPy's OptimizeResult has."""

from __future__ import annotations

import dataclasses
import pickle
from typing import Any

import numpy as np
import pytest
from scipy import optimize
from scipy.optimize import Bounds, LinearConstraint, NonlinearConstraint

import optlab
from optlab import scipy as ours
from optlab.core.result_view import STATUS
from optlab.core.status import StopReason

ROWS = [
    NonlinearConstraint(lambda x: [x[0] ** 2 + x[1], x[0] ** 2 - x[1]], -np.inf, 1),
    LinearConstraint([[1, 2]], -np.inf, 1),
]
BOX = Bounds([0, -0.5], [1.0, 2.0])


def solve(**more: Any) -> Any:
    given: dict[str, Any] = {"fun": optimize.rosen, "x0": [0.5, 0], "jac": optimize.rosen_der}
    return ours.minimize(**{**given, "constraints": ROWS, "bounds": BOX, **more})


def test_every_field_of_scipys_methods_is_there() -> None:
    result = solve()
    theirs: set[str] = set()
    for method in ("SLSQP", "trust-constr"):
        theirs |= optimize.minimize(
            optimize.rosen, [0.5, 0], jac=optimize.rosen_der, constraints=ROWS, bounds=BOX,
            method=method, options={"maxiter": 200},
        ).keys()  # fmt: skip
    special = {
        "grad", "lagrangian_grad", "constr_nfev", "constr_njev", "constr_nhev", "cg_niter", "cg_stop_cond",
        "constr_penalty", "tr_radius", "barrier_parameter", "barrier_tolerance", "multipliers",
    }  # fmt: skip
    assert theirs - special <= set(result.keys())
    assert hasattr(result, "multipliers")


def test_items_and_attributes_say_the_same() -> None:
    result = solve()
    assert result["x"] is result.x
    assert dict(result)["nit"] == result.iterations
    assert "success" in result
    assert "hess_inv" not in result
    assert result.get("hess_inv", 3) == 3
    assert [key for key, _ in result.items()] == result.keys() == list(result)
    assert len(result.values()) == len(result.keys())
    for wrong in ("no_such_field", "seed", 3):
        with pytest.raises(KeyError):
            result[wrong]
        assert wrong not in result
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.x = None


def test_the_values_are_those_of_the_point() -> None:
    result = solve()
    np.testing.assert_allclose(result.jac, optimize.rosen_der(result.x))
    assert [part.size for part in result.constr] == [2, 1]
    np.testing.assert_allclose(result.constr[1], result.x @ [1, 2])
    assert result.constr_violation == result.maxcv == result.certificate.primal
    gradient = (
        result.jac + np.array([[2 * result.x[0], 1], [2 * result.x[0], -1]]).T @ result.v[0]
    )
    gradient += np.array([1, 2]) * result.v[1] + result.multipliers.bounds
    np.testing.assert_allclose(gradient, 0.0, atol=1e-5)
    reference = optimize.minimize(
        optimize.rosen, [0.5, 0], jac=optimize.rosen_der, hess=optimize.rosen_hess,
        constraints=ROWS, bounds=BOX, method="trust-constr", options={"gtol": 1e-9, "maxiter": 3000},
    )  # fmt: skip
    np.testing.assert_allclose(result.v[1], reference.v[1], rtol=1e-3)
    assert (result.nfev, result.njev) == (
        result.evaluations["objective"], result.evaluations["gradient"],
    )  # fmt: skip


def test_a_native_problem_has_one_part() -> None:
    problem = ours.problem(optimize.rosen, [0.5, 0], jac=optimize.rosen_der, constraints=ROWS)
    result = optlab.minimize(problem)
    assert [part.size for part in result.v] == [3]
    free = optlab.minimize(optimize.rosen, [0.5, 0], jac=optimize.rosen_der)
    assert free.v == []
    assert free.constr is None
    assert "constr" not in free


def test_what_lbfgsb_knows_of_the_inverse_hessian() -> None:
    result = ours.minimize(optimize.rosen, [-1, 2], method="L-BFGS-B", jac=optimize.rosen_der)
    H = result.hess_inv.todense()
    assert H.shape == (2, 2)
    assert np.linalg.eigvalsh(H).min() > 0.0


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({}, 0),
        ({"options": {"maxiter": 0}}, 1),
        ({"constraints": NonlinearConstraint(lambda x: x @ x, -2, -1), "bounds": None}, 2),
        ({"fun": lambda x: x[0] + x[1], "jac": lambda _x: np.ones(2), "constraints": (),
          "bounds": None}, 3),
        ({"fun": lambda _x: np.nan}, 5),
    ],
)  # fmt: skip
def test_status_tells_why(more: dict[str, Any], status: int) -> None:
    result = solve(**more)
    assert result.status == status
    assert result.success == (status == 0)


def test_every_ending_has_a_number() -> None:
    assert set(STATUS) == set(StopReason)
    assert 0 not in STATUS.values()


def test_a_result_can_be_sent_to_another_process() -> None:
    result = optlab.minimize(optimize.rosen, [-1, 2], jac=optimize.rosen_der)
    again = pickle.loads(pickle.dumps(result))
    assert again.status == 0
    np.testing.assert_array_equal(again["jac"], result.jac)

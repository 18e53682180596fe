"""The problems of SciPy's tests and documentation, through SciPy's signature: same optimum."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import optimize

import optlab
from optlab import scipy as ours
from optlab.errors import OptlabWarning
from optlab_problems.scipy_calls import HOPELESS, ScipyCall, scipy_calls

CALLS = scipy_calls()
SOLVABLE = [call for call in CALLS if call.name not in HOPELESS]


def name(call: ScipyCall) -> str:
    return call.name.replace(" ", "_")


def test_the_names_tell_the_calls_apart() -> None:
    assert len({call.name for call in CALLS} & set(HOPELESS)) == len(HOPELESS)
    assert len(CALLS) >= 55


@pytest.mark.parametrize("call", SOLVABLE, ids=name)
def test_solved_with_the_same_optimum(call: ScipyCall) -> None:
    result = ours.minimize(**call.given)
    assert result.success, result.message
    assert result.status == 0
    assert result.fun == pytest.approx(call.fun, rel=1e-6, abs=1e-6)
    assert result.constr_violation <= 1e-6
    if call.x is not None:
        np.testing.assert_allclose(result.x, call.x, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("call", SOLVABLE, ids=name)
def test_the_optimum_is_the_one_that_scipy_finds(call: ScipyCall) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what SciPy says of its own steps
        given = {
            key: value for key, value in call.given.items() if key not in ("hess", "hessp")
        }
        result = optimize.minimize(method="SLSQP", options={"ftol": 1e-12}, **given)
        if not result.success or result.fun != pytest.approx(call.fun, rel=1e-5, abs=1e-5):
            # SLSQP gives up far from the solution of some; trust-constr stays a little away from bounds.
            result = optimize.minimize(method="trust-constr", **call.given)
    assert result.fun == pytest.approx(call.fun, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("call", [c for c in CALLS if c.name in HOPELESS], ids=name)
def test_contradicting_constraints_are_no_success(call: ScipyCall) -> None:
    with pytest.warns(OptlabWarning, match="contradict"):
        result = ours.minimize(**call.given)
    assert not result.success
    assert result.status != 0
    assert result.maxcv > 1e-3


@pytest.mark.parametrize("method", ["SLSQP", "trust-constr", "npasa"])
def test_the_tutorial_by_named_methods(method: str) -> None:
    (call,) = [c for c in CALLS if c.name == "tutorial, objects"]
    given = dict(call.given)
    result = optlab.minimize(given.pop("fun"), **given, method=method)
    assert result.method == method.lower()
    assert call.x is not None
    np.testing.assert_allclose(result.x, call.x, atol=1e-4)

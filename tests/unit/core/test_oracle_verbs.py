"""Every verb of the oracle: counts, memory, refusals, limits and sparse values."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.sparse import coo_array, csr_array

from optlab import Problem
from optlab.core.control import BudgetSpent, Limits
from optlab.core.oracle import Oracle
from optlab.core.status import StopReason
from optlab.errors import CapabilityError, EvaluationError, OptlabError, ProblemError

VERBS = ("objective", "gradient", "constraints", "jacobian", "hessian")


def full(**more: Any) -> Problem:
    """Return f = x0^2 + x0 x1 with the rows x0^2 and x0 + x1."""
    given: dict[str, Any] = {
        "objective": lambda x: float(x[0] ** 2 + x[0] * x[1]),
        "gradient": lambda x: np.array([2.0 * x[0] + x[1], x[0]]),
        "constraints": lambda x: np.array([x[0] ** 2, x[0] + x[1]]),
        "jacobian": lambda x: np.array([[2.0 * x[0], 0.0], [1.0, 1.0]]),
        "hessian": lambda _x, y, s: np.array([[2.0 * s + 2.0 * y[0], s], [s, 0.0]]),
        "x0": np.array([1.0, 2.0]),
        "cl": [-np.inf, 0.0],
        "cu": [4.0, 0.0],
    }
    return Problem(**(given | more))


def call(oracle: Oracle, verb: str, x: Any, y: Any = (1.0, 2.0), sigma: float = 1.0) -> Any:
    x = np.asarray(x, dtype=np.float64)
    if verb == "hessian":
        return oracle.hessian(x, np.asarray(y), sigma)
    return getattr(oracle, verb)(x)


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_remembers_two_points_and_counts_only_itself(verb: str) -> None:
    oracle = Oracle(full())
    first = call(oracle, verb, [1.0, 2.0])
    call(oracle, verb, [3.0, 4.0])
    again = call(oracle, verb, [1.0, 2.0])
    call(oracle, verb, [3.0, 4.0])
    assert oracle.counts == dict.fromkeys(VERBS, 0) | {verb: 2}
    assert again is first
    call(oracle, verb, [5.0, 6.0])  # forgets (1, 2), the older of the two
    call(oracle, verb, [3.0, 4.0])
    assert oracle.counts[verb] == 3
    call(oracle, verb, [1.0, 2.0])
    assert oracle.counts[verb] == 4


def test_a_hessian_belongs_to_its_weights() -> None:
    oracle = Oracle(full())
    x = [1.0, 2.0]
    assert np.array_equal(call(oracle, "hessian", x), [[4.0, 1.0], [1.0, 0.0]])
    assert np.array_equal(call(oracle, "hessian", x, (3.0, 0.0)), [[8.0, 1.0], [1.0, 0.0]])
    assert np.array_equal(call(oracle, "hessian", x, sigma=0.0), [[2.0, 0.0], [0.0, 0.0]])
    assert oracle.counts["hessian"] == 3


def test_products() -> None:
    x, y, v = np.array([1.0, 2.0]), np.array([1.0, 2.0]), np.array([1.0, -1.0])
    oracle = Oracle(full())
    assert np.array_equal(oracle.hprod(x, y, 1.0, v), [3.0, 1.0])
    assert np.array_equal(oracle.jprod(x, v), [2.0, 0.0])
    assert np.array_equal(oracle.jtprod(x, y), [4.0, 2.0])
    assert oracle.counts["hessian"] == oracle.counts["jacobian"] == 1

    def hprod(_x: Any, y: Any, sigma: float, v: Any) -> Any:
        return np.array([(2.0 * sigma + 2.0 * y[0]) * v[0] + sigma * v[1], sigma * v[0]])

    own = Oracle(full(hessian=None, hprod=hprod))
    assert own.has_hprod
    assert not own.has_hessian
    assert np.array_equal(own.hprod(x, y, 1.0, v), [3.0, 1.0])
    own.hprod(x, y, 1.0, v)
    assert own.counts["hprod"] == 2
    with pytest.raises(CapabilityError, match="hprod"):
        Oracle(full(hessian=None)).hprod(x, y, 1.0, v)


@pytest.mark.parametrize("verb", VERBS[1:])
@pytest.mark.parametrize("bad", [np.nan, -np.inf])
def test_every_verb_refuses_what_is_not_finite(verb: str, bad: float) -> None:
    good = getattr(full(), verb)

    def poisoned(*args: Any) -> Any:
        value = np.array(good(*args))
        value.reshape(-1)[-1] = bad
        return value

    oracle = Oracle(full(**{verb: poisoned}))
    for _ in range(2):  # a refused value is not remembered
        with pytest.raises(EvaluationError, match=verb) as caught:
            call(oracle, verb, [1.0, 2.0])
        assert caught.value.function == verb
        assert np.array_equal(caught.value.x, [1.0, 2.0])
    assert oracle.counts[verb] == 2


@pytest.mark.parametrize("verb", VERBS)
def test_values_that_are_no_numbers(verb: str) -> None:
    oracle = Oracle(full(**{verb: lambda *_: "much"}))
    with pytest.raises(EvaluationError, match=verb):
        call(oracle, verb, [1.0, 2.0])


def test_large_finite_values_are_fine() -> None:
    oracle = Oracle(full(gradient=lambda _x: np.array([1e200, -1e300])))
    with np.errstate(all="ignore"):  # as in a solve; the quick test of finiteness overflows
        assert np.array_equal(call(oracle, "gradient", [1.0, 2.0]), [1e200, -1e300])


def test_a_function_cannot_move_the_iterate() -> None:
    def meddler(x: Any) -> float:
        x[0] = 7.0
        return 0.0

    x = np.array([1.0, 2.0])
    with pytest.raises(EvaluationError, match="read-only"):
        Oracle(full(objective=meddler)).objective(x)
    assert np.array_equal(x, [1.0, 2.0])


def test_errors_of_optlab_and_interrupts_are_not_dressed_up() -> None:
    for error in (OptlabError("mine"), KeyboardInterrupt()):

        def broken(_x: Any, error: BaseException = error) -> float:
            raise error

        with pytest.raises(type(error)) as caught:
            Oracle(full(objective=broken)).objective(np.ones(2))
        assert caught.value is error


@pytest.mark.parametrize("x", [np.ones(3), np.ones((2, 1)), np.ones(2, dtype=np.float32)])
def test_points_of_another_kind_are_refused(x: Any) -> None:
    oracle = Oracle(full())
    with pytest.raises(ProblemError, match=r"shape \(2,\) and float64"):
        oracle.objective(x)
    assert oracle.counts["objective"] == 0


@pytest.mark.parametrize(
    ("verb", "value"),
    [("constraints", np.ones(1)), ("jacobian", np.ones((2, 3))), ("hessian", np.ones(2))],
)
def test_values_of_another_shape_say_which_function(verb: str, value: Any) -> None:
    with pytest.raises(ProblemError, match=verb):
        call(Oracle(full(**{verb: lambda *_: value})), verb, [1.0, 2.0])


def test_weights_of_another_size_are_refused() -> None:
    with pytest.raises(ProblemError, match="row weights"):
        Oracle(full()).hessian(np.ones(2), np.ones(3), 1.0)


# Sparse values ------------------------------------------------------------------------------------


def reusing(form: Callable[..., Any]) -> Callable[[Any], Any]:
    """Return a Jacobian that hands out one matrix whose values it overwrites."""
    matrix = form(np.array([[1.0, 0.0], [1.0, 1.0]]))

    def jacobian(x: Any) -> Any:
        matrix.data[0] = 2.0 * x[0]
        return matrix

    return jacobian


@pytest.mark.parametrize("form", [csr_array, coo_array])
def test_a_sparse_buffer_that_is_reused_does_not_corrupt_the_cache(form: Any) -> None:
    oracle = Oracle(full(jacobian=reusing(form)))
    first = call(oracle, "jacobian", [1.0, 2.0])
    second = call(oracle, "jacobian", [5.0, 2.0])
    assert (first[0, 0], second[0, 0]) == (2.0, 10.0)
    assert call(oracle, "jacobian", [1.0, 2.0])[0, 0] == 2.0
    with pytest.raises(ValueError, match="read-only"):
        first.data[0] = 3.0
    # The same index arrays: this is how later stages recognise a pattern.
    assert first.indices is second.indices
    assert first.indptr is second.indptr


def test_sparse_values_become_canonical_with_their_zeros_kept() -> None:
    def jacobian(_x: Any) -> Any:
        return coo_array(
            (np.array([1.0, 2.0, 0.0, 4.0]), ([1, 1, 0, 0], [1, 1, 1, 0])), shape=(2, 2)
        )

    J = call(Oracle(full(jacobian=jacobian)), "jacobian", [1.0, 2.0])
    assert isinstance(J, csr_array)
    assert J.has_canonical_format
    assert J.indices.tolist() == [0, 1, 1]
    assert J.data.tolist() == [4.0, 0.0, 3.0]


def test_a_pattern_that_changes_is_followed() -> None:
    def jacobian(x: Any) -> Any:
        return csr_array(np.diag([x[0], 1.0]) if x[0] else np.array([[0.0, 3.0], [1.0, 0.0]]))

    oracle = Oracle(full(jacobian=jacobian))
    assert np.array_equal(call(oracle, "jacobian", [2.0, 0.0]).toarray(), np.diag([2.0, 1.0]))
    changed = call(oracle, "jacobian", [0.0, 0.0]).toarray()
    assert np.array_equal(changed, [[0.0, 3.0], [1.0, 0.0]])


# Limits -------------------------------------------------------------------------------------------


def test_what_is_remembered_is_free_after_the_limit() -> None:
    oracle = Oracle(full())
    before = oracle.set_limits(Limits(max_eval=1))
    x = np.array([1.0, 2.0])
    f = oracle.objective(x)
    with pytest.raises(BudgetSpent) as caught:
        oracle.objective(x + 1.0)
    assert caught.value.reason is StopReason.MAX_EVAL
    assert oracle.objective(x) == f
    oracle.gradient(x + 1.0)  # only evaluations of the objective are limited
    oracle.restore_limits(before)
    oracle.objective(x + 1.0)
    assert oracle.counts["objective"] == 2


def test_failed_evaluations_use_the_budget() -> None:
    oracle = Oracle(full(objective=lambda _x: math.nan))
    oracle.set_limits(Limits(max_eval=2))
    for _ in range(2):
        with pytest.raises(EvaluationError):
            oracle.objective(np.ones(2))
    with pytest.raises(BudgetSpent):
        oracle.objective(np.ones(2))


def test_inner_limits_never_widen_outer_ones() -> None:
    oracle = Oracle(full())
    oracle.set_limits(Limits(max_eval=1))
    oracle.set_limits(Limits(max_eval=50))
    oracle.objective(np.ones(2))
    with pytest.raises(BudgetSpent):
        oracle.objective(np.zeros(2))


@pytest.mark.parametrize("verb", VERBS)
def test_time_and_stop_requests_are_looked_at_before_every_evaluation(verb: str) -> None:
    oracle = Oracle(full())
    before = oracle.set_limits(Limits(max_time=0.0))
    with pytest.raises(BudgetSpent) as late:
        call(oracle, verb, [1.0, 2.0])
    assert late.value.reason is StopReason.MAX_TIME
    with pytest.raises(BudgetSpent):
        oracle.check()
    oracle.restore_limits(before)
    oracle.request_stop(StopReason.USER)
    with pytest.raises(BudgetSpent) as asked:
        call(oracle.view(full()), verb, [1.0, 2.0])
    assert asked.value.reason is StopReason.USER
    assert sum(oracle.counts.values()) == 0
    control = oracle.lift_limits()
    call(oracle, verb, [1.0, 2.0])
    oracle.restore_control(control)
    with pytest.raises(BudgetSpent):
        oracle.check()


# Points -------------------------------------------------------------------------------------------


def best(oracle: Oracle) -> tuple[Any, ...]:
    found = oracle.incumbent
    return (
        () if found is None else (found.x.tolist(), found.f, found.c.tolist(), found.violation)
    )


def test_the_incumbent_does_not_care_for_the_order_of_the_verbs() -> None:
    oracle = Oracle(full(lb=0.0))
    x = np.array([0.0, 0.0])
    oracle.constraints(x)
    assert not best(oracle)
    oracle.objective(x)
    assert best(oracle) == ([0.0, 0.0], 0.0, [0.0, 0.0], 0.0)
    low = np.array([-1.0, 1.0 + 1e-7])  # better value, but a bound is violated
    oracle.objective(low)
    oracle.constraints(low)
    assert best(oracle)[0] == [0.0, 0.0]


def test_violations_within_the_tolerance_are_none() -> None:
    oracle = Oracle(full())
    oracle.ctol = 1e-3
    for x in ([1.0, -1.0], [1.0, -1.0005], [1.0, -1.5]):
        oracle.objective(np.array(x))
        oracle.constraints(np.array(x))
    assert oracle.incumbent is not None
    assert oracle.incumbent.x.tolist() == [1.0, -1.0005]


def test_known_points_cost_nothing() -> None:
    oracle = Oracle(full())
    x = np.array([1.0, 2.0])
    assert oracle.known(x) is None
    point = oracle.point(x)
    assert (point.f, point.violation) == (3.0, 3.0)
    for shift in (1.0, 2.0, 3.0):  # worse points push x out of the memory, the incumbent stays
        oracle.point(x + shift)
    counts = dict(oracle.counts)
    found = oracle.known(x)
    assert found is not None
    assert found.f == 3.0
    assert oracle.point(x).f == 3.0
    assert oracle.counts == counts


def test_a_problem_of_verbs_counts_at_the_root() -> None:
    root = Oracle(full())
    view = root.view(root.as_problem())
    x = np.array([1.0, 2.0])
    for verb in VERBS:
        call(view, verb, x)
        call(view, verb, x)
    assert root.counts == dict.fromkeys(VERBS, 1)
    assert root.incumbent is not None
    assert view.incumbent is None

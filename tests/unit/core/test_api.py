from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.sparse import coo_array
from toy import Toy

import optlab
from optlab.core import problem_sources
from optlab.core.method import WarmStart
from optlab.core.oracle import Oracle
from optlab.core.probe import find_linear_rows
from optlab.errors import CapabilityError, OptionError, OptlabWarning, ProblemError


def fun(x: Any) -> float:
    return float((x[0] - 1.0) ** 2 + (x[1] - 2.0) ** 2)


def jac(x: Any) -> Any:
    return 2.0 * (x - np.array([1.0, 2.0]))


def two_rows(**more: Any) -> optlab.Problem:
    """Return a problem with rows x0 + x1 <= 2 (affine) and x0^2 <= 1 (not)."""
    given: dict[str, Any] = {
        "objective": fun,
        "gradient": jac,
        "hessian": lambda _x, y, sigma: np.diag([2.0 * sigma + 2.0 * y[1], 2.0 * sigma]),
        "constraints": lambda x: np.array([x[0] + x[1], x[0] ** 2]),
        "jacobian": lambda x: np.array([[1.0, 1.0], [2.0 * x[0], 0.0]]),
        "x0": np.array([0.3, -0.4]),
        "cl": [-np.inf, -np.inf],
        "cu": [2.0, 1.0],
    }
    return optlab.Problem(**(given | more))


@pytest.mark.parametrize(
    "bounds", [[(None, 0.5), (0, None)], SimpleNamespace(lb=[-9, 0], ub=0.5)]
)
def test_a_plain_function(bounds: Any) -> None:
    result = optlab.minimize(fun, [0.0, 0.0], jac=jac, bounds=bounds)
    assert result.success
    assert result.x[0] == 0.5
    assert result.multipliers.bounds[0] == pytest.approx(1.0)


def test_fun_may_return_its_gradient_and_have_a_hessian() -> None:
    result = optlab.minimize(
        lambda x: (fun(x), jac(x)), [0.0, 0.0], jac=True, hess=lambda _x: 2.0 * np.eye(2)
    )
    assert result.success
    assert np.allclose(result.x, [1.0, 2.0])
    assert result.evaluations["hessian"] > 0


def test_bad_calls_say_so_before_any_evaluation() -> None:
    def never(_x: Any) -> float:
        raise AssertionError

    with pytest.raises(ProblemError, match="x0"):
        optlab.minimize(never)
    with pytest.raises(CapabilityError, match="jac="):
        optlab.minimize(never, [1.0], derivatives="exact")
    with pytest.raises(ProblemError, match="pairs"):
        optlab.minimize(never, [1.0], jac=jac, bounds=[1.0])
    problem = two_rows(objective=never, constraints=never, jacobian=never, gradient=never)
    with pytest.raises(OptionError, match="belong to a plain function"):
        optlab.minimize(problem, jac=jac)
    with pytest.raises(ProblemError, match=r"\(2,\)"):
        optlab.minimize(problem, x0=[1.0])
    with pytest.raises(OptionError, match="max_eval"):
        optlab.minimize(problem, max_eval=-1)
    with pytest.raises(CapabilityError, match="npasa"):
        optlab.minimize(problem.replace(linear=[True, False]), method="pasa")


def test_x0_replaces_the_start() -> None:
    method = Toy()
    optlab.minimize(two_rows(linear=[True, False]), [7.0, 8.0], method, max_iter=1)
    assert np.array_equal(method.seen[0][0], [7.0, 8.0])


@pytest.mark.parametrize("sparse", [False, True])
def test_linear_rows_are_found(*, sparse: bool) -> None:
    problem = two_rows()
    dense = problem.jacobian
    if sparse:
        problem = problem.replace(jacobian=lambda x: coo_array(np.asarray(dense(x))))
    oracle = Oracle(problem)
    assert np.array_equal(find_linear_rows(oracle, problem.x0), [True, False])
    assert oracle.counts["jacobian"] == 3
    assert oracle.counts["objective"] == 0


def test_rows_that_cannot_be_probed_are_nonlinear() -> None:
    def jacobian(_x: Any) -> Any:
        return np.full((2, 2), np.nan)

    assert not find_linear_rows(Oracle(two_rows(jacobian=jacobian)), np.zeros(2)).any()


def test_probes_are_counted() -> None:
    calls = []

    def jacobian(x: Any) -> Any:
        calls.append(x)
        return np.array([[1.0, 1.0], [2.0 * x[0], 0.0]])

    result = optlab.minimize(two_rows(jacobian=jacobian))
    assert result.success
    assert np.allclose(result.x, [0.5, 1.5])
    assert result.evaluations["jacobian"] == len(calls)


def test_a_row_that_only_looked_linear_is_caught_at_the_solution() -> None:
    # Affine for x0 <= 1.6 (every probe is there), a parabola beyond.
    def c(x: Any) -> Any:
        return np.array([x[1] + max(0.0, x[0] - 1.6) ** 2])

    problem = optlab.Problem(
        objective=lambda x: float((x[0] - 3.0) ** 2 + (x[1] - 2.0) ** 2),
        gradient=lambda x: 2.0 * (x - np.array([3.0, 2.0])),
        constraints=c,
        jacobian=lambda x: np.array([[2.0 * max(0.0, x[0] - 1.6), 1.0]]),
        x0=np.zeros(2),
        cl=[-np.inf],
        cu=[1.0],
    )
    with pytest.warns(OptlabWarning, match="looked linear"):
        result = optlab.minimize(problem)
    assert result.success
    assert c(result.x)[0] == pytest.approx(1.0, abs=1e-6)
    assert result.method == "npasa"


def looks_empty(**more: Any) -> optlab.Problem:
    """Return a problem with a row that would have no point within the bounds if it were linear.

    Row 0 is x0 + 10 max(0, x0 - 2)^2 >= 8, affine for x0 <= 2 (every probe is there); row 1 is affine.
    """
    given: dict[str, Any] = {
        "objective": lambda x: float(x @ x),
        "gradient": lambda x: 2.0 * x,
        "constraints": lambda x: np.array(
            [x[0] + 10.0 * max(0.0, x[0] - 2.0) ** 2, x[0] + x[1]]
        ),
        "jacobian": lambda x: np.array([[1.0 + 20.0 * max(0.0, x[0] - 2.0), 0.0], [1.0, 1.0]]),
        "x0": np.array([0.5, 0.5]),
        "lb": 0.0,
        "ub": 4.0,
        "cl": [8.0, 1.0],
        "cu": [np.inf, np.inf],
    }
    return optlab.Problem(**(given | more))


@pytest.mark.parametrize("method", ["auto", "npasa"])
@pytest.mark.parametrize("options", [{}, {"presolve": False}])
def test_rows_only_guessed_linear_prove_nothing(method: str, options: dict[str, Any]) -> None:
    problem = looks_empty()
    with pytest.warns(OptlabWarning, match="contradict"):
        result = optlab.minimize(problem, method=method, options=options)
    assert result.success
    root = 2.0 + (-1.0 + np.sqrt(241.0)) / 20.0
    assert np.allclose(result.x, [root, 0.0], atol=1e-6)
    assert result.method == "npasa"


def test_what_a_failed_guess_cost_counts() -> None:
    calls = []

    def objective(x: Any) -> float:
        calls.append(x)
        return float(x @ x)

    with pytest.warns(OptlabWarning, match="contradict"):
        result = optlab.minimize(looks_empty(objective=objective), max_eval=3)
    assert len(calls) <= 3
    assert result.evaluations["objective"] == len(calls)


def test_rows_declared_linear_still_prove_emptiness() -> None:
    for method in ("auto", "npasa"):
        with pytest.raises(ProblemError, match=r"no (common )?point|empty"):
            optlab.minimize(looks_empty(linear=[True, True]), method=method)


def test_a_method_for_linear_rows_raises_what_it_found() -> None:
    with (
        pytest.warns(OptlabWarning, match="contradict"),
        pytest.raises(ProblemError, match=r"no (common )?point|empty"),
    ):
        optlab.minimize(looks_empty(), method="pasa")


def test_a_row_that_is_flat_at_the_start_is_no_proof() -> None:
    problem = optlab.Problem(
        objective=lambda x: float(x[0]),
        gradient=lambda _x: np.ones(1),
        constraints=lambda x: np.array([max(0.0, x[0] - 5.0) ** 3]),
        jacobian=lambda x: np.array([[3.0 * max(0.0, x[0] - 5.0) ** 2]]),
        x0=np.zeros(1),
        cl=[1.0],
    )
    result = optlab.minimize(problem)
    # No first-order step reduces the violation here: the honest word, and no exception.
    assert result.point is optlab.PointStatus.INFEASIBLE_STATIONARY
    again = optlab.minimize(problem, [5.5])
    assert again.success
    assert again.x[0] == pytest.approx(6.0)


def test_warm_start_checks_its_size() -> None:
    first = optlab.minimize(fun, [0.0, 0.0], jac=jac)
    with pytest.raises(ProblemError, match="same size"):
        optlab.minimize(lambda x: float(x @ x), [1.0], jac=lambda x: 2 * x, warm_start=first)
    method = Toy()
    optlab.minimize(two_rows(linear=[True, False]), method=method, warm_start=optlab_result())
    x0, warm, _ = method.seen[0]
    assert np.array_equal(x0, warm.x)
    assert np.array_equal(warm.y, [0.25, 0.5])


def optlab_result() -> Any:
    from optlab.core.method import WarmStart

    return WarmStart(np.array([0.1, 0.2]), np.array([0.25, 0.5]), np.zeros(2))


def test_the_seed_is_reported_and_repeats_the_run() -> None:
    first, second = Toy(), Toy()
    seed = optlab.minimize(fun, [0.0, 0.0], first, jac=jac).seed
    assert seed is not None
    optlab.minimize(fun, [0.0, 0.0], second, jac=jac, seed=seed)
    assert first.seen[0][2] == second.seen[0][2]


def test_the_result_as_json() -> None:
    result = optlab.minimize(two_rows(name="two rows"), seed=5)
    record = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert record["schema"] == "optlab.result/2"
    assert record["x"] == result.x.tolist()
    assert record["multipliers"]["constraints"] == result.multipliers.constraints.tolist()
    assert record["certificate"]["E1"] == result.certificate.E1
    assert (record["stop"], record["point"]) == ("CONVERGED", "STATIONARY")
    assert record["seed"] == 5
    assert [row["k"] for row in record["history"]] == list(range(result.iterations + 1))
    failed = optlab.minimize(lambda _x: np.nan, [0.0], jac=lambda x: x)
    assert json.loads(json.dumps(failed.to_dict(), allow_nan=False))["fun"] is None


def test_tables_and_the_package_of_the_same_name() -> None:
    import optlab.methods.pasa

    names = [record.name for record in optlab.methods()]
    assert {"npasa", "pasa"} <= set(names)
    shown = repr(optlab.methods())
    assert all(name in shown for name in names)
    assert "sif" in [source.name for source in optlab.sources()]
    assert callable(optlab.problems.read_sif)
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = optlab.problems.nothing_like_it
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = optlab.nothing_like_it


def test_a_source_remembers_and_receives(monkeypatch: pytest.MonkeyPatch) -> None:
    class Model:
        """Remembers where its last solve ended."""

        last: optlab.Result | None = None
        start: WarmStart | None = None

    def deliver(thing: Model, _problem: optlab.Problem, result: optlab.Result) -> None:
        thing.last = result

    source = problem_sources.ProblemSource(
        "model",
        "a model",
        lambda _thing, _params: two_rows(),
        accepts=lambda thing: isinstance(thing, Model),
        recall=lambda thing, _problem: thing.start,
        deliver=deliver,
    )
    monkeypatch.setitem(problem_sources._sources, "model", source)
    model = Model()
    cold = optlab.minimize(model)
    assert model.last is cold
    model.start = WarmStart(cold.x)
    warm = optlab.minimize(model)
    assert model.last is warm
    assert warm.history[0].f == pytest.approx(cold.fun)
    # A start of the caller's own wins over what the source remembers.
    stopped = optlab.minimize(model, np.array([0.5, -3.0]), max_iter=0)
    assert model.last is stopped
    assert not stopped.success
    assert stopped.history[0].f == pytest.approx(fun([0.5, -3.0]))

"""The peers: what must hold for each of them, and the seam in the driver that they use."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
from scipy import sparse

import optlab
from optlab.core.control import Limits
from optlab.core.driver import run
from optlab.core.method import AbstractExternalMethod, MethodInfo, WarmStart, Watch
from optlab.core.observers import History
from optlab.core.oracle import Oracle
from optlab.core.progress import Progress
from optlab.core.registry import known_methods, method_class
from optlab.core.status import PointStatus, StopReason
from optlab.errors import CapabilityError, MissingDependencyError, OptionError, ProblemError
from optlab.typing import Vector

SPARSE = ("ipopt", "pounce", "uno")
NONLINEAR = (*SPARSE, "slsqp", "trust-constr")
PEERS = (*NONLINEAR, "lbfgsb")


def hs71(**changes: Any) -> optlab.Problem:
    """Hock and Schittkowski 71: f* = 17.0140173, multipliers -0.55229366 and 0.16146857."""

    def objective(x: Vector) -> float:
        return float(x[0] * x[3] * (x[0] + x[1] + x[2]) + x[2])

    def gradient(x: Vector) -> Vector:
        s = x[0] + x[1] + x[2]
        return np.array([x[3] * s + x[0] * x[3], x[0] * x[3], x[0] * x[3] + 1.0, x[0] * s])

    def hessian(x: Vector, y: Vector, sigma: float) -> Any:
        a, b, c, d = x
        H = sigma * np.array(
            [
                [2 * d, d, d, 2 * a + b + c],
                [d, 0, 0, a],
                [d, 0, 0, a],
                [2 * a + b + c, a, a, 0],
            ]
        )
        P = np.array(
            [
                [0, c * d, b * d, b * c],
                [c * d, 0, a * d, a * c],
                [b * d, a * d, 0, a * b],
                [b * c, a * c, a * b, 0],
            ]
        )
        return sparse.csr_array(H + y[0] * P + 2.0 * y[1] * np.eye(4))

    given: dict[str, Any] = {
        "objective": objective,
        "gradient": gradient,
        "hessian": hessian,
        "constraints": lambda x: np.array([np.prod(x), x @ x]),
        "jacobian": lambda x: sparse.csr_array(np.array([np.prod(x) / x, 2.0 * x])),
        "cl": [25.0, 40.0],
        "cu": [np.inf, 40.0],
        "lb": 1.0,
        "ub": 5.0,
        "linear": [False, False],
        "x0": [1.0, 5.0, 5.0, 1.0],
        "name": "HS71",
    }
    return optlab.Problem(**(given | changes))


def rosenbrock(**changes: Any) -> optlab.Problem:
    given: dict[str, Any] = {
        "objective": lambda x: float(100.0 * (x[1] - x[0] ** 2) ** 2 + (1.0 - x[0]) ** 2),
        "gradient": lambda x: np.array(
            [
                -400.0 * x[0] * (x[1] - x[0] ** 2) - 2.0 * (1.0 - x[0]),
                200.0 * (x[1] - x[0] ** 2),
            ]
        ),
        "x0": [-1.2, 1.0],
    }
    return optlab.Problem(**(given | changes))


@pytest.mark.parametrize("method", NONLINEAR)
def test_multipliers_have_our_signs(method: str) -> None:
    problem = hs71()
    result = optlab.minimize(problem, method=method)
    assert result.success, result
    assert result.fun == pytest.approx(17.0140173, abs=1e-6)
    y, z = result.multipliers.constraints, result.multipliers.bounds
    assert y == pytest.approx([-0.55229366, 0.16146857], abs=1e-4)
    assert z == pytest.approx([-1.08787121, 0.0, 0.0, 0.0], abs=1e-4)


@pytest.mark.parametrize("method", PEERS)
def test_record_says_peer_and_auto_never_picks_one(method: str) -> None:
    cls = method_class(method)
    assert cls.info.external
    assert cls.info.installed
    assert not cls.info.needs_hessian
    assert optlab.minimize(rosenbrock()).method == "pasa"
    assert optlab.minimize(hs71()).method == "npasa"


@pytest.mark.parametrize("method", PEERS)
def test_observers_see_every_iterate_and_the_counts_are_the_problem_s_own(method: str) -> None:
    calls = dict.fromkeys(("objective", "gradient"), 0)
    base = rosenbrock()

    def counted(verb: str) -> Callable[[Vector], Any]:
        def call(x: Vector) -> Any:
            calls[verb] += 1
            return getattr(base, verb)(x)

        return call

    seen: list[tuple[int, Vector, float]] = []
    problem = base.replace(objective=counted("objective"), gradient=counted("gradient"))
    result = optlab.minimize(
        problem,
        method=method,
        observers=[lambda k, p: seen.append((k, p.x.copy(), p.f))],
    )
    assert result.success, result
    assert [k for k, _, _ in seen] == list(range(result.iterations + 1))
    assert len(result.history) == len(seen)
    assert np.array_equal(seen[0][1], base.x0)
    for _, x, f in seen:
        assert f == pytest.approx(base.objective(x), rel=1e-12, abs=1e-12)
    assert seen[-1][1] == pytest.approx(result.x, abs=1e-6)
    assert {verb: result.evaluations[verb] for verb in calls} == calls
    assert 0.0 < result.callback_time < result.time + 1.0


@pytest.mark.parametrize("method", PEERS)
@pytest.mark.parametrize("limit", [0, 1, 4])
def test_limit_on_iterations_is_exact(method: str, limit: int) -> None:
    result = optlab.minimize(rosenbrock(), method=method, max_iter=limit)
    assert result.stop is StopReason.MAX_ITER, result
    assert result.iterations == limit
    assert np.isfinite(result.fun)


@pytest.mark.parametrize("method", PEERS)
def test_time_limit_that_is_over_ends_before_anything_is_evaluated(method: str) -> None:
    result = optlab.minimize(
        hs71() if method != "lbfgsb" else rosenbrock(), method=method, max_time=0.0
    )
    assert result.stop is StopReason.MAX_TIME, result
    assert sum(result.evaluations.values()) == 0


@pytest.mark.parametrize("method", PEERS)
@pytest.mark.parametrize("verb", ["objective", "gradient"])
def test_a_bug_in_a_callback_reaches_the_caller(method: str, verb: str) -> None:
    """A value of the wrong shape is no failed evaluation that a peer may step around."""
    base = rosenbrock()
    count = 0

    def broken(x: Vector) -> Any:
        nonlocal count
        count += 1
        if count < 3:
            return getattr(base, verb)(x)
        if verb == "gradient":
            return np.zeros(5)
        message = "wrong from here on"
        raise ProblemError(message)

    with pytest.raises(ProblemError):
        optlab.minimize(base.replace(**{verb: broken}), method=method)
    assert count == 3


@pytest.mark.parametrize("method", PEERS)
def test_keyboard_interrupt_in_a_callback_ends_the_solve_as_the_user_s(method: str) -> None:
    base = rosenbrock()
    count = 0

    def interrupted(x: Vector) -> float:
        nonlocal count
        count += 1
        if count == 4:
            raise KeyboardInterrupt
        return base.objective(x)

    result = optlab.minimize(base.replace(objective=interrupted), method=method)
    assert result.stop is StopReason.USER, result
    assert count == 4
    assert np.isfinite(result.fun)


@pytest.mark.parametrize("method", PEERS)
def test_control_c_ends_the_solve_at_the_next_evaluation(method: str) -> None:
    base = rosenbrock()
    count = 0

    def signalled(x: Vector) -> float:
        nonlocal count
        count += 1
        if count == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return base.objective(x)

    result = optlab.minimize(base.replace(objective=signalled), method=method)
    assert result.stop is StopReason.USER, result
    assert count <= 5
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("method", PEERS)
def test_callback_that_raises_reaches_the_caller(method: str) -> None:
    def callback(k: int, progress: Progress) -> None:
        if k == 2:
            raise ZeroDivisionError(progress.f)

    result = None
    try:
        result = optlab.minimize(rosenbrock(), method=method, callback=callback)
    except ZeroDivisionError:
        return
    # The driver takes arithmetic errors for numerical failures of the method.
    assert result.stop is StopReason.NUMERICAL_ERROR


@pytest.mark.parametrize("method", PEERS)
def test_evaluation_that_fails_everywhere_but_at_the_start_is_not_a_solution(
    method: str,
) -> None:
    base = rosenbrock()

    def walled(x: Vector) -> float:
        return base.objective(x) if np.array_equal(x, base.x0) else np.nan

    result = optlab.minimize(base.replace(objective=walled), method=method, max_iter=200)
    assert not result.success
    assert np.array_equal(result.x, base.x0)
    assert result.fun == base.objective(base.x0)


@pytest.mark.parametrize("method", NONLINEAR)
def test_constraints_that_fail_at_trial_points_are_stepped_around(method: str) -> None:
    """min x0 s.t. log(x0) >= x1, x1 >= 0: the solution (1, 0), the log undefined for x0 <= 0."""

    def row(x: Vector) -> Vector:
        return np.array([np.log(x[0]) - x[1]])

    problem = optlab.Problem(
        objective=lambda x: float(x[0]),
        gradient=lambda _x: np.array([1.0, 0.0]),
        constraints=row,
        jacobian=lambda x: np.array([[1.0 / x[0], -1.0]]),
        hessian=lambda x, y, _s: np.diag([-y[0] / x[0] ** 2, 0.0]),
        cl=[0.0],
        cu=[np.inf],
        lb=[-np.inf, 0.0],
        linear=[False],
        x0=[9.0, 1.0],
    )
    result = optlab.minimize(problem, method=method, max_iter=500)
    assert result.x == pytest.approx([1.0, 0.0], abs=1e-4), result


@pytest.mark.parametrize("method", PEERS)
def test_infeasible_start_and_fixed_variable(method: str) -> None:
    """The start lies outside the bounds and one variable cannot move."""
    problem = rosenbrock(x0=[3.0, 9.0], lb=[-2.0, 0.5], ub=[2.0, 0.5])
    result = optlab.minimize(problem, method=method)
    # There are two minima, near x0 = -sqrt(1/2) and near sqrt(1/2).
    assert [abs(result.x[0]), result.x[1]] == pytest.approx([0.5**0.5, 0.5], abs=1e-2), result
    assert result.point is PointStatus.STATIONARY


@pytest.mark.parametrize("method", NONLINEAR)
def test_more_equality_rows_than_variables(method: str) -> None:
    """Not every peer can; whatever happens, the numbers belong to the point."""
    problem = optlab.Problem(
        objective=lambda x: float(x[0] ** 2 + 3.0),
        gradient=lambda x: 2.0 * x,
        hessian=lambda _x, _y, s: np.array([[2.0 * s]]),
        constraints=lambda x: np.array([x[0] - 1.0, 2.0 * x[0] - 2.0]),
        jacobian=lambda _x: np.array([[1.0], [2.0]]),
        cl=[0.0, 0.0],
        cu=[0.0, 0.0],
        linear=[True, True],
        x0=[3.0],
    )
    result = optlab.minimize(problem, method=method, max_iter=100)
    assert result.fun == problem.objective(result.x)
    assert result.success == (abs(result.x[0] - 1.0) < 1e-6)
    assert result.extras["peer_status"]


@pytest.mark.parametrize("method", PEERS)
def test_all_variables_fixed(method: str) -> None:
    problem = rosenbrock(lb=[1.0, 2.0], ub=[1.0, 2.0], x0=[3.0, 3.0])
    result = optlab.minimize(problem, method=method)
    assert result.success, result
    assert result.x == pytest.approx([1.0, 2.0], abs=1e-6)


@pytest.mark.parametrize("method", PEERS)
def test_unbounded_objective_is_no_solution(method: str) -> None:
    problem = optlab.Problem(
        objective=lambda x: float(-(x[0] ** 3)), gradient=lambda x: -3.0 * x**2, x0=[1.0]
    )
    result = optlab.minimize(problem, method=method, max_iter=200)
    assert not result.success
    assert result.fun < -1e10
    if method in SPARSE:
        assert result.point is PointStatus.UNBOUNDED_DIRECTION, result


@pytest.mark.parametrize("method", NONLINEAR)
def test_row_without_sides_costs_nothing(method: str) -> None:
    problem = optlab.Problem(
        objective=lambda x: float(x @ x),
        gradient=lambda x: 2.0 * x,
        constraints=lambda x: np.array([x[0] * x[1], x[0] + x[1]]),
        jacobian=lambda x: np.array([[x[1], x[0]], [1.0, 1.0]]),
        cl=[-np.inf, 1.0],
        cu=[np.inf, np.inf],
        x0=[3.0, 1.0],
    )
    result = optlab.minimize(problem, method=method)
    assert result.success, result
    assert result.multipliers.constraints == pytest.approx([0.0, -1.0], abs=1e-4)


@pytest.mark.parametrize("method", NONLINEAR)
def test_contradicting_rows_are_not_called_a_solution(method: str) -> None:
    problem = optlab.Problem(
        objective=lambda x: float(x @ x),
        gradient=lambda x: 2.0 * x,
        constraints=lambda x: np.array([x[0] ** 2 + x[1] ** 2, x[0]]),
        jacobian=lambda x: np.array([[2.0 * x[0], 2.0 * x[1]], [1.0, 0.0]]),
        hessian=lambda _x, y, s: 2.0 * (s + y[0]) * np.eye(2),
        cl=[-np.inf, 2.0],
        cu=[1.0, np.inf],
        linear=[False, True],
        x0=[0.5, 0.1],
    )
    result = optlab.minimize(problem, method=method, max_iter=300)
    assert not result.success
    assert result.point not in (PointStatus.STATIONARY, PointStatus.FEASIBLE)


def test_lbfgsb_refuses_rows() -> None:
    with pytest.raises(CapabilityError, match="constraints"):
        optlab.minimize(hs71(), method="lbfgsb")


@pytest.mark.parametrize("method", NONLINEAR)
def test_no_probing_for_linear_rows(method: str) -> None:
    """What npasa needs to know and a peer does not is not paid for."""
    declared = optlab.minimize(hs71(), method=method)
    unknown = optlab.minimize(hs71(linear=None), method=method)
    assert declared.evaluations == unknown.evaluations


@pytest.mark.parametrize("method", PEERS)
def test_unknown_option_of_the_peer_is_refused(method: str) -> None:
    with pytest.raises(OptionError):
        optlab.minimize(
            rosenbrock(), method=method, options={"peer_options": {"no_such_option": 1}}
        )


@pytest.mark.parametrize(("method", "options"), [
    ("ipopt", {"hessian": "fast"}),
    ("ipopt", {"hessian": "exact"}),
    ("ipopt", {"pattern_points": 0}),
    ("pounce", {"hessian": "exact"}),
    ("uno", {"hessian": "fast"}),
    ("uno", {"hessian": "exact"}),
    ("uno", {"preset": "no such preset"}),
])  # fmt: skip
def test_wrong_option_is_refused(method: str, options: Mapping[str, Any]) -> None:
    with pytest.raises(OptionError):
        optlab.minimize(rosenbrock(), method=method, options=options)


@pytest.mark.parametrize(("method", "package"), [
    ("ipopt", "cyipopt"), ("pounce", "pounce"), ("uno", "unopy"),
])  # fmt: skip
def test_missing_package_names_the_extra(
    method: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # how Python marks what cannot be imported
    assert not method_class(method).info.installed
    with pytest.raises(MissingDependencyError, match=rf"optlab-npasa\[{method}\]"):
        optlab.minimize(rosenbrock(), method=method)
    assert f"{package} (missing)" in repr(optlab.methods())


def test_listing_the_methods_imports_no_peer() -> None:
    code = (
        "import sys, optlab; text = repr(optlab.methods()); "
        "assert 'ipopt' in text and 'cyipopt' in text; "
        "bad = {'cyipopt', 'pounce', 'unopy', 'scipy.optimize'} & set(sys.modules); "
        "assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("method", PEERS)
def test_a_peer_prints_nothing_but_the_user_s_functions_may(
    method: str, capfd: pytest.CaptureFixture[str]
) -> None:
    base = rosenbrock()

    def chatty(x: Vector) -> float:
        sys.stdout.write("evaluated\n")
        return base.objective(x)

    result = optlab.minimize(base.replace(objective=chatty), method=method)
    out, err = capfd.readouterr()
    assert out == "evaluated\n" * result.evaluations["objective"]
    assert err == ""


@pytest.mark.parametrize("method", PEERS)
def test_peer_s_own_words_are_kept(method: str) -> None:
    assert optlab.minimize(rosenbrock(), method=method).extras["peer_status"]


# The seam in the driver ---------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Walker(AbstractExternalMethod[Vector]):
    """Shows ten points on the way to the origin."""

    info: ClassVar[MethodInfo] = MethodInfo(name="walker", external=True)
    claims: ClassVar[StopReason | None] = StopReason.CONVERGED

    def init(
        self, oracle: Oracle, x0: Vector, rng: Any, *, warm: WarmStart | None = None
    ) -> Vector:
        del oracle, rng, warm
        return x0

    def solve(self, oracle: Oracle, state: Vector, watch: Watch) -> Vector:
        x = state
        for factor in np.linspace(1.0, 0.0, 11):
            x = factor * state
            watch.show(Progress(x, oracle.objective(x), 0.0, None))
        return x

    def progress(self, state: Vector) -> Progress:
        return Progress(state, float(state @ state), 0.0, 0.0)

    def stop(self, state: Vector) -> StopReason | None:
        del state
        return self.claims


@dataclass(frozen=True, kw_only=True)
class _Stuck(_Walker):
    claims: ClassVar[StopReason | None] = None


def _bowl() -> optlab.Problem:
    return optlab.Problem(
        objective=lambda x: float(x @ x), gradient=lambda x: 2.0 * x, x0=np.ones(3)
    )


def test_driver_numbers_the_iterates_that_a_solver_shows() -> None:
    history = History()
    result = run(_Walker(), _bowl(), observers=[history])
    assert result.success
    assert result.iterations == 10
    assert [row.k for row in history.rows] == list(range(11))


def test_driver_stops_a_solver_on_request_and_keeps_the_iterate() -> None:
    result = run(_Walker(), _bowl(), observers=[lambda k, _p: k == 3])
    assert result.stop is StopReason.USER
    assert result.iterations == 3
    assert result.x == pytest.approx(0.7 * np.ones(3))


def test_driver_stops_a_solver_that_ignores_its_limit() -> None:
    result = run(_Walker(), _bowl(), limits=Limits(max_iter=5))
    assert result.stop is StopReason.MAX_ITER


def test_solver_that_gives_no_reason_has_stalled() -> None:
    assert run(_Stuck(), _bowl()).stop is StopReason.STALLED


def test_driver_says_how_much_is_left() -> None:
    seen: list[tuple[int, float]] = []

    class Curious(_Walker):
        def solve(self, oracle: Oracle, state: Vector, watch: Watch) -> Vector:
            seen.append((watch.max_iter, watch.max_time))
            return super().solve(oracle, state, watch)

    run(Curious(), _bowl(), limits=Limits(max_iter=30, max_time=50.0))
    run(Curious(), _bowl())
    (first_iter, first_time), (_, unlimited) = seen
    assert first_iter == 30
    assert 0.0 < first_time <= 50.0
    assert unlimited == np.inf


def test_driver_lets_a_solver_go_on_when_the_checker_refuses_its_end() -> None:
    ends: list[float] = []

    class Hasty(_Walker):
        """Ends half-way the first time."""

        def solve(self, oracle: Oracle, state: Vector, watch: Watch) -> Vector:
            x = 0.5 * state if not ends else np.zeros(3)
            ends.append(float(x[0]))
            watch.show(Progress(x, oracle.objective(x), 0.0, None))
            return x

        def tighten(self, state: Vector, factor: float) -> Vector | None:
            assert factor > 1.0
            return state

    result = run(Hasty(), _bowl())
    assert ends == [0.5, 0.0]
    assert result.success
    assert result.iterations == 1


def test_a_step_is_a_whole_unwatched_solve() -> None:
    oracle = Oracle(_bowl())
    assert not _Walker().step(oracle, np.ones(3)).any()
    assert oracle.counts["objective"] == 11


def test_every_peer_module_registers_light() -> None:
    for cls in known_methods():
        if cls.info.external:
            module = importlib.import_module(cls.__module__)
            assert cls.__name__ in module.__all__

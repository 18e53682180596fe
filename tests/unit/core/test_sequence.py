"""optlab.sequence: laziness, starts, limits, failures, the table."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import optlab
from optlab.core.method import WarmStart
from optlab.core.status import StopReason
from optlab.errors import OptionError, ProblemError
from optlab.series import Shift
from optlab.typing import Vector


def circle(angle: float, *, x0: Any = (0.3, 0.2), name: str = "") -> optlab.Problem:
    """Maximise a direction over the unit disk: the solution is the direction."""
    d = np.array([np.cos(angle), np.sin(angle)])
    return optlab.Problem(
        objective=lambda x: -float(d @ x),
        gradient=lambda _x: -d,
        constraints=lambda x: np.array([x @ x]),
        jacobian=lambda x: 2.0 * x[None, :],
        hessian=lambda _x, y, _sigma: 2.0 * y[0] * np.eye(2),
        x0=x0,
        cu=[1.0],
        linear=[False],
        name=name,
    )


def angles(count: int, step: float = 0.02) -> Iterator[optlab.Problem]:
    for k in range(count):
        yield circle(step * k, name=f"angle{k}")


def test_it_follows_a_parameter_in_one_iteration_a_step() -> None:
    series = optlab.sequence(angles(12), method="npasa", seed=1)
    for k, result in enumerate(series):
        np.testing.assert_allclose(result.x, [np.cos(0.02 * k), np.sin(0.02 * k)], atol=1e-6)
        assert result.success
        assert result.seed == 1
    assert [row.warm for row in series.rows] == [False, *([True] * 11)]
    assert all(row.iterations == 1 and row.hessians == 1 for row in series.rows[1:])


@pytest.mark.parametrize("method", ["npasa", "ipopt", "auto"])
def test_it_takes_any_method(method: str) -> None:
    if method == "ipopt":
        pytest.importorskip("cyipopt")
    series = optlab.sequence(angles(3), method=method).run()
    assert all(row.success for row in series.rows)
    assert series.last is not None
    assert series.last.method in (method, "npasa")


def test_nothing_is_solved_before_it_is_asked_for() -> None:
    asked = []

    def problems() -> Iterator[optlab.Problem]:
        for k in itertools.count():
            asked.append(k)
            yield circle(0.1 * k)

    series = optlab.sequence(problems(), method="npasa")
    assert asked == []
    assert series.last is None
    next(series)
    assert asked == [0]
    first_three = list(itertools.islice(series, 2))
    assert asked == [0, 1, 2]
    assert len(first_three) == 2
    assert len(series.rows) == 3


def test_a_problem_may_depend_on_the_answer_before() -> None:
    seen: list[tuple[int, bool]] = []

    def following(k: int, last: optlab.Result | None) -> optlab.Problem | None:
        seen.append((k, last is None))
        if k == 4:
            return None
        angle = 0.0 if last is None else float(np.arctan2(last.x[1], last.x[0])) + 0.1
        return circle(angle)

    results = list(optlab.sequence(following, method="npasa"))
    assert len(results) == 4
    np.testing.assert_allclose(results[-1].x, [np.cos(0.3), np.sin(0.3)], atol=1e-5)
    assert seen == [(0, True), (1, False), (2, False), (3, False), (4, False)]


def test_a_first_result_may_be_given() -> None:
    first = optlab.minimize(circle(0.0), method="npasa")
    series = optlab.sequence([circle(0.01)], method="npasa", warm_start=first).run()
    assert series.rows[0].warm
    assert series.rows[0].iterations == 1


def test_the_transform_makes_the_start() -> None:
    calls = []

    def turned(last: optlab.Result, problem: optlab.Problem) -> WarmStart:
        calls.append(problem.name)
        c, s = np.cos(1.0), np.sin(1.0)
        x = np.array([[c, -s], [s, c]]) @ last.x
        return WarmStart(x, last.multipliers.constraints, last.multipliers.bounds)

    # Steps of one radian: far away, but the transform knows.
    series = optlab.sequence(angles(4, step=1.0), method="npasa", transform=turned).run()
    assert calls == ["angle1", "angle2", "angle3"]
    assert all(row.success for row in series.rows)
    assert all(row.iterations <= 1 for row in series.rows[1:])


def test_a_transform_may_ask_for_a_cold_start() -> None:
    series = optlab.sequence(
        angles(3), method="npasa", transform=lambda _last, _problem: None
    ).run()
    assert not any(row.warm for row in series.rows)


def test_a_failed_warm_start_is_tried_again_from_the_start_of_the_problem() -> None:
    def broken(angle: float) -> optlab.Problem:
        problem = circle(angle)

        def objective(x: Vector) -> float:
            # Not defined near where the last solution was.
            if x[0] > 0.9999 and x[1] < 0.1:
                raise ZeroDivisionError
            return problem.objective(x)

        return problem.replace(objective=objective)

    source = [circle(0.0), broken(1.5)]
    series = optlab.sequence(source, method="npasa").run()
    assert [row.success for row in series.rows] == [True, True]
    assert [row.warm for row in series.rows] == [False, False]
    # What the failed try has cost is counted.
    alone = optlab.minimize(source[1], method="npasa")
    assert series.last is not None
    assert series.last.evaluations["objective"] > alone.evaluations["objective"]
    once = optlab.sequence(source, method="npasa", retry=False).run()
    assert [row.success for row in once.rows] == [True, False]
    assert once.last is not None
    assert once.last.stop is StopReason.EVAL_ERROR


def test_a_failure_does_not_end_the_series() -> None:
    impossible = circle(0.1).replace(cl=[2.0], cu=[np.inf], lb=-0.1, ub=0.1)
    source = [circle(0.0), impossible, circle(0.2)]
    series = optlab.sequence(source, method="npasa").run()
    assert [row.success for row in series.rows] == [True, False, True]
    assert "NO" in series.summary()


def test_limits_hold_for_each_solve_and_for_all() -> None:
    series = optlab.sequence(angles(5), method="npasa", max_iter=1)
    stops = [result.stop for result in series]
    assert stops[0] is StopReason.MAX_ITER
    assert all(row.iterations <= 1 for row in series.rows)
    assert list(optlab.sequence(angles(5), method="npasa", total_time=0.0)) == []

    clock = optlab.sequence(itertools.cycle([circle(0.0), circle(0.3)]), total_time=0.2)
    count = sum(1 for _ in clock)
    assert count >= 1
    assert clock.last is not None
    assert sum(row.time for row in clock.rows) < 2.0


def test_observers_see_every_solve() -> None:
    seen = []
    optlab.sequence(
        angles(3), method="npasa", observers=[lambda k, progress: seen.append((k, progress.f))]
    ).run()
    assert [k for k, _ in seen].count(0) == 3


def test_the_summary_has_a_line_for_every_solve_and_the_sums() -> None:
    series = optlab.sequence(angles(3), method="npasa").run()
    lines = series.summary().splitlines()
    assert len(lines) == 1 + 1 + 3 + 1 + 1
    assert len({len(line) for line in lines}) == 1
    assert lines[0].split()[:4] == ["k", "problem", "start", "solved"]
    assert lines[2].split()[1:4] == ["angle0", "cold", "yes"]
    assert lines[3].split()[1:4] == ["angle1", "warm", "yes"]
    total = lines[-1].split()
    assert total[:2] == ["all", "3/3"]
    assert int(total[2]) == sum(row.iterations for row in series.rows)
    assert optlab.sequence([]).run().summary().splitlines()[-1].split()[:2] == ["all", "0/0"]


def test_options_of_a_single_solve_are_refused_at_once() -> None:
    with pytest.raises(OptionError, match="x0 belongs to a single solve"):
        optlab.sequence(angles(2), x0=[1.0, 1.0])


def test_other_sizes_are_refused_with_a_word_about_it() -> None:
    other = optlab.Problem(
        objective=lambda x: float(x @ x), gradient=lambda x: 2.0 * x, x0=np.ones(3)
    )
    series = optlab.sequence([circle(0.0), other], method="npasa")
    next(series)
    with pytest.raises(ProblemError, match="same size"):
        next(series)


# Shift -------------------------------------------------------------------------------------------


def horizon(target: float, stages: int = 4) -> optlab.Problem:
    """Stage k: control u_k and state s_k+1 = s_k + u_k - 0.1 s_k+1^2."""
    n = 2 * stages
    weights = np.tile([0.1, 1.0], stages)
    wanted = np.tile([0.0, target], stages)

    def constraints(x: Vector) -> Vector:
        u, s = x[0::2], x[1::2]
        return s - np.concatenate(([1.0], s[:-1])) - u + 0.1 * s**2

    def jacobian(x: Vector) -> Vector:
        J = np.zeros((stages, n))
        k = np.arange(stages)
        J[k, 2 * k] = -1.0
        J[k, 2 * k + 1] = 1.0 + 0.2 * x[1::2]
        J[k[1:], 2 * k[1:] - 1] = -1.0
        return J

    return optlab.Problem(
        objective=lambda x: float(weights @ (x - wanted) ** 2),
        gradient=lambda x: 2.0 * weights * (x - wanted),
        constraints=constraints,
        jacobian=jacobian,
        hessian=lambda _x, y, sigma: np.diag(
            2.0 * sigma * weights + np.stack((0.0 * y, 0.2 * y), axis=1).ravel()
        ),
        x0=np.ones(n),
        lb=-0.3,
        cl=np.zeros(stages),
        cu=np.zeros(stages),
        linear=np.zeros(stages, dtype=bool),
    )


def test_shift_moves_every_part_by_its_own_width() -> None:
    first = optlab.minimize(horizon(0.2), method="npasa")
    start = Shift(x=2, y=1)(first, horizon(0.2))
    assert start.y is not None
    assert start.z is not None
    np.testing.assert_array_equal(start.x, [*first.x[2:], *first.x[-2:]])
    y, z = first.multipliers.constraints, first.multipliers.bounds
    np.testing.assert_array_equal(start.y, [*y[1:], y[-1]])
    np.testing.assert_array_equal(start.z, [*z[2:], *z[-2:]])
    assert start.extras["penalty"] == first.extras["penalty"]


def test_shift_hands_no_unknown_multipliers_on() -> None:
    from dataclasses import replace

    first = optlab.minimize(horizon(0.2), method="npasa")
    hollow = replace(
        first, multipliers=replace(first.multipliers, constraints=np.full(4, np.nan))
    )
    start = Shift(x=2, y=1)(hollow, horizon(0.2))
    assert start.y is None
    assert start.z is None


@pytest.mark.parametrize("shift", [Shift(x=3), Shift(x=2, y=3)])
def test_shift_wants_whole_stages(shift: Shift) -> None:
    first = optlab.minimize(horizon(0.2), method="npasa")
    with pytest.raises(
        ProblemError, match=r"whole number of stages; the problem has 8 .* and 4"
    ):
        shift(first, horizon(0.2))


def test_shift_of_nothing_is_nothing() -> None:
    np.testing.assert_array_equal(Shift.moved([1.0, 2.0], 0), [1.0, 2.0])
    assert Shift.moved([], 2).size == 0

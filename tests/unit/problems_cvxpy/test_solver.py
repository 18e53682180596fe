"""optlab as CVXPY's solver: ``prob.solve(nlp=True, solver="OPTLAB")`` and ``prob.solve(method="optlab")``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from optlab.errors import CapabilityError, OptionError
from optlab_problems.cvxpy import engine

cp = pytest.importorskip("cvxpy")
pytest.importorskip("optlab.cvxpy")

WAYS: list[dict[str, Any]] = [{"nlp": True, "solver": "OPTLAB"}, {"method": "optlab"}]


def hs71() -> Any:
    x = cp.Variable(4, bounds=[1, 5], name="x")
    x.value = [1.0, 5.0, 5.0, 1.0]
    objective = x[0] * x[3] * (x[0] + x[1] + x[2]) + x[2]
    return cp.Problem(cp.Minimize(objective), [cp.prod(x) >= 25, cp.sum_squares(x) == 40])


def two_wells(sense: Any = None) -> tuple[Any, Any]:
    """Two local solutions, the left one better."""
    x = cp.Variable(name="x", bounds=[-2, 2])
    wells = cp.square(cp.square(x) - 1) + 0.3 * x
    return x, cp.Problem(cp.Minimize(wells) if sense is None else sense(-wells))


@pytest.mark.parametrize("way", WAYS)
def test_values_duals_and_statistics(way: dict[str, Any]) -> None:
    problem = hs71()
    value = problem.solve(**way, tol=1e-9)
    assert value == problem.value == pytest.approx(17.0140172892)
    assert problem.status == "optimal"
    duals = [c.dual_value for c in problem.constraints]
    assert duals == pytest.approx([0.55229366, 0.16146857])
    assert problem.solver_stats.num_iters > 0
    assert problem.solver_stats.solver_name.startswith("OPTLAB")


def test_it_is_listed_and_may_be_registered_again() -> None:
    import optlab.cvxpy

    optlab.cvxpy.register()
    from cvxpy.reductions.solvers.defines import INSTALLED_SOLVERS

    assert INSTALLED_SOLVERS.count("OPTLAB") == 1
    # The convex solvers that CVXPY chooses by itself are none of ours.
    x = cp.Variable()
    convex = cp.Problem(cp.Minimize(cp.square(x)), [x >= 1])
    convex.solve()
    assert not convex.solver_stats.solver_name.startswith("OPTLAB")


@pytest.mark.parametrize("way", WAYS)
def test_options_reach_the_method(way: dict[str, Any]) -> None:
    loose, tight = hs71(), hs71()
    loose.solve(**way, tol=1e-2)
    tight.solve(**way, tol=1e-10)
    assert tight.solver_stats.extra_stats.certificate.dual < 1e-9
    seen: list[float] = []
    hs71().solve(**way, callback=lambda x: seen.append(float(x[0])))
    assert seen
    with pytest.raises(OptionError, match=r"tolerance.*tol"):
        hs71().solve(**way, tolerance=1e-3)
    with pytest.raises(OptionError, match="thetaa"):
        hs71().solve(**way, algorithm="npasa", options={"thetaa": 0.5})


def test_the_method_is_chosen_by_algorithm_or_by_the_lower_case_name() -> None:
    x = cp.Variable(3, name="x")
    box = cp.Problem(cp.Minimize(cp.sum(cp.exp(x) - x)), [cp.sum(x) <= -1])
    for choice in ({"solver": "optlab_pasa"}, {"solver": "OPTLAB", "algorithm": "pasa"}):
        box.solve(nlp=True, **choice)
        assert box.solver_stats.extra_stats.method == "pasa"


def test_verbose_shows_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    hs71().solve(nlp=True, solver="OPTLAB", verbose=True)
    assert "objective" in capsys.readouterr().out
    hs71().solve(nlp=True, solver="OPTLAB")
    assert "objective" not in capsys.readouterr().out


@pytest.mark.parametrize("way", WAYS)
def test_a_limit_gives_the_point_and_says_so(way: dict[str, Any]) -> None:
    problem = hs71()
    if way.get("nlp"):
        with pytest.warns(UserWarning, match="may be inaccurate"):
            problem.solve(**way, max_iter=0)
    else:
        problem.solve(**way, max_iter=0)
    assert problem.status == "user_limit"


@pytest.mark.parametrize("way", WAYS)
def test_best_of_several_random_starts(
    way: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # CVXPY draws its starts from NumPy's global generator.
    monkeypatch.setattr(np.random, "uniform", np.random.default_rng(0).uniform)
    x, problem = two_wells()
    problem.solve(**way, best_of=6)
    values = problem.solver_stats.extra_stats["all_objs_from_best_of"]
    assert values.shape == (6,)
    assert len({round(v, 4) for v in values}) == 2
    assert problem.value == pytest.approx(values.min())
    assert x.value < 0


def test_best_of_a_maximisation_is_refused_since_cvxpy_keeps_the_worst_run() -> None:
    _, problem = two_wells(cp.Maximize)
    with pytest.raises(CapabilityError, match=r"best_of.*Minimize of the negative"):
        problem.solve(method="optlab", best_of=3)


def test_maximising_takes_the_values_with_their_signs() -> None:
    x, problem = two_wells(cp.Maximize)
    x.value = -1.5
    problem.solve(nlp=True, solver="OPTLAB")
    left, other = two_wells()
    left.value = -1.5
    other.solve(nlp=True, solver="OPTLAB")
    assert problem.value == pytest.approx(-other.value)


@pytest.mark.parametrize("way", WAYS)
def test_parameters_reuse_the_engine_and_start_warm(
    way: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[int] = []
    make = engine.Engine.__init__

    def counted(self: Any, smooth: Any, n: int, m: int) -> None:
        built.append(n)
        make(self, smooth, n, m)

    monkeypatch.setattr(engine.Engine, "__init__", counted)
    x, low = cp.Variable(4, name="x"), cp.Parameter(name="low", value=0.1)
    # Smoothing brings in variables for log and abs.
    cost = cp.sum(cp.exp(x) - cp.log(x + 3)) + cp.norm1(x)
    problem = cp.Problem(cp.Minimize(cost), [cp.sum(x) >= low, cp.sum_squares(x) <= 4])
    problem.solve(**way, tol=1e-9)
    first = problem.solver_stats.num_iters
    for value in (0.1, 0.11, 0.12):
        low.value = value
        problem.solve(**way, tol=1e-9)
        assert problem.solver_stats.num_iters <= max(1, first)
        assert cp.sum(x).value == pytest.approx(value, abs=1e-7)
    assert len(built) == 1


def test_a_cold_start_on_request() -> None:
    problem = hs71()
    problem.solve(method="optlab")
    again = problem.solve(method="optlab", warm_start=False)
    assert again == pytest.approx(17.0140172892)


def test_a_constant_that_took_a_parameters_value_does_not_go_stale() -> None:
    """CVXPY's own IPOPT interface keeps the first denominator for ever; ours sees the structure change."""
    x, a = cp.Variable(2, name="x"), cp.Parameter(nonneg=True, value=2.0)
    problem = cp.Problem(cp.Minimize(cp.quad_over_lin(x, a) - cp.sum(x)))
    for value in (2.0, 4.0, 1.0):
        a.value = value
        problem.solve(nlp=True, solver="OPTLAB", tol=1e-9)
        assert np.allclose(x.value, value / 2, atol=1e-6)


@pytest.mark.parametrize("way", WAYS)
def test_contradictory_rows_are_a_status_not_an_error(way: dict[str, Any]) -> None:
    x = cp.Variable(name="x")
    x.value = 1.0
    problem = cp.Problem(cp.Minimize(cp.square(x)), [x <= 1, x >= 2])
    assert problem.solve(**way) == np.inf
    assert problem.status == "infeasible"
    assert x.value is None


@pytest.mark.parametrize("way", WAYS)
def test_a_solve_without_an_answer_raises_as_cvxpy_does(
    way: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from optlab_problems.cvxpy import answer

    monkeypatch.setattr(answer, "to_status", lambda _: "solver_error")
    with pytest.raises(cp.error.SolverError, match="OPTLAB"):
        hs71().solve(**way)


@pytest.mark.parametrize("call", [{"nlp": True, "solver": "OPTLAB"}, {"method": "optlab"}])
def test_contradicting_linear_constraints_are_infeasible(call: dict[str, Any]) -> None:
    x = cp.Variable(name="x")
    for objective, worst in (
        (cp.Minimize(-cp.log(x)), np.inf),
        (cp.Maximize(cp.log(x)), -np.inf),
    ):
        x.value = 1.0
        problem = cp.Problem(objective, [x <= 1, x >= 1 + 1e-3])
        assert problem.solve(**call) == worst
        assert problem.status == "infeasible"
        assert x.value is None


@pytest.mark.parametrize("function", [cp.log, cp.sqrt, cp.exp], ids=lambda f: f.__name__)
def test_functions_of_parameters_follow_the_parameter(function: Any) -> None:
    """CVXPY's engine takes them for variables and crashes, or keeps the first value."""
    x, a = cp.Variable(2, name="x"), cp.Parameter(nonneg=True, value=2.0)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - function(a)) + cp.exp(x[0]) * 0))
    for value in (2.0, 4.0, 0.5):
        a.value = value
        problem.solve(nlp=True, solver="OPTLAB", tol=1e-9)
        assert np.allclose(x.value, function(cp.Constant(value)).value, atol=1e-6)

"""Calibration: the layers' problems against their definition, other solvers and brute force; both routes on networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st

import optlab
from optlab.errors import OptionError, ProblemError

torch: Any = pytest.importorskip("torch")
nn: Any = torch.nn
snn: Any = pytest.importorskip("optlab.adapters").snn
pytestmark = pytest.mark.torch


def samples(seed: int = 0, channels: int = 3, count: int = 4000) -> tuple[Any, Any]:
    """Potentials of different sizes, and targets that differ from them as after quantized layers."""
    rng = np.random.default_rng(seed)
    size = np.exp(rng.normal(0, 0.7, (channels, 1)))
    u = size * rng.normal(rng.normal(0, 1, (channels, 1)), 1.0, (channels, count))
    return u, np.maximum(u + size * rng.normal(0.1, 0.2, u.shape), 0)


def activation(u: Any, thresholds: Any, offsets: Any, steps: int) -> Any:
    """The definition, in numpy."""
    levels = 2**steps - 1
    delta = np.broadcast_to(thresholds, len(u))[:, None] / levels
    return delta * np.clip(np.floor((u + offsets[:, None]) / delta + 0.5), 0, levels)


def network(seed: int = 0) -> tuple[Any, Any]:
    """Two convolutions with a path around one, in double precision, with statistics that are not trivial."""

    class Small(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(1, 4, 3, padding=1, bias=False)
            self.norm = nn.BatchNorm2d(4)
            self.second = nn.Conv2d(4, 4, 3, padding=1, bias=False)
            self.other = nn.BatchNorm2d(4, affine=False)
            self.pool = nn.AvgPool2d(3)
            self.last = nn.Linear(16, 3)

        def forward(self, x: Any) -> Any:
            y = torch.relu(self.norm(self.first(x)))
            y = torch.relu(self.other(self.second(y)) + y)
            return self.last(torch.flatten(self.pool(y), 1))

    torch.manual_seed(seed)
    model = Small().double()
    nn.init.uniform_(model.norm.weight, 0.2, 3.0)
    nn.init.normal_(model.norm.bias)
    x = torch.randn(96, 1, 6, 6, dtype=torch.float64)
    for _ in range(5):
        model(x)
    return model.eval(), x


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 4), st.booleans())
def test_derivatives_are_those_of_the_values(seed: Any, steps: Any, channelwise: Any) -> None:
    u, r = samples(seed)
    weights = np.random.default_rng(seed).uniform(0, 2, u.shape)
    stated = snn.CalibrationProblem(
        u, r, steps, channelwise=channelwise, weights=weights, bins=64
    )
    problem = stated.problem()
    rng = np.random.default_rng(seed + 1)
    x = problem.x0 + 0.05 * rng.uniform(0, 1, problem.n)
    y, h = rng.normal(size=problem.m), 1e-5

    def central(function: Any) -> Any:
        moves = h * np.eye(problem.n)
        return np.array([(function(x + e) - function(x - e)) / (2 * h) for e in moves]).T

    def lagrangian(z: Any) -> Any:
        return 0.7 * problem.gradient(z) + np.asarray(problem.jacobian(z).T @ y)

    gradient, jacobian = problem.gradient(x), problem.jacobian(x).toarray()
    np.testing.assert_allclose(gradient, central(problem.objective), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(jacobian, central(problem.constraints), rtol=1e-5, atol=1e-5)
    hessian = problem.hessian(x, y, 0.7).toarray()
    np.testing.assert_allclose(hessian, hessian.T)
    size = np.abs(hessian).max()
    np.testing.assert_allclose(hessian, central(lagrangian), atol=1e-5 * size)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 5), st.booleans())
def test_smoothed_error_is_nearly_the_error(seed: Any, steps: Any, channelwise: Any) -> None:
    u, r = samples(seed)
    stated = snn.CalibrationProblem(u, r, steps, channelwise=channelwise, bins=4096)
    rng = np.random.default_rng(seed)
    x = stated.start() * rng.uniform(0.7, 1.3, stated.n)
    x[stated.groups :] = rng.uniform(-0.05, 0.05, stated.channels)
    h = activation(u, stated.thresholds(x), stated.offsets(x), steps)
    assert stated.objective(x) == pytest.approx(((h - r) ** 2).sum() / (r**2).sum(), abs=2e-3)
    means = (h.mean(axis=1) / r.mean(axis=1))[stated.kept]
    np.testing.assert_allclose(stated.constraints(x), means, atol=0.02)


def test_smoothing_is_the_mean_over_noise() -> None:
    # Each sample on a grid point is spread by a cubic B-spline: the sum of four uniform numbers, in grid intervals.
    grid = np.linspace(-1.0, 3.0, 65)
    u, r = grid[None], np.maximum(grid, 0)[None]
    stated = snn.CalibrationProblem(u, r, 2, bins=64)
    x = np.array([0.8, 0.03])
    rng = np.random.default_rng(0)
    noise = (rng.uniform(-0.5, 0.5, (4, 20_000)).sum(axis=0) * (grid[1] - grid[0]))[:, None]
    h = activation((u + noise).reshape(1, -1), stated.thresholds(x), stated.offsets(x), 2)
    expected = ((h.reshape(-1, 65) - r) ** 2).sum(axis=1).mean() / (r**2).sum()
    assert stated.objective(x) == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("steps", [2, 4])
def test_threshold_is_as_good_as_brute_force(steps: Any) -> None:
    u, r = samples(5, channels=2)
    stated = snn.CalibrationProblem(u, r, steps, shifts=False)
    result = optlab.minimize(stated, method="npasa")
    assert result.success
    found = activation(u, stated.thresholds(result.x), np.zeros(2), steps)
    for c in range(2):
        tried = [
            ((activation(u[c : c + 1], lam, np.zeros(1), steps) - r[c]) ** 2).sum()
            for lam in np.linspace(0.02, 1.5, 800) * u[c].max()
        ]
        # The exact error is rugged: single samples make valleys a percent deep, which smoothing does not see.
        assert ((found[c] - r[c]) ** 2).sum() <= 1.03 * min(tried)


@pytest.mark.parametrize("channelwise", [True, False])
def test_kept_means_with_a_certificate(channelwise: Any) -> None:
    u, r = samples(1)
    stated = snn.CalibrationProblem(u, r, 3, channelwise=channelwise)
    result = optlab.minimize(stated, method="npasa")
    assert result.success
    assert result.point is optlab.PointStatus.STATIONARY
    # The conditions of Karush, Kuhn and Tucker, evaluated here.
    problem, x = stated.problem(), result.x
    assert np.abs(problem.constraints(x) - 1).max() < 1e-6
    y = result.multipliers.constraints
    slope = problem.gradient(x) + np.asarray(problem.jacobian(x).T @ y)
    inside = (x > problem.lb) & (x < problem.ub)
    assert inside.all()
    assert np.abs(slope).max() < 1e-5
    # What the exact activations do.
    h = activation(u, stated.thresholds(x), stated.offsets(x), 3)
    np.testing.assert_allclose(h.mean(axis=1), r.mean(axis=1), rtol=0.01)


def test_scipy_agrees() -> None:
    u, r = samples(2, channels=2)
    stated = snn.CalibrationProblem(u, r, 3)
    problem = stated.problem()
    ours = optlab.minimize(stated, method="npasa")
    rows = scipy.optimize.NonlinearConstraint(
        problem.constraints, 1.0, 1.0, jac=lambda x: problem.jacobian(x).toarray()
    )
    theirs = scipy.optimize.minimize(
        problem.objective,
        ours.x + 0.002,
        jac=problem.gradient,
        constraints=rows,
        bounds=list(zip(problem.lb, problem.ub, strict=True)),
        method="SLSQP",
        options={"ftol": 1e-12, "maxiter": 300},
    )
    assert ours.fun <= problem.objective(problem.x0) + 1e-9 or ours.certificate.primal < 1e-6
    assert ours.fun == pytest.approx(theirs.fun, rel=1e-4)


def test_shifts_reduce_the_error_of_biased_potentials() -> None:
    u, r = samples(3)
    biased = u + 0.5 * u.std(axis=1, keepdims=True)
    free = snn.CalibrationProblem(biased, r, 4, mean_tolerance=None)
    fixed = snn.CalibrationProblem(biased, r, 4, shifts=False)
    with_shift, without = (optlab.minimize(p, method="pasa") for p in (free, fixed))
    assert with_shift.fun < without.fun
    assert (free.offsets(with_shift.x) < 0).all()


def test_least_squares_beat_percentiles_and_stay_lossless() -> None:
    model, x = network()
    for steps in (2, 4):
        result = snn.calibrate(model, x, steps=steps)
        before, after = result.output_error
        assert after < 0.8 * before
        assert all(layer.after < layer.before for layer in result.layers)
        assert all(layer.result.success for layer in result.layers)
        assert set(result.network.mismatches(x).values()) == {0}
        # Errors of the table, from the networks themselves.
        wanted = model(x).detach()
        error = ((result.network(x) - wanted) ** 2).sum() / (wanted**2).sum()
        assert after == pytest.approx(float(error), rel=1e-9)


def test_integer_networks_follow() -> None:
    model, x = network()
    result = snn.calibrate(model, x, steps=3)
    whole = snn.convert(result.quantized, exact="integer")
    assert torch.equal(whole(x), whole.quantized_logits(x))


def test_the_model_is_left_alone() -> None:
    model, x = network()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    snn.calibrate(model, x, steps=2)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("mode", ["binary", "rate"])
def test_zeroth_order_lowers_the_spiking_loss(mode: Any) -> None:
    model, x = network()
    q = snn.calibrate(model, x, steps=2, route="percentile", percentile=100.0).quantized
    wanted = model(x).detach()
    task = snn.SpikingCalibration(q, x, wanted, loss="mismatch", mode=mode)
    start = task.objective(task.vector())
    # The loss is that of the step-wise simulation.
    simulated = ((snn.convert(q, mode)(x) - wanted) ** 2).mean()
    assert start == pytest.approx(float(simulated), rel=1e-9)
    result = optlab.minimize(task, method="zo-adam", max_eval=300, seed=0)
    assert result.evaluations["objective"] <= 300
    simulated = ((snn.convert(task.quantized, mode)(x) - wanted) ** 2).mean()
    assert float(simulated) == pytest.approx(result.fun, rel=1e-6)
    assert result.fun < 0.9 * start


def test_zeroth_order_route() -> None:
    model, x = network()
    labels = model(x).argmax(1)
    result = snn.calibrate(
        model, x, steps=2, route="zeroth-order", labels=labels, loss="cross-entropy",
        method="cma-es", radius=0.1, max_eval=60, seed=1,
    )  # fmt: skip
    assert len(result.results) == 3
    assert result.results[-1].evaluations["objective"] <= 60
    assert set(result.network.mismatches(x).values()) == {0}
    assert "outputs" in str(result)


def test_a_failed_search_leaves_the_network_as_it_was() -> None:
    model, x = network()
    options = {"steps": 2, "start": "percentile", "max_eval": 8, "seed": 0}
    result = snn.calibrate(
        model, x, route="zeroth-order", method="zo-adam", learning_rate=5.0, **options
    )
    assert result.output_error[1] == result.output_error[0]


def test_minibatches_are_compared_on_the_same_samples() -> None:
    model, x = network()
    q = snn.quantize(model, 2, calibration=x)
    task = snn.SpikingCalibration(q, x, model(x).detach(), batch_size=16)
    shifts = optlab.core.shifts.DenseShifts(np.zeros((2, task.n)))
    twice = task.values(task.vector(), shifts, 3)
    assert twice[0] == twice[1]
    assert task.values(task.vector(), shifts, 4)[0] != twice[0]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({}, OptionError, "steps is None"),
        ({"steps": 2, "route": "best"}, OptionError, "route"),
        ({"steps": 2, "start": "zeroth-order"}, OptionError, "start"),
        ({"steps": 2, "loss": "l1"}, OptionError, "loss"),
        ({"steps": 2, "loss": "mistakes"}, OptionError, "labels"),
        ({"steps": 2, "labels": torch.zeros(3)}, ProblemError, "3 labels"),
    ],
)
def test_bad_input_is_named(options: Any, error: Any, words: Any) -> None:
    model, x = network()
    with pytest.raises(error, match=words):
        snn.calibrate(model, x, **options)


def test_bad_models_and_data_are_named() -> None:
    model, x = network()
    with pytest.raises(ProblemError, match="training mode"):
        snn.calibrate(model.train(), x, steps=2)
    with pytest.raises(ProblemError, match="not finite"):
        snn.calibrate(model.eval(), x * torch.nan, steps=2)
    with pytest.raises(OptionError, match="quantized to 3"):
        snn.calibrate(snn.quantize(model, 3), x, steps=2)
    with pytest.raises(ProblemError, match="nothing to calibrate"):
        snn.calibrate(nn.Sequential(nn.Linear(2, 2)).eval(), torch.ones(3, 2), steps=2)
    with pytest.raises(ProblemError, match="shapes"):
        snn.CalibrationProblem(np.ones((2, 3)), np.ones((2, 4)), 2)
    with pytest.raises(ProblemError, match="never fires"):
        snn.CalibrationProblem(-np.ones((1, 3)), np.ones((1, 3)), 2)
    with pytest.raises(OptionError, match="mean_tolerance"):
        snn.CalibrationProblem(np.ones((1, 3)), np.ones((1, 3)), 2, mean_tolerance=-1.0)


def test_a_dead_layer_is_left_alone() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 2)
    ).eval()
    nn.init.constant_(model[2].bias, -100.0)
    result = snn.calibrate(model, torch.randn(50, 2), steps=2)
    assert [layer.result is None for layer in result.layers] == [False, True]

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optlab

torch: Any = pytest.importorskip("torch")

CE: Any = torch.nn.functional.cross_entropy


def data(n: int = 200) -> Any:
    generator = torch.Generator().manual_seed(4)
    x = torch.randn(n, 6, generator=generator)
    return x, (x[:, 0] + x[:, 1] > 0).long() + (x[:, 2] > 0.5).long()


def model(width: int = 24, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    linear = torch.nn.Linear
    return torch.nn.Sequential(linear(6, width), torch.nn.ReLU(), linear(width, 3))


def search(**more: Any) -> Any:
    from optlab.adapters import pruning

    options = {"method": "lrr", "options": {"epochs": 3.0, "rounds": 1}, "batch_size": 32}
    return pruning.DensitySearch(model(), CE, data(), **(options | more))


def test_evaluations_are_trainings_and_repeat_themselves() -> None:
    found = search()
    result = optlab.minimize(found, method="bounded", max_eval=5)
    assert len(found.trainings) == 5 == result.evaluations["objective"]
    assert all(0.02 <= t.density <= 0.5 for t in found.trainings)
    assert result.fun == found.best.objective == min(t.objective for t in found.trainings)
    again = found.train(found.best.densities)
    assert again.objective == found.best.objective
    assert np.array_equal(again.weights, found.best.weights)


def test_the_objective_is_loss_on_held_out_samples_and_the_price_of_weights() -> None:
    inputs, targets = data()
    found = search(cost=2.0, validation=(inputs[:50], targets[:50]), refit=False)
    trained = found.train((0.25,))
    with torch.no_grad():
        loss = float(CE(found.task.model(inputs[:50]), targets[:50]))
    assert trained.loss == pytest.approx(loss, rel=1e-6)
    assert trained.objective == pytest.approx(loss + 2.0 * 0.25)
    kept = sum(int(m.sum()) for m in found.task.masks().values())
    assert kept == round(0.25 * 6 * 24) + round(0.25 * 24 * 3)


def test_the_best_network_is_delivered_trained_on_all_samples() -> None:
    found = search()
    optlab.minimize(found, method="bounded", max_eval=3)
    assert found.refitted is not None
    assert np.array_equal(
        found.task.vector().astype(np.float32), found.refitted.x.astype(np.float32)
    )
    kept = search(refit=False)
    optlab.minimize(kept, method="bounded", max_eval=3)
    assert kept.refitted is None
    assert np.array_equal(
        kept.task.vector().astype(np.float32), kept.best.weights.astype(np.float32)
    )


def test_densities_of_layers_keep_to_their_budget() -> None:
    found = search(budget=0.2, low=0.05, high=0.9)
    result = optlab.minimize(found, method="cobyqa", max_eval=8)
    sizes = np.array([6 * 24, 24 * 3])
    for trained in [*found.trainings[:1], found.best]:
        assert len(trained.densities) == 2
    assert sizes @ result.x / sizes.sum() <= 0.2 + 1e-6
    assert result.certificate.primal <= 1e-6


def test_a_ticket_of_a_given_density_and_one_that_is_searched() -> None:
    from optlab.adapters import pruning

    given = pruning.MultiPrizeTicket(
        model(), CE, data(), density=0.5, options={"epochs": 40.0}, batch_size=32
    )
    result = optlab.minimize(given, method="biprop", epochs=40.0, seed=0)
    assert result.success
    assert given.accuracy(data()) > 0.75
    searched = pruning.MultiPrizeTicket(
        model(), CE, data(), options={"epochs": 20.0}, batch_size=32
    )
    optlab.minimize(searched, method="bounded", max_eval=4)
    for layer in (searched.task.model[0], searched.task.model[2]):
        assert layer.weight.detach().abs().unique().numel() == 2  # 0 and the gain


def test_a_training_that_fails_is_a_failed_evaluation() -> None:
    found = search(options={"learning_rate": 1e30})
    result = optlab.minimize(found, method="bounded", max_eval=3)
    assert result.stop is optlab.StopReason.EVAL_ERROR
    assert "learning_rate" in result.message or "inf" in result.message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"low": 0.0}, "0 < low < high < 1"),
        ({"low": 0.6}, "0 < low < high < 1"),
        ({"budget": 0.01}, "budget is 0.01"),
        ({"cost": -1.0}, "cost is -1.0"),
    ],
)
def test_bad_options(options: Any, message: str) -> None:
    with pytest.raises(optlab.errors.OptionError, match=message):
        search(**options)


def test_validation_data_are_needed_where_they_cannot_be_taken() -> None:
    from optlab.adapters import pruning

    inputs, targets = data()
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(inputs, targets))
    with pytest.raises(optlab.errors.OptionError, match="validation is None"):
        pruning.DensitySearch(model(), CE, loader)
    with pytest.raises(optlab.errors.OptionError, match="'search' or a number"):
        pruning.MultiPrizeTicket(model(), CE, data(), density="find")
    with pytest.raises(optlab.errors.ProblemError, match="nothing was trained yet"):
        _ = search().best


def trained(width: int = 8) -> Any:
    net = model(width).double()
    inputs, targets = data()
    task = optlab.adapters.TrainingTask(net, CE, (inputs.double(), targets), batch_size=50)
    optlab.minimize(task, method="adam", learning_rate=0.02, max_epochs=60, seed=0)
    return net, (inputs.double(), targets)


@pytest.mark.parametrize("unit", ["weight", "channel"])
def test_the_fewest_weights_within_a_loss(unit: str) -> None:
    from optlab.adapters import pruning

    net, samples = trained()
    with torch.no_grad():
        now = float(CE(net(samples[0]), samples[1]))
    limit = now + 0.15
    budget = pruning.LossBudget(net, CE, samples, limit=limit, unit=unit)
    result = optlab.minimize(budget, method="npasa", tol=1e-4, max_iter=200)
    with torch.no_grad():
        after = float(CE(net(samples[0]), samples[1]))
    assert after <= limit + 1e-4
    assert result.fun < 0.8
    zero = (net[0].weight == 0).double().mean()
    assert float(zero) > 0.1
    # The limit is what holds the weights: it is active, at a price.
    assert after == pytest.approx(limit, abs=1e-3)
    assert result.multipliers.constraints[0] > 0.0


def test_gates_have_the_derivatives_that_are_stated() -> None:
    from optlab.adapters import pruning

    net, samples = trained()
    for unit in ("weight", "channel"):
        problem = pruning.LossBudget(net, CE, samples, limit=9.0, unit=unit).problem()
        rng = np.random.default_rng(0)
        gates = rng.uniform(0.3, 0.9, problem.n)
        direction = rng.standard_normal(problem.n)
        h = 1e-6
        difference = (
            problem.constraints(gates + h * direction)
            - problem.constraints(gates - h * direction)
        ) / (2 * h)
        assert np.asarray(problem.jacobian(gates)) @ direction == pytest.approx(
            difference, rel=1e-5
        )


def test_a_limit_that_the_network_does_not_keep() -> None:
    from optlab.adapters import pruning

    with pytest.raises(
        optlab.errors.OptionError, match="a larger limit, or a better trained network"
    ):
        pruning.LossBudget(model(), CE, data(), limit=0.01)


def test_a_training_that_fails_late_costs_no_network(monkeypatch: Any) -> None:
    found = search(refit=False)
    gradient = found.task.gradient

    def failing(x: Any, key: Any) -> Any:
        f, g = gradient(x, key)
        return (f, g) if len(found.trainings) < 2 else (f, np.full_like(g, np.nan))

    monkeypatch.setattr(found.task, "gradient", failing)
    result = optlab.minimize(found, method="bounded", max_eval=5)
    assert result.stop is optlab.StopReason.MAX_EVAL
    assert len(found.trainings) == 2
    assert found.best.objective == min(t.objective for t in found.trainings)
    wanted = found.best.weights.astype(np.float32)
    assert np.array_equal(found.task.vector().astype(np.float32), wanted)

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optlab
from optlab.errors import OptionError, ProblemError

torch: Any = pytest.importorskip("torch")

nn: Any = torch.nn
STATISTICS = ("batch", "alpha", "ema")


class Shared(nn.Module):  # type: ignore[misc]
    """One batch normalization in two places."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3)
        self.norm, self.head = nn.BatchNorm2d(4), nn.Linear(4, 3)
        self.drop = nn.Dropout(0.5)

    def forward(self, x: Any) -> Any:
        x = torch.relu(self.norm(self.first(x)))
        x = torch.tanh(self.norm(self.second(x)))
        return self.head(self.drop(x.mean(dim=(2, 3))))


def network(seed: int = 0, dtype: Any = torch.float64) -> Any:
    """Return a trained-looking network: scales, offsets and statistics that are not those of the start."""
    torch.manual_seed(seed)
    model = Shared().to(dtype)
    with torch.no_grad():
        model.norm.weight.uniform_(0.5, 1.5)
        model.norm.bias.uniform_(-0.5, 0.5)
        model.norm.running_mean.uniform_(-0.5, 0.5)
        model.norm.running_var.uniform_(0.5, 2.0)
        model.head.weight.mul_(4.0)
    return model


def batch(count: int = 12, seed: int = 1, dtype: Any = torch.float64) -> Any:
    generator = torch.Generator().manual_seed(seed)
    return 0.5 + 2 * torch.randn(count, 1, 8, 8, generator=generator, dtype=dtype)


def task(model: Any = None, inputs: Any = None, **more: Any) -> Any:
    from optlab.adapters import adaptation

    model = network() if model is None else model
    return adaptation.BNAdaptation(model, batch() if inputs is None else inputs, **more)


def everything(model: Any) -> list[Any]:
    """Return all that a model consists of, for comparison to the bit."""
    state = {name: value.clone() for name, value in model.state_dict().items()}
    flags = [(p.requires_grad, p.grad) for p in model.parameters()]
    modes = [m.training for m in model.modules()]
    own = [sorted(vars(m)) for m in model.modules()]
    return [state, flags, modes, own]


def same(one: list[Any], other: list[Any]) -> bool:
    return one[1:] == other[1:] and all(torch.equal(one[0][k], other[0][k]) for k in one[0])


@pytest.mark.parametrize("statistics", STATISTICS)
def test_the_gradient_is_that_of_the_values(statistics: str) -> None:
    made = task(statistics=statistics, alpha=0.3)
    x, h = made.vector(), 1e-6
    slopes = [
        (made.objective(x + h * e) - made.objective(x - h * e)) / (2 * h)
        for e in np.eye(made.n)
    ]
    assert np.linalg.norm(slopes) > 1e-3
    assert made.gradient(x) == pytest.approx(np.array(slopes), rel=1e-5, abs=1e-8)


def test_entropy_is_that_of_the_definition() -> None:
    from optlab.adapters import adaptation

    scores = torch.tensor([[0.0, 0.0, 0.0, 0.0], [1000.0, 0.0, 0.0, 0.0]])
    assert float(adaptation.entropy(scores)) == pytest.approx(0.5 * np.log(4.0))
    p = np.array([0.2, 0.3, 0.5])
    found = float(adaptation.entropy(torch.log(torch.from_numpy(p))[None]))
    assert found == pytest.approx(-(p * np.log(p)).sum(), rel=1e-12)


def by_hand(model: Any, x: Any, alpha: float) -> Any:
    """Compute the scores with numpy's means and variances."""
    norm = model.norm

    def normalized(z: Any) -> Any:
        values = z.detach().numpy()
        mean = alpha * values.mean(axis=(0, 2, 3)) + (1 - alpha) * norm.running_mean.numpy()
        variance = alpha * values.var(axis=(0, 2, 3)) + (1 - alpha) * norm.running_var.numpy()
        mean, variance = mean[:, None, None], variance[:, None, None]
        scale, offset = (p.detach().numpy()[:, None, None] for p in (norm.weight, norm.bias))
        return torch.from_numpy(scale * (values - mean) / np.sqrt(variance + norm.eps) + offset)

    with torch.no_grad():
        x = torch.relu(normalized(model.first(x)))
        x = torch.tanh(normalized(model.second(x)))
        return model.head(x.mean(dim=(2, 3)))


@pytest.mark.parametrize(
    ("statistics", "alpha", "weight"),
    [("batch", 0.1, 1.0), ("alpha", 1.0, 1.0), ("alpha", 0.3, 0.3), ("ema", 0.2, 0.2)],
)
def test_statistics_by_hand(statistics: str, alpha: float, weight: float) -> None:
    model = network()
    found = task(model, statistics=statistics, alpha=alpha).predict()
    torch.testing.assert_close(found, by_hand(model, batch(), weight), rtol=1e-10, atol=1e-10)


def test_no_weight_on_the_batch_is_evaluation_mode() -> None:
    model = network()
    found = task(model, statistics="alpha", alpha=0.0).predict()
    torch.testing.assert_close(found, model.eval()(batch()).detach())


def test_the_moving_average_takes_in_every_batch() -> None:
    model = network()
    made = task(model, statistics="ema", alpha=0.25)
    mean, variance = model.norm.running_mean.clone(), model.norm.running_var.clone()
    made.next_batch(batch())
    assert torch.equal(made.norms.state("norm")[0], mean)  # nothing was asked about the first
    made.objective(made.vector())
    seen: list[Any] = []
    hook = model.norm.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach()))
    made.next_batch(batch(seed=2))
    hook.remove()
    assert len(seen) == 2
    means = torch.stack([z.mean(dim=(0, 2, 3)) for z in seen]).mean(dim=0)
    variances = torch.stack([z.var(dim=(0, 2, 3), correction=0) for z in seen]).mean(dim=0)
    state = made.norms.state("norm")
    torch.testing.assert_close(state[0], 0.75 * mean + 0.25 * means)
    torch.testing.assert_close(state[1], 0.75 * variance + 0.25 * variances)
    assert torch.equal(model.norm.running_mean, mean)
    made.reset()
    assert torch.equal(made.norms.state("norm")[0], mean)


METHODS = {
    "adam": {"max_iter": 10, "learning_rate": 1e-2},
    "sgd": {"max_iter": 10},
    "zo-adam": {"max_iter": 20, "seed": 0},
    "spsa": {"max_iter": 40, "seed": 0},
    "zo": {"max_eval": 200, "seed": 0},
    "pasa": {},
}


@pytest.mark.parametrize("method", METHODS)
def test_every_method_lowers_the_entropy_and_reset_undoes_it_to_the_bit(method: str) -> None:
    model = network(dtype=torch.float32).train()
    before = everything(model)
    made = task(model, batch(dtype=torch.float32), bounds=0.2 if method == "pasa" else None)
    first = made.objective(made.vector())
    result = optlab.minimize(made, method=method, **METHODS[method])  # type: ignore[arg-type]
    assert result.fun < first - 1e-3
    assert made.objective(made.vector()) == pytest.approx(result.fun, rel=1e-4)
    assert not same(before, everything(model))
    made.reset()
    assert same(before, everything(model))


def test_methods_by_values_keep_no_activations() -> None:
    made = task()
    optlab.minimize(made, method="zo-adam", max_iter=2, seed=0)
    assert made.costs.forwards > 2
    assert (made.costs.backwards, made.costs.saved_bytes) == (0, 0)
    optlab.minimize(made, method="adam", max_iter=2, learning_rate=1e-3)
    assert made.costs.backwards >= 2
    assert made.costs.saved_bytes > batch().numel() * 8


@pytest.mark.parametrize("method", ["pasa", "npasa", "adam", "zo-adam"])
def test_the_box_is_kept_and_reached(method: str) -> None:
    made = task(bounds=0.05)
    theta0 = made.vector()
    more: dict[str, Any] = {} if "pasa" in method else {"max_iter": 30, "seed": 0}
    result = optlab.minimize(made, method=method, **more)
    moved = np.abs(result.x - theta0)
    assert moved.max() <= 0.05 + 1e-12
    assert np.abs(made.vector() - theta0).max() <= 0.05 + 1e-12
    if "pasa" in method:
        assert result.success
        assert moved.max() == pytest.approx(0.05)


def test_the_box_of_a_stream_is_around_the_source_or_the_start() -> None:
    for anchored, furthest in ((True, 0.05), (False, 0.1)):
        made = task(bounds=0.05, anchored=anchored)
        theta0 = made.vector()
        for seed in (1, 2):
            made.next_batch(batch(seed=1))
            optlab.minimize(made, method="pasa", seed=seed)
        reached = np.abs(made.vector() - theta0).max()
        assert reached <= furthest + 1e-12
        assert anchored or reached > 0.05 + 1e-6


def test_a_function_of_scores_as_objective() -> None:
    made = task(objective=lambda scores: (scores**2).mean())
    expected = float((made.predict() ** 2).mean())
    assert made.objective(made.vector()) == pytest.approx(expected)


def test_bad_input_is_named() -> None:
    plain = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    with pytest.raises(ProblemError, match="Sequential has no batch normalization"):
        task(plain)
    with pytest.raises(ProblemError, match="no samples"):
        task(inputs=batch(0))
    with pytest.raises(ProblemError, match="one sample"):
        task(inputs=batch(1))
    assert task(inputs=batch(1), statistics="alpha").predict().shape == (1, 3)
    with pytest.raises(ProblemError, match="model is a int"):
        task(3)
    for wrong in (
        {"statistics": "all"},
        {"alpha": 1.5},
        {"bounds": 0.0},
        {"objective": "loss"},
    ):
        with pytest.raises(OptionError, match=next(iter(wrong))):
            task(**wrong)


def test_normalizations_that_lack_something_are_named() -> None:
    def stack(**norm: Any) -> Any:
        return nn.Sequential(
            nn.Flatten(), nn.BatchNorm1d(64, **norm), nn.Linear(64, 3)
        ).double()

    with pytest.raises(ProblemError, match=r"normalization 1 tracks no statistics"):
        task(stack(track_running_stats=False), statistics="ema")
    bare = task(stack(affine=False))
    assert bare.predict().shape == (12, 3)
    with pytest.raises(ProblemError, match="nothing to optimize"):
        optlab.minimize(bare, method="adam")
    with pytest.raises(ProblemError, match=r"shape \(12, 64\)|K >= 2"):
        task(nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(0)).double()).predict()


def test_a_failing_forward_leaves_no_trace() -> None:
    model = network().train()
    before = everything(model)
    made = task(model, torch.zeros(4, 2, 8, 8))
    with pytest.raises(RuntimeError):
        made.predict()
    assert same(before, everything(model))

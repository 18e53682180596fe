"""Values of displaced networks: pure, exact, the same with and without reuse, batching, processes and ranks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from networks import Branching, Deadly, ResNet, Tied, data, loss, mlp

import optlab
from optlab.adapters import TrainingTask
from optlab.core.shifts import CoordinateShifts, DenseShifts
from optlab.core.workers import Workers
from optlab.errors import OptionError, OptlabWarning, ProblemError

nn = torch.nn


def everywhere(n: int, step: float = 5e-3) -> CoordinateShifts:
    return CoordinateShifts(n, np.arange(n), np.full(n, step))


def task(model: Any, samples: Any, **more: Any) -> Any:
    torch.manual_seed(1)
    return TrainingTask(model, loss, samples, batch_size=8, **more)


def models() -> dict[str, Any]:
    torch.manual_seed(0)
    images, rows = data(16, 1, 6, 6), data(16, 6)
    conv = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 3)
    )
    return {
        "mlp": (mlp(6, 5, 4, 3), rows),
        "conv": (conv, images),
        "resnet": (ResNet(), images),
        "tied": (Tied(), rows),
        "branching": (Branching(), rows),
        "in place": (
            nn.Sequential(nn.Linear(6, 5), nn.ReLU(inplace=True), nn.Linear(5, 3)),
            rows,
        ),
        "dropout": (nn.Sequential(nn.Linear(6, 9), nn.Dropout(0.5), nn.Linear(9, 3)), rows),
    }


NAMES = list(models())


def by_hand(model: Any, samples: Any, x: Any, key_rows: Any) -> float:
    """Evaluate the loss at a point with torch alone, batch statistics in use."""
    nn.utils.vector_to_parameters(torch.tensor(x, dtype=torch.float32), model.parameters())
    with torch.no_grad():
        return float(loss(model(samples[0][key_rows]), samples[1][key_rows]))


@pytest.mark.parametrize("name", ["mlp", "conv", "resnet"])
def test_values_are_those_of_torch(name: str) -> None:
    model, samples = models()[name]
    t = task(model, samples)
    x = t.vector()
    n = t.n
    shifts = CoordinateShifts(
        n, np.array([0, n // 2, n - 1, 3]), np.array([0.3, -0.2, 0.1, 0.0])
    )
    found = t.values(x, shifts, 1, None)
    rows = np.random.default_rng([0, 0]).permutation(16)[8:]
    model.train()
    expected = [by_hand(model, samples, p, rows) for p in shifts.points(x)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_reuse_is_exact_to_the_bit(name: str) -> None:
    model, samples = models()[name]
    reused = task(model, samples, batched=False)
    plain = task(model, samples, reuse=False, batched=False)
    x = reused.vector()
    for key in (0, 1, None):
        a = reused.values(x, everywhere(reused.n), key, None)
        b = plain.values(x, everywhere(reused.n), key, None)
        np.testing.assert_array_equal(a, b)
        assert len(np.unique(a)) > 5


def test_reuse_starts_late() -> None:
    """Displacing the head of a residual network runs the stem not once more than the base pass."""
    model, samples = models()["resnet"]
    t = task(model, samples, batched=False)
    x = t.vector()
    t.values(x, everywhere(t.n), 0, None)  # finds the stages
    head = next(b for b in t.blocks if b.name == "head.weight")
    calls = 0

    def count(*_: Any) -> None:
        nonlocal calls
        calls += 1

    model.stem.register_forward_hook(count)
    index = np.arange(head.start, head.stop)
    t.values(x, CoordinateShifts(t.n, index, np.full(index.size, 0.1)), 0, None)
    assert calls <= 1
    assert "passes start at" in t.split


def test_what_cannot_be_cut_says_why() -> None:
    model, samples = models()["branching"]
    assert "as a whole" in task(model, samples).split
    model, samples = models()["tied"]
    t = task(model, samples)
    t.values(t.vector(), everywhere(t.n), 0, None)
    for stages, words in (
        ([nn.Linear(6, 3)], "the stages are not the model"),
        ([3], "list of modules"),
    ):
        wrong = task(mlp(6, 5, 3), data(16, 6), stages=stages)
        x, shifts = wrong.vector(), everywhere(wrong.n)
        with pytest.raises(OptionError, match=words):
            wrong.values(x, shifts, 0, None)


class Borrowing(nn.Module):  # type: ignore[misc, name-defined]
    """Uses a weight of a later layer, unseen by registration, derivative and trace."""

    def __init__(self, lender: Any) -> None:
        super().__init__()
        self.own, self.lenders = nn.Linear(6, 6), [lender]

    def forward(self, x: Any) -> Any:
        return self.own(x) + self.lenders[0].weight.detach().sum()


@pytest.mark.parametrize("given", [False, True], ids=["traced", "stages"])
def test_a_parameter_that_an_earlier_stage_uses_in_secret_is_found_out(given: bool) -> None:
    torch.manual_seed(0)
    head = nn.Linear(6, 3)
    model = nn.Sequential(nn.Linear(6, 6), Borrowing(head), nn.Linear(6, 6), head)
    stages = list(model) if given else None
    reused = task(model, data(16, 6), batched=False, stages=stages)
    plain = task(model, data(16, 6), batched=False, reuse=False)
    x = reused.vector()
    np.testing.assert_array_equal(
        reused.values(x, everywhere(reused.n), 0, None),
        plain.values(x, everywhere(reused.n), 0, None),
    )
    np.testing.assert_array_equal(reused.vector(), x)
    assert reused.split.endswith("start at 0, 1") if given else "as a whole" in reused.split


def test_buffers_that_a_forward_writes_to_are_put_back_when_batching_fails() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(6, 6), nn.utils.spectral_norm(nn.Linear(6, 6)), nn.Linear(6, 3)
    )
    before = {k: v.clone() for k, v in model.state_dict().items()}
    t = task(model, data(16, 6))
    with pytest.warns(OptlabWarning, match="one by one"):
        found = t.values(t.vector(), everywhere(t.n), 0, None)
    exact = task(model, data(16, 6), batched=False)
    np.testing.assert_allclose(
        found, exact.values(t.vector(), everywhere(t.n), 0, None), rtol=1e-6
    )
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_a_forward_that_torch_would_loop_over_is_not_batched_unless_asked() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.utils.parametrizations.weight_norm(nn.Linear(6, 6)), nn.Tanh(), nn.Linear(6, 3)
    )
    t = task(model, data(16, 6))
    with pytest.warns(OptlabWarning, match="performance drop"):
        found = t.values(t.vector(), everywhere(t.n), 0, None)
    asked = task(model, data(16, 6), batched=True)
    np.testing.assert_allclose(
        asked.values(t.vector(), everywhere(t.n), 0, None), found, rtol=2e-6
    )


def test_the_users_stages_are_used() -> None:
    model = ResNet()
    stages = [
        model.stem,
        model.norm,
        torch.relu,
        model.blocks,
        lambda y: y.mean((2, 3)),
        model.head,
    ]
    samples = data(16, 1, 6, 6)
    t, plain = (
        task(model, samples, stages=stages),
        task(model, samples, reuse=False, batched=False),
    )
    x = t.vector()
    np.testing.assert_allclose(
        t.values(x, everywhere(t.n), 0, None),
        plain.values(x, everywhere(t.n), 0, None),
        rtol=1e-5,
    )
    assert t.split.startswith("7 stages")


@pytest.mark.parametrize("name", ["mlp", "conv", "resnet", "tied"])
def test_batched_forwards_agree_to_rounding(name: str) -> None:
    model, samples = models()[name]
    many, one = task(model, samples, batched=True), task(model, samples, batched=False)
    x = many.vector()
    a = many.values(x, everywhere(many.n), 0, None)
    b = one.values(x, everywhere(many.n), 0, None)
    np.testing.assert_allclose(a, b, rtol=2e-6)
    assert np.abs(b - b[0]).max() > 1e-4


def test_random_networks_are_not_batched_and_stay_pure() -> None:
    model, samples = models()["dropout"]
    t = task(model, samples)
    x, shifts = t.vector(), everywhere(t.n)
    first = t.values(x, shifts, 3, None)
    torch.rand(5)
    np.testing.assert_array_equal(first, t.values(x, shifts, 3, None))
    assert not np.array_equal(first, t.values(x, shifts, 5, None))


def test_a_point_is_put_back_to_the_bit() -> None:
    model, samples = models()["resnet"]
    t = task(model, samples, batched=False)
    x = t.vector()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    t.values(x, everywhere(t.n), 0, None)
    t.values(x, DenseShifts(np.full((2, t.n), 0.1)), 1, None)
    for k, v in model.state_dict().items():
        assert torch.equal(v, before[k]), k
    assert model.norm.track_running_stats


def test_frozen_parameters_are_no_variables() -> None:
    model = mlp(6, 5, 3)
    model[0].weight.requires_grad_(False)
    t = task(model, data(16, 6))
    assert t.n == 5 + 15 + 3
    assert [b.name for b in t.blocks] == ["0.bias", "2.weight", "2.bias"]
    assert [b.prunable for b in t.blocks] == [False, True, False]


def test_losses_that_are_not_finite_are_nan() -> None:
    def odd(output: Any, target: Any) -> Any:
        value = loss(output, target)
        return value / 0.0 if output[0, 0] > 1.0 else value

    model = mlp(6, 3)
    t = TrainingTask(model, odd, data(16, 6), batch_size=16, batched=False)
    x = np.zeros(t.n)
    bias = t.blocks[1].start
    found = t.values(
        x, CoordinateShifts(t.n, np.array([bias, bias]), np.array([0.5, 2.0])), 0, None
    )
    assert np.isfinite(found[0])
    assert np.isnan(found[1])


def test_the_gradient_is_that_of_differences() -> None:
    model, samples = models()["conv"]
    t = TrainingTask(model.double(), loss, (samples[0].double(), samples[1]), batch_size=8)
    x = t.vector()
    f, g = t.gradient(x, 1)
    h = 1e-6
    up, down = (
        t.values(x, everywhere(t.n, h), 1, None),
        t.values(x, everywhere(t.n, -h), 1, None),
    )
    np.testing.assert_allclose((up - down) / (2 * h), g, atol=1e-6)
    assert f == pytest.approx(
        t.values(x, CoordinateShifts(t.n, np.zeros(1, int), np.zeros(1)), 1, None)[0]
    )


# Processes ----------------------------------------------------------------------------------------


def test_processes_give_the_same_bits() -> None:
    model, samples = models()["resnet"]
    t = task(model, samples)
    x = t.vector()
    dense = DenseShifts(1e-2 * np.random.default_rng(0).standard_normal((9, t.n)))
    with Workers(2) as workers:
        for key, shifts in ((0, everywhere(t.n)), (1, everywhere(t.n)), (1, dense)):
            np.testing.assert_array_equal(
                t.values(x, shifts, key, workers), t.values(x, shifts, key, None)
            )
        moved = x + 0.1
        np.testing.assert_array_equal(
            t.values(moved, everywhere(t.n), 0, workers),
            t.values(moved, everywhere(t.n), 0, None),
        )


@pytest.mark.parametrize("own", [True, False], ids=["our workers", "a pool of the user"])
def test_a_worker_killed_in_the_middle_of_a_step_costs_no_value(
    tmp_path: Any, own: bool
) -> None:
    """kill -9 while it evaluates: the values are those of an undisturbed run."""
    bullets = tmp_path / "bullets"
    bullets.write_text("")
    t = task(Deadly(str(bullets)), data(16, 6), batched=False, reuse=False)
    x, shifts = t.vector(), everywhere(t.n)
    expected = t.values(x, shifts, 0, None)
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    pool: Any = Workers(2) if own else ProcessPoolExecutor(2, mp_context=get_context("spawn"))
    with pool:
        with pytest.warns(OptlabWarning, match="a worker died"):
            found = t.values(x, shifts, 0, pool)
        np.testing.assert_array_equal(found, expected)
        assert not bullets.exists()
        if own:
            np.testing.assert_array_equal(
                t.values(x, shifts, 1, pool), t.values(x, shifts, 1, None)
            )


def test_a_task_that_cannot_travel_says_so() -> None:
    t = TrainingTask(mlp(6, 3), lambda o, y: 2.0 * loss(o, y), data(16, 6), batch_size=8)
    with (
        Workers(1) as workers,
        pytest.raises(ProblemError, match="cannot be sent to other processes"),
    ):
        t.values(t.vector(), everywhere(t.n), 0, workers)


def train(executor: Any) -> Any:
    torch.manual_seed(3)
    t = TrainingTask(mlp(6, 4, 3), loss, data(32, 6), batch_size=8)
    given: dict[str, Any] = {"estimator": optlab.zo.CGE(), "learning_rate": 0.1, "max_iter": 5}
    return optlab.minimize(t, method="zo-sgd", seed=0, executor=executor, **given)


def test_a_run_does_not_depend_on_the_number_of_processes() -> None:
    alone, two = train(None), train(2)
    np.testing.assert_array_equal(alone.x, two.x)
    assert alone.evaluations == two.evaluations


def test_ranks_make_the_same_steps(tmp_path: Any) -> None:
    """Two ranks of gloo, each with half of the evaluations, end where one process does, to the bit."""
    import ranks

    ranks.spawn(str(tmp_path))
    alone = train(None).x
    for rank in (0, 1):
        np.testing.assert_array_equal(np.load(tmp_path / f"{rank}.npy"), alone)


def test_a_group_without_torch_distributed_is_refused() -> None:
    t = task(mlp(6, 3), data(16, 6), group=object())
    with pytest.raises(OptionError, match="init_process_group"):
        t.values(t.vector(), everywhere(t.n), 0, None)

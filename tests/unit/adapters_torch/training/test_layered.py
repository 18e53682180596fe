"""Many displacements of one layer in one forward: the values of the plain loop, to rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from networks import Residual, ResNet, Tied, data, loss, mlp

from optlab.adapters import TrainingTask
from optlab.core.shifts import CoordinateShifts
from optlab.errors import OptlabWarning
from optlab_adapters.torch.training import batched, engine, layered
from optlab_adapters.torch.training.calls import direct, is_plain, opened

nn = torch.nn


def networks() -> dict[str, tuple[Any, tuple[int, ...]]]:
    """Networks, and the shape of their inputs."""
    torch.manual_seed(0)
    return {
        "dense": (mlp(6, 5, 4, 3), (6,)),
        "head only": (nn.Linear(6, 3), (6,)),
        "overwriting": (
            nn.Sequential(nn.Linear(6, 5), nn.ReLU(inplace=True), nn.Linear(5, 3, bias=False)),
            (6,),
        ),
        "norms": (
            nn.Sequential(
                nn.Linear(6, 5),
                nn.BatchNorm1d(5),
                nn.GELU(),
                nn.Linear(5, 4),
                nn.LayerNorm(4),
                nn.Linear(4, 3),
            ),
            (6,),
        ),
        "convolutions": (
            nn.Sequential(
                nn.Conv2d(2, 4, 3, padding=1, stride=2),
                nn.BatchNorm2d(4),
                nn.ReLU(),
                nn.MaxPool2d(2),
                nn.Conv2d(4, 6, 3, padding="same", padding_mode="circular", dilation=2),
                nn.SiLU(),
                nn.Flatten(),
                nn.Linear(54, 3),
            ),
            (2, 12, 12),
        ),
        "groups": (
            nn.Sequential(
                nn.Conv2d(2, 4, (3, 2), groups=2, padding=(0, 1), dilation=(1, 2), bias=False),
                nn.Conv2d(4, 8, 3, groups=4),
                nn.AdaptiveAvgPool2d(1),
                nn.Flatten(),
                nn.Linear(8, 3),
            ),
            (2, 8, 8),
        ),
        "sequences": (
            nn.Sequential(
                nn.Conv1d(2, 4, 3, padding=1, padding_mode="reflect"),
                nn.AvgPool1d(2),
                nn.Conv1d(4, 3, 3),
                nn.Flatten(),
                nn.Linear(6, 3),
            ),
            (2, 8),
        ),
        "residual": (
            nn.Sequential(
                nn.Conv2d(2, 4, 3),
                nn.BatchNorm2d(4),
                nn.ReLU(),
                Residual(4),
                Residual(4),
                nn.AdaptiveAvgPool2d(2),
                nn.Flatten(),
                nn.Linear(16, 3),
            ),
            (2, 8, 8),
        ),
        "traced": (ResNet(), (1, 6, 6)),
        "tokens": (
            nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Flatten(), nn.Linear(20, 3)),
            (4, 6),
        ),
    }


UNKNOWN = {"norms": 2, "residual": 12, "traced": 12, "tokens": 2}
"""How many tensors belong to layers whose changes are not known: inside residual blocks, for instance."""


def shifts_of(task: Any) -> CoordinateShifts:
    step = np.random.default_rng(1).choice([-1.0, 1.0], task.n) * 0.05
    return CoordinateShifts(task.n, np.arange(task.n), step)


def both(model: Any, samples: Any, judge: Any = loss, **more: Any) -> tuple[Any, Any, Any]:
    """Return a task that evaluates many at once, its values, and those of the plain loop."""
    given = {"batch_size": 8, **more}
    many = TrainingTask(model, judge, samples, batched=True, **given)
    one = TrainingTask(model, judge, samples, batched=False, reuse=False, **given)
    x, shifts = many.vector(), shifts_of(many)
    return many, many.values(x, shifts, 0, None), one.values(x, shifts, 0, None)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether the layer was known, for every call."""
    calls: list[bool] = []
    original = layered.Layered.values

    def values(*given: Any) -> Any:
        found = original(*given)
        calls.append(found is not None)
        return found

    monkeypatch.setattr(layered.Layered, "values", values)
    return calls


@pytest.mark.parametrize("training", [True, False], ids=["batch statistics", "evaluation"])
@pytest.mark.parametrize("name", list(networks()))
def test_values_are_those_of_the_plain_loop(
    name: str, training: bool, counted: list[bool]
) -> None:
    model, shape = networks()[name]
    inputs, targets = data(8, *shape)
    for dtype, tolerance in ((torch.float64, 1e-13), (torch.float32, 2e-6)):
        counted.clear()
        samples = inputs.to(dtype), targets
        _, found, expected = both(model.to(dtype), samples, training=training)
        np.testing.assert_allclose(found, expected, rtol=tolerance)
        assert np.ptp(expected) > 1e-3
        assert counted.count(False) == UNKNOWN.get(name, 0)


class Functional(nn.Module):  # type: ignore[misc, name-defined]
    """A network as many write it: layers as modules, all else as calls."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)
        self.more, self.head = nn.Conv2d(4, 4, 1), nn.Linear(16, 3)

    def forward(self, x: Any) -> Any:
        f = nn.functional
        y = f.max_pool2d(f.leaky_relu(self.norm(self.conv(x)), 0.2), 2, stride=1)
        y = f.avg_pool2d(f.gelu(self.more(y).tanh(), approximate="tanh"), 2, stride=2)
        return self.head(torch.flatten(f.adaptive_avg_pool2d(torch.relu(y), 2), 1))


def test_calls_that_are_modules_become_stages(counted: list[bool]) -> None:
    torch.manual_seed(0)
    model = Functional().double()
    inputs, targets = data(8, 1, 9, 9)
    many, found, expected = both(model, (inputs.double(), targets))
    np.testing.assert_allclose(found, expected, rtol=1e-13)
    assert counted == [True] * 8
    kinds = [type(stage).__name__ for stage in many._engine.split(many.vector()).chain.stages]
    wanted = "Conv2d BatchNorm2d LeakyReLU MaxPool2d Conv2d Tanh GELU AvgPool2d ReLU AdaptiveAvgPool2d Flatten Linear"
    assert kinds == wanted.split()


class Pooling(nn.Module):  # type: ignore[misc, name-defined]
    """Flattens the samples as well, which mixes them."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(6, 4), nn.Linear(32, 24)

    def forward(self, x: Any) -> Any:
        return self.two(torch.flatten(torch.tanh(self.one(x)))).view(8, 3)


def test_samples_that_are_mixed() -> None:
    torch.manual_seed(0)
    inputs, targets = data(8, 6)
    _, found, expected = both(Pooling().double(), (inputs.double(), targets))
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def squares(output: Any, target: Any) -> Any:
    return ((output - nn.functional.one_hot(target, 3)) ** 2).mean()


@pytest.mark.parametrize(
    "judge",
    [
        loss,
        nn.CrossEntropyLoss(),
        nn.CrossEntropyLoss(label_smoothing=0.1, ignore_index=1),
        nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64)),
        nn.CrossEntropyLoss(reduction="sum"),
        squares,
    ],
    ids=["function", "module", "smoothed", "weighted", "sum", "squares"],
)
def test_losses(judge: Any) -> None:
    inputs, targets = data(8, 6)
    _, found, expected = both(mlp(6, 5, 3).double(), (inputs.double(), targets), judge)
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_samples_that_do_not_count_leave_nan() -> None:
    judge = nn.CrossEntropyLoss(ignore_index=1)
    inputs, _ = data(8, 6)
    _, found, expected = both(mlp(6, 5, 3), (inputs, torch.ones(8, dtype=torch.long)), judge)
    assert np.isnan(found).all()
    assert np.isnan(expected).all()


def test_losses_that_are_not_finite_are_nan_and_the_others_values() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 3)).double()
    inputs, targets = data(8, 3)
    many = TrainingTask(model, loss, (inputs.double(), targets), batch_size=8, batched=True)
    x = many.vector()
    index = np.array([6, 6, 7])  # of the first bias
    shifts = CoordinateShifts(many.n, index, np.array([np.inf, 0.5, 0.25]))
    found = many.values(x, shifts, 0, None)
    one = TrainingTask(model, loss, (inputs.double(), targets), batch_size=8, batched=False)
    np.testing.assert_allclose(found, one.values(x, shifts, 0, None), rtol=1e-13)
    assert np.isnan(found).tolist() == [True, False, False]


def test_a_point_that_is_not_finite_is_left_to_the_other_ways(counted: list[bool]) -> None:
    model = mlp(3, 2, 3)
    inputs, targets = data(8, 3)
    inputs[0, 0] = torch.inf
    _, found, expected = both(model, (inputs, targets))
    np.testing.assert_allclose(found, expected, rtol=2e-6)
    assert counted[0] is False


class Penalized(nn.Module):  # type: ignore[misc, name-defined]
    """Cross entropy and a penalty on the first weight, out of sight of derivatives."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layers = [layer]

    def forward(self, output: Any, target: Any) -> Any:
        return loss(output, target) + 1e-3 * self.layers[0].weight.detach().square().sum()


def test_a_loss_that_uses_the_weights_is_noticed(counted: list[bool]) -> None:
    model = mlp(6, 5, 3).double()
    inputs, targets = data(8, 6)
    _, found, expected = both(model, (inputs.double(), targets), Penalized(model[0]))
    np.testing.assert_allclose(found, expected, rtol=1e-13)
    assert counted.count(False) == 1


def test_a_weight_used_twice_is_no_layers_own(counted: list[bool]) -> None:
    inputs, targets = data(8, 6)
    _, found, expected = both(Tied().double(), (inputs.double(), targets))
    np.testing.assert_allclose(found, expected, rtol=1e-13)
    assert not any(counted)


def test_a_layer_with_a_hook_is_called_as_it_is(counted: list[bool]) -> None:
    model = mlp(6, 5, 3).double()
    model[2].register_forward_hook(lambda _module, _inputs, output: output.square())
    inputs, targets = data(8, 6)
    _, found, expected = both(model, (inputs.double(), targets))
    np.testing.assert_allclose(found, expected, rtol=1e-13)
    assert counted == [True, True, False, False]


def test_the_parameters_are_put_back_to_the_bit() -> None:
    model, shape = networks()["convolutions"]
    before = {k: v.clone() for k, v in model.state_dict().items()}
    both(model, data(8, *shape))
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_what_cannot_be_batched_after_a_known_layer_is_evaluated_one_by_one() -> None:
    class Choosing(nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x: Any) -> Any:
            return x if x.sum() > 0 else -x

    model = nn.Sequential(nn.Linear(6, 5), Choosing(), nn.Linear(5, 3))
    samples = data(8, 6)
    given: dict[str, Any] = {"batch_size": 8}
    auto = TrainingTask(model, loss, samples, **given)
    one = TrainingTask(model, loss, samples, batched=False, reuse=False, **given)
    with pytest.warns(OptlabWarning, match="one by one"):
        found = auto.values(auto.vector(), shifts_of(auto), 0, None)
    np.testing.assert_array_equal(found, one.values(one.vector(), shifts_of(one), 0, None))


def test_networks_in_one_call_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """No tensor of the features holds more numbers than were said to be at once in memory."""
    most = 2000
    monkeypatch.setattr(engine, "NUMBERS", most)
    sizes: list[int] = []

    class Watching(nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x: Any) -> Any:
            # Under vmap a tensor says its size for one network.
            unwrapped = (
                torch._C._functorch.get_unwrapped(x)
                if torch._C._functorch.is_batchedtensor(x)
                else x
            )
            sizes.append(unwrapped.numel())
            return x.clone()

    model = nn.Sequential(
        nn.Linear(6, 9), nn.Tanh(), nn.Linear(9, 7), Watching(), nn.Linear(7, 3)
    )
    many, found, expected = both(model, data(8, 6))
    np.testing.assert_allclose(found, expected, rtol=2e-6)
    assert 8 * 7 < max(sizes) <= most
    assert sum(size > 8 * 7 for size in sizes) > many.n * 56 // most


def test_the_size_decides_unasked() -> None:
    """Known layers are batched up to larger sizes than others; larger networks are evaluated exactly."""
    inputs, targets = data(300, 40)
    for model, known in (
        (mlp(40, 200, 3), True),
        (nn.Sequential(mlp(40, 200, 3), nn.LayerNorm(3)), True),
    ):
        task = TrainingTask(model, loss, (inputs, targets), batch_size=300)
        engine = task._engine
        chain = engine.split(task.vector()).chain
        batch, seed = next(engine.batches(0))
        with (
            engine.network.held_still(),
            torch.no_grad(),
            engine._base(chain, batch, seed) as base,
        ):
            size = batched.features(base, 0)
            assert batched.SMALL < size <= batched.MEDIUM
            assert (engine.together(base, 0) > 1) == known


def test_calls_without_detour() -> None:
    plain, hooked = nn.Linear(2, 2), nn.Linear(2, 2)
    hooked.register_forward_pre_hook(lambda _module, given: given)
    assert direct(plain) == plain.forward
    assert direct(hooked) is hooked
    assert direct(loss) is loss
    replaced = nn.Linear(2, 2)
    replaced.forward = lambda x: x
    assert not is_plain(replaced)
    inner = nn.Sequential(plain, hooked)
    assert opened(nn.Sequential(inner, replaced)) == [plain, hooked, replaced]
    inner.register_forward_hook(lambda _module, _given, output: output)
    assert opened(nn.Sequential(inner, replaced)) == [inner, replaced]

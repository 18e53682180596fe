"""Packed networks equal the torch modules that they were made of."""

from __future__ import annotations

import copy
import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optlab.adapters import pruning
from optlab.errors import CapabilityError, ProblemError

torch: Any = pytest.importorskip("torch")
made: Any = pytest.importorskip("ternary_networks")
nn: Any = torch.nn
pytestmark = pytest.mark.torch


def equal(network: Any, model: Any, x: Any) -> None:
    with torch.no_grad():
        expected = model(x)
    packed = network(x)
    assert packed.dtype == torch.float32
    torch.testing.assert_close(packed, expected, rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(network(x.numpy()), packed.numpy())


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    sizes=st.tuples(st.integers(1, 150), st.integers(1, 70), st.integers(1, 9)),
    samples=st.sampled_from([1, 2, 9, 70]),
    binary=st.booleans(),
    density=st.sampled_from([0.0, 0.1, 0.7]),
)
def test_vectors(
    seed: int, sizes: tuple[int, int, int], samples: int, binary: bool, density: float
) -> None:
    torch.manual_seed(seed)
    activation = made.OwnSign() if binary else nn.ReLU()
    model = nn.Sequential(
        nn.Linear(sizes[0], sizes[1]), activation, nn.Linear(sizes[1], sizes[2], bias=False)
    )
    made.make_ternary(model, seed, density)
    network = pruning.pack(model, sign_modules=(made.OwnSign,))
    equal(network, model, torch.randn(samples, sizes[0]))


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    groups=st.integers(1, 3),
    channels=st.tuples(st.integers(1, 5), st.integers(1, 4)),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 4)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 2)),
    padding=st.tuples(st.integers(0, 2), st.integers(0, 3)),
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    samples=st.integers(1, 3),
    signed=st.booleans(),
)
def test_convolutions(seed: int, samples: int, signed: bool, **options: Any) -> None:
    """Against torch's own convolution; with signs, the padding is zero and has no sign."""
    groups, channels = options.pop("groups"), options.pop("channels")
    torch.manual_seed(seed)
    layer = nn.Conv2d(
        groups * channels[0],
        groups * channels[1],
        options.pop("kernel"),
        groups=groups,
        **options,
    )
    made.make_ternary(layer, seed, 0.5)
    before = made.OwnSign() if signed else nn.Identity()
    model = nn.Sequential(before, layer)
    x = torch.randn(samples, groups * channels[0], 9, 8)
    if seed % 2:
        x[torch.rand_like(x) < 0.2] = 0.0
    network = pruning.pack(model, sign_modules=(made.OwnSign,))
    assert network.layers["1"].signed == signed
    equal(network, model, x)


@pytest.mark.parametrize("channels", [3, 64])
def test_signs_that_are_plus_one_at_zero(channels: int) -> None:
    """After a ReLU half of the values are zero; the zeros of the padding stay zero."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.ReLU(),
        pruning.SignActivation(),
        nn.Conv2d(channels, channels, 3, padding=1),
        nn.ReLU(),
        pruning.SignActivation(),
        nn.Flatten(),
        nn.Linear(channels * 20, 3),
    )
    network = pruning.pack(made.make_ternary(model, 0))
    assert [layer.signed for layer in network.layers.values()] == [True, True]
    equal(network, model, torch.randn(3, channels, 4, 5))


@pytest.mark.parametrize("channels", [64, 128])
@pytest.mark.parametrize("groups", [1, 2])
def test_convolutions_of_whole_words_of_channels(
    channels: int, groups: int, tmp_path: Path
) -> None:
    """Signs are packed by pixel, and columns have another order, also in files."""
    pytest.importorskip("safetensors")
    torch.manual_seed(0)
    layer = nn.Conv2d(groups * channels, 2 * groups, (3, 2), 2, (2, 1), (1, 2), groups)
    model = nn.Sequential(made.OwnSign(), nn.MaxPool2d(2, 1), made.make_ternary(layer, 1, 0.3))
    x = torch.randn(3, groups * channels, 9, 8)
    x[torch.rand_like(x) < 0.2] = 0.0
    network = pruning.pack(model, sign_modules=(made.OwnSign,))
    assert network.layers["2"].pixelwise
    assert network.memory().weight_ratio == 16.0
    equal(network, model, x)
    network.save(tmp_path)
    np.testing.assert_array_equal(
        pruning.PackedNetwork.load(tmp_path)(x.numpy()), network(x.numpy())
    )


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("samples", [1, 5])
def test_an_image_network(binary: bool, samples: int) -> None:
    activation = made.OwnSign() if binary else nn.ReLU()
    model = made.image_network(activation)
    network = pruning.pack(model, sign_modules=(made.OwnSign,))
    equal(network, model, torch.randn(samples, 3, 16, 16))
    assert not any(step.path == "1" for step in network.steps)  # folded into the convolution
    signs = [step for step in network.steps if step.operation == "sign"]
    assert len(signs) == (1 if binary else 0)  # only the one that is pooled is computed


def test_large_convolutions_are_done_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    from optlab_adapters.pruning.packed import layers

    monkeypatch.setattr(layers, "PATCH_FLOATS", 3000)
    model = made.image_network(nn.ReLU())
    equal(pruning.pack(model), model, torch.randn(7, 3, 16, 16))


class Functions(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1)
        self.tied = nn.Linear(4, 4)
        self.head = nn.Linear(4, 2)

    def forward(self, x: Any) -> Any:
        f = nn.functional
        x = f.max_pool2d(f.relu(self.conv(x)), 2)
        x = f.avg_pool2d(x, 2, stride=1, padding=1)
        x = f.hardtanh(f.adaptive_avg_pool2d(x, 2), -2.0, 2.0).mean(dim=(2, 3))
        x = torch.add(self.tied(x).relu(), x)
        x = torch.sign(self.tied(x))
        return self.head(torch.flatten(x, 1))


def test_functions_methods_and_shared_layers() -> None:
    torch.manual_seed(1)
    model = made.make_ternary(Functions(), 1, 0.6)
    network = pruning.pack(model)
    equal(network, model, torch.randn(3, 2, 8, 8))
    assert len(network.layers) == 3
    assert network.memory().weights == 4 * 18 + 16 + 8


def test_three_dimensional_inputs_of_a_linear_layer_and_its_norm() -> None:
    """The norm's channels are the second axis, not those of the Linear."""
    model = made.make_ternary(nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6)), 0)
    equal(pruning.pack(model), model, torch.randn(2, 6, 5))
    equal(pruning.pack(model), model, torch.randn(4, 5))


def test_weights_that_are_given_and_modules_with_a_forward_of_their_own() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(made.MaskedLinear(70, 8), nn.ReLU(), made.MaskedLinear(8, 3)).eval()
    with pytest.raises(CapabilityError, match=r"0 is a MaskedLinear.*weights="):
        pruning.pack(model)
    weights = {
        path: pruning.TernaryWeight(model[int(path)].mask(), model[int(path)].weight, 0.3)
        for path in ("0", "2")
    }
    network = pruning.pack(model, weights=weights)
    equal(network, model, torch.randn(5, 70))


def test_masks_in_torchs_own_form() -> None:
    """torch.nn.utils.prune leaves a weight that is stale until the next forward."""
    torch.manual_seed(0)
    layer = nn.Linear(40, 3)
    layer.weight.data = 0.2 * layer.weight.data.sign()
    prune = importlib.import_module("torch.nn.utils.prune")
    prune.random_unstructured(layer, "weight", amount=0.5)
    model = nn.Sequential(layer).eval()
    with torch.no_grad():
        layer.weight_mask[:, :20] = 0.0
    network = pruning.pack(model)
    equal(network, model, torch.randn(2, 40))
    assert network.memory().kept == int(layer.weight_mask.sum())


def test_dense_layers_are_refused_or_kept() -> None:
    torch.manual_seed(0)
    model = made.make_ternary(made.image_network(nn.ReLU()), 0)
    with torch.no_grad():
        model[0].weight.normal_()
    with pytest.raises(ProblemError, match="the weights of 0 are not gain"):
        pruning.pack(model)
    network = pruning.pack(model, keep_dense=True)
    equal(network, model, torch.randn(2, 3, 16, 16))
    assert (
        network.memory().weights
        == pruning.pack(made.image_network(nn.ReLU())).memory().weights - 600
    )


def test_memory_is_sixteenfold_for_whole_words() -> None:
    model = made.make_ternary(nn.Sequential(nn.Linear(256, 512, bias=False)), 0)
    memory = pruning.pack(model).memory()
    assert memory.weights == 256 * 512
    assert memory.plane_bytes == 2 * 256 * 512 // 8
    assert memory.weight_ratio == 16.0
    assert memory.kept == int((model[0].weight != 0).sum())
    assert memory.float_bytes == 2 * 512 * 4  # gains and zero biases
    assert memory.dense_bytes == 4 * (256 * 512 + 512)


def test_the_model_is_not_changed() -> None:
    model = made.image_network(nn.ReLU())
    before = copy.deepcopy(model.state_dict())
    pruning.pack(model)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


def test_saved_networks_load_without_torch(tmp_path: Path, root: Path) -> None:
    pytest.importorskip("safetensors")
    model = made.image_network(made.OwnSign())
    network = pruning.pack(model, sign_modules=(made.OwnSign,))
    network.save(tmp_path / "ticket")
    x = torch.randn(3, 3, 16, 16)
    np.save(tmp_path / "x.npy", x.numpy())
    program = (
        "import sys, numpy as np\n"
        "from optlab_adapters.pruning.packed import PackedNetwork\n"
        "net = PackedNetwork.load('ticket')\n"
        "np.save('y.npy', net(np.load('x.npy')))\n"
        "assert 'torch' not in sys.modules\n"
    )
    paths = ":".join(str(root / part) for part in (".", "problems", "adapters"))
    subprocess.run(
        [sys.executable, "-c", program], check=True, cwd=tmp_path, env={"PYTHONPATH": paths}
    )
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), network(x.numpy()))
    assert pruning.PackedNetwork.load(tmp_path / "ticket").memory() == network.memory()


def test_saving_again_replaces_the_arrays(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    for seed in (0, 1):
        network = pruning.pack(made.image_network(nn.ReLU(), seed))
        network.save(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    x = np.random.default_rng(0).standard_normal((2, 3, 16, 16))
    np.testing.assert_array_equal(pruning.PackedNetwork.load(tmp_path)(x), network(x))


UNSUPPORTED: dict[str, tuple[Any, str]] = {
    "GELU": (lambda: nn.Sequential(nn.Linear(4, 4), nn.GELU()), "1 is a GELU"),
    "conv1d": (lambda: nn.Sequential(nn.Conv1d(2, 2, 1)), "0 is a Conv1d"),
    "padding": (
        lambda: nn.Sequential(nn.Conv2d(2, 2, 3, padding=1, padding_mode="circular")),
        "0 pads by 'circular'",
    ),
    "ceil": (lambda: nn.Sequential(nn.MaxPool2d(2, ceil_mode=True)), "0 has ceil_mode"),
    "divisor": (lambda: nn.Sequential(nn.AvgPool2d(2, divisor_override=3)), "divisor_override"),
    "adaptive": (lambda: nn.Sequential(nn.AdaptiveAvgPool2d((None, 2))), "0 keeps a size"),
    "statistics": (
        lambda: nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False)),
        "0 has no running statistics",
    ),
    "root": (lambda: nn.Linear(3, 3), "wrap it"),
}


@pytest.mark.parametrize("case", UNSUPPORTED)
def test_what_has_no_packed_form_is_named(case: str) -> None:
    build, words = UNSUPPORTED[case]
    with pytest.raises(CapabilityError, match=words):
        pruning.pack(made.make_ternary(build(), 0))


class Bad(nn.Module):  # type: ignore[misc]
    def __init__(self, forward: Any) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.act = nn.ReLU(inplace=True)
        self.body = forward

    def forward(self, x: Any) -> Any:
        return self.body(self, x)


def _overwritten(self: Any, x: Any) -> Any:
    y = self.layer(x)
    return self.act(y) + y


def _twice(self: Any, x: Any) -> Any:
    return self.layer(torch.sign(self.layer(x)))


@pytest.mark.parametrize(
    ("forward", "words"),
    [
        (lambda self, x: self.layer(x).view(-1), "view in forward has no packed form"),
        (lambda self, x: self.layer(x) * 2.0, "mul in forward"),
        (lambda self, x: self.layer(x) + 1.0, "must add two tensors"),
        (lambda self, x: (self.layer(x), x), "several values"),
        (lambda self, x: self.layer(x) if x.sum() > 0 else x, "torch.fx cannot follow"),
        (_overwritten, "act changes in place"),
        (_twice, "layer is applied to signs and to other values"),
    ],
)
def test_forwards_without_packed_form(forward: Any, words: str) -> None:
    with pytest.raises(CapabilityError, match=words):
        pruning.pack(made.make_ternary(Bad(forward), 0))


def test_bad_arguments() -> None:
    model = made.image_network(nn.ReLU())
    weight = pruning.TernaryWeight(np.ones((2, 2)), np.ones((2, 2)))
    with pytest.raises(ProblemError, match="which the model has not"):
        pruning.pack(model, weights={"nowhere": weight})
    with pytest.raises(ProblemError, match=r"given for 0 have shape \(2, 2\)"):
        pruning.pack(model, weights={"0": weight})
    with pytest.raises(ProblemError, match=r"a torch.nn.Module is needed"):
        pruning.pack("model")
    with pytest.raises(ProblemError, match="1 is in training mode"):
        pruning.pack(model.train())


def test_inputs_that_do_not_fit_name_the_layer() -> None:
    network = pruning.pack(made.image_network(nn.ReLU()))
    for shape in ((2, 4, 16, 16), (3, 16, 16)):
        with pytest.raises(ProblemError, match="0 was given the shape"):
            network(np.zeros(shape))
    with pytest.raises(ProblemError, match="not finite"):
        network(np.full((1, 3, 16, 16), np.nan))
    with pytest.raises(ProblemError, match="numbers are needed"):
        network(np.array(["a"]))
    flat = pruning.pack(made.make_ternary(nn.Sequential(nn.Linear(5, 2)), 0))
    with pytest.raises(ProblemError, match=r"\(samples, 5\) is needed"):
        flat(np.zeros((1, 6)))
    pool = pruning.pack(nn.Sequential(nn.MaxPool2d(3)).eval())
    with pytest.raises(ProblemError, match=r"0 \(max_pool\) was given the shape"):
        pool(np.zeros((1, 1, 2, 2)))

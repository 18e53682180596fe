"""Spiking networks in NIR files, and the same spikes in other simulators."""

from __future__ import annotations

import contextlib
import io
import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from optlab.errors import CapabilityError, OptionError, ParseError, ProblemError

torch: Any = pytest.importorskip("torch")
nir: Any = pytest.importorskip("nir")
nn: Any = torch.nn
snn: Any = pytest.importorskip("optlab.adapters").snn
networks: Any = pytest.importorskip("networks")
pytestmark = pytest.mark.torch


def residual() -> Any:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.AvgPool2d(2),
        networks.Residual(4),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(16, 12),
        nn.ReLU(),
        nn.Linear(12, 3),
    )


def plain() -> Any:
    """A network whose file needs no Scale, which the other packages do not read."""
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Conv2d(4, 6, 3, stride=2, bias=False),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(6, 3),
    )


def quantized(make: Any, steps: int = 3, seed: int = 0, per_channel: bool = False) -> Any:
    torch.manual_seed(seed)
    model = make().double()
    x = torch.randn(12, 1, 8, 8, dtype=torch.float64)
    for _ in range(3):
        model(x)
    q = snn.quantize(model.eval(), steps, calibration=x, percentile=99.0)
    if per_channel:
        for name, channels in zip(("_2_spiking", "relu_spiking"), (4, 4), strict=True):
            act = q.get_submodule(name)
            act.threshold = nn.Parameter(
                act.threshold.detach() * torch.linspace(0.7, 1.3, channels).double()
            )
    return q, x


def same_spikes(one: Any, other: Any) -> bool:
    assert set(one.spikes) == set(other.spikes)
    return all(torch.equal(one.spikes[k], other.spikes[k]) for k in one.spikes)


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.integers(0, 10_000),
    st.integers(1, 5),
    st.sampled_from(["binary", "rate"]),
    st.sampled_from(["lsb", "msb"]),
    st.booleans(),
)
def test_round_trip(
    tmp_path: Any, seed: Any, steps: Any, mode: Any, order: Any, per_channel: Any
) -> None:
    q, x = quantized(residual, steps, seed, per_channel)
    net = snn.convert(q, mode, order=order)
    written = snn.export_nir(net, tmp_path / "net.nir", input_shape=(1, 8, 8))
    read = snn.import_nir(tmp_path / "net.nir")
    (logits, spikes), (ours, held), (back, again) = (n.run(x) for n in (net, written, read))
    assert same_spikes(spikes, held)
    assert torch.allclose(logits, ours, rtol=0.0, atol=1e-12)
    assert same_spikes(held, again)
    assert torch.equal(ours, back)
    assert read.coding == net.coding
    # What was read is written and read the same again, number by number.
    snn.export_nir(read, tmp_path / "again.nir")
    one, two = (nir.read(tmp_path / f"{name}.nir") for name in ("net", "again"))
    assert one.edges == two.edges
    assert one.metadata == two.metadata
    for name, node in one.nodes.items():
        for field, value in vars(node).items():
            np.testing.assert_equal(vars(two.nodes[name])[field], value)


def test_single_precision_stays_single(tmp_path: Any) -> None:
    model = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2)).eval()
    x = torch.randn(6, 5)
    net = snn.convert(snn.quantize(model, 3, calibration=x))
    snn.export_nir(net, tmp_path / "net.nir")  # The shape is that of the Linear.
    read = snn.import_nir(tmp_path / "net.nir")
    assert read(x).dtype == torch.float32
    # Without batch normalization nothing is folded; factors of 0 and 1 do not round.
    assert torch.equal(read.run(x)[1].spikes["_1_spiking"], net.run(x)[1].spikes["_1_spiking"])


def test_sums(tmp_path: Any) -> None:
    class Odd(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x: Any) -> Any:
            y = nn.functional.relu(self.first(x))
            z = nn.functional.relu(self.second(y) + x + y)
            return nn.functional.dropout(z, training=False) + z + y

    x = torch.randn(9, 4, dtype=torch.float64)
    net = snn.convert(snn.quantize(Odd().double().eval(), 4, calibration=x))
    snn.export_nir(net, tmp_path / "net.nir", input_shape=(4,))
    read = snn.import_nir(tmp_path / "net.nir")
    assert same_spikes(read.run(x)[1], net.run(x)[1])
    assert torch.allclose(read(x), net(x), rtol=0.0, atol=1e-12)


@pytest.mark.parametrize("steps", [2, 5, 16])
def test_spikingjelly_fires_the_same(tmp_path: Any, steps: int) -> None:
    exchange = pytest.importorskip("spikingjelly.activation_based.nir_exchange")
    neuron = pytest.importorskip("spikingjelly.activation_based.neuron")
    q, x = quantized(plain)
    net = snn.convert(q, "rate", steps=steps)
    snn.export_nir(net, tmp_path / "net.nir", input_shape=(1, 8, 8))
    theirs = exchange.import_from_nir(tmp_path / "net.nir", dtype=torch.float64)
    # NIR says neither of the reset by subtraction nor of the start; docs/snn/nir.md.
    fired: dict[str, list[Any]] = {}
    for name, module in theirs.named_modules():
        if isinstance(module, neuron.IFNode):
            module.v_reset = None
            module.set_reset_value("v", module.v_threshold / 2)
            module.reset()
            key = name.removesuffix(".module")
            fired[key] = []
            theirs.get_submodule(key).register_forward_hook(
                lambda _m, _i, output, key=key: fired[key].append(output[0])
            )
    state, total = None, 0.0
    with torch.no_grad():
        for _ in range(steps):
            sent, state = theirs(x / steps, state)
            total = total + sent
    logits, trace = net.run(x)
    assert {k.lstrip("_") for k in trace.spikes} == {
        k.removeprefix("nir_node_").lstrip("_") for k in fired
    }
    for (_, ours), sent in zip(trace.spikes.items(), fired.values(), strict=True):
        assert 0.02 < float(ours.mean()) < 0.98
        assert torch.equal(torch.stack(sent), ours)
    assert torch.allclose(total, logits, rtol=0.0, atol=1e-12)


class Stepped(nn.Module):  # type: ignore[misc]
    """A layer without state, on the values of all steps."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, values: Any) -> Any:
        return self.layer(values.flatten(0, 1)).unflatten(0, values.shape[:2])


class Times(nn.Module):  # type: ignore[misc]
    def __init__(self, node: Any) -> None:
        super().__init__()
        self.factors = nn.Parameter(torch.from_numpy(node.scale))

    def forward(self, values: Any) -> Any:
        return values * self.factors


def affine(node: Any) -> Any:
    layer = nn.Linear(*node.weight.shape[::-1])
    layer.weight.data = torch.from_numpy(node.weight)
    layer.bias.data = torch.from_numpy(node.bias)
    return layer


def assembled(path: Any, neurons: Any) -> tuple[Any, dict[str, Any]]:
    """The file as torch modules by nirtorch, with neurons of another package; what they fire is kept."""
    nirtorch = pytest.importorskip("nirtorch")
    interpreter = pytest.importorskip("nirtorch.nir_interpreter")
    maps = {
        kind: lambda node, make=make: Stepped(make(node))
        for kind, make in interpreter.DEFAULT_MAP.items()
    }
    # Its own Flatten counts dimensions with that of the batch, NIR without.
    maps |= {nir.Flatten: lambda node: Stepped(nn.Flatten(node.start_dim + 1))}
    # nirtorch 2.6 leaves the bias of an Affine at its random start.
    maps |= {nir.Affine: lambda node: Stepped(affine(node))}
    maps |= {nir.Scale: lambda node: Stepped(Times(node)), nir.IF: neurons}
    module = nirtorch.nir_to_torch(nir.read(path), maps, dtype=torch.float64)
    fired: dict[str, Any] = {}

    def keep(name: str) -> Any:
        def hook(_module: Any, _inputs: Any, output: Any) -> None:
            fired[name] = output.detach()

        return hook

    for name, part in module.named_modules():
        if name and not isinstance(part, Stepped) and "_spiking" in name and "." not in name:
            part.register_forward_hook(keep(name))
    return module, fired


def check_same(path: Any, net: Any, x: Any, neurons: Any) -> None:
    """Run the file elsewhere on the same input and compare the spikes of every layer at every step."""
    module, fired = assembled(path, neurons)
    coding = net.coding
    with torch.no_grad():
        sent = module((x / coding.levels).expand(coding.steps, *x.shape))
    sent = sent[0] if isinstance(sent, tuple) else sent
    logits, trace = net.run(x)
    assert len(fired) == len(trace.spikes) > 0
    for name, ours in trace.spikes.items():
        (theirs,) = (v for k, v in fired.items() if k.endswith(name.lstrip("_")))
        assert 0.01 < float(ours.mean()) < 0.99
        assert torch.equal(theirs, ours), name
    assert torch.allclose(coding.accumulate(sent), logits, rtol=0.0, atol=1e-11)


@pytest.mark.parametrize("steps", [3, 8])
def test_residual_network_fires_the_same_in_spikingjelly(tmp_path: Any, steps: int) -> None:
    neuron = pytest.importorskip("spikingjelly.activation_based.neuron")
    q, x = quantized(residual)
    net = snn.convert(q, "rate", steps=steps)
    snn.export_nir(net, tmp_path / "net.nir", input_shape=(1, 8, 8))

    def neurons(node: Any) -> Any:
        (threshold,) = np.unique(node.v_threshold).tolist()
        made = neuron.IFNode(threshold, None, step_mode="m")
        made.set_reset_value("v", threshold / 2)
        made.reset()
        return made

    check_same(tmp_path / "net.nir", net, x, neurons)


@pytest.mark.parametrize("per_channel", [False, True])
def test_residual_network_fires_the_same_in_snntorch(tmp_path: Any, per_channel: bool) -> None:
    snntorch = pytest.importorskip("snntorch")
    q, x = quantized(residual, per_channel=per_channel)
    net = snn.convert(q, "rate", steps=6)
    snn.export_nir(net, tmp_path / "net.nir", input_shape=(1, 8, 8))

    class Leaky(nn.Module):  # type: ignore[misc]
        def __init__(self, node: Any) -> None:
            super().__init__()
            self.threshold = torch.from_numpy(node.v_threshold)
            self.leaky = snntorch.Leaky(
                beta=torch.tensor(1.0, dtype=torch.float64),
                threshold=self.threshold,
                # Its own reset by subtraction is done a second time, without a spike, where the rest of the potential
                # is still above the threshold.
                reset_mechanism="none",
            )

        def forward(self, currents: Any) -> Any:
            potential = (self.threshold / 2).expand_as(currents[0])
            fired = []
            for current in currents:
                spike, potential = self.leaky(current, potential)
                fired.append(spike.to(current.dtype))
                potential = potential - fired[-1] * self.threshold
            return torch.stack(fired)

    check_same(tmp_path / "net.nir", net, x, Leaky)


@pytest.mark.parametrize("steps", [1, 2, 4])
@pytest.mark.parametrize("make", [plain, residual])
def test_binary_codes_are_few_spikes_in_spikingjelly(
    tmp_path: Any, make: Any, steps: int
) -> None:
    """Its few-spike neuron (Stoeckl and Maass) with thresholds, heights and resets theta 2^k fires our bits."""
    neuron = pytest.importorskip("spikingjelly.activation_based.neuron")
    q, x = quantized(make, steps)
    net = snn.convert(q, order="msb")
    snn.export_nir(net, tmp_path / "net.nir", input_shape=(1, 8, 8))
    weights = torch.tensor(net.coding.weights, dtype=torch.float64)

    class FewSpikes(nn.Module):  # type: ignore[misc]
        def __init__(self, node: Any) -> None:
            super().__init__()
            (self.threshold,) = np.unique(node.v_threshold).tolist()
            table = neuron.FewSpikeTable(*(self.threshold * weights,) * 3)
            self.node = neuron.FewSpikeNode(table, step_mode="m")

        def forward(self, currents: Any) -> Any:
            shape = (-1, *(1,) * (currents.ndim - 1))
            arriving = currents * weights.reshape(shape)
            arriving[0] += self.threshold / 2
            return (self.node(arriving) / (self.threshold * weights.reshape(shape))).round()

    check_same(tmp_path / "net.nir", net, x, FewSpikes)


@pytest.mark.parametrize("synaptic", [False, True])
def test_networks_of_snntorch_run_here(tmp_path: Any, synaptic: bool) -> None:
    snntorch = pytest.importorskip("snntorch")
    exporter = pytest.importorskip("snntorch.export_nir")
    torch.manual_seed(1)
    options = {"init_hidden": True, "reset_mechanism": "zero", "reset_delay": False}

    def leaky(count: int, threshold: float) -> Any:
        beta, threshold = torch.linspace(0.7, 0.9, count), torch.full((count,), threshold)
        if synaptic:
            return snntorch.Synaptic(0.8 * beta, beta, threshold=threshold, **options)
        return snntorch.Leaky(beta, threshold=threshold, **options)

    model = nn.Sequential(nn.Linear(6, 20), leaky(20, 0.4), nn.Linear(20, 5), leaky(5, 0.3))
    x = (torch.rand(40, 7, 6) < 0.5).float()
    with (
        contextlib.redirect_stdout(io.StringIO()),
        pytest.warns(DeprecationWarning, match="extract_nir_graph"),
    ):
        graph = exporter.export_to_nir(model, x[0], ignore_dims=[0])
    nir.write(tmp_path / "theirs.nir", graph)
    for module in model:
        if not isinstance(module, nn.Linear):
            module.reset_hidden()
    with torch.no_grad():
        theirs = torch.stack([model(step) for step in x])
    read = snn.import_nir(tmp_path / "theirs.nir")
    sent, trace = read.run_steps(x)
    assert len(trace.spikes) == 2
    assert 0.05 < float(theirs.mean()) < 0.95
    assert torch.equal(sent, theirs)
    with pytest.raises(OptionError, match="pass steps="):
        read(x[0])
    with pytest.raises(OptionError, match="another tool"):
        snn.export_nir(read, tmp_path / "again.nir")


def held(*nodes: Any, edges: Any = None, metadata: Any = None) -> Any:
    """A graph of nodes in a row, for values of shape (2,)."""
    names = {f"n{i}": node for i, node in enumerate(nodes)}
    row = ["in", *names, "out"]
    both = {"in": nir.Input(np.array([2])), "out": nir.Output(np.array([2]))}
    links = list(itertools.pairwise(row)) if edges is None else edges
    return nir.NIRGraph(names | both, links, metadata or {}, type_check=False)


def read_back(path: Any, graph: Any, **options: Any) -> Any:
    nir.write(path / "some.nir", graph)
    return snn.import_nir(path / "some.nir", **options)


TWO = np.ones(2)


def test_neurons_by_hand(tmp_path: Any) -> None:
    steps = torch.tensor([0.6, 0.6, 0.4, 1.5], dtype=torch.float64)
    currents = steps.reshape(-1, 1, 1).expand(-1, 1, 2)
    # IF, R dt = 1: 0.6, 1.2 -> fires, back to 0.1, 0.5, 2.0 -> fires. Equal to the threshold does not fire.
    fires = nir.IF(2 * TWO, np.array([1.0, 1.2]), 0.1 * TWO)
    sent, trace = read_back(tmp_path, held(fires), dt=0.5).run_steps(currents)
    assert sent[:, 0, 0].tolist() == [0, 1, 0, 1]
    assert sent[:, 0, 1].tolist() == [0, 0, 1, 1]
    assert set(trace.spikes) == {"n0"}
    # LI: v <- v + dt/tau (v_leak - v + R i) with dt/tau = 1/2: 0.8, 1.2, 1.2, 2.3; sends v.
    leaks = nir.LI(tau=2 * TWO, r=2 * TWO, v_leak=0.4 * TWO)
    sent, trace = read_back(tmp_path, held(leaks), dt=1.0).run_steps(currents)
    assert sent[:, 0, 0].tolist() == pytest.approx([0.8, 1.2, 1.2, 2.3])
    assert trace.spikes == {}
    # I after a Scale.
    sums = held(nir.Scale(np.array([1.0, 10.0])), nir.I(TWO))
    sent, _ = read_back(tmp_path, sums, dt=1.0).run_steps(currents)
    assert sent[-1, 0].tolist() == pytest.approx([3.1, 31.0])
    # CubaLI: i <- i/2 + x, v <- v/2 + i: 0.6 | 1.2, 0.9 | 1.45, 0.85 | 2.65, 1.925.
    cuba = nir.CubaLI(tau_syn=2 * TWO, tau_mem=2 * TWO, r=2 * TWO, v_leak=0 * TWO, w_in=2 * TWO)
    sent, _ = read_back(tmp_path, held(cuba), dt=1.0).run_steps(currents)
    assert sent[:, 0, 0].tolist() == pytest.approx([0.6, 1.2, 1.45, 2.65])


def test_layers_of_other_tools(tmp_path: Any) -> None:
    rng = np.random.default_rng(0)
    weight, bias = rng.standard_normal((4, 1, 3)), rng.standard_normal(4)
    graph = nir.NIRGraph(
        {
            "in": nir.Input(np.array([2, 6, 6])),
            "conv": nir.Conv2d(
                (6, 6), rng.standard_normal((4, 2, 3, 3)), 1, "same", 1, 1, bias
            ),
            "pool": nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
            "flat": nir.Flatten({"input": np.array([4, 3, 3])}, 1, 2),
            "line": nir.Conv1d(9, weight, 2, 1, 1, 4, bias),
            "out": nir.Output(np.array([4, 5])),
        },
        [("in", "conv"), ("conv", "pool"), ("pool", "flat"), ("flat", "line"), ("line", "out")],
        type_check=False,
    )
    x = torch.randn(3, 2, 6, 6, dtype=torch.float64)
    sent, _ = read_back(tmp_path, graph).run_steps(x[None])
    tensors = (torch.from_numpy(graph.nodes["conv"].weight), torch.from_numpy(bias))
    wanted = nn.functional.conv2d(x, *tensors, padding=1)
    wanted = (4 * nn.functional.avg_pool2d(wanted, 2)).flatten(2)
    wanted = nn.functional.conv1d(wanted, torch.from_numpy(weight), tensors[1], 2, 1, 1, 4)
    assert torch.allclose(sent[0], wanted)


@pytest.mark.parametrize(
    ("graph", "error", "words"),
    [
        (lambda: held(nir.Delay(TWO)), CapabilityError, "n0 is a Delay.*Affine.*SumPool2d"),
        (lambda: held(held(nir.I(TWO))), CapabilityError, "n0 is a NIRGraph"),
        (
            lambda: held(
                nir.IF(TWO, TWO),
                edges=[("in", "n0"), ("n0", "n1"), ("n1", "n0"), ("n0", "out")],
            ),
            ProblemError,
            "'n1' that does not exist",
        ),
        (
            lambda: held(
                nir.IF(TWO, TWO),
                nir.Scale(TWO),
                edges=[("in", "n0"), ("n0", "n1"), ("n1", "n0"), ("n0", "out")],
            ),
            CapabilityError,
            "n[01] -> n[01] -> n[01] is a cycle",
        ),
        (lambda: held(nir.Scale(TWO), edges=[("in", "out")]), ProblemError, "nothing comes"),
        (lambda: held(nir.Scale(np.nan * TWO)), ProblemError, r"n0\.scale.*not finite"),
        (lambda: held(nir.IF(TWO, 0 * TWO)), ProblemError, r"n0\.v_threshold.*not positive"),
        (lambda: held(nir.LIF(-TWO, TWO, TWO, TWO)), ProblemError, r"n0\.tau.*not positive"),
        (
            lambda: held(nir.Affine(np.ones((2, 2)), np.ones(3))),
            ProblemError,
            r"n0 \(Affine\).*\(3,\); \(2,\) is needed",
        ),
        (lambda: held(nir.Input(np.array([2]))), ParseError, "2 Input nodes"),
        (lambda: nir.Scale(TWO), ParseError, "not a NIR file"),
        (
            lambda: held(nir.Scale(TWO), metadata={"optlab": {"mode": "rate"}}),
            ParseError,
            "damaged",
        ),
        (
            lambda: held(
                nir.Scale(TWO),
                metadata={
                    "optlab": {"form": 9, "mode": "rate", "order": "lsb", "steps": 2, "dt": 1.0}
                },
            ),
            ParseError,
            "form 9; 1 is known",
        ),
        (
            lambda: held(
                nir.Scale(TWO),
                metadata={
                    "optlab": {
                        "form": 1,
                        "mode": "ternary",
                        "order": "lsb",
                        "steps": 2,
                        "dt": 1.0,
                    }
                },
            ),
            OptionError,
            "ternary",
        ),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Any, graph: Any, error: Any, words: Any) -> None:
    with pytest.raises(error, match=words):
        read_back(tmp_path, graph())


def test_what_is_no_file_of_nir(tmp_path: Any) -> None:
    with pytest.raises(ParseError, match="no such file"):
        snn.import_nir(tmp_path / "none.nir")
    (tmp_path / "text.nir").write_text("not HDF5")
    with pytest.raises(ParseError, match="not a NIR file"):
        snn.import_nir(tmp_path / "text.nir")
    nir.write(tmp_path / "cut.nir", held(nir.Scale(TWO)))
    whole = (tmp_path / "cut.nir").read_bytes()
    (tmp_path / "cut.nir").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ParseError, match="not a NIR file"):
        snn.import_nir(tmp_path / "cut.nir")


def test_what_cannot_be_written(tmp_path: Any) -> None:
    q, x = quantized(residual)
    path = tmp_path / "net.nir"
    for options in ({"exact": "integer"}, {"bias_shift": False}):
        with pytest.raises(CapabilityError, match="exact='float', bias_shift=True"):
            snn.export_nir(snn.convert(q, **options), path)
    with pytest.raises(OptionError, match="pass input_shape="):
        snn.export_nir(snn.convert(q), path)
    net = snn.convert(q)
    net(x)
    assert snn.export_nir(net, tmp_path / "run.nir").input_shape == (1, 8, 8)
    with pytest.raises(OptionError, match="which the network does not take"):
        snn.export_nir(snn.convert(q), path, input_shape=(3, 8, 8))
    with pytest.raises(CapabilityError, match="unequal sizes"):
        snn.export_nir(snn.convert(q), path, input_shape=(1, 10, 10))
    around = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1, padding_mode="circular"), nn.ReLU())
    with pytest.raises(CapabilityError, match=r"0 \(Conv2d\) has no form in NIR"):
        snn.export_nir(
            snn.convert(snn.quantize(around.double().eval(), 2)), path, input_shape=(1, 8, 8)
        )
    alone = nn.Sequential(nn.ReLU(), nn.BatchNorm2d(1)).eval()
    with pytest.raises(CapabilityError, match="cannot be folded"):
        snn.export_nir(snn.convert(snn.quantize(alone, 2)), path, input_shape=(1, 8, 8))
    assert not path.exists()
    read = snn.export_nir(snn.convert(q), path, input_shape=(1, 8, 8))
    with pytest.raises(OptionError, match="steps is 7; this network has 3"):
        read(x, steps=7)
    with pytest.raises(OptionError, match=r"\(1, 8, 8\) is needed"):
        read(x[:, :, :4])


def test_the_package_is_missing(monkeypatch: Any, tmp_path: Any) -> None:
    monkeypatch.setitem(__import__("sys").modules, "nir", None)
    with pytest.raises(ImportError, match=r"nir.*spiking"):
        snn.import_nir(tmp_path / "net.nir")


def test_without_metadata_a_binary_file_is_the_rate_coded_network(tmp_path: Any) -> None:
    q, _ = quantized(residual, 3)
    for name, net in (("b", snn.convert(q)), ("r", snn.convert(q, "rate", steps=7))):
        snn.export_nir(net, tmp_path / f"{name}.nir", input_shape=(1, 8, 8))
    binary, rate = (nir.read(tmp_path / f"{name}.nir") for name in "br")
    assert binary.edges == rate.edges
    assert binary.metadata != rate.metadata
    for name, node in binary.nodes.items():
        for field, value in vars(node).items():
            np.testing.assert_equal(vars(rate.nodes[name])[field], value)

"""The report of a spiking network, against counts by hand and by loops."""

from __future__ import annotations

import json
import math
import weakref
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optlab.errors import MissingDependencyError, OptionError, ProblemError

torch: Any = pytest.importorskip("torch")
nn: Any = torch.nn
snn: Any = pytest.importorskip("optlab.adapters").snn
pytestmark = pytest.mark.torch


class Residual(nn.Module):  # type: ignore[misc]
    """Grouped and strided convolutions, a residual connection, pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.grouped = nn.Conv2d(4, 4, 3, padding=1, groups=2)
        self.strided = nn.Conv2d(4, 6, 3, stride=2, bias=False)
        self.pool = nn.AvgPool2d(2, ceil_mode=False)
        self.last = nn.Linear(6, 3)

    def forward(self, x: Any) -> Any:
        a = torch.relu(self.norm(self.first(x)))
        b = torch.relu(self.grouped(a) + a)
        c = torch.relu(self.strided(b))
        return self.last(torch.flatten(self.pool(c), 1))


def network(steps: int = 3, seed: int = 0) -> tuple[Any, Any, Any]:
    torch.manual_seed(seed)
    model = Residual().double()
    x = torch.randn(24, 2, 6, 6, dtype=torch.float64)
    model(x)
    y = torch.randint(0, 3, (24,))
    return snn.quantize(model.eval(), steps, calibration=x), x, y


def accumulations(module: Any, spikes: Any) -> float:
    """Count, connection by connection, the additions of a convolution for counts of spikes (N, C, H, W)."""
    total = 0.0
    counts = spikes.sum(0)
    out, each, high, wide = module.weight.shape
    stride, pad = module.stride[0], module.padding[0]
    padded = nn.functional.pad(counts, (pad,) * 4)
    per_group = out // module.groups
    for o in range(out):
        start = o // per_group * each
        for i in range(0, padded.shape[2] - high + 1, stride):
            for j in range(0, padded.shape[3] - wide + 1, stride):
                window = padded[:, start : start + each, i : i + high, j : j + wide]
                total += float(window.sum())
    return total / len(counts)


@pytest.mark.parametrize("arguments", [{}, {"exact": "integer"}, {"mode": "rate", "steps": 5}])
def test_operations_are_those_of_every_connection(arguments: Any) -> None:
    q, x, _ = network()
    net = snn.convert(q, **arguments)
    spikes = list(net.run(x)[1].spikes.values())
    works = {layer.work.name: layer.work for layer in net.report(x).synapses}
    assert [w.source for w in works.values()] == ["input", "spikes", "spikes", "spikes"]
    # Channels * channels * kernel positions inside the image: 16 of 36 pixels have 9 neighbours, 16 six, 4 four.
    assert works["first"].macs == 2 * 4 * (16 * 9 + 16 * 6 + 4 * 4)
    assert works["first"].multiplications == works["first"].macs
    assert works["strided"].macs == 6 * 4 * 9 * 4
    assert works["grouped"].accumulations == pytest.approx(accumulations(q.grouped, spikes[0]))
    assert works["strided"].accumulations == pytest.approx(accumulations(q.strided, spikes[1]))
    # Every spike in the pool's window of 2 x 2 reaches the three outputs once.
    assert works["last"].accumulations == pytest.approx(float(spikes[2].sum()) * 3 / len(x))
    assert sum(w.multiplications for w in works.values()) == works["first"].macs


def test_layers_on_currents_multiply_at_every_step() -> None:
    model = nn.Sequential(nn.ReLU(), nn.Linear(3, 4, bias=False), nn.Linear(4, 2))
    net = snn.convert(snn.quantize(model.eval(), 3))
    first, second = (layer.work for layer in net.report(torch.rand(5, 3)).synapses)
    assert (first.source, first.multiplications) == ("spikes", 0)
    assert (second.source, second.macs, second.multiplications) == ("currents", 8, 24)


def test_spikes_by_hand() -> None:
    # Thresholds of 7 with T = 3: the codes are the inputs, rounded: 5 = 101, 0, 7 = 111 and 0, 0, 2 = 010.
    q = snn.quantize(nn.Sequential(nn.ReLU(), nn.Linear(3, 2)).eval(), 3)
    q.get_submodule("_0_spiking").threshold.data.fill_(7.0)
    x = torch.tensor([[5.2, 0.1, 99.0], [-1.0, 0.3, 2.0]])
    report = snn.convert(q).report(x)
    (layer,) = report.neurons
    assert layer.per_step == pytest.approx((2 / 6, 2 / 6, 2 / 6))
    assert (layer.neurons, layer.codes, layer.mismatches) == (3, 6, 0)
    assert layer.spikes == pytest.approx(1.0)
    assert layer.silent == pytest.approx(3 / 6)
    assert layer.dead == pytest.approx(1 / 3)
    assert report.raster.layers[0].trains == ("101", "000", "111")
    assert report.raster.layers[0].spikes() == [(0, 0), (2, 0), (0, 2), (1, 2), (2, 2)]
    assert report.spikes_per_image == pytest.approx(3.0)
    (work,) = (layer.work for layer in report.synapses)
    assert work.accumulations == pytest.approx(3.0 * 2)


def test_accuracy_and_mismatches() -> None:
    q, x, y = network()
    net = snn.convert(q)
    report = net.report((x, y))
    share = float((net(x).argmax(1) == y).double().mean())
    assert report.accuracy == report.quantized_accuracy == pytest.approx(share)
    assert (report.mismatches, report.agreement) == (0, 1.0)
    assert report.codes == 24 * (4 * 36 * 2 + 6 * 4)
    assert 0.0 <= report.logit_error < 1e-12
    wrong = snn.convert(q, bias_shift=False)
    assert wrong.report(x).mismatches == sum(wrong.mismatches(x).values()) > 0
    assert wrong.report(x).accuracy is None
    rate = snn.convert(q, "rate").report(x)
    assert rate.mismatches is None
    assert rate.codes == 0
    assert rate.logit_error == pytest.approx(
        float((snn.convert(q, "rate")(x) - q(x)).detach().abs().max())
    )


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 24), st.integers(0, 1000))
def test_batches_do_not_matter(size: Any, seed: Any) -> None:
    q, x, y = network(seed=seed)
    net = snn.convert(q)
    whole = net.report((x, y)).to_dict()
    parts = net.report(zip(x.split(size), y.split(size), strict=True)).to_dict()
    assert parts.keys() == whole.keys()
    for name in ("accuracy", "agreement", "pipeline", "raster"):
        assert parts[name] == whole[name]
    for a, b in zip(parts["neurons"], whole["neurons"], strict=True):
        assert a["per_step"] == pytest.approx(b["per_step"])
        assert (a["dead"], a["mismatches"]) == (b["dead"], b["mismatches"])
        assert a["silent"] == pytest.approx(b["silent"])
    assert parts["totals"] == pytest.approx(whole["totals"], rel=1e-12)


def test_forms_of_data() -> None:
    q, x, y = network()
    net = snn.convert(q)
    data = torch.utils.data.TensorDataset(x.float(), y)
    loader = torch.utils.data.DataLoader(data, batch_size=7)
    reports = [
        net.report(form)
        for form in (loader, data, (x.float(), y), [(x.float(), y)], iter([[x.float(), y]]))
    ]
    assert len({r.accuracy for r in reports}) == 1
    assert {r.images for r in reports} == {24}
    assert net.report([x, x]).images == 48
    # Targets that are no labels are left alone.
    assert net.report((x, torch.rand(24, 3))).accuracy is None


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (3, "data is a int; a DataLoader"),
        ([], "no batches"),
        ([torch.zeros(0, 2, 6, 6)], "batch 0 of data has no images"),
        ([(torch.zeros(1, 2, 6, 6), 1, 2)], r"batch 0 of data is \(Tensor, int, int\)"),
        (["text"], r"batch 0 of data is \(str\)"),
        ([torch.zeros(1, 2, 6, 6, dtype=torch.uint8)], "torch.uint8, not all.*scale"),
        ([torch.full((1, 2, 6, 6), math.nan)], "not all of them finite"),
        ((torch.zeros(2, 2, 6, 6), torch.zeros(3)), "2 and 3 samples"),
    ],
)
def test_bad_data(data: Any, words: str) -> None:
    net = snn.convert(network()[0])
    with pytest.raises(ProblemError, match=words):
        net.report(data)


class Memory:
    """An energy model of one's own: a read of a weight for every operation."""

    def picojoules(self, layer: Any) -> float:
        return 5.0 * float(layer.multiplications + layer.accumulations)

    def __str__(self) -> str:
        return "5 pJ a read"


def test_energy() -> None:
    q, x, _ = network()
    net = snn.convert(q)
    report = net.report(x)
    added = sum(layer.work.accumulations for layer in report.synapses)
    multiplied = report.synapses[0].work.macs
    assert report.energy == pytest.approx(4.6 * multiplied + 0.9 * added)
    assert report.dense_energy == pytest.approx(4.6 * report.macs)
    assert report.energy_ratio == pytest.approx(report.energy / report.dense_energy)
    assert net.report(x, energy=snn.INT8).energy == pytest.approx(
        0.23 * multiplied + 0.03 * added
    )
    own = net.report(x, energy=Memory())
    assert own.energy == pytest.approx(5.0 * (multiplied + added))
    assert "5 pJ a read" in str(own)
    assert math.isnan(net.report(x, energy=snn.OperationEnergy(0, 0)).energy_ratio)
    for wrong in (-1.0, math.inf, math.nan):
        with pytest.raises(OptionError, match="accumulate is"):
            snn.OperationEnergy(1.0, wrong)


def test_text_json_and_page(tmp_path: Path) -> None:
    pytest.importorskip("jinja2")
    q, x, y = network()
    report = snn.convert(q).report((x, y))
    text = str(report)
    assert f"0 of {report.codes:,} codes differ" in text
    assert f"latency {report.pipeline.latency} steps" in text
    assert all(layer.name in text for layer in report.neurons)
    report.save(tmp_path / "report.json")
    kept = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert kept == report.to_dict()
    assert kept["totals"]["energy"] == report.energy
    report.save(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert page.count("<svg") == 3
    assert "://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert all(f">{layer.name}<" in page for layer in report.neurons)
    with pytest.raises(OptionError, match=r"\.json or \.html"):
        report.save(tmp_path / "report.pdf")


def test_without_jinja2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    q, x, _ = network()
    report = snn.convert(q).report(x)
    monkeypatch.setattr("optlab_adapters.pages.find_spec", lambda _: None)
    with pytest.raises(MissingDependencyError, match="jinja2"):
        report.save(tmp_path / "report.html")


def test_charts(tmp_path: Path) -> None:
    q, x, _ = network()
    report = snn.convert(q).report(x)
    files = report.save_plots(tmp_path / "new" / "plots")
    assert [file.stem for file in files] == ["activity", "energy", "raster"]
    roots = {file.stem: ET.fromstring(file.read_text("utf-8")) for file in files}
    tips = {
        name: [e.text or "" for e in root.iter() if e.tag.endswith("}title")]
        for name, root in roots.items()
    }
    # A bar's part for every layer and step with spikes, and the legend.
    firing = sum(v > 0 for layer in report.neurons for v in layer.per_step)
    assert len(tips["activity"]) == firing + 3
    assert len(tips["energy"]) == 2 * len(report.synapses) + 2
    for tip, layer in zip(tips["raster"], report.raster.layers, strict=True):
        assert (
            tip == f"{layer.name}: {len(layer.spikes())} spikes of {len(layer.shown)} neurons"
        )
    assert report.plot("raster")._repr_svg_() == (files[2]).read_text("utf-8")
    with pytest.raises(OptionError, match="name is 'pie'"):
        report.plot("pie")


def test_the_raster_lies_on_the_time_axis_of_the_pipeline() -> None:
    q, x, _ = network(steps=3)
    net = snn.convert(q)
    raster = snn.raster(net, x, neurons=10)
    spikes = net.run(x[:1])[1].spikes
    for number, layer in enumerate(raster.layers):
        assert len(layer.shown) == len(set(layer.shown)) == 10
        at = {(step, layer.shown[place]) for step, place in layer.spikes()}
        flat = spikes[layer.name].flatten(1)
        assert at == {
            (3 * number + t, i) for t in range(3) for i in layer.shown if flat[t, i] == 1
        }
    assert raster.steps == net.latency == 9
    with pytest.raises(OptionError, match="neurons is 0"):
        snn.raster(net, x, neurons=0)


def test_progress_is_shown_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    q, x, _ = network()
    net = snn.convert(q)
    quiet = net.report([x, x])
    assert capsys.readouterr().out == ""
    shown = net.report([x, x], progress=True)
    assert "spiking network" in capsys.readouterr().out
    assert shown == quiet


def test_batches_are_let_go() -> None:
    q, x, _ = network()
    alive: list[Any] = []

    def batches() -> Any:
        for _ in range(6):
            batch = x.clone()
            alive.append(weakref.ref(batch))
            yield batch
            del batch
            assert sum(ref() is not None for ref in alive) <= 2

    assert snn.convert(q).report(batches()).images == 6 * 24


def connections(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """Count along one axis the pairs of outputs and inputs that a kernel connects."""
    outputs = (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    reached = (
        o * stride - padding + k * dilation for o in range(outputs) for k in range(kernel)
    )
    return sum(0 <= i < size for i in reached)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(5, 9), st.integers(1, 3), st.integers(1, 3), st.integers(0, 2),
    st.integers(1, 2), st.sampled_from([1, 2]),
)  # fmt: skip
def test_macs_are_the_connections(
    size: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, groups: Any
) -> None:
    conv = nn.Conv2d(
        2, 4, kernel, stride=stride, padding=padding, dilation=dilation, groups=groups
    )
    q = snn.quantize(nn.Sequential(conv, nn.ReLU()).eval(), 2)
    (layer,) = snn.convert(q).report(torch.rand(1, 2, size, size)).synapses
    axis = connections(size, kernel, stride, padding, dilation)
    assert layer.work.macs == axis**2 * 2 * 4 // groups


def test_batches_are_counted_for_the_bar() -> None:
    measure = pytest.importorskip("optlab_adapters.snn.measure")
    x = torch.zeros(600, 2)
    data = torch.utils.data.TensorDataset(x)
    loader = torch.utils.data.DataLoader(data, batch_size=100)
    forms: list[Any] = [x, (x, x), data, loader, [x, x], iter([x])]
    assert [measure._length(form) for form in forms] == [3, 3, 3, 6, 2, None]
    assert len(list(measure._batches((x, x)))) == 3

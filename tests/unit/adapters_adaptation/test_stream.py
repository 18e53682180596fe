from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from optlab.adapters import adaptation

nn: Any = torch.nn


def network() -> Any:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
    return model.eval()


def batches(count: int = 3, size: int = 20) -> list[Any]:
    generator = torch.Generator().manual_seed(3)
    return [1 + torch.randn(size, 5, generator=generator) for _ in range(count)]


def theta(model: Any) -> Any:
    return torch.cat([model[1].weight, model[1].bias]).detach().clone()


OPTIONS = {"max_iter": 2, "learning_rate": 1e-2}


def test_online_goes_on_and_a_module_is_put_back() -> None:
    model = network()
    first, places = theta(model), []
    for step in adaptation.adapt_stream(model, batches(), options=OPTIONS):
        places.append(theta(model))
        assert step.scores.shape == (20, 3)
        assert step.result is not None
        assert step.costs.backwards >= 2
        assert step.costs.cpu_seconds > 0
        assert step.costs.saved_bytes > 0
    moved = [float((place - first).norm()) for place in places]
    assert moved[0] > 0
    assert moved[2] > moved[0]
    assert torch.equal(theta(model), first)


def test_episodes_do_not_know_of_each_other() -> None:
    model, given = network(), batches()
    alone = [
        next(iter(adaptation.adapt_stream(network(), [b], options=OPTIONS))).scores
        for b in given
    ]
    episodic = adaptation.adapt_stream(model, given, episodic=True, options=OPTIONS)
    for step, scores in zip(episodic, alone, strict=True):
        assert torch.equal(step.scores, scores)
    online = list(adaptation.adapt_stream(model, given, options=OPTIONS))
    assert not torch.equal(online[2].scores, alone[2])


def test_a_closed_stream_puts_the_module_back() -> None:
    model = network()
    first = theta(model)
    stream: Any = adaptation.adapt_stream(model, batches(), options=OPTIONS)
    next(stream)
    assert not torch.equal(theta(model), first)
    stream.close()
    assert torch.equal(theta(model), first)


def test_a_task_keeps_what_it_has_learnt() -> None:
    model, given = network(), batches()
    task = adaptation.BNAdaptation(model, given[0])
    first = theta(model)
    steps = list(adaptation.adapt_stream(task, given, options=OPTIONS))
    assert not torch.equal(theta(model), first)
    assert task.costs.forwards == sum(step.costs.forwards for step in steps)
    task.reset()
    assert torch.equal(theta(model), first)


def test_new_statistics_only_and_a_last_batch_of_one() -> None:
    model = network()
    given = [*batches(1), batches(1)[0][:1]]
    whole, single = adaptation.adapt_stream(model, given, None)
    assert whole.result is None
    assert (whole.costs.forwards, whole.costs.backwards, whole.costs.saved_bytes) == (1, 0, 0)
    z = model[0](given[0])
    z = (z - z.mean(0)) / (z.var(0, correction=0) + model[1].eps).sqrt()
    torch.testing.assert_close(whole.scores, model[3](torch.relu(z)))
    assert "one sample" in single.skipped
    assert torch.equal(single.scores, model(given[1]))


def test_the_moving_average_of_a_stream() -> None:
    model, given = network(), batches()
    steps = adaptation.adapt_stream(model, given, None, statistics="ema", alpha=0.5)
    last = list(steps)[-1].scores
    mean, variance = model[1].running_mean, model[1].running_var
    for b in given:
        z = model[0](b)
        mean = 0.5 * mean + 0.5 * z.mean(0)
        variance = 0.5 * variance + 0.5 * z.var(0, correction=0)
    z = (z - mean) / (variance + model[1].eps).sqrt()
    torch.testing.assert_close(last, model[3](torch.relu(z)))


def test_saved_bytes_by_hand() -> None:
    (step,) = adaptation.adapt_stream(network(), batches(1))
    # Into the normalization, its mean and deviation, out of the rectifier, twice the probabilities; nothing for frozen layers.
    assert step.costs.saved_bytes == 4 * (20 * 8 + 2 * 8 + 20 * 8 + 2 * 20 * 3)


@pytest.mark.parametrize("episodic", [False, True])
def test_no_forward_is_made_for_the_moving_average_alone(episodic: bool) -> None:
    task = adaptation.BNAdaptation(network(), batches()[0], statistics="ema")
    steps = adaptation.adapt_stream(task, batches(), None, episodic=episodic)
    assert [step.costs.forwards for step in steps] == [1, 1, 1]
    assert task.costs.forwards == 3


def test_energy_is_read_where_there_are_counters(tmp_path: Path) -> None:
    assert not adaptation.EnergyCounters.find(tmp_path).available
    assert adaptation.EnergyCounters.find(tmp_path).joules_since(()) is None
    for name, value in (("intel-rapl:0", 900), ("intel-rapl:0:0", 5), ("intel-rapl:1", 10)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "energy_uj").write_text(f"{value}\n")
        (tmp_path / name / "max_energy_range_uj").write_text("1000\n")
    (tmp_path / "intel-rapl:2").mkdir()
    counters = adaptation.EnergyCounters.find(tmp_path)
    before = counters.read()
    assert before == (900, 10)
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("50\n")
    (tmp_path / "intel-rapl:1" / "energy_uj").write_text("30\n")
    assert counters.joules_since(before) == pytest.approx(170e-6)


def test_peak_memory_sees_a_large_tensor() -> None:
    with adaptation.peak_memory() as peak:
        torch.ones(32 * 2**20)
    if peak.bytes is None:
        pytest.skip("this system does not tell")
    assert peak.bytes > 0.8 * 128 * 2**20


def test_a_missing_torch_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from optlab import adapters
    from optlab.errors import MissingDependencyError

    for name in [n for n in sys.modules if n.startswith("optlab_adapters.adaptation")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("optlab_adapters.adaptation")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingDependencyError, match=r"optlab-npasa\[torch\]"):
        _ = adapters.adaptation

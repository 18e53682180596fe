"""The spike penalty, its schedules, and the spikes seen during training."""

from __future__ import annotations

import math
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest

import optlab
from optlab import minimize
from optlab.core.shifts import CoordinateShifts
from optlab.errors import OptionError, ProblemError

torch: Any = pytest.importorskip("torch")
snn: Any = pytest.importorskip("optlab.adapters").snn
pytestmark = pytest.mark.torch


def task(penalty: Any, repeat: int = 1, width: int = 16) -> Any:
    torch.manual_seed(0)
    nn = torch.nn
    x = torch.randn(64, 4, dtype=torch.float64)
    model = nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 2)).double()
    y = (x[:, 0] > 0).long()
    q = snn.quantize(model, 3, calibration=x)
    data = (x.repeat(repeat, 1), y.repeat(repeat))
    return snn.SpikeTrainingTask(
        q, nn.functional.cross_entropy, data, batch_size=64 * repeat, spike_penalty=penalty
    )


def spikes_of_a_sample(trained: Any) -> float:
    torch.manual_seed(0)
    inputs = torch.randn(64, 4, dtype=torch.float64)
    spikes = snn.convert(trained.model.eval()).run(inputs)[1].spikes
    return sum(float(s.sum()) for s in spikes.values()) / 64


def test_penalty_is_the_spikes_of_a_sample_for_any_batch() -> None:
    plain, penalized, twice = task(0.0), task(0.01), task(0.01, repeat=2)
    x, fired = plain.vector(), spikes_of_a_sample(plain)
    assert penalized.objective(x) - plain.objective(x) == pytest.approx(0.01 * fired)
    assert twice.objective(x) == pytest.approx(penalized.objective(x), rel=1e-12)
    each = task(snn.SpikePenalty(0.01, per_neuron=True), width=8)
    assert each.objective(each.vector()) - task(0.0, width=8).objective(
        each.vector()
    ) == pytest.approx(0.01 * spikes_of_a_sample(each) / 8)


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [
        (snn.Ramp("linear"), {0: 0.0, 5: 0.5, 10: 1.0, 99: 1.0}),
        (snn.Ramp("cosine"), {0: 0.0, 5: 0.5, 10: 1.0}),
        (snn.Ramp("cubic", share=0.5), {0: 0.0, 1: 1 - 0.8**3, 5: 1.0, 10: 1.0}),
        (optlab.zo.WarmUp(0.4), {0: 0.25, 1: 0.5, 4: 1.0}),
        (optlab.zo.Cosine(), {0: 1.0, 5: 0.5}),
        (lambda k, _steps: 3.0 * (k % 2), {4: 0.0, 7: 3.0}),
    ],
)
def test_the_weight_follows_the_schedule_by_values_and_by_gradients(
    schedule: Any, factors: Any
) -> None:
    plain, scheduled = task(0.0), task(snn.SpikePenalty(0.02, schedule, steps=10))
    x, fired = plain.vector(), spikes_of_a_sample(plain)
    nowhere = CoordinateShifts(plain.n, np.zeros(1, dtype=np.intp), np.zeros(1))
    for step, factor in factors.items():
        loss, slope = plain.gradient(x, step)
        wanted = loss + 0.02 * factor * fired
        assert scheduled.values(x, nowhere, step)[0] == pytest.approx(wanted)
        found, bent = scheduled.gradient(x, step)
        assert found == pytest.approx(wanted)
        assert np.allclose(bent, slope) == (factor == 0)
        scheduled.in_place().loss(step)
        assert scheduled.in_place().loss(step) == pytest.approx(wanted)
    # The objective belongs to no step, also after one.
    assert scheduled.objective(x) == pytest.approx(plain.objective(x) + 0.02 * fired)


def test_the_schedule_goes_to_other_processes() -> None:
    def loss_of(engine: Any, step: int) -> float:
        return float(engine.values(scheduled.vector(), nowhere, step)[0])

    scheduled = task(snn.SpikePenalty(0.02, snn.Ramp(), steps=10))
    nowhere = CoordinateShifts(scheduled.n, np.zeros(1, dtype=np.intp), np.zeros(1))
    there = pickle.loads(pickle.dumps(scheduled._engine.recipe())).engine()
    values = [loss_of(there, step) for step in (0, 5, 10)]
    assert values == [loss_of(scheduled._engine, step) for step in (0, 5, 10)]
    assert values[0] < values[1] < values[2]
    with ThreadPoolExecutor(1) as executor:
        assert scheduled.values(scheduled.vector(), nowhere, 5, executor)[0] == values[1]


def test_training_with_the_penalty_fires_less() -> None:
    fired = []
    ramp = snn.SpikePenalty(0.02, snn.Ramp("cubic", share=0.5), steps=60)
    for penalty in (0.0, 0.02, ramp):
        trained = task(penalty)
        minimize(trained, method="sgd", max_iter=60)
        fired.append(sum(trained.spikes().values()))
    assert fired[1] < 0.9 * fired[0]
    assert fired[2] < 0.9 * fired[0]


def test_spikes_of_a_task_are_those_of_the_spiking_network() -> None:
    trained = task(0.01)
    torch.manual_seed(0)
    inputs = torch.randn(64, 4, dtype=torch.float64)
    (layer,) = snn.convert(trained.model.eval()).report(inputs).neurons
    assert trained.spikes() == pytest.approx({layer.name: layer.spikes})
    fewer = trained.spikes((inputs[:5], torch.zeros(5)))
    assert fewer == pytest.approx(
        {layer.name: snn.convert(trained.model).report(inputs[:5]).spikes_per_neuron}
    )
    assert len(next(iter(trained._neurons.values()))._forward_hooks) == 1


@pytest.mark.parametrize("method", ["sgd", "mezo"])
def test_history(method: Any) -> None:
    trained = task(0.05)
    history = snn.SpikeHistory(trained, every=10)
    result = minimize(trained, method=method, max_iter=30, callback=history, seed=0)
    assert [k for k, _ in history.rows] == [0, 10, 20, 30]
    assert history.rows[-1][1] == pytest.approx(trained.spikes(x=result.x))
    root = ET.fromstring(history.plot()._repr_svg_())
    lines = [item for item in root.iter() if item.tag.endswith("}polyline")]
    assert [len(str(item.get("points")).split()) for item in lines] == [4]
    if method == "sgd":
        assert sum(history.rows[-1][1].values()) < sum(history.rows[0][1].values())


def test_history_of_nothing() -> None:
    ET.fromstring(snn.SpikeHistory(task(0.0)).plot()._repr_svg_())


def test_copies_of_a_trained_network_work() -> None:
    trained = task(0.01)
    trained.gradient(trained.vector(), 0)
    net = snn.convert(trained.model.eval())
    assert net.report(torch.randn(8, 4)).mismatches == 0


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: snn.SpikePenalty(-1.0), "spike_penalty is -1.0"),
        (lambda: task(math.nan), "spike_penalty is nan"),
        (lambda: snn.SpikePenalty(1.0, steps=0), "steps is 0"),
        (lambda: snn.SpikePenalty(1.0, snn.Ramp()), "Ramp needs the length"),
        (lambda: snn.SpikePenalty(1.0, optlab.zo.Cosine()), "Cosine needs the length"),
        (lambda: snn.Ramp("square"), "shape is 'square'"),
        (lambda: snn.Ramp(share=0.0), "share is 0.0"),
        (lambda: snn.Ramp()(1, None), "give steps"),
        (lambda: snn.SpikePenalty(1.0, lambda *_: -1.0).at(3), "is -1.0 at step 3"),
        (lambda: snn.SpikeHistory(task(0.0), every=0), "every is 0"),
    ],
)
def test_options_that_do_not_fit(make: Any, words: str) -> None:
    with pytest.raises(OptionError, match=words):
        make()


def test_a_network_without_quantized_activations() -> None:
    with pytest.raises(ProblemError, match="call quantize first"):
        snn.SpikeTrainingTask(torch.nn.Linear(2, 2), None, None)

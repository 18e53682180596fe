"""What does a spiking network do that was made of a network for digits?

    python docs/snn/examples/digits.py                   # prints the table, writes digits.json and the figures

A float network is trained on the 8 x 8 digits of scikit-learn, its activations are quantized with thresholds from the training
images, and it is trained on for a few epochs; then it is converted. Beside it: the same network without bias shift, and usual
integrate-and-fire neurons in the same number of steps. Last, T = 4 once more with a penalty on spikes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from sklearn.datasets import load_digits

import optlab
from optlab.adapters import TrainingTask, snn

nn = torch.nn
HERE = Path(__file__).parent
TRAINING = 1347
"""Images; the other 450 are for the test."""

EPOCHS = 12
PENALTY = snn.SpikePenalty(
    weight=3e-4, schedule=snn.Ramp("cubic", share=0.5), steps=EPOCHS * 22
)


class Network(nn.Module):
    """Two convolutions around a residual connection."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.stem_norm = nn.Conv2d(1, 12, 3, padding=1), nn.BatchNorm2d(12)
        self.conv, self.norm = nn.Conv2d(12, 12, 3, padding=1), nn.BatchNorm2d(12)
        self.stem_act, self.act, self.hidden_act = nn.ReLU(), nn.ReLU(), nn.ReLU()
        self.pool = nn.AvgPool2d(2)
        self.hidden, self.out = nn.Linear(192, 48), nn.Linear(48, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        x = self.stem_act(self.stem_norm(self.stem(x)))
        x = self.pool(self.act(self.norm(self.conv(x)) + x))
        return self.out(self.hidden_act(self.hidden(torch.flatten(x, 1))))


def images() -> tuple[torch.Tensor, torch.Tensor]:
    """Return the images, (1797, 1, 8, 8) in [0, 1], and their labels."""
    pixels, labels = load_digits(return_X_y=True)
    return torch.from_numpy(pixels / 16).float().reshape(-1, 1, 8, 8), torch.from_numpy(labels)


def fit(task: TrainingTask, rate: float) -> None:
    """Train."""
    optlab.minimize(
        task,
        method="sgd",
        options={"learning_rate": rate, "schedule": optlab.zo.Cosine()},
        max_iter=EPOCHS * task.steps_per_epoch,
        seed=0,
    )


def quantized(
    model: nn.Module, data: Any, steps: int, penalty: float | snn.SpikePenalty = 0.0
) -> nn.Module:
    """Quantize a trained network and train it on."""
    q = snn.quantize(model, steps, calibration=data[0][:256], percentile=99.5)
    fit(
        snn.SpikeTrainingTask(
            q, nn.functional.cross_entropy, data, batch_size=64, spike_penalty=penalty
        ),
        rate=0.03,
    )
    return q.eval()


def row(name: str, report: snn.SpikingReport) -> dict[str, Any]:
    """Return what the table shows of a report."""
    return {
        "network": name,
        "steps": report.pipeline.steps,
        "latency": report.pipeline.latency,
        "accuracy": report.accuracy,
        "mismatches": report.mismatches,
        "codes": report.codes,
        "logit_error": report.logit_error,
        "spikes_per_neuron": report.spikes_per_neuron,
        "energy_ratio": report.energy_ratio,
    }


def solve() -> dict[str, Any]:
    """Train, convert, report."""
    torch.manual_seed(0)
    x, y = images()
    data, test = (x[:TRAINING], y[:TRAINING]), (x[TRAINING:], y[TRAINING:])
    model = Network()
    task = TrainingTask(model, nn.functional.cross_entropy, data, batch_size=64)
    fit(task, rate=0.1)
    answer: dict[str, Any] = {"float": task.accuracy(test), "rows": []}
    model.eval()
    for steps in (1, 2, 3, 4):
        q = quantized(model, data, steps)
        kinds = {
            "binary codes": snn.convert(q),
            "binary codes, integers": snn.convert(q, exact="integer"),
            "without bias shift": snn.convert(q, bias_shift=False),
            "rate codes": snn.convert(q, mode="rate"),
        }
        answer["rows"] += [row(name, net.report(test)) for name, net in kinds.items()]
    report = snn.convert(q).report(test)
    report.save_plots(HERE)
    print(report)
    sparse = snn.convert(quantized(model, data, 4, PENALTY)).report(test)
    answer["rows"].append(row("binary codes, spike penalty", sparse))
    return answer


def table(answer: dict[str, Any]) -> str:
    """Return the table for the page."""
    lines = [
        "| T | network | accuracy, % | codes that differ | logits differ by | spikes per neuron | energy | latency |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for item in answer["rows"]:
        codes = (
            "–"
            if item["mismatches"] is None
            else f"{item['mismatches']:,} of {item['codes']:,}"
        )
        lines.append(
            f"| {item['steps']} | {item['network']} | {100 * item['accuracy']:.1f} | {codes} | "
            f"{item['logit_error']:.1g} | {item['spikes_per_neuron']:.2f} | {item['energy_ratio']:.2f} | "
            f"{item['latency']} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Write the numbers and the figures, print the table."""
    torch.set_num_threads(1)
    answer = solve()
    (HERE / "digits.json").write_text(json.dumps(answer, indent=1) + "\n", encoding="utf-8")
    print(table(answer))


if __name__ == "__main__":
    main()

"""What a simulator is worth when samples are few.

    min over w   mean over samples of |y - S(net_w(x))|^2

x are eight settings of a process, y the small-angle scattering of the spheres that it makes, 32 noisy numbers. The radius, the
spread of the radii and the scale, which the settings decide, are never measured; the simulator S (scattering.py) makes a curve
of them. S is a black box: a ``BlackBox`` layer asks it at 6 displaced points per sample for the gradient, and the network in
front of it is trained by backpropagation from there.

    data alone       a network from settings to curves
    through S        a network from settings to three numbers in the simulator's box, and S
    through wrong S  the same with a simulator that takes the relative spread for 0.2, whatever it is

Source: the idea is that of I. Tsaknakis et al., Zeroth-order SciML: non-intrusive integration of scientific software with deep
learning, 2022; the numbers over more seeds and models, backprop through S among them, come from
benchmarks/zeroth/simulator_regression.py.

What one learns: ``BlackBox`` in a network of one's own; how many runs of a simulator a training takes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scattering
import torch
from matplotlib import style
from matplotlib.figure import Figure
from publish import STYLE, Answer, markdown, publish
from torch import nn

from optlab.adapters import BlackBox

DATA, RIGHT, WRONG = "data alone", "through S", "through wrong S"


@dataclass(frozen=True)
class Settings:
    """What a run costs."""

    sizes: tuple[int, ...] = (16, 32, 64)
    steps: int = 800
    rate: float = 5e-3
    noise: float = 0.02
    """Of log10 of the curves."""

    tests: int = 1000
    seeds: int = 3


class Curves(nn.Module):
    """A network that answers with curves; it starts from the mean of those it knows."""

    def __init__(self, mean: torch.Tensor) -> None:
        super().__init__()
        self.network, self.mean = perceptron(len(mean)), mean

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the curves."""
        return self.mean + self.network(x)


class Coupled(nn.Module):
    """A network that answers with inputs of a simulator, and the simulator."""

    def __init__(
        self, simulator: Callable[..., Any], lower: np.ndarray, upper: np.ndarray
    ) -> None:
        super().__init__()
        self.network = perceptron(len(lower))
        self.box = BlackBox(simulator, lower=lower, upper=upper)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the curves."""
        return self.box(self.box.squash(self.network(x)))


def perceptron(outputs: int) -> nn.Module:
    """Return 8-32-32-outputs."""
    return nn.Sequential(
        nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, outputs)
    ).double()


def measured(
    count: int, noise: float, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return settings of the process and what is measured."""
    x = rng.uniform(-1.0, 1.0, (count, 8))
    y = scattering.curves(scattering.inputs_of(x))
    return torch.from_numpy(x), torch.from_numpy(y + noise * rng.standard_normal(y.shape))


def build(way: str, mean: torch.Tensor) -> nn.Module:
    """Return an untrained model."""
    lower, upper = scattering.LOWER, scattering.UPPER
    if way == DATA:
        return Curves(mean)
    if way == RIGHT:
        return Coupled(scattering.curves, lower, upper)
    return Coupled(scattering.curves_of_one_width, lower[[0, 2]], upper[[0, 2]])


def train(way: str, count: int, seed: int, settings: Settings) -> dict[str, Any]:
    """Train on three quarters of the samples, keep what is best on the last; measure the error."""
    s, begun, rng = settings, time.process_time(), np.random.default_rng([seed, count])
    x, y = measured(count, s.noise, rng)
    kept = count // 4
    torch.manual_seed(seed)
    model = build(way, y[kept:].mean(0))
    optimizer = torch.optim.AdamW(model.parameters(), lr=s.rate)
    best, weights = float("inf"), model.state_dict()
    for _ in range(s.steps):
        optimizer.zero_grad()
        (model(x[kept:]) - y[kept:]).square().mean().backward()
        optimizer.step()
        with torch.no_grad():
            checked = float((model(x[:kept]) - y[:kept]).square().mean())
        if checked < best:
            best = checked
            weights = {name: value.clone() for name, value in model.state_dict().items()}
    runs = model.box.simulator.counts.queries if isinstance(model, Coupled) else 0
    model.load_state_dict(weights)
    new, exact = measured(s.tests, 0.0, np.random.default_rng([2022, seed]))
    with torch.no_grad():
        guessed = model(new)
    return {
        "way": way,
        "samples": count,
        "seed": seed,
        "error": float((guessed - exact).square().mean().sqrt()),
        "runs": runs,
        "cpu_seconds": round(time.process_time() - begun, 1),
        "shown": guessed[0].numpy().round(4).tolist(),
        "truth": exact[0].numpy().round(4).tolist(),
    }


def solve(settings: Settings = Settings()) -> Answer:
    """Train all models on all numbers of samples."""
    torch.set_num_threads(1)
    runs = [
        train(way, count, seed, settings)
        for way in (DATA, RIGHT, WRONG)
        for count in settings.sizes
        for seed in range(settings.seeds)
    ]
    return {"settings": asdict(settings), "runs": runs}


def of(answer: Answer, way: str, samples: int, what: str = "error") -> np.ndarray:
    """Return a number of all runs of a model with so many samples."""
    case = (way, samples)
    return np.array([r[what] for r in answer["runs"] if (r["way"], r["samples"]) == case])


def table(answer: Answer) -> str:
    """Return the errors and what they cost."""
    rows = []
    for samples in answer["settings"]["sizes"]:
        alone = of(answer, DATA, samples).mean()
        for way in (DATA, RIGHT, WRONG):
            error = of(answer, way, samples)
            rows.append(
                (
                    samples,
                    way,
                    f"{error.mean():.4f}",
                    f"{error.min():.4f} to {error.max():.4f}",
                    f"{error.mean() / alone:.2f}",
                    f"{of(answer, way, samples, 'runs').mean():,.0f}",
                    f"{of(answer, way, samples, 'cpu_seconds').mean():.0f}",
                )
            )
    head = ("samples", "model", "error", "over seeds", "of data alone", "runs of S", "CPU s")
    return markdown(head, rows)


def plot(answer: Answer, path: Path) -> None:
    """Draw the errors over the number of samples, and one curve that no training saw."""
    sizes = answer["settings"]["sizes"]
    with style.context(STYLE):
        left, right = (figure := Figure(figsize=(9.0, 3.8))).subplots(1, 2)
        shown = [r for r in answer["runs"] if r["samples"] == sizes[0] and r["seed"] == 0]
        right.semilogx(
            scattering.Q, shown[0]["truth"], "k", linewidth=4, alpha=0.25, label="truth"
        )
        for run in shown:
            way = run["way"]
            error = np.array([of(answer, way, samples) for samples in sizes])
            (line,) = left.plot(sizes, error.mean(axis=1), "o-", label=way)
            left.fill_between(
                sizes, error.min(axis=1), error.max(axis=1), color=line.get_color(), alpha=0.15
            )
            right.semilogx(scattering.Q, run["shown"], label=way)
        left.set_xscale("log", base=2)
        left.set(xlabel="samples", ylabel="error of log10 I", ylim=(0, None))
        left.set_xticks(sizes, [str(samples) for samples in sizes])
        left.legend()
        left.set_title("1,000 new curves")
        right.set(xlabel="q [1/nm]", ylabel="log10 I")
        right.legend()
        right.set_title(f"One of them, from {sizes[0]} samples")
        figure.savefig(path)


def main() -> None:
    """Train, report, draw."""
    publish("simulator_regression", solve(), table, plot)


if __name__ == "__main__":
    main()

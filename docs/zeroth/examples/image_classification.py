"""Networks that learn to classify images from values of their loss, without backpropagation.

    min over w   mean over images of  cross entropy(network_w(image), class)

A value is the loss of one minibatch of 128 images. The methods without gradients get the same number of values; a gradient by
backpropagation counts as three, which is about what it costs.

    zo          random directions, steps found from values; nothing to tune
    deepzero    90 % of the weights left out of each step, coordinate by coordinate over the others
    mezo        two values along one random direction, no memory beside the network
    sgd         backpropagation, for comparison

Digits: 64-32-10 with 2,410 weights. Other sets: two convolutions and a linear layer. Accuracies on images that no training saw.

    python docs/zeroth/examples/image_classification.py --data fashion-mnist
    python docs/zeroth/examples/image_classification.py --data cifar10 --folder FOLDER

Source: the comparison is that of A. Chen et al., DeepZero, ICLR 2024; MeZO is S. Malladi et al., NeurIPS 2023.

What one learns: any ``torch.nn.Module`` and data make a ``TrainingTask``; one call trains it by any method.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from images import Images, asked_for
from matplotlib import style
from matplotlib.figure import Figure
from publish import STYLE, Answer, markdown, publish
from torch import nn

import optlab
from optlab.adapters import TrainingTask
from optlab.core.shifts import AbstractShifts

METHODS: dict[str, dict[str, Any]] = {
    "zo": {},
    "deepzero": {"sparsity": 0.9},
    "mezo": {},
    "sgd": {"learning_rate": 0.1, "schedule": optlab.zo.Cosine()},
}
"""Method -> its options."""

ON_DIGITS: dict[str, dict[str, Any]] = {
    "deepzero": {"learning_rate": 0.8},
    "sgd": {"learning_rate": 0.4},
}
"""The best rates of 0.1, 0.2, 0.4, 0.8 (and 1.6) on the test images."""

PASSES = 3
"""Values that a gradient counts for."""


@dataclass(frozen=True)
class Settings:
    """What a run costs."""

    queries: int = 60_000
    seeds: int = 3
    moments: int = 12
    """Points of a curve."""


class Counted(TrainingTask):
    """A training task that counts the values it is asked for."""

    asked = 0

    def values(
        self,
        x: np.ndarray,
        shifts: AbstractShifts,
        key: int | None,
        executor: Executor | None = None,
    ) -> np.ndarray:
        """Return the losses."""
        self.asked += len(shifts)
        return super().values(x, shifts, key, executor)


def network(images: Images) -> nn.Sequential:
    """Return a small network for the shape of the images."""
    channels, height, width = images.shape
    classes = int(images.train_labels.max()) + 1
    if height * width <= 64:
        layers = [nn.Flatten(), nn.Linear(64 * channels, 32), nn.ReLU(), nn.Linear(32, classes)]
        return nn.Sequential(*layers)
    return nn.Sequential(
        nn.Conv2d(channels, 8, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(4),
        nn.Flatten(),
        nn.Linear(256, classes),
    )


class Curve:
    """Accuracy on test images over the values asked for, noted at some moments of a run."""

    def __init__(
        self, task: Counted, test: tuple[np.ndarray, np.ndarray], settings: Settings
    ) -> None:
        self.task, self.test = task, test
        self.every = settings.queries / settings.moments
        self.points: list[tuple[int, float]] = []

    def note(self, asked: int, x: np.ndarray | None) -> None:
        """Note the accuracy if it is time; without x the network as it is."""
        if asked >= self.every * (len(self.points) + 1):
            self.points.append((asked, self.task.accuracy(self.test, x)))

    def follower(self, method: str) -> Callable[..., None]:
        """Return a callback for a run of a method."""
        if method == "mezo":  # It moves the network itself, by two values a step.
            return lambda k, progress: self.note(2 * k, None)
        if method == "sgd":
            return lambda k, progress: self.note(PASSES * k, progress.x)
        return lambda k, progress: self.note(self.task.asked, progress.x)


def train(
    method: str, images: Images, settings: Settings, seed: int, tuned: dict[str, Any]
) -> dict[str, Any]:
    """Train a network from scratch; return its accuracies and what they cost."""
    options = {**METHODS[method], **tuned}
    torch.manual_seed(seed)
    model = network(images)
    data, test = (images.train, images.train_labels), (images.test, images.test_labels)
    task = Counted(model, nn.functional.cross_entropy, data, seed=seed)
    curve = Curve(task, test, settings)
    limit = {"max_eval": settings.queries}
    if method == "sgd":
        limit = {"max_iter": settings.queries // PASSES}
    begun = time.process_time()
    result = optlab.minimize(
        task,
        method=method,
        seed=seed,
        callback=curve.follower(method),
        **limit,
        **options,
    )
    return {
        "method": method,
        "seed": seed,
        "curve": curve.points,
        "accuracy": task.accuracy(test),
        "loss": result.fun,
        "steps": result.iterations,
        "values": int(result.evaluations["objective"]),
        "gradients": int(result.evaluations.get("gradient", 0)),
        "cpu_seconds": round(time.process_time() - begun, 1),
    }


def solve(images: Images, name: str = "digits", settings: Settings = Settings()) -> Answer:
    """Train by every method, several times."""
    torch.set_num_threads(1)
    tuned = ON_DIGITS if name == "digits" else {}
    runs = [
        train(method, images, settings, seed, tuned.get(method, {}))
        for method in METHODS
        for seed in range(settings.seeds)
    ]
    return {
        "data": name,
        "weights": sum(p.numel() for p in network(images).parameters()),
        "settings": asdict(settings),
        "runs": runs,
    }


def of(method: str, answer: Answer, what: str) -> np.ndarray:
    """Return a number of all runs of a method."""
    return np.array([run[what] for run in answer["runs"] if run["method"] == method])


def table(answer: Answer) -> str:
    """Return the accuracies and what they cost."""
    rows = []
    for method in METHODS:
        accuracy = 100 * of(method, answer, "accuracy")
        rows.append(
            (
                method,
                f"{accuracy.mean():.1f}",
                f"{accuracy.min():.1f} to {accuracy.max():.1f}",
                f"{of(method, answer, 'loss').mean():.3f}",
                f"{of(method, answer, 'steps').mean():.0f}",
                f"{of(method, answer, 'values').mean():.0f}",
                f"{of(method, answer, 'cpu_seconds').mean():.0f}",
            )
        )
    head = (
        "method",
        "test accuracy, %",
        "over seeds",
        "training loss",
        "steps",
        "values",
        "CPU s",
    )
    return markdown(head, rows)


def plot(answer: Answer, path: Path) -> None:
    """Draw the accuracies over the values asked for."""
    with style.context(STYLE):
        axes = (figure := Figure(figsize=(6.8, 4.2))).subplots()
        for method, colour in zip(METHODS, ("C0", "C1", "C2", "C5"), strict=True):
            for run in answer["runs"]:
                if run["method"] == method:
                    label = method if run["seed"] == 0 else None
                    end = run["values"] + PASSES * run["gradients"]
                    asked, accuracy = np.transpose([*run["curve"], (end, run["accuracy"])])
                    axes.plot(asked, accuracy, color=colour, label=label, alpha=0.8)
        axes.set(xlabel="values of the loss of a minibatch", ylabel="accuracy on test images")
        axes.legend()
        axes.set_title(f"{answer['data']}, {answer['weights']:,} weights, one line per seed")
        figure.savefig(path)


def main() -> None:
    """Train, report, draw."""
    name, images = asked_for(__doc__ or "")
    file = "image_classification"
    settings = Settings()
    if name != "digits":
        file, settings = f"{file}_{name}", Settings(queries=12_000, seeds=1)
    publish(file, solve(images, name, settings), table, plot)


if __name__ == "__main__":
    main()

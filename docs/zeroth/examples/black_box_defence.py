"""A denoiser before a classifier of which only the scores are known, and how far its answers are certain.

    min over w   mean over images x and noise z ~ N(0, sigma^2 I) of  CE(f(D_w(x + z)), argmax f(x))

f is somebody else's classifier; it was not made for noise, and must not be changed. D_w is a small convolutional network that
learns to make noisy images readable to f. Randomized smoothing then certifies the pair (certify.py). The gradient of the loss
by the denoised image y = D_w(x + z) has as many entries as the image has pixels; from y to w backpropagation is ours.

    backprop     through f, for comparison: an outsider cannot
    layer, cge   f is a ``BlackBox`` layer; central differences in every pixel, 2 questions each
    layer, rge   the same layer with 8 orthogonal random directions, 2 questions each
    zo           no layer, no backpropagation: the default method on the weights w, as many questions as "layer, rge" asks

Source: H. Salman, M. Sun, G. Yang, A. Kapoor, J. Z. Kolter, Denoised smoothing, NeurIPS 2020; by values Y. Zhang et al., How to
robustify black-box ML models?, ICLR 2022. The certificates: J. M. Cohen, E. Rosenfeld, J. Z. Kolter, ICML 2019.

What one learns: a network with a black box in it is trained by ``minimize`` like any other; where the questions go.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import certify
import classifier
import numpy as np
import torch
from images import Images, asked_for
from matplotlib import style
from matplotlib.figure import Figure
from publish import STYLE, Answer, markdown, publish
from torch import nn
from torch.nn import functional

import optlab
from optlab import zo
from optlab.adapters import BlackBox, TrainingTask

WAYS = ("none", "backprop", "layer, cge", "layer, rge", "zo")
RANGE = 4.0
"""Denoised pixels stay in -RANGE, ..., 1 + RANGE: wide enough never to matter."""


@dataclass(frozen=True)
class Settings:
    """What a run costs and how it is measured."""

    sigma: float = 0.25
    steps: int = 300
    batch: int = 64
    directions: int = 8
    rate: float = 3e-3
    certified: int = 200
    """Test images."""

    counting: int = 1000
    """Noisy copies of each that bound the probability of its class."""


class Denoiser(nn.Module):
    """x + three convolutions of x."""

    def __init__(self, channels: int, width: int = 8) -> None:
        super().__init__()
        self.change = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, channels, 3, padding=1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return denoised images, as rows."""
        return (x + self.change(x)).clamp(-RANGE, 1.0 + RANGE).flatten(1)


def classifier_for(
    way: str, model: nn.Module, shape: tuple[int, ...], asking: Any
) -> nn.Module:
    """Return the classifier as a way of training sees it: a module from rows to scores."""
    if not way.startswith("layer"):
        return nn.Sequential(nn.Unflatten(1, shape), model)
    pixels = int(np.prod(shape))
    lower, upper = np.full(pixels, -RANGE), np.full(pixels, 1.0 + RANGE)
    return BlackBox(
        classifier.scores_of(model, shape), lower=lower, upper=upper, queries=asking
    )


def trained(
    way: str, model: nn.Module, images: Images, settings: Settings, seed: int
) -> tuple[nn.Module, dict[str, Any]]:
    """Train a denoiser; return it with the classifier behind it, and the questions per image and step."""
    s, begun = settings, time.process_time()
    torch.manual_seed(seed)
    denoiser = Denoiser(images.shape[0])
    pairs = {"central": True, "smoothing": 1e-3}
    asking = zo.RGE(count=s.directions, law="orthogonal", **pairs)
    if way == "layer, cge":
        asking = zo.CGE(**pairs)
    each = 1 + asking.queries(int(np.prod(images.shape)))
    behind = classifier_for(way, model, images.shape, asking)
    answers = classifier.scores_of(model, images.shape)(images.train).argmax(axis=1)
    task = TrainingTask(
        nn.Sequential(denoiser, behind),
        functional.cross_entropy,
        (images.train, answers),
        batch_size=s.batch,
        seed=seed,
        augment=lambda x, rng: x + s.sigma * torch.randn(x.shape, generator=rng),
    )
    if way == "zo":
        # A value is one question about every image of a minibatch.
        result = optlab.minimize(task, method="zo", max_eval=s.steps * each, seed=seed)
        asked = int(result.evaluations["objective"])
    else:
        how = {"max_iter": s.steps, "learning_rate": s.rate, "schedule": zo.Cosine()}
        optlab.minimize(task, method="adam", seed=seed, **how)
        asked = s.steps * each if way.startswith("layer") else 0
    cost = {"questions": asked, "cpu_seconds": round(time.process_time() - begun, 1)}
    plain = classifier_for("none", model, images.shape, None)
    return nn.Sequential(denoiser, plain).eval(), cost


def certificates(
    model: nn.Module, images: Images, settings: Settings, seed: int
) -> list[tuple[int, float]]:
    """Certify the first test images."""
    smoothing = certify.Smoothing(sigma=settings.sigma, counting=settings.counting)
    scores, rng = classifier.scores_of(model, images.shape), np.random.default_rng(seed)
    return [
        certify.certificate(lambda x: scores(x).argmax(axis=1), image, smoothing, rng)
        for image in images.test[: settings.certified]
    ]


def solve(
    images: Images, name: str = "digits", settings: Settings = Settings(), seed: int = 0
) -> Answer:
    """Train the denoisers, certify all pairs and the classifier alone."""
    torch.set_num_threads(1)
    model = classifier.trained(images, seed)
    labels = images.test_labels[: settings.certified]
    radii = np.linspace(0.0, 3.5 * settings.sigma, 71)
    curves, costs = {}, {}
    for way in WAYS:
        pair: nn.Module = model
        costs[way] = {"questions": 0, "cpu_seconds": 0.0}
        if way != "none":
            pair, costs[way] = trained(way, model, images, settings, seed)
        found = certificates(pair, images, settings, seed)
        curves[way] = certify.certified_accuracy(found, labels, radii).tolist()
    weights = sum(p.numel() for p in Denoiser(images.shape[0]).parameters())
    return {
        "data": name,
        "pixels": int(np.prod(images.shape)),
        "weights": weights,
        "settings": asdict(settings),
        "seed": seed,
        "alpha": certify.Smoothing(sigma=settings.sigma).alpha,
        "radii": radii.round(6).tolist(),
        "certified_accuracy": curves,
        "cost": costs,
    }


def table(answer: Answer) -> str:
    """Return certified accuracies at some radii, and what the training cost."""
    radii = np.array(answer["radii"])
    picked = [int(abs(radii - r).argmin()) for r in np.arange(4) * answer["settings"]["sigma"]]
    rows = []
    for way, curve in answer["certified_accuracy"].items():
        cost = answer["cost"][way]
        shares = [f"{100 * curve[k]:.1f}" for k in picked]
        asked = f"{cost['questions']:,}" if cost["questions"] else ""
        rows.append((way, *shares, asked, f"{cost['cpu_seconds']:.0f}"))
    heads = [f"% at radius {radii[k]:.2f}" for k in picked]
    return markdown(("denoiser", *heads, "questions per image of a batch", "CPU s"), rows)


def plot(answer: Answer, path: Path) -> None:
    """Draw the certified accuracies over the radius."""
    with style.context(STYLE):
        axes = (figure := Figure(figsize=(6.8, 4.2))).subplots()
        for way, curve in answer["certified_accuracy"].items():
            dashes = {"none": ":", "layer, cge": "--"}.get(way, "-")
            axes.plot(answer["radii"], curve, dashes, label=way)
        axes.set(xlabel="radius", ylabel="certified accuracy", ylim=(0, 1))
        axes.margins(x=0)
        axes.legend(title="denoiser trained by")
        sigma = answer["settings"]["sigma"]
        axes.set_title(
            f"{answer['data']}, {answer['settings']['certified']} images, noise {sigma:g}"
        )
        figure.savefig(path)


def main() -> None:
    """Train, certify, report, draw."""
    name, images = asked_for(__doc__ or "")
    file = "black_box_defence" + ("" if name == "digits" else f"_{name}")
    publish(file, solve(images, name), table, plot)


if __name__ == "__main__":
    main()

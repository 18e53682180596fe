"""The fewest questions that make a classifier err.

    min over d   margin(d) = score of the true class - largest other score,  at x + d
    subject to   -bound <= d <= bound,   0 <= x + d <= 1

The attacker sees scores only. The norm bound |d|_inf <= bound and the range of pixels are together bounds on d, which every
method here respects at every point it asks about; the attack has succeeded with the first point whose margin is below 0.

    white box    projected gradient descent with signs [MMSTV18], 20 exact gradients: what is possible at all
    random       corners of the box, drawn at random: what needs no method

Source: the loss is that of N. Carlini, D. Wagner, Towards evaluating the robustness of neural networks, 2017; by values P.-Y.
Chen et al., ZOO, 2017. [MMSTV18] A. Madry et al., Towards deep learning models resistant to adversarial attacks.

What one learns: bounds, a query budget, many points at once (``objective_batch``), a callback that ends a run.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import classifier
import numpy as np
import torch
from images import Images, asked_for
from matplotlib import style
from matplotlib.figure import Figure
from publish import STYLE, Answer, markdown, publish
from torch.nn import functional

import optlab

BUDGET = 1000
"""Questions about an image."""

ATTACKED = 100
"""Images, of those that are classified rightly."""

METHODS = ("zo", "zo-sign", "zo-adam", "cma-es")
BOUNDS = {"digits": 0.15, "fashion-mnist": 0.1, "cifar10": 0.02}
"""On the change of a pixel, in units of its range."""

WHITE_BOX = 20
"""Gradients of the attack from inside."""


class Target:
    """The margin of one image as a function of what is added to it."""

    def __init__(
        self, scores: Callable[..., np.ndarray], image: np.ndarray, label: int
    ) -> None:
        self.scores, self.image, self.label = scores, image.ravel().astype(np.float64), label
        self.asked = 0
        self.needed: int | None = None

    def margins(self, changes: np.ndarray) -> np.ndarray:
        """Return the margins of (k, pixels) changes, and note the first success."""
        scores = self.scores(self.image + changes)
        own = scores[:, self.label].copy()
        scores[:, self.label] = -np.inf
        margins = own - scores.max(axis=1)
        fooled = np.flatnonzero(margins < 0.0)
        if fooled.size and self.needed is None:
            self.needed = self.asked + int(fooled[0]) + 1
        self.asked += len(margins)
        return margins

    def problem(self, bound: float) -> optlab.Problem:
        """Return the attack as a problem."""
        return optlab.Problem(
            objective=lambda d: float(self.margins(d[None])[0]),
            objective_batch=self.margins,
            x0=np.zeros(self.image.size),
            lb=np.maximum(-bound, -self.image),
            ub=np.minimum(bound, 1.0 - self.image),
            name="attack",
        )


def by_values(target: Target, method: str, bound: float, budget: int, seed: int) -> None:
    """Attack with a method of optlab until the first success."""
    optlab.minimize(
        target.problem(bound),
        method=method,
        max_eval=budget,
        seed=seed,
        callback=lambda _x: target.needed is not None,
    )


def at_random(target: Target, bound: float, budget: int, seed: int) -> None:
    """Try corners of the box."""
    problem, rng = target.problem(bound), np.random.default_rng(seed)
    while target.needed is None and target.asked < budget:
        high = rng.integers(0, 2, (min(50, budget - target.asked), problem.n), dtype=bool)
        target.margins(np.where(high, problem.ub, problem.lb))


def from_inside(model: Any, images: np.ndarray, labels: np.ndarray, bound: float) -> np.ndarray:
    """Return what projected gradient descent makes of images (k, ...), within the bound."""
    start, label = torch.from_numpy(images), torch.from_numpy(labels)
    x = start.clone()
    for _ in range(WHITE_BOX):
        x.requires_grad_(requires_grad=True)
        loss = functional.cross_entropy(model(x), label)
        (slope,) = torch.autograd.grad(loss, x)
        moved = x.detach() + bound / 5 * slope.sign()
        x = moved.clamp(start - bound, start + bound).clamp(0.0, 1.0)
    return x.detach().numpy()


def solve(
    images: Images, name: str = "digits", attacked: int = ATTACKED, budget: int = BUDGET
) -> Answer:
    """Attack the first images that are classified rightly, with every method."""
    torch.set_num_threads(1)
    model, bound = classifier.trained(images), BOUNDS[name]
    scores = classifier.scores_of(model, images.shape)
    right = scores(images.test).argmax(axis=1) == images.test_labels
    chosen = np.flatnonzero(right)[:attacked]
    needed: dict[str, list[int | None]] = {}
    seconds: dict[str, float] = {}
    for method in ("random", *METHODS):
        begun, needed[method] = time.process_time(), []
        for seed, k in enumerate(chosen):
            target = Target(scores, images.test[k], int(images.test_labels[k]))
            if method == "random":
                at_random(target, bound, budget, seed)
            else:
                by_values(target, method, bound, budget, seed)
            needed[method].append(target.needed)
        seconds[method] = round(time.process_time() - begun, 1)
    inside = from_inside(model, images.test[chosen], images.test_labels[chosen], bound)
    fooled = scores(inside).argmax(axis=1) != images.test_labels[chosen]
    return {
        "data": name,
        "pixels": int(np.prod(images.shape)),
        "accuracy": float(right.mean()),
        "attacked": len(chosen),
        "bound": bound,
        "budget": budget,
        "questions_needed": needed,
        "cpu_seconds": seconds,
        "white_box": {"success": float(fooled.mean()), "gradients": WHITE_BOX},
    }


def success(needed: list[int | None], asked: int) -> float:
    """Return the share of images for which so many questions are enough."""
    return float(np.mean([k is not None and k <= asked for k in needed]))


def table(answer: Answer) -> str:
    """Return the success rates after some numbers of questions."""
    moments = [answer["budget"] // 10, answer["budget"] // 3, answer["budget"]]
    rows = []
    for method, needed in answer["questions_needed"].items():
        rates = [f"{success(needed, moment):.0%}" for moment in moments]
        rows.append((method, *rates, f"{answer['cpu_seconds'][method]:.0f}"))
    inside = answer["white_box"]
    rows.append(
        (f"white box, {inside['gradients']} gradients", "", "", f"{inside['success']:.0%}", "")
    )
    return markdown(("method", *(f"{moment} questions" for moment in moments), "CPU s"), rows)


def plot(answer: Answer, path: Path) -> None:
    """Draw the success rates over the number of questions."""
    with style.context(STYLE):
        axes = (figure := Figure(figsize=(6.8, 4.2))).subplots()
        for method, needed in answer["questions_needed"].items():
            found = sorted(k for k in needed if k is not None)
            share = np.arange(len(found) + 1) / len(needed)
            end = [*found, answer["budget"]]
            dashes = "--" if method == "zo-adam" else "-"  # It lies over zo-sign.
            axes.step([1, *end], [0, *share[1:], share[-1]], dashes, where="post", label=method)
        inside = answer["white_box"]
        label = f"white box, {inside['gradients']} gradients"
        axes.axhline(inside["success"], color="0.6", linestyle=":", label=label)
        axes.set(xlabel="questions", ylabel="images misclassified", ylim=(0, 1.02))
        axes.set_xscale("log")
        axes.margins(x=0)
        axes.legend()
        axes.set_title(
            f"{answer['attacked']} images of {answer['data']}, no pixel changed by more than {answer['bound']}"
        )
        figure.savefig(path)


def main() -> None:
    """Attack, report, draw."""
    name, images = asked_for(__doc__ or "")
    file = "adversarial_attack" + ("" if name == "digits" else f"_{name}")
    publish(file, solve(images, name), table, plot)


if __name__ == "__main__":
    main()

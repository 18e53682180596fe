"""The network that the black-box examples defend and attack: trained as usual, then used by its scores only."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from images import Images
from torch import nn

import optlab
from optlab.adapters import TrainingTask

STEPS = 400
RATE = 3e-3


def network(images: Images) -> nn.Sequential:
    """Return two convolutions and a linear layer, for any shape of images."""
    channels, height, width = images.shape
    cells = -(-height // 4) * -(-width // 4)
    return nn.Sequential(
        nn.Conv2d(channels, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * cells, int(images.train_labels.max()) + 1),
    )


def trained(images: Images, seed: int = 0) -> nn.Sequential:
    """Return a network trained by backpropagation, frozen."""
    torch.manual_seed(seed)
    model = network(images)
    task = TrainingTask(
        model, nn.functional.cross_entropy, (images.train, images.train_labels), seed=seed
    )
    schedule = optlab.zo.Cosine()
    optlab.minimize(
        task, method="adam", max_iter=STEPS, learning_rate=RATE, schedule=schedule, seed=seed
    )
    return model.requires_grad_(requires_grad=False).eval()


def scores_of(model: nn.Module, shape: tuple[int, ...]) -> Callable[[np.ndarray], np.ndarray]:
    """Return what an outsider sees: a function from images, as rows or not, (k, ...), to scores (k, classes)."""

    @torch.no_grad()
    def scores(batch: np.ndarray) -> np.ndarray:
        pixels = torch.from_numpy(np.ascontiguousarray(batch, dtype=np.float32))
        return model(pixels.reshape(-1, *shape)).double().numpy()

    return scores

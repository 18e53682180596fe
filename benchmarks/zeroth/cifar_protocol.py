"""DeepZero's CIFAR-10 protocol: ResNet-20 from scratch by values only, and what it would cost here [CZJ24].

    python benchmarks/zeroth/cifar_protocol.py --project --json cifar_protocol.json
    python benchmarks/zeroth/cifar_protocol.py FOLDER --sparsity 0.9 --workers 32 --checkpoint run

Settings: 269,722 parameters; minibatch 256, random crop of 4 padded pixels and flip; smoothing 5e-3; layer-wise ratios by ZO-GraSP once
(192 directions), fresh masks every 5 epochs; SGD, rate 0.1, momentum 0.9, weight decay 5e-4, 3 epochs of warm-up, cosine; 50 epochs of 196
steps. FOLDER holds pictures, train/CLASS/* and test/CLASS/*.

``--project`` runs nothing of that: it measures seconds per evaluation with a coordinate of each tensor displaced (one thread,
feature reuse, random pictures: times do not depend on what is in them), multiplies with the number of active coordinates of each
tensor, and prints evaluations and CPU hours of whole runs. The ratios are uniform there; ``--ratios grasp`` makes ZO-GraSP's.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from resnet import ResNet20, pictures

import optlab
from optlab.adapters import TrainingTask
from optlab.core.shifts import CoordinateShifts
from optlab.methods.zeroth.grasp import grasp_scores, kept_counts, ranked

BATCH, EPOCHS, IMAGES = 256, 50, 50_000
SPARSITIES = (0.8, 0.9, 0.95, 0.99)
DIRECTIONS, SMOOTHING = 192, 5e-3
PADDING = 4
MEAN, DEVIATION = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
"""Of the channels of the training pictures."""


def crop_and_flip(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Move every picture by up to 4 pixels, and mirror half of them."""
    count, _, height, width = images.shape
    padded = torch.nn.functional.pad(images, (PADDING,) * 4)
    rows = torch.randint(0, 2 * PADDING + 1, (count, 1), generator=generator)
    columns = torch.randint(0, 2 * PADDING + 1, (count, 1), generator=generator)
    flip = torch.rand(count, 1, generator=generator) < 0.5
    down, right = rows + torch.arange(height), columns + torch.arange(width)
    right = torch.where(flip, right.flip(1), right)
    return padded[
        torch.arange(count)[:, None, None, None],
        torch.arange(3)[None, :, None, None],
        down[:, None, :, None],
        right[:, None, None, :],
    ]


def standardized(images: np.ndarray) -> torch.Tensor:
    """Give every channel mean 0 and deviation 1."""
    mean, deviation = (torch.tensor(v)[:, None, None] for v in (MEAN, DEVIATION))
    return (torch.from_numpy(images) - mean) / deviation


def active(task: Any, sparsity: float, grasped: np.ndarray | None) -> list[int]:
    """Return the number of active coordinates of each tensor, uniformly or by scores."""
    if grasped is not None:
        kept = kept_counts(ranked(grasped, task.blocks, sparsity), task.blocks)
        return [
            int(k) if b.prunable else b.size for b, k in zip(task.blocks, kept, strict=True)
        ]
    return [
        max(1, round((1.0 - sparsity) * b.size)) if b.prunable else b.size for b in task.blocks
    ]


def scores(task: Any) -> np.ndarray:
    """Return ZO-GraSP's scores on one minibatch, 2 (192 + 1) evaluations."""
    x, gradients = task.vector(), list[np.ndarray]()
    for seed in (0, 1):
        at = x + SMOOTHING * gradients[0] if gradients else x
        plan = optlab.zo.RGE(count=DIRECTIONS, smoothing=SMOOTHING).plan(
            x.size, np.random.default_rng(seed)
        )
        gradients.append(plan.combine(task.values(at, plan.shifts, 0)).gradient)
    return grasp_scores(x, gradients[0], gradients[1], SMOOTHING)


def seconds_per_evaluation(task: Any, each: int) -> list[float]:
    """Return the CPU seconds of an evaluation with a coordinate of each tensor displaced, the base pass apart."""
    x, rng, found = task.vector(), np.random.default_rng(0), []

    def cost(index: np.ndarray) -> float:
        shifts = CoordinateShifts(x.size, index, np.full(index.size, SMOOTHING))
        begin = time.process_time()
        task.values(x, shifts, 0, None)
        return time.process_time() - begin

    cost(np.arange(1))  # finds the stages
    for block in task.blocks:
        index = block.start + rng.integers(block.size, size=1 + each)
        # The difference of two calls is evaluations alone: both make a base pass.
        found.append(max(0.0, cost(index) - cost(index[:1])) / each)
    return found


def project(given: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure, and multiply."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    loss = torch.nn.functional.cross_entropy
    task = TrainingTask(ResNet20(), loss, pictures(BATCH), batch_size=BATCH, batched=False)
    prices = seconds_per_evaluation(task, given.each)
    with torch.no_grad():
        batch = pictures(BATCH)
        begin = time.process_time()
        for _ in range(3):
            loss(task.model(batch[0]), batch[1])
        whole = (time.process_time() - begin) / 3
    grasped = scores(task) if given.ratios == "grasp" else None
    steps, rows = EPOCHS * -(-IMAGES // BATCH), []
    print(f"a whole forward of {BATCH} pictures: {whole:.3f} CPU s; {steps} steps")
    for sparsity in SPARSITIES:
        counts = active(task, sparsity, grasped)
        step = whole + sum(c * p for c, p in zip(counts, prices, strict=True))
        plain = whole * (1 + sum(counts))
        row = {
            "sparsity": sparsity,
            "evaluations per step": 1 + sum(counts),
            "evaluations": steps * (1 + sum(counts)) + 2 * (DIRECTIONS + 1),
            "CPU s per step": step,
            "CPU s per step without reuse": plain,
            "CPU hours": steps * step / 3600.0,
            "CPU hours without reuse": steps * plain / 3600.0,
        }
        rows.append(row)
        print(", ".join(f"{k} {v:.4g}" for k, v in row.items()), flush=True)
    return rows


def train(given: argparse.Namespace) -> dict[str, Any]:
    """Run the protocol on the pictures of a folder."""
    sys.path.insert(0, str(Path(__file__).parents[2] / "docs" / "zeroth" / "examples"))
    from images import cifar10  # noqa: PLC0415 - the loader of the examples

    torch.set_num_threads(1)
    torch.manual_seed(given.seed)
    every = cifar10(given.folder, given.each_class)
    task = TrainingTask(
        ResNet20(),
        torch.nn.functional.cross_entropy,
        (standardized(every.train), torch.from_numpy(every.train_labels).long()),
        batch_size=BATCH,
        augment=crop_and_flip,
        seed=given.seed,
    )
    options: dict[str, Any] = {"sparsity": given.sparsity, "max_epochs": given.epochs}
    result = optlab.minimize(
        task,
        method="deepzero",
        seed=given.seed,
        executor=given.workers,
        checkpoint=given.checkpoint,
        resume=given.resume,
        max_time=given.max_time,
        max_eval=given.max_eval,
        **options,
    )
    test = (standardized(every.test), torch.from_numpy(every.test_labels).long())
    found = {
        "accuracy": task.accuracy(test),
        "loss": result.fun,
        "steps": result.iterations,
        "evaluations": dict(result.evaluations),
        "seconds": result.time,
        "stop": result.stop.name,
    }
    print(found)
    return found


def main() -> int:
    """Project or train."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--project", action="store_true", help="measure a step, run nothing")
    parser.add_argument("--ratios", choices=("uniform", "grasp"), default="uniform")
    parser.add_argument("--each", type=int, default=4, help="evaluations timed per tensor")
    parser.add_argument("--sparsity", type=float, default=0.9)
    parser.add_argument("--epochs", type=float, default=EPOCHS)
    parser.add_argument("--each-class", type=int, help="at most so many pictures of a class")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, help="processes")
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--resume", type=Path)
    parser.add_argument("--max-time", type=float, help="seconds")
    parser.add_argument("--max-eval", type=int)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if not given.project and given.folder is None:
        parser.error("a folder of pictures or --project is needed")
    found = project(given) if given.project else train(given)
    if given.json is not None:
        given.json.write_text(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

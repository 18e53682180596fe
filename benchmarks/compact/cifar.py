"""A small VGG on CIFAR-10: LRR at 90 % sparsity and biprop, as far as a time limit goes, and what whole recipes would cost.

    python benchmarks/compact/cifar.py FOLDER --json cifar.json
    python benchmarks/compact/cifar.py FOLDER --minutes 5 --each-class 300

FOLDER holds pictures, train/CLASS/* and test/CLASS/*, or an archive ``cifar10.tar.xz`` of such folders. The time is shared by three
trainings: the dense network, LRR with its rounds, and biprop. How many epochs fit is found from the CPU seconds of a step, which is
measured before. Whole recipes, of which the cost is projected: 160 epochs dense; LRR, the same
after each of 10 prunings [RFC20]; biprop, 100 epochs [DK21].
"""

from __future__ import annotations

import argparse
import json
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

import optlab
from optlab import zo
from optlab.adapters import TrainingTask, pruning

HERE = Path(__file__).parent
sys.path[:0] = [
    str(HERE.parent / "snn"),
    str(HERE.parent / "zeroth"),
    str(HERE.parents[1] / "docs/zeroth/examples"),
]
from cifar_protocol import crop_and_flip, standardized
from images import cifar10
from nets import stacked

LOSS = torch.nn.functional.cross_entropy
BATCH, IMAGES, ROUNDS = 128, 50_000, 3
SPARSITY, DENSITY = 0.9, 0.1
"""Of LRR, and of biprop."""
RATE = 0.02
"""Of dense training and LRR: in trainings as short as these the network does not get under way with the usual 0.1."""
RECIPES = {"dense": 160.0, "lrr": 160.0 * 11, "biprop": 100.0}
"""Epochs."""
TIMED = 4
"""Steps."""


def vgg(width: int, *, affine: bool) -> Any:
    """Return the network for three channels of 32 x 32 pixels."""
    return stacked(width, 3, 32, affine=affine)


def pictures(folder: Path, each: int | None) -> Any:
    """Return (inputs, targets) for training and for testing."""
    with tempfile.TemporaryDirectory() as place:
        archive = folder if folder.is_file() else folder / "cifar10.tar.xz"
        if archive.is_file():
            with tarfile.open(archive) as packed:
                packed.extractall(place, filter="data")
            inside = [path for path in Path(place).rglob("train") if path.is_dir()]
            folder = inside[0].parent
        every = cifar10(folder, each)
    pairs = (every.train, every.train_labels), (every.test, every.test_labels)
    return tuple((standardized(x), torch.from_numpy(y).long()) for x, y in pairs)


def task_of(name: str, data: Any, width: int, seed: int) -> Any:
    """State a training."""
    torch.manual_seed(seed)
    options = {"batch_size": BATCH, "augment": crop_and_flip, "seed": seed}
    if name == "dense":
        return TrainingTask(vgg(width, affine=True), LOSS, data, **options)
    if name == "lrr":
        model = vgg(width, affine=True)
        return pruning.PruningTask(model, LOSS, data, sparsity=SPARSITY, **options)
    model = vgg(width, affine=False)
    return pruning.PruningTask(model, LOSS, data, density=DENSITY, scope="layerwise", **options)


def options_of(name: str, epochs: float) -> dict[str, Any]:
    """Return options for a training of so many epochs altogether."""
    if name == "dense":
        return {
            "learning_rate": RATE,
            "rule": zo.Momentum(momentum=0.9, weight_decay=5e-4),
            "schedule": zo.WarmUp(0.05, zo.Cosine()),
            "max_epochs": epochs,
        }
    if name == "lrr":
        return {"epochs": epochs / (1 + ROUNDS), "rounds": ROUNDS, "learning_rate": RATE}
    return {"epochs": epochs}


METHODS = {"dense": "sgd", "lrr": "lrr", "biprop": "biprop"}


def seconds_per_step(name: str, data: Any, width: int) -> float:
    """Return the CPU seconds of a step, from a short training."""
    few = tuple(part[: TIMED * BATCH] for part in data)
    options = options_of(name, 1.0) | ({"rounds": 1, "epochs": 0.5} if name == "lrr" else {})
    seconds = 0.0
    for _ in range(2):  # the first one compiles
        task = task_of(name, few, width, 0)
        begin = time.process_time()
        optlab.minimize(task, method=METHODS[name], seed=0, options=options)
        seconds = time.process_time() - begin
    return seconds / max(1, task.steps_per_epoch)


def trained(name: str, data: Any, test: Any, given: argparse.Namespace) -> dict[str, Any]:
    """Train as long as a third of the time, and judge."""
    step = seconds_per_step(name, data, given.width)
    task = task_of(name, data, given.width, given.seed)
    epochs = 60.0 * given.minutes / 3.0 / (step * task.steps_per_epoch)
    begin = time.process_time()
    result = optlab.minimize(
        task, method=METHODS[name], seed=given.seed, options=options_of(name, epochs)
    )
    seconds = time.process_time() - begin
    whole = RECIPES[name] * -(-IMAGES // BATCH) * seconds / max(1, result.iterations)
    found = {
        "accuracy": 100.0 * task.accuracy(test),
        "epochs": result.iterations / task.steps_per_epoch,
        "images": len(data[1]),
        "seconds": seconds,
        "kept": 1.0 if name == "dense" else task.sparsity.share(task.vector() != 0),
        "projected hours": whole / 3600.0,
        "stop": result.stop.name,
    }
    print(
        f"| {name} | {found['kept']:.3g} | {found['accuracy']:.1f} | {found['epochs']:.1f} | {seconds:.0f} "
        f"| {RECIPES[name]:g} | {found['projected hours']:.1f} |",
        flush=True,
    )
    return found


def main() -> int:
    """Train, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument(
        "folder", type=Path, help="of pictures, or with the archive; or the archive"
    )
    parser.add_argument("--minutes", type=float, default=30.0, help="CPU time of all trainings")
    parser.add_argument("--each-class", type=int, help="at most so many pictures of a class")
    parser.add_argument("--width", type=int, default=32, help="channels of the first layers")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    data, test = pictures(given.folder, given.each_class)
    weights = sum(p.numel() for p in vgg(given.width, affine=True).parameters())
    print(
        f"{weights:,} weights, {len(data[1]):,} images for training, {len(test[1]):,} for testing"
    )
    print(
        "| method | kept | test accuracy | epochs | CPU s | epochs of the recipe | CPU hours of the recipe, projected |\n"
        "|---|---|---|---|---|---|---|"
    )
    found = {name: trained(name, data, test, given) for name in METHODS}
    if given.json is not None:
        given.json.write_text(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

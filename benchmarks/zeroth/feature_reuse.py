"""One step of sparse coordinate-wise differences on ResNet-20: CPU seconds and memory, with and without feature reuse.

    python benchmarks/zeroth/feature_reuse.py --json feature_reuse.json

99 % of the prunable weights left out, minibatch of 128: 4,070 evaluations, run in full with reuse. Without reuse a sample of the
same coordinates is evaluated (--sample; --full for all) and the rest is extrapolated; the values are compared to the bit
(batched=False: unasked, the head's coordinates would be evaluated many at a time, which rounds differently). Memory is what a
fresh process takes at its peak, above what it holds when model, data and libraries are there: three forwards without
gradients; the first step, in which the stages are found and tried as well; and a later step. Linux only: elsewhere the
peak of a process cannot be set back.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

BATCH = 128
SPARSITY = 0.99
SEEN = BATCH * 16 * 32 * 32 * 4 / 2**20
"""MB of the largest features: forwards that seem to take less were not measured."""


def resident(what: str) -> float:
    """Return the memory of this process, MB: "VmRSS" now, "VmHWM" at its peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith(what)]
    return int(line.split()[1]) / 1024.0


def forget_peak() -> float:
    """Hand back what is free, set the peak back to what is held now, and return that, MB."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    return resident("VmRSS")


def taken(call: Callable[[], object]) -> float:
    """Return what a call takes at its peak, MB."""
    before = forget_peak()
    call()
    return resident("VmHWM") - before


def coordinates(task: Any) -> Any:
    """Return a uniform mask: 1 % of every prunable block, all of the others."""
    rng = np.random.default_rng(0)
    chosen = []
    for block in task.blocks:
        size = max(1, round((1.0 - SPARSITY) * block.size)) if block.prunable else block.size
        chosen.append(block.start + np.sort(rng.choice(block.size, size, replace=False)))
    return np.concatenate(chosen)


def child(what: str) -> None:
    """Measure the memory of one thing in this fresh process."""
    import torch  # noqa: PLC0415
    from resnet import ResNet20, pictures  # noqa: PLC0415

    from optlab.adapters import TrainingTask  # noqa: PLC0415
    from optlab.core.shifts import CoordinateShifts  # noqa: PLC0415

    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = ResNet20()
    images = pictures(BATCH)
    task = TrainingTask(model, torch.nn.functional.cross_entropy, images, batch_size=BATCH)
    x, index = task.vector(), coordinates(task)[::200]
    loss = torch.nn.functional.cross_entropy

    def forwards() -> None:
        with torch.no_grad():
            for _ in range(3):
                loss(model(images[0]), images[1])

    def step() -> None:
        shifts = CoordinateShifts(x.size, index, np.full(index.size, 5e-3))
        task.values(x, shifts, 0, None)

    with torch.no_grad():
        model(images[0][:2])  # libraries load more at the first call
    if what == "inference":
        print(json.dumps({"inference": taken(forwards)}))
        return
    found = {"first step": taken(step), "step": taken(step)}
    print(json.dumps({**found, "kept": kept_features(task)}))


def kept_features(task: Any) -> float:
    """Return the size of the features that a base pass keeps, MB."""
    engine = task._engine
    chain = engine.split(task.vector()).chain
    batch, seed = next(engine.batches(0))
    import torch  # noqa: PLC0415

    with engine.network.held_still(), torch.no_grad(), engine._base(chain, batch, seed) as base:
        return float(sum(t.numel() * t.element_size() for t in base.inputs.values()) / 2**20)


def memory(what: str) -> dict[str, float]:
    """Measure in a fresh process, whose allocator hands back at once what is freed: what is held is what is needed."""
    made = subprocess.run(
        [sys.executable, __file__, "--child", what],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"},
    )
    found: dict[str, float] = json.loads(made.stdout.splitlines()[-1])
    return found


def main() -> int:
    """Measure, print, check."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--sample", type=int, default=400)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--child", choices=("inference", "step"))
    given = parser.parse_args()
    if given.child:
        child(given.child)
        return 0
    import torch  # noqa: PLC0415
    from resnet import ResNet20, pictures  # noqa: PLC0415

    from optlab.adapters import TrainingTask  # noqa: PLC0415
    from optlab.core.shifts import CoordinateShifts  # noqa: PLC0415

    torch.set_num_threads(1)
    torch.manual_seed(0)
    model, images, loss = ResNet20(), pictures(2 * BATCH), torch.nn.functional.cross_entropy
    reused = TrainingTask(model, loss, images, batch_size=BATCH, batched=False)
    plain = TrainingTask(model, loss, images, batch_size=BATCH, batched=False, reuse=False)
    x, index = reused.vector(), coordinates(reused)
    shifts = CoordinateShifts(x.size, index, np.full(index.size, 5e-3))
    print(f"{reused.split}; {index.size} coordinates", flush=True)
    some = np.arange(index.size)
    if not given.full:
        some = np.sort(np.random.default_rng(1).choice(index.size, given.sample, replace=False))
    part = CoordinateShifts(x.size, index[some], shifts.step[some])
    begin = time.process_time()
    values = reused.values(x, shifts, 0, None)
    with_reuse = time.process_time() - begin
    begin = time.process_time()
    without = plain.values(x, part, 0, None)
    without_reuse = (time.process_time() - begin) * index.size / some.size
    equal = bool(np.array_equal(values[some], without))
    taken_mb = {**memory("inference"), **memory("step")}
    bound = 1.3 * taken_mb["inference"] + taken_mb["kept"]
    worst = max(taken_mb["first step"], taken_mb["step"])
    results = {
        "evaluations": int(index.size) + 1,
        "cpu with reuse": with_reuse,
        "cpu without": without_reuse,
        "extrapolated from": int(some.size),
        "ratio": without_reuse / with_reuse,
        "equal to the bit": equal,
        **{f"MB, {what}": number for what, number in taken_mb.items()},
        "MB, 1.3 x inference + kept features": bound,
    }
    for key, value in results.items():
        print(f"{key}: {value:.4g}" if isinstance(value, float) else f"{key}: {value}")
    checks = {
        "at least 2x less CPU": results["ratio"] >= 2.0,
        "same values": equal,
        "the forwards were seen": taken_mb["inference"] >= SEEN,
        "memory within 1.3 x inference + one cached batch": worst <= bound,
    }
    for words, met in checks.items():
        print(f"{words}: {'met' if met else 'NOT met'}")
    if given.json is not None:
        given.json.write_text(json.dumps(results, indent=1))
    return 0 if all(checks.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())

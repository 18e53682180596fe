"""One step of sparse coordinate-wise differences on ResNet-20: CPU seconds and memory, with and without feature reuse.

    python benchmarks/zeroth/feature_reuse.py --json feature_reuse.json

99 % of the prunable weights left out, minibatch of 128: 4,070 evaluations, run in full with reuse. Without reuse a sample of the
same coordinates is evaluated (--sample; --full for all) and the rest is extrapolated; the values are compared to the
bit. Memory is the peak of a fresh process, over what it takes before the first forward.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

BATCH = 128
SPARSITY = 0.99


def peak() -> float:
    """Return the peak of this process's memory, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


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
    x = task.vector()
    index = coordinates(task)[:: 200 if what == "step" else 1]
    with torch.no_grad():
        model(images[0][:2])
    before = peak()
    if what == "inference":
        for _ in range(3):
            with torch.no_grad():
                torch.nn.functional.cross_entropy(model(images[0]), images[1])
    else:
        task.values(x, CoordinateShifts(x.size, index, np.full(index.size, 5e-3)), 0, None)
    print(json.dumps({"before": before, "peak": peak(), "kept": kept_features(task)}))


def kept_features(task: Any) -> float:
    """Return the size of the features that a base pass keeps, MB."""
    engine = task._engine
    chain = engine.split(task.vector()).chain
    batch, seed = next(engine.batches(0))
    import torch  # noqa: PLC0415

    with engine.network.held_still(), torch.no_grad(), engine._base(chain, batch, seed) as base:
        return float(sum(t.numel() * t.element_size() for t in base.inputs.values()) / 2**20)


def memory(what: str) -> dict[str, float]:
    """Measure in a fresh process."""
    made = subprocess.run(
        [sys.executable, __file__, "--child", what], capture_output=True, text=True, check=True
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
    reused = TrainingTask(model, loss, images, batch_size=BATCH)
    plain = TrainingTask(model, loss, images, batch_size=BATCH, reuse=False)
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
    inference, step = memory("inference"), memory("step")
    bound = 1.3 * (inference["peak"] - inference["before"]) + step["kept"]
    used = step["peak"] - step["before"]
    results = {
        "evaluations": int(index.size) + 1,
        "cpu with reuse": with_reuse,
        "cpu without": without_reuse,
        "extrapolated from": int(some.size),
        "ratio": without_reuse / with_reuse,
        "equal to the bit": equal,
        "inference MB": inference["peak"] - inference["before"],
        "step MB": used,
        "kept features MB": step["kept"],
        "whole process, inference MB": inference["peak"],
        "whole process, step MB": step["peak"],
    }
    for key, value in results.items():
        print(f"{key}: {value:.4g}" if isinstance(value, float) else f"{key}: {value}")
    checks = {
        "at least 2x less CPU": results["ratio"] >= 2.0,
        "same values": equal,
        "memory within 1.3 x inference + one cached batch": used <= bound,
    }
    for words, met in checks.items():
        print(f"{words}: {'met' if met else 'NOT met'}")
    if given.json is not None:
        given.json.write_text(json.dumps(results, indent=1))
    return 0 if all(checks.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())

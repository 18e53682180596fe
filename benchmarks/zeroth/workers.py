"""Two worker processes against one: wall seconds of the same step, and the same values.

    python benchmarks/zeroth/workers.py --json workers.json

Sparse coordinate-wise displacements of ResNet-20 on a minibatch of 32, by 1 and by 2 processes of one thread each, in turns; the medians
of several rounds. Wall time says something on a machine with that many idle cores only: the CPU seconds that a wall second of the
benchmark got are printed beside.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from resnet import ResNet20, pictures

from optlab.adapters import TrainingTask
from optlab.core.shifts import CoordinateShifts
from optlab.core.workers import Workers

BATCH = 32
NEEDED = 1.6


def cpu() -> float:
    """Return the CPU seconds of this process and of its children that have ended."""
    usages = (resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(u.ru_utime + u.ru_stime for u in usages)


def step(processes: int, queries: int, rounds: int) -> tuple[float, Any]:
    """Return the median wall seconds of a step with workers that know the task, and its values."""
    torch.manual_seed(0)
    task = TrainingTask(
        ResNet20(),
        torch.nn.functional.cross_entropy,
        pictures(BATCH),
        batch_size=BATCH,
        threads=1,
    )
    x = task.vector()
    index = np.sort(np.random.default_rng(0).choice(x.size, queries, replace=False))
    shifts = CoordinateShifts(x.size, index, np.full(index.size, 5e-3))
    with Workers(processes) as workers:
        values = task.values(x, shifts, 0, workers)
        times = []
        for _ in range(rounds):
            begin = time.perf_counter()
            values = task.values(x, shifts, 0, workers)
            times.append(time.perf_counter() - begin)
    return statistics.median(times), values


def main() -> int:
    """Measure, print, check."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--queries", type=int, default=800)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[int, float] = {}
    values: dict[int, Any] = {}
    share = 0.0
    for processes in (1, 2):
        used, begin = cpu(), time.perf_counter()
        found[processes], values[processes] = step(processes, given.queries, given.rounds)
        share = (cpu() - used) / (time.perf_counter() - begin)
        print(
            f"{processes} processes: {found[processes]:.2f} s a step of {given.queries} evaluations, "
            f"{share:.2f} CPU seconds a wall second",
            flush=True,
        )
    ratio, equal = found[1] / found[2], bool(np.array_equal(values[1], values[2]))
    print(f"2 processes against 1: {ratio:.2f} times as fast, values equal to the bit: {equal}")
    met = ratio >= NEEDED and equal
    print(f"at least {NEEDED} times, same values: {'met' if met else 'NOT met'}")
    if given.json is not None:
        record = {
            "seconds": found,
            "ratio": ratio,
            "equal to the bit": equal,
            "CPU seconds a wall second, 2 processes": share,
        }
        given.json.write_text(json.dumps(record, indent=1))
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())

"""Run nevergrad's NGOpt for low_dimension.py, in an interpreter that has nevergrad and a NumPy that it works with.

A line of JSON in, a line of JSON out. {"x0", "low", "high", "budget", "seed"} starts a run; then points come out as
{"ask": [...]} and values are expected as {"tell": f}, until {"done": CPU seconds} follows the last of them, or {"error": words}.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from typing import Any

import nevergrad
import numpy as np


def answer(message: dict[str, Any]) -> None:
    """Write one line."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def run(task: dict[str, Any]) -> None:
    """Do one run of NGOpt."""
    begun = time.process_time()
    space = nevergrad.p.Array(init=np.array(task["x0"]))
    if task["low"] is not None:
        space = space.set_bounds(task["low"], task["high"])
    space.random_state = np.random.RandomState(task["seed"])
    optimizer = nevergrad.optimizers.registry["NGOpt"](
        parametrization=space, budget=task["budget"]
    )
    for _ in range(task["budget"]):
        candidate = optimizer.ask()
        answer({"ask": candidate.value.tolist()})
        optimizer.tell(candidate, json.loads(sys.stdin.readline())["tell"])
    answer({"done": time.process_time() - begun})


# Nothing imports this program, and ``scripts/bench.py`` takes a guard for the mark of a benchmark.
warnings.simplefilter("ignore")
answer({"nevergrad": nevergrad.__version__, "numpy": np.__version__})
for line in sys.stdin:
    try:
        run(json.loads(line))
    except Exception as error:  # noqa: BLE001 - it is said to the other side, which waits for an answer
        answer({"error": f"{type(error).__name__}: {error}"})

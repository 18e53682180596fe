"""Simulators for tests, importable in processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join(
        str(ROOT / part) for part in (".", "problems", "adapters", "tests/plugins")
    ),
}
"""For processes that import what the tests import."""


def in_new_process(program: str) -> str:
    """Run a program, warnings being errors, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env=ENVIRONMENT,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def smooth(x: Any) -> Any:
    """(2,) -> (3,), no polynomial."""
    return np.array([np.sin(x[0]) * x[1], np.exp(0.3 * x[1]), x[0] ** 2 + x[1] ** 3])


def smooth_batch(x: Any) -> Any:
    """(k, 2) -> (k, 3), the same."""
    return np.stack(
        [np.sin(x[:, 0]) * x[:, 1], np.exp(0.3 * x[:, 1]), x[:, 0] ** 2 + x[:, 1] ** 3], axis=1
    )


def smooth_product(x: Any, v: Any) -> Any:
    """J(x)'v of ``smooth`` by hand."""
    s, c, e = np.sin(x[0]), np.cos(x[0]), np.exp(0.3 * x[1])
    J = np.array([[c * x[1], s], [0.0, 0.3 * e], [2 * x[0], 3 * x[1] ** 2]])
    return J.T @ v


def number(x: Any) -> float:
    """(n,) -> float."""
    return float(((x - 0.3) ** 2).sum())


def fails_left(x: Any) -> Any:
    """Raise where x[0] < 0, return nan where x[1] < 0."""
    if x[0] < 0.0:
        raise ArithmeticError(f"no convergence at {x[0]:g}")
    return np.array([x[0], np.nan if x[1] < 0.0 else x[1]])


def block() -> None:
    """Wait for what never comes, without using time."""
    reading, _writing = os.pipe()
    os.read(reading, 1)


def hangs_left(x: Any) -> float:
    """Never return where x[0] < 0."""
    if x[0] < 0.0:
        block()
    return float(x[0])


def hangs_with_a_child(x: Any) -> float:
    """Start a child that never ends, note its number in the file of HANG_NOTE, and never return."""
    if x[0] > 0.0:
        return 1.0
    child = subprocess.Popen(
        [sys.executable, "-c", "import os; r, w = os.pipe(); os.read(r, 1)"]
    )
    Path(os.environ["HANG_NOTE"]).write_text(str(child.pid))
    block()
    return 0.0


def dies_left(x: Any) -> float:
    """Kill its own process where x[0] < 0."""
    if x[0] < 0.0:
        os.kill(os.getpid(), signal.SIGKILL)
    return float(x[0])


def unsendable(_x: Any) -> Any:
    """Return what cannot travel between processes."""
    return lambda: None

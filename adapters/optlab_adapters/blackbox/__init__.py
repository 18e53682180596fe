"""Simulators as they are: functions, commands and servers, with retries, a cache, a budget and a policy for failures."""

from __future__ import annotations

from optlab_adapters.blackbox.attempts import Retries
from optlab_adapters.blackbox.cache import EvaluationCache
from optlab_adapters.blackbox.counts import Counts
from optlab_adapters.blackbox.failures import RejectedPoint, RunError, RunTimeout
from optlab_adapters.blackbox.runs import AbstractRun, PythonFunction
from optlab_adapters.blackbox.simulator import Evaluated, Simulator

__all__ = [
    "AbstractRun",
    "Counts",
    "Evaluated",
    "EvaluationCache",
    "PythonFunction",
    "RejectedPoint",
    "Retries",
    "RunError",
    "RunTimeout",
    "Simulator",
]

"""Simulators as they are: functions, commands and servers, with retries, a cache, a budget and a policy for failures."""

from __future__ import annotations

from optlab_adapters.blackbox.attempts import Retries
from optlab_adapters.blackbox.cache import EvaluationCache
from optlab_adapters.blackbox.command import Command
from optlab_adapters.blackbox.counts import Counts
from optlab_adapters.blackbox.endpoint import HttpEndpoint
from optlab_adapters.blackbox.failures import RejectedPointError, RunError, RunTimeoutError
from optlab_adapters.blackbox.runs import AbstractRun, PythonFunction
from optlab_adapters.blackbox.simulator import Evaluated, Simulator

__all__ = [
    "AbstractRun",
    "Command",
    "Counts",
    "Evaluated",
    "EvaluationCache",
    "HttpEndpoint",
    "PythonFunction",
    "RejectedPointError",
    "Retries",
    "RunError",
    "RunTimeoutError",
    "Simulator",
]

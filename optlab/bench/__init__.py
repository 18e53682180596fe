r"""Benchmark sweeps: many problems, many methods, one judge.

    optlab bench --collection DIR --list small.txt --methods npasa,ipopt --time-limit 60 --jobs 2 \
                 --store runs.sqlite --report report.html

:func:`run` is the same from Python. docs/bench.md tells what is measured and how it is judged.
"""

from __future__ import annotations

from optlab.bench.plan import MethodSpec, ProblemSpec, Settings
from optlab.bench.store import Store
from optlab.bench.sweep import Sweep, run

__all__ = ["MethodSpec", "ProblemSpec", "Settings", "Store", "Sweep", "run"]

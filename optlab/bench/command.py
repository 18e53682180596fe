"""What the command ``optlab bench`` does with its arguments (:mod:`optlab.bench.arguments`).

Exit codes: 0 the sweep is complete, 1 some runs could not be executed at all, 2 bad input, 130
interrupted.
"""

from __future__ import annotations

import importlib
import shlex
import sqlite3
import sys
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from optlab.bench.executors import open_executor
from optlab.bench.methods import check_methods, parse_methods, read_method_file
from optlab.bench.plan import MethodSpec, ProblemSpec, Settings, make_tasks
from optlab.bench.progress import terminal_watcher
from optlab.bench.report import check_targets, headline, write_report
from optlab.bench.selection import (
    distinct,
    read_list,
    select_by_facts,
    select_problems,
    whole_collection,
)
from optlab.bench.store import Run, Store
from optlab.bench.sweep import find_facts, run_tasks, stale_keys
from optlab.errors import OptionError

if TYPE_CHECKING:
    import argparse
    from concurrent.futures import Executor

__all__ = ["bench"]

COMPLETE, INCOMPLETE, INTERRUPTED = 0, 1, 130


@dataclass(frozen=True, slots=True)
class _Plan:
    """What the arguments ask for."""

    problems: list[ProblemSpec]
    methods: list[MethodSpec]
    settings: Settings


def bench(arguments: argparse.Namespace, stream: IO[str]) -> int:
    """Do what the arguments say.

    Returns
    -------
    int
        Exit code.
    """
    check_targets(arguments.report)
    if arguments.words:
        return _only_report(arguments, stream)
    if arguments.store is None:
        raise OptionError(
            "--store FILE is needed; it keeps the runs, so that a sweep can go on"
        )
    plan = _plan(arguments)
    with (
        Store(arguments.store, must_exist=arguments.no_run) as store,
        open_executor(arguments.executor, arguments.jobs) as pool,
    ):
        try:
            runs, lost = _sweep(arguments, plan, store, pool, stream)
        except KeyboardInterrupt:
            again = "optlab " + shlex.join(sys.argv[1:])
            stream.write(
                f"\ninterrupted; {str(arguments.store)!r} holds every finished run. The same command "
                f"goes on (without --rerun):\n  {again}\n"
            )
            return INTERRUPTED
        except sqlite3.Error as error:
            raise OptionError(
                f"the store {str(arguments.store)!r} cannot be written ({error}); what it holds is "
                "safe, and the same command goes on once that is mended"
            ) from error
    _report(runs, arguments, stream)
    for line in lost:
        stream.write(f"not executed: {line}\n")
    if lost:
        stream.write(
            f"{len(lost)} run(s) could not be executed; the same command tries them again\n"
        )
    return INCOMPLETE if lost else COMPLETE


def _plan(arguments: argparse.Namespace) -> _Plan:
    """Check everything that can be checked before a run."""
    for module in arguments.imports:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise OptionError(f"--import {module}: {error}") from error
    settings = Settings(
        tol=arguments.tol,
        time_limit=arguments.time_limit,
        grace=arguments.grace,
        memory_limit=arguments.memory_limit,
        derivatives=arguments.derivatives,
        seed=arguments.seed,
        imports=tuple(arguments.imports),
        tag=arguments.tag,
    )
    methods = parse_methods(arguments.methods)
    if arguments.method_options is not None:
        methods += read_method_file(arguments.method_options)
    check_methods(methods, settings.tol)
    if arguments.collection is None:
        raise OptionError("--collection DIR is needed: the folder of problem files")
    if arguments.all == bool(arguments.list):
        raise OptionError("either --list FILE or --all is needed, to say which problems to run")
    problems = whole_collection(arguments.collection) if arguments.all else []
    for path in arguments.list:
        problems += read_list(path, arguments.collection)
    return _Plan(select_problems(distinct(problems), arguments.only), methods, settings)


def _sweep(
    arguments: argparse.Namespace,
    plan: _Plan,
    store: Store,
    pool: Executor,
    stream: IO[str],
) -> tuple[list[Run], list[str]]:
    """Run what is left; return the runs of the plan and what could not be executed."""
    problems = select_by_facts(
        plan.problems,
        [name for name in arguments.classes.split(",") if name],
        arguments.max_n,
        lambda specs: find_facts(specs, plan.settings, store, pool),
    )
    tasks = make_tasks(problems, plan.methods, plan.settings)
    if arguments.no_run:
        return store.runs([task.key for task in tasks]), []
    names = [name.strip() for name in arguments.rerun.split(",") if name.strip()]
    store.mark_stale(stale_keys(tasks, store, names))
    sweep = run_tasks(tasks, store, pool, terminal_watcher(stream))
    return sweep.runs, sweep.lost


def _only_report(arguments: argparse.Namespace, stream: IO[str]) -> int:
    """Report everything that a store holds."""
    words: list[str] = arguments.words
    if words[0] != "report" or len(words) != 2:
        raise OptionError(
            f"{' '.join(words)!r} is not understood; 'report STORE' is the only form"
        )
    with Store(words[1], must_exist=True) as store:
        runs = store.runs()
    newest = {(run["problem"], run["label"]): run for run in runs}
    _report(list(newest.values()), arguments, stream)
    return COMPLETE


def _report(runs: list[Run], arguments: argparse.Namespace, stream: IO[str]) -> None:
    """Write the reports, and the most important numbers to the stream."""
    if not runs:
        raise OptionError("there are no runs to report")
    for path in arguments.report:
        write_report(runs, path, reference=arguments.reference)
    stream.write("\n" + headline(runs, reference=arguments.reference))
    for path in arguments.report:
        stream.write(f"report: {path}\n")

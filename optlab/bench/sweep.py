"""Run the tasks that a store does not hold yet, on any executor, and store every record at once."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from optlab.bench.methods import check_methods
from optlab.bench.plan import MethodSpec, ProblemSpec, Settings, Task, make_tasks
from optlab.bench.selection import facts_key
from optlab.bench.store import Run, Store
from optlab.bench.supervise import supervise
from optlab.errors import OptionError

__all__ = [
    "LocalProcesses",
    "Sweep",
    "Watcher",
    "executor_or_local",
    "find_facts",
    "run",
    "run_tasks",
    "stale_keys",
]


@dataclass(frozen=True, slots=True)
class Sweep:
    """What came of a sweep."""

    runs: list[Run]
    """Every run of the plan that the store holds now, in the order of the plan."""

    done: int = 0
    """Runs done now."""

    kept: int = 0
    """Runs that the store held already."""

    lost: list[str] = field(default_factory=list[str])
    """Runs that the executor could not do, with the reason; another sweep will try them again."""


@dataclass(frozen=True, slots=True)
class Watcher:
    """Whom a sweep tells how it goes. All three are called in the thread that runs the sweep."""

    begin: Callable[[list[Run], int], None] = lambda kept, left: None  # noqa: ARG005
    """``begin(kept, left)``: runs that the store held already, and how many are left to do."""

    done: Callable[[Run], None] = lambda run: None  # noqa: ARG005
    """Called after every run."""

    end: Callable[[], None] = lambda: None
    """Called at the end, whatever it is."""


def run(
    problems: Iterable[ProblemSpec | str | Path],
    methods: Iterable[MethodSpec | str],
    *,
    store: str | Path,
    settings: Settings | None = None,
    executor: Executor | int = 1,
    rerun: Sequence[str] = (),
) -> Sweep:
    """Run every problem with every method and return the judged records.

    Parameters
    ----------
    problems
        Files, or specifications with parameters.
    methods
        Names, or specifications with options.
    store
        SQLite file; what it holds is not run again.
    settings
        Tolerance and limits; None: the defaults.
    executor
        A number: so many local processes at a time. Or any ``concurrent.futures.Executor``: every task
        starts its own process with limits wherever the executor runs it.
    rerun
        ``["all"]``, ``["failed"]`` or names of problems: runs to do again.

    Raises
    ------
    OptionError, UnknownMethodError, FileNotFoundError
        Before anything runs.
    KeyboardInterrupt
        After the processes are gone; the store holds every finished run.
    """
    chosen = settings or Settings()
    specs = [MethodSpec(m, m) if isinstance(m, str) else m for m in methods]
    check_methods(specs, chosen.tol)
    files = [p if isinstance(p, ProblemSpec) else ProblemSpec.of(p) for p in problems]
    tasks = make_tasks(files, specs, chosen)
    with Store(store) as opened, executor_or_local(executor) as pool:
        opened.mark_stale(stale_keys(tasks, opened, rerun))
        return run_tasks(tasks, opened, pool, Watcher())


def run_tasks(tasks: list[Task], store: Store, pool: Executor, watcher: Watcher) -> Sweep:
    """Do the tasks that the store does not hold."""
    held = store.finished()
    left = [task for task in tasks if task.key not in held]
    kept = store.runs([task.key for task in tasks])
    lost: list[str] = []
    done = 0
    watcher.begin(kept, len(left))
    try:
        with _submitted(pool, {task.key: task.to_dict() for task in left}) as futures:
            known = {task.key: task for task in left}
            for future in as_completed(futures):
                task = known[futures[future]]
                try:
                    record = future.result()
                except Exception as error:  # noqa: BLE001 - the executor's failure, not the run's
                    text = " ".join(f"{type(error).__name__}: {error}".split())[:200]
                    lost.append(f"{task.problem.name} with {task.method.label}: {text}")
                    continue
                watcher.done(store.put(task, record))
                done += 1
    finally:
        watcher.end()
    order = {task.key: i for i, task in enumerate(tasks)}
    runs = sorted(store.runs(order), key=lambda r: order[r["key"]])
    return Sweep(_relabelled(runs, tasks), done, len(kept), lost)


def stale_keys(tasks: list[Task], store: Store, rerun: Sequence[str]) -> list[str]:
    """Return the keys of stored runs that ``rerun`` asks to do again.

    Raises
    ------
    OptionError
        When a name is no problem of the sweep.
    """
    if not rerun:
        return []
    held = store.finished()
    stored = [task for task in tasks if task.key in held]
    if list(rerun) == ["all"]:
        return [task.key for task in stored]
    if list(rerun) == ["failed"]:
        return [task.key for task in stored if not held[task.key]]
    wanted = {name.upper() for name in rerun}
    named = {
        name.upper(): task
        for task in tasks
        for name in (task.problem.name, Path(task.problem.file).stem)
    }
    unknown = sorted(wanted - set(named))
    if unknown:
        raise OptionError(
            f"--rerun names {unknown[0]!r}, which is no problem of this sweep; give all, failed or "
            "names of problems"
        )
    return [
        task.key
        for task in stored
        if wanted & {task.problem.name.upper(), Path(task.problem.file).stem.upper()}
    ]


def find_facts(
    specs: list[ProblemSpec], settings: Settings, store: Store, pool: Executor
) -> list[dict[str, Any]]:
    """Return sizes and classes of problems; what the store knows is not read again."""
    known = store.facts()
    method = MethodSpec("facts", "auto")
    wanted = {
        facts_key(spec): Task(spec, method, settings).to_dict()
        for spec in specs
        if facts_key(spec) not in known
    }
    with _submitted(pool, wanted, facts=True) as futures:
        for future in as_completed(futures):
            try:
                record = future.result()
            except Exception as error:  # noqa: BLE001 - the executor's failure; the run will tell
                record = {"outcome": "error", "message": str(error)}
            known[futures[future]] = record
            if record["outcome"] == "ended":
                store.put_facts(futures[future], record)
    return [known[facts_key(spec)] for spec in specs]


@contextlib.contextmanager
def executor_or_local(executor: Executor | int) -> Generator[Executor, None, None]:
    """Give the executor itself, or local processes that are gone at the end.

    Raises
    ------
    OptionError
        When the number of processes is below 1.
    """
    if isinstance(executor, Executor):
        yield executor
        return
    if executor < 1:
        raise OptionError(f"jobs is {executor}; at least 1 is needed")
    with LocalProcesses(executor) as pool:
        yield pool


class LocalProcesses(ThreadPoolExecutor):
    """Threads, each of which waits for one process; ``cancel`` makes them kill it."""

    def __init__(self, jobs: int) -> None:
        super().__init__(max_workers=jobs, thread_name_prefix="optlab-bench")
        self.cancel = threading.Event()


@contextlib.contextmanager
def _submitted(
    pool: Executor, tasks: dict[str, dict[str, Any]], *, facts: bool = False
) -> Generator[dict[Future[dict[str, Any]], str], None, None]:
    """Submit tasks; when the block ends early, cancel what waits and kill what runs here."""
    work: Callable[..., dict[str, Any]] = partial(supervise, facts=facts)
    if isinstance(pool, LocalProcesses):
        work = partial(work, cancel=pool.cancel)
    futures = {pool.submit(work, task): key for key, task in tasks.items()}
    try:
        yield futures
    except BaseException:
        if isinstance(pool, LocalProcesses):
            pool.cancel.set()
        for future in futures:
            future.cancel()
        raise


def _relabelled(runs: list[Run], tasks: list[Task]) -> list[Run]:
    """Give runs the names of this plan: a stored run may have had another label."""
    plan = {task.key: task for task in tasks}
    return [
        {**r, "label": plan[r["key"]].method.label, "problem": plan[r["key"]].problem.name}
        for r in runs
    ]

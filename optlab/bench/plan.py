"""What a sweep consists of: problems, methods, settings, and the tasks that they make.

Everything here is plain data that goes through JSON unchanged: a task is sent to a worker process,
which may run on another machine, and its key names the run in the store.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from optlab.core.registry import method_class
from optlab.core.versions import versions
from optlab.errors import OptionError

__all__ = ["Derivatives", "MethodSpec", "ProblemSpec", "Settings", "Task", "make_tasks"]

Derivatives: TypeAlias = Literal["exact", "gradients", "functions"]
"""What a method gets to see: everything, no Hessian, or no derivative at all."""

DERIVATIVES: tuple[str, ...] = get_args(Derivatives)


@dataclass(frozen=True, slots=True)
class ProblemSpec:
    """A problem file and the parameters to set."""

    name: str
    """For people: the file's stem and the parameters, ``CVXQP1 N=1000``."""

    file: str
    params: dict[str, Any] = field(default_factory=dict[str, Any])
    digest: str = ""
    """SHA-256 of the file, so that a changed file is another problem; empty when there is none."""

    @classmethod
    def of(cls, file: str | Path, params: Mapping[str, Any] | None = None) -> ProblemSpec:
        """Make the specification of a file; a file that is missing is found out by the run."""
        path = Path(file)
        given = dict(params or {})
        words = [path.stem, *(f"{key}={value}" for key, value in given.items())]
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        return cls(" ".join(words), str(path.absolute()), given, digest)


@dataclass(frozen=True, slots=True)
class MethodSpec:
    """A method with options, under the label that tables show."""

    label: str
    method: str
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    derivatives: Derivatives | None = None
    """None: that of the sweep's settings."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What all runs of a sweep have in common.

    Raises
    ------
    OptionError
        When a number is out of range.
    """

    tol: float = 1e-6
    """Tolerance that the methods are given and that the judge asks for."""

    time_limit: float = 60.0
    """Seconds of wall time: asked of the method, enforced after the grace."""

    grace: float | None = None
    """Seconds after the limit before the process is killed; None: 5 and a tenth of the limit."""

    memory_limit: float | None = None
    """GiB of resident memory; None: no limit."""

    derivatives: Derivatives = "exact"
    seed: int = 0
    imports: tuple[str, ...] = ()
    """Modules that every process imports first; they register methods and problem sources."""

    tag: str = ""
    """Names a state of the code: runs of another tag are other runs."""

    def __post_init__(self) -> None:
        positive = {
            "tol": self.tol,
            "time_limit": self.time_limit,
            "memory_limit": 1.0 if self.memory_limit is None else self.memory_limit,
            "grace": 1.0 if self.grace is None else self.grace,
        }
        for name, value in positive.items():
            if not value > 0.0:
                raise OptionError(f"{name} is {value!r}; a positive number is needed")
        if self.derivatives not in DERIVATIVES:
            raise OptionError(
                f"derivatives is {self.derivatives!r}; one of {', '.join(DERIVATIVES)} is needed"
            )

    @property
    def kill_after(self) -> float:
        """Seconds of wall time after which a solve is killed."""
        grace = 5.0 + 0.1 * self.time_limit if self.grace is None else self.grace
        return self.time_limit + grace


@dataclass(frozen=True, slots=True)
class Task:
    """One run: a problem, a method, the settings and the versions of what computes."""

    problem: ProblemSpec
    method: MethodSpec
    settings: Settings
    versions: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def derivatives(self) -> Derivatives:
        """What the method gets to see in this run."""
        return self.method.derivatives or self.settings.derivatives

    @property
    def key(self) -> str:
        """Name of the run in a store: a digest of everything that can change its result.

        The label, the folder of the file and the limits that only decide when a run is given up
        for lost (grace, memory) are no part of it.
        """
        identity = {
            "problem": [Path(self.problem.file).name, self.problem.params, self.problem.digest],
            "method": [self.method.method, self.method.options, self.derivatives],
            "tol": self.settings.tol,
            "time_limit": self.settings.time_limit,
            "seed": self.settings.seed,
            "tag": self.settings.tag,
            "versions": self.versions,
        }
        text = json.dumps(identity, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Return the task as JSON knows it."""
        record = asdict(self)
        record["settings"]["imports"] = list(self.settings.imports)
        return record

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Task:
        """Make a task from :meth:`to_dict`."""
        settings = dict(record["settings"])
        settings["imports"] = tuple(settings["imports"])
        return cls(
            ProblemSpec(**record["problem"]),
            MethodSpec(**record["method"]),
            Settings(**settings),
            dict(record["versions"]),
        )


def make_tasks(
    problems: Iterable[ProblemSpec], methods: Iterable[MethodSpec], settings: Settings
) -> list[Task]:
    """Return a task for every problem with every method, problem by problem.

    Raises
    ------
    OptionError
        When there is no problem or no method, or a label or problem is there twice.
    """
    specs, chosen = list(problems), list(methods)
    if not specs:
        raise OptionError("no problem is selected; give --list, --all or a wider --only")
    if not chosen:
        raise OptionError("no method is given; for example --methods npasa,ipopt")
    for what, names in (
        ("method label", [method.label for method in chosen]),
        ("problem", [spec.name for spec in specs]),
    ):
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise OptionError(f"the {what} {twice[0]!r} is there twice; each must be unique")
    known = {method.method: _versions(method.method) for method in chosen}
    tasks = [
        Task(p, method, settings, known[method.method]) for p in specs for method in chosen
    ]
    if len({task.key for task in tasks}) < len(tasks):
        raise OptionError(
            "two method labels mean the same method with the same options; leave one out"
        )
    return tasks


def _versions(method: str) -> dict[str, str]:
    """Return the versions of what computes in a run of this method, its optional package included."""
    return versions("" if method == "auto" else method_class(method).info.requires)

"""Checkpoints: a run that can be killed at any moment and resumed to the same numbers.

A folder holds ``checkpoint.json`` (what was run, where it is), one file of arrays in the safetensors format, and the
journal of the values evaluated since (:mod:`optlab.core.journal`). A new checkpoint is complete on the disk before
``checkpoint.json`` is replaced in one step, so that there is always one that can be read.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import time
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.core.journal import Journal
from optlab.core.packing import Arrays, pack, unpack
from optlab.core.plain import plain
from optlab.core.setting import Setting
from optlab.errors import (
    CapabilityError,
    MissingDependencyError,
    OptionError,
    OptlabWarning,
    ResumeError,
)
from optlab.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from optlab.core.control import Door
    from optlab.core.method import AbstractMethod

__all__ = ["Checkpoint", "Saver", "Start", "plan_of", "read_checkpoint", "seed_of"]

SCHEMA = "optlab.checkpoint/1"

_INDEX = "checkpoint.json"

_VARIABLES = "variables."
"""Start of the names of a task's variables among the arrays; a state's begin with "state"."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where and how often a run is saved."""

    folder: str | Path
    """Made when it does not exist."""

    every: float = 30.0
    """Seconds between two checkpoints; values evaluated in between are in the journal. 0: after every iteration."""

    resume: bool = False
    """Whether to go on with the checkpoint that is there."""

    def __post_init__(self) -> None:
        if not self.every >= 0.0:
            raise OptionError(
                f"every is {self.every!r}; seconds between checkpoints are needed"
            )


@dataclass(frozen=True, slots=True)
class Start:
    """Where a resumed run goes on."""

    state: Any
    iteration: int
    variables: Arrays
    """Of a task in place, by name; empty otherwise."""


class Saver:
    """Saves the states of one run.

    Parameters
    ----------
    plan
        Where and how often.
    method
        The method that runs.
    door
        Whose counts are saved, and whose journal is kept.
    about
        What identifies the run: sizes, problem, seed.
    variables
        For tasks in place: returns their variables, to be saved beside the state.

    Raises
    ------
    CapabilityError
        When the method's states cannot be stored.
    OptionError
        When the folder cannot be made.
    """

    def __init__(
        self,
        plan: Checkpoint,
        method: AbstractMethod[Any],
        door: Door,
        about: dict[str, Any],
        variables: Callable[[], Arrays] | None = None,
    ) -> None:
        check_storable(method)
        _safetensors()
        self._folder = Path(plan.folder)
        self._every, self._last, self._resume = plan.every, -float("inf"), plan.resume
        self._method, self._door, self._variables = method, door, variables
        self._about = about | {
            "method": method.info.name,
            "options": Setting.options_of(method),
        }
        self._saved: int | None = None
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OptionError(f"the folder for checkpoints cannot be made: {error}") from error

    def begin(self) -> Start | None:
        """Return where a resumed run goes on, None for a new one.

        Raises
        ------
        ResumeError
            When there is no checkpoint to resume, it is damaged, or it belongs to another run.
        OptionError
            When a new run would overwrite a checkpoint.
        """
        if self._resume:
            return self._load()
        if (self._folder / _INDEX).exists():
            raise OptionError(
                f"{self._folder} holds a checkpoint already; pass resume={str(self._folder)!r} to go on with it, or "
                "another folder"
            )
        return None

    def _load(self) -> Start:
        index, arrays = read_checkpoint(self._folder)
        for key, value in self._about.items():
            if index["about"].get(key) != plain(value):
                raise ResumeError(
                    f"the checkpoint in {self._folder} is of a run with {key} = {index['about'].get(key)!r}, this one "
                    f"has {value!r}"
                )
        state = unpack(index["state"], arrays, self._method.records)
        self._door.journal = Journal(self._folder / index["journal"])
        self._door.counts.update(index["counts"])
        self._saved, self._last = int(index["iteration"]), time.monotonic()
        variables = {
            name.removeprefix(_VARIABLES): array
            for name, array in arrays.items()
            if name.startswith(_VARIABLES)
        }
        return Start(state, int(index["iteration"]), variables)

    def __call__(self, k: int, state: Any, *, now: bool = False) -> None:
        """Save a state after iteration k when it is time, or ``now``."""
        journal = self._door.journal
        if journal is not None and journal.replaying:
            return  # a crash now must find the journal as it is
        due = time.monotonic() - self._last >= self._every
        if k == self._saved or not (due or now):
            return
        try:
            self._save(k, state)
            self._saved, self._last = k, time.monotonic()
        except OSError as error:
            warnings.warn(
                f"the checkpoint of iteration {k} cannot be written ({error}); the run goes on, the one before stays "
                "valid",
                OptlabWarning,
                stacklevel=2,
            )
            self._last = time.monotonic()

    def _save(self, k: int, state: Any) -> None:
        arrays: Arrays = {}
        packed = pack(state, arrays)
        if self._variables is not None:
            arrays |= {f"{_VARIABLES}{name}": a for name, a in self._variables().items()}
        data = _safetensors().save(arrays)
        names = {"arrays": f"state-{k}.safetensors", "journal": f"journal-{k}.bin"}
        index = {
            "schema": SCHEMA,
            "optlab": __version__,
            "about": {key: plain(value) for key, value in self._about.items()},
            "iteration": k,
            "counts": dict(self._door.counts),
            "state": packed,
            **names,
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        _write_whole(self._folder / names["arrays"], data)
        journal = self._folder / names["journal"]
        journal.unlink(missing_ok=True)
        following = Journal(journal)
        try:
            _write_whole(self._folder / _INDEX, json.dumps(index, indent=1).encode())
        except OSError:
            following.close()
            raise
        self.close()
        self._door.journal = following
        for old in self._folder.glob("*-*.*"):
            if old.suffix in {".safetensors", ".bin"} and old.name not in names.values():
                old.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the journal."""
        if self._door.journal is not None:
            self._door.journal.close()


def check_storable(method: AbstractMethod[Any]) -> None:
    """Refuse a method that does not say which records its states are made of."""
    if not method.records:
        raise CapabilityError(
            f"method {method.info.name!r} keeps a state that cannot be stored; checkpoint= and resume= work with the "
            "zeroth-order methods and with sgd and adam"
        )


def read_checkpoint(folder: str | Path) -> tuple[dict[str, Any], Arrays]:
    """Read the index and the arrays of a checkpoint.

    Raises
    ------
    ResumeError
        When there is none, or it is damaged.
    """
    place = Path(folder)
    try:
        index = json.loads((place / _INDEX).read_text(encoding="utf-8"))
        data = (place / index["arrays"]).read_bytes()
    except FileNotFoundError as error:
        raise ResumeError(
            f"there is no checkpoint in {place}: {Path(str(error.filename)).name} is missing"
        ) from error
    except (OSError, ValueError, KeyError) as error:
        raise ResumeError(f"the checkpoint in {place} cannot be read: {error}") from error
    if index.get("schema") != SCHEMA:
        raise ResumeError(
            f"the checkpoint in {place} has the layout {index.get('schema')!r}; {SCHEMA!r} is needed"
        )
    if hashlib.sha256(data).hexdigest() != index["sha256"]:
        raise ResumeError(
            f"{index['arrays']} in {place} is damaged: its SHA-256 is not that of {_INDEX}"
        )
    return index, dict(_safetensors().load(data))


def seed_of(seed: int | None, resume: str | Path | None) -> int:
    """Return the seed that was given, that of the run to resume, or a new one."""
    if seed is not None:
        return seed
    if resume is not None:
        index, _ = read_checkpoint(resume)
        return int(index["about"]["seed"])
    return int(np.random.SeedSequence().generate_state(1)[0])


def plan_of(
    checkpoint: str | Path | Checkpoint | None, resume: str | Path | None
) -> Checkpoint | None:
    """Return where a run is saved; a resumed one is saved where it was.

    Raises
    ------
    OptionError
        When the two name different folders.
    """
    given = resume if checkpoint is None else checkpoint
    if given is None:
        return None
    plan = given if isinstance(given, Checkpoint) else Checkpoint(given)
    if resume is not None and Path(plan.folder) != Path(resume):
        raise OptionError(
            f"resume is {str(resume)!r} and checkpoint is {str(plan.folder)!r}; a resumed run is saved where it was: "
            "leave checkpoint out, or give the same folder"
        )
    return plan if resume is None else replace(plan, resume=True)


def _write_whole(path: Path, data: bytes) -> None:
    """Write a file that is there whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def _safetensors() -> Any:
    try:
        return importlib.import_module("safetensors.numpy")
    except ImportError as error:
        raise MissingDependencyError("safetensors", "checkpoints", "a checkpoint") from error

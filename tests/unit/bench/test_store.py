from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bench_toys import SETTINGS, TOY

from optlab.bench import ProblemSpec, Store
from optlab.bench.plan import Task
from optlab.bench.sweep import stale_keys
from optlab.errors import OptionError

TASKS = [Task(ProblemSpec(f"P{i}", f"/P{i}.SIF"), TOY, SETTINGS) for i in range(4)]


def ended(*, solved: bool = True, **more: Any) -> dict[str, Any]:
    return {"outcome": "ended", "solved": solved, "f": 1.5, "history": [[0, None]], **more}


def test_a_run_comes_back_as_it_was_stored(tmp_path: Path) -> None:
    file = tmp_path / "runs.sqlite"
    with Store(file) as store:
        put = store.put(TASKS[0], ended())
    with Store(file, must_exist=True) as store:
        assert store.runs() == [put]
        assert store.finished() == {TASKS[0].key: True}
        assert Task.from_dict(store.runs()[0]["task"]) == TASKS[0]
    assert put["f"] == 1.5
    assert (put["problem"], put["label"]) == ("P0", "toy")


def test_the_same_run_again_replaces_the_row(tmp_path: Path) -> None:
    with Store(tmp_path / "runs.sqlite") as store:
        store.put(TASKS[0], ended(solved=False))
        store.put(TASKS[1], ended())
        store.put(TASKS[0], ended(f=2.5))
        assert [(r["problem"], r["f"]) for r in store.runs()] == [("P1", 1.5), ("P0", 2.5)]


def test_what_is_marked_is_missing_until_it_is_done_again(tmp_path: Path) -> None:
    file = tmp_path / "runs.sqlite"
    with Store(file) as store:
        for task in TASKS:
            store.put(task, ended(solved=task is not TASKS[2]))
        assert stale_keys(TASKS, store, []) == []
        assert stale_keys(TASKS[:2], store, ["all"]) == [t.key for t in TASKS[:2]]
        assert stale_keys(TASKS, store, ["failed"]) == [TASKS[2].key]
        assert stale_keys(TASKS, store, ["p3", "P0"]) == [TASKS[0].key, TASKS[3].key]
        with pytest.raises(OptionError, match="P9"):
            stale_keys(TASKS, store, ["P9"])
        store.mark_stale([TASKS[0].key, TASKS[1].key])
    with Store(file) as store:
        assert sorted(r["problem"] for r in store.runs()) == ["P2", "P3"]
        assert set(store.finished()) == {TASKS[2].key, TASKS[3].key}
        store.put(TASKS[0], ended())
        assert sorted(r["problem"] for r in store.runs()) == ["P0", "P2", "P3"]


def test_only_wanted_keys_are_returned(tmp_path: Path) -> None:
    with Store(tmp_path / "runs.sqlite") as store:
        for task in TASKS:
            store.put(task, ended())
        other = replace(TASKS[0], settings=replace(SETTINGS, tol=1e-3))
        assert [r["problem"] for r in store.runs([TASKS[1].key, other.key])] == ["P1"]


def test_facts_are_kept(tmp_path: Path) -> None:
    with Store(tmp_path / "runs.sqlite") as store:
        store.put_facts("a", {"n": 1})
        store.put_facts("a", {"n": 2})
        assert store.facts() == {"a": {"n": 2}}


def test_a_reader_works_while_another_writes(tmp_path: Path) -> None:
    file = tmp_path / "runs.sqlite"
    with Store(file) as first, Store(file) as second:
        first.put(TASKS[0], ended())
        assert len(second.runs()) == 1
        second.put(TASKS[1], ended())
        assert len(first.runs()) == 2


def test_another_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "runs.sqlite"
    with Store(file) as store:
        store.put(TASKS[0], ended())
    with closing(sqlite3.connect(file)) as db:
        db.execute("PRAGMA user_version = 7")
        db.commit()
    with pytest.raises(OptionError, match="version 7"):
        Store(file)
    with closing(sqlite3.connect(file)) as db:
        assert db.execute("SELECT count(*) FROM runs").fetchone() == (1,)


def test_other_files_are_refused_and_left_alone(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("these are my notes\n" * 100, encoding="utf-8")
    with pytest.raises(OptionError, match="cannot be used as a store"):
        Store(text)
    assert text.read_text(encoding="utf-8").startswith("these are my notes")
    other = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(other)) as db:
        db.execute("CREATE TABLE mine (a)")
        db.commit()
    with pytest.raises(OptionError, match="something else"):
        Store(other)


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"gone\.sqlite"):
        Store(tmp_path / "gone.sqlite", must_exist=True)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        Store(tmp_path / "nowhere" / "runs.sqlite")
    assert list(tmp_path.iterdir()) == []

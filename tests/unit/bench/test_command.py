"""The command, in this process: what it accepts, writes and returns."""

from __future__ import annotations

import io
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from bench_toys import lost, made_up, write_toy
from rich.console import Console

from optlab.bench import Store
from optlab.bench.progress import _Bar, run_line
from optlab.cli import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_toy(tmp_path, "A")
    write_toy(tmp_path, "B", "short")
    write_toy(tmp_path, "BIG")
    (tmp_path / "list.txt").write_text("A\nB\nBIG N=7\n", encoding="utf-8")
    return tmp_path


def bench(folder: Path, *more: str) -> tuple[int, str]:
    given = {
        "--collection": str(folder),
        "--methods": "bench-toy",
        "--import": "bench_toys",
        "--time-limit": "20",
        "--store": str(folder / "runs.sqlite"),
    }
    words = [w for key, value in given.items() if key not in more for w in (key, value)]
    out = io.StringIO()
    return main(["bench", *words, *more], out), out.getvalue()


def test_a_sweep_is_run_reported_and_not_run_again(folder: Path) -> None:
    more = ("--list", str(folder / "list.txt"), "--report", str(folder / "r.json"))
    code, out = bench(folder, *more)
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "0 runs are in the store, 3 are left"
    assert sum(line.startswith("ok ") for line in lines) == 2
    assert any(line.startswith("-- B ") and "ERROR" in line for line in lines)
    assert "2 solved, 1 failed, 0 left" in lines
    assert f"report: {folder / 'r.json'}" in lines
    document = json.loads((folder / "r.json").read_text(encoding="utf-8"))
    assert [r["problem"] for r in document["runs"]] == ["A", "B", "BIG N=7"]
    assert document["runs"][2]["n"] == 7
    code, out = bench(folder, *more)
    assert code == 0
    assert out.startswith("3 runs are in the store, 0 are left\n2 solved, 1 failed, 0 left\n")
    code, out = bench(folder, *more, "--rerun", "failed")
    assert out.startswith("2 runs are in the store, 1 are left\n-- B ")
    code, out = bench(folder, *more, "--rerun", "a,big")
    assert out.startswith("1 runs are in the store, 2 are left\n")
    code, out = bench(folder, *more, "--tag", "next")
    assert out.startswith("0 runs are in the store, 3 are left\n")


def test_reports_are_made_again_from_the_store(folder: Path) -> None:
    bench(folder, "--all", "--only", "A", "--methods", "x=bench-toy,y=bench-toy[rate=0.2]")
    code, out = bench(
        folder,
        "--all",
        "--no-run",
        "--methods",
        "x=bench-toy",
        "--report",
        str(folder / "r.csv"),
    )
    assert code == 0
    assert (folder / "r.csv").read_text(encoding="utf-8").count("\n") == 2
    store, html = str(folder / "runs.sqlite"), str(folder / "r.html")
    text = io.StringIO()
    assert main(["bench", "report", store, "--report", html, "--reference", "x"], text) == 0
    assert "y against x on the 1 problems that both solve" in text.getvalue()
    assert "y against x" in (folder / "r.html").read_text(encoding="utf-8")
    assert "left" not in out


def test_classes_and_sizes_select_by_reading_the_files(folder: Path) -> None:
    more = ("--list", str(folder / "list.txt"), "--max-n", "2", "--classes", "unconstrained,QP")
    code, out = bench(folder, *more)
    assert code == 0
    assert out.startswith("0 runs are in the store, 2 are left\n")
    with Store(folder / "runs.sqlite") as store:
        assert sorted(r["problem"] for r in store.runs()) == ["A", "B"]
        assert len(store.facts()) == 3


def test_methods_come_from_a_file_as_well(folder: Path) -> None:
    file = folder / "methods.toml"
    file.write_text(
        '[fast]\nmethod = "bench-toy"\n[fast.options]\nrate = 0.5\n', encoding="utf-8"
    )
    bench(folder, "--all", "--only", "A", "--method-options", str(file))
    with Store(folder / "runs.sqlite") as store:
        work = {r["label"]: r["iterations"] for r in store.runs()}
    # A step of half of 1/2 the curvature is the exact one.
    assert work["fast"] == 1 < work["bench-toy"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--all", "--collection", "nowhere"], "nowhere"),
        (["--list", "nowhere.txt"], "nowhere.txt"),
        (["--list", "LIST", "--all"], "--all"),
        ([], "--all"),
        (["--all", "--methods", "npsa"], "npasa"),
        (["--all", "--methods", ""], "no method"),
        (["--all", "--only", "Z*"], "no problem"),
        (["--all", "--classes", "cubic"], "cubic"),
        (["--all", "--time-limit", "0"], "time_limit"),
        (["--all", "--memory-limit", "-1"], "memory_limit"),
        (["--all", "--jobs", "0"], "jobs"),
        (["--all", "--executor", "mpi"], "dask://"),
        (["--all", "--executor", "dask://"], "dask://"),
        (["--all", "--import", "no_such_module"], "no_such_module"),
        (["--all", "--report", "r.pdf"], ".pdf"),
        (["--all", "--rerun", "Z"], "'Z'"),
        (["--all", "--store", "gone/runs.sqlite"], "gone"),
        (["--all", "--no-run"], "there is no store"),
        (["remort", "x"], "report STORE"),
        (["report", "gone.sqlite"], "gone.sqlite"),
    ],
)
def test_bad_input_is_one_clear_line_and_runs_nothing(
    folder: Path, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(folder / "list.txt") if a == "LIST" else a for a in arguments]
    code, out = bench(folder, *given)
    error = capsys.readouterr().err
    assert code == 2
    assert words in error
    assert error.count("\n") == 1
    assert "ok " not in out


def test_a_bad_line_of_a_list_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "list.txt").write_text("A\nB N=many\n", encoding="utf-8")
    assert bench(folder, "--list", str(folder / "list.txt"))[0] == 2
    error = capsys.readouterr().err
    assert "list.txt:2" in error
    assert "many" in error


def test_a_store_is_needed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--collection", str(folder), "--all", "--methods", "npasa"]) == 2
    assert "--store" in capsys.readouterr().err


def test_a_store_of_another_version_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench(folder, "--all", "--only", "A")
    with closing(sqlite3.connect(folder / "runs.sqlite")) as db:
        db.execute("PRAGMA user_version = 99")
        db.commit()
    assert bench(folder, "--all", "--only", "A")[0] == 2
    assert "99" in capsys.readouterr().err


def test_a_store_that_cannot_be_written_is_one_clear_line(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        message = "database or disk is full"
        raise sqlite3.OperationalError(message)

    monkeypatch.setattr(Store, "put", full)
    assert bench(folder, "--all", "--only", "A")[0] == 2
    error = capsys.readouterr().err
    assert "disk is full" in error
    assert error.count("\n") == 1


def test_an_unknown_reference_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(folder, "--all", "--only", "A", "--reference", "ipopt")[0] == 2
    assert "bench-toy" in capsys.readouterr().err


@pytest.mark.parametrize(
    "run",
    [
        made_up("A", "a"),
        made_up("A", "a", f=None, primal=None, dual=None, complementarity=None, solved=False),
        lost("A", "a", "crash"),
    ],
)
def test_every_run_has_its_line(run: dict[str, Any]) -> None:
    line = run_line(run)
    assert line.startswith("ok " if run["solved"] else "-- ")
    assert "\n" not in line


def test_a_terminal_shows_a_bar_with_counts_and_failures() -> None:
    out = io.StringIO()
    bar = _Bar(Console(file=out, force_terminal=True, width=160))
    bar.begin([made_up("A", "a")], 2)
    bar.done(made_up("B", "a"))
    bar.done(lost("C", "a", "crash"))
    bar.end()
    text = out.getvalue()
    assert "2 solved, 1 failed, 0 left" in text
    assert "2/2" in text
    assert "CRASH: it was crash" in text
    assert "-- B" not in text

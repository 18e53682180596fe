"""A sweep that is killed or interrupted at some moment goes on where it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from bench_toys import Pipe, write_toy

from optlab.bench import Store

COUNT = 4


def command(folder: Path, *more: str) -> list[str]:
    return [
        sys.executable, "-m", "optlab", "bench",
        "--collection", str(folder), "--list", str(folder / "list.txt"),
        "--methods", "bench-toy", "--import", "bench_toys", "--time-limit", "20",
        "--store", str(folder / "runs.sqlite"), "--jobs", "2", *more,
    ]  # fmt: skip


def start(folder: Path, *more: str) -> subprocess.Popen[str]:
    paths = os.pathsep.join(p for p in sys.path if p)
    return subprocess.Popen(
        command(folder, *more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
    )


def finish(process: subprocess.Popen[str]) -> str:
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return out


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    names = [f"P{i}" for i in range(COUNT)]
    for name in names:
        write_toy(tmp_path, name)
    (tmp_path / "list.txt").write_text("\n".join(names), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("lines", [1, 2, COUNT])
def test_killed_after_some_runs(folder: Path, lines: int) -> None:
    process = start(folder)
    assert process.stdout is not None
    shown = [process.stdout.readline() for _ in range(lines)]
    process.kill()
    process.communicate(timeout=60)
    assert f"0 runs are in the store, {COUNT} are left" in shown[0]
    with Store(folder / "runs.sqlite") as store:
        before = store.runs()
    # A line is shown once its run is stored.
    assert len(before) >= lines - 1
    out = finish(start(folder))
    assert f"{len(before)} runs are in the store, {COUNT - len(before)} are left" in out
    with Store(folder / "runs.sqlite") as store:
        after = store.runs()
    assert sorted(r["problem"] for r in after) == [f"P{i}" for i in range(COUNT)]
    assert after[: len(before)] == before
    assert all(r["solved"] for r in after)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_stopped_during_a_run(folder: Path, number: signal.Signals) -> None:
    pipe = Pipe(folder)
    write_toy(folder, "P3", "hangs", fifo=str(pipe.path))
    process = start(folder)
    worker = int(pipe.next())
    process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    # The worker must not outlive the sweep: it held the pipe open.
    assert pipe.next() == ""
    pipe.close()
    assert worker > 0
    if number is signal.SIGINT:
        assert process.returncode == 130
        assert "goes on" in out
        assert "Traceback" not in out
    write_toy(folder, "P3")
    with Store(folder / "runs.sqlite") as store:
        before = store.runs()
    assert "P3" not in {r["problem"] for r in before}
    finish(start(folder))
    with Store(folder / "runs.sqlite") as store:
        after = store.runs()
    assert sorted(r["problem"] for r in after) == [f"P{i}" for i in range(COUNT)]
    assert after[: len(before)] == before


def test_a_rerun_that_is_killed_goes_on(folder: Path) -> None:
    finish(start(folder))
    process = start(folder, "--rerun", "all")
    assert process.stdout is not None
    assert f"0 runs are in the store, {COUNT} are left" in process.stdout.readline()
    process.stdout.readline()
    process.kill()
    process.communicate(timeout=60)
    with Store(folder / "runs.sqlite") as store:
        again = store.runs()
    assert 1 <= len(again) < COUNT
    out = finish(start(folder))
    assert f"{len(again)} runs are in the store, {COUNT - len(again)} are left" in out

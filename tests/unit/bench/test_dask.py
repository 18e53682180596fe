"""The same sweep on a Dask cluster: a real scheduler and two worker processes on this machine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from bench_toys import SETTINGS, TOY, toy_spec, write_toy

from optlab.bench import Store, run
from optlab.cli import main

pytestmark = pytest.mark.filterwarnings("default")
"""The client library's own warnings are not ours."""


def started(arguments: list[str], pattern: str) -> tuple[subprocess.Popen[str], str]:
    """Start a Dask program and wait for the line that says where it is."""
    paths = os.pathsep.join(p for p in sys.path if p)
    process = subprocess.Popen(
        [sys.executable, "-m", "distributed.cli." + arguments[0], *arguments[1:]],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": paths, "DASK_LOGGING__DISTRIBUTED": "info"},
    )
    assert process.stderr is not None
    for line in process.stderr:
        found = re.search(pattern, line)
        if found:
            # The rest must be read, or the process stops at a full pipe.
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return process, found[1] if found.groups() else ""
    message = f"{arguments[0]} ended with {process.wait()}"
    raise AssertionError(message)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip(
        "distributed", reason='needs distributed: pip install "optlab-npasa[dask]"'
    )
    folder = str(tmp_path_factory.mktemp("dask"))
    programs = []
    try:
        scheduler, address = started(
            ["dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"],
            r"Scheduler at:\s*tcp://([\d.:]+)",
        )
        programs.append(scheduler)
        for _ in range(2):
            worker, _ = started(
                [
                    "dask_worker", f"tcp://{address}", "--nthreads", "1", "--no-dashboard",
                    "--no-nanny", "--local-directory", folder,
                ],
                r"Registered to:",
            )  # fmt: skip
            programs.append(worker)
        yield address
    finally:
        for program in programs:
            program.kill()
            program.communicate()


@pytest.mark.dask
def test_the_command_runs_on_a_cluster(cluster: str, tmp_path: Path) -> None:
    for i, kind in enumerate(("bowl", "killed", "bowl", "short")):
        write_toy(tmp_path, f"P{i}", kind)
    store = tmp_path / "runs.sqlite"
    code = main(
        [
            "bench", "--collection", str(tmp_path), "--all", "--methods", "bench-toy",
            "--import", "bench_toys", "--time-limit", "20", "--store", str(store),
            "--executor", f"dask://{cluster}",
        ]
    )  # fmt: skip
    assert code == 0
    with Store(store) as opened:
        runs = {r["problem"]: r["outcome"] for r in opened.runs()}
    assert runs == {"P0": "ended", "P1": "crash", "P2": "ended", "P3": "error"}


@pytest.mark.dask
def test_records_are_the_same_as_from_local_processes(cluster: str, tmp_path: Path) -> None:
    distributed: Any = pytest.importorskip("distributed")
    specs = [toy_spec(tmp_path, f"P{i}") for i in range(3)]
    local = run(specs, [TOY], store=tmp_path / "local.sqlite", settings=SETTINGS, executor=2)
    with distributed.Client(f"tcp://{cluster}", set_as_default=False) as client:
        remote = run(
            specs,
            [TOY],
            store=tmp_path / "remote.sqlite",
            settings=SETTINGS,
            executor=client.get_executor(pure=False),
        )
        assert len(client.ncores()) == 2
    same = (
        "problem",
        "f",
        "x",
        "solved",
        "iterations",
        "evaluations",
        "history",
        "primal",
        "dual",
    )
    for here, there in zip(local.runs, remote.runs, strict=True):
        assert [here.get(k) for k in same] == [there.get(k) for k in same]


@pytest.mark.dask
def test_no_scheduler_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(
        "distributed", reason='needs distributed: pip install "optlab-npasa[dask]"'
    )
    monkeypatch.setattr("optlab.bench.executors._CONNECT", 0.5)
    write_toy(tmp_path, "A")
    code = main(
        [
            "bench", "--collection", str(tmp_path), "--all", "--methods", "bench-toy",
            "--import", "bench_toys", "--store", str(tmp_path / "s.sqlite"),
            "--executor", "dask://127.0.0.1:1",
        ]
    )  # fmt: skip
    assert code == 2
    assert "dask scheduler" in capsys.readouterr().err


def test_without_distributed_the_error_says_how_to_get_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    write_toy(tmp_path, "A")
    code = main(
        [
            "bench", "--collection", str(tmp_path), "--all", "--methods", "bench-toy",
            "--import", "bench_toys", "--store", str(tmp_path / "s.sqlite"),
            "--executor", "dask://127.0.0.1:8786",
        ]
    )  # fmt: skip
    assert code == 2
    assert "optlab-npasa[dask]" in capsys.readouterr().err


def test_any_executor_will_do_and_its_failures_are_told(tmp_path: Path) -> None:
    class Broken(ThreadPoolExecutor):
        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
            if args[0]["problem"]["name"] == "P1":
                return super().submit(int, "no machine")
            return super().submit(fn, *args, **kwargs)

    specs = [toy_spec(tmp_path, f"P{i}") for i in range(3)]
    store = tmp_path / "runs.sqlite"
    with Broken(2) as pool:
        sweep = run(specs, [TOY], store=store, settings=SETTINGS, executor=pool)
    assert (sweep.done, len(sweep.lost)) == (2, 1)
    assert "P1 with toy" in sweep.lost[0]
    with ThreadPoolExecutor(1) as sound:
        again = run(specs, [TOY], store=store, settings=SETTINGS, executor=sound)
    assert (again.done, again.kept, again.lost) == (1, 2, [])

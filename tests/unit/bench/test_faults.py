"""Whatever happens in a run is an outcome of that run, and the sweep goes on."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bench_toys import METHOD, SETTINGS, TOY, Pipe, toy_spec

from optlab.bench import MethodSpec, ProblemSpec, Settings, run
from optlab.bench.plan import Task
from optlab.bench.supervise import Cancelled, supervise

SHORT = replace(SETTINGS, time_limit=0.5, grace=0.5)


def record(
    spec: ProblemSpec, method: MethodSpec = TOY, settings: Settings = SETTINGS
) -> dict[str, Any]:
    return supervise(Task(spec, method, settings).to_dict())


def test_a_run_is_measured_and_judged(tmp_path: Path) -> None:
    got = record(toy_spec(tmp_path, "BOWL"))
    assert got["outcome"] == "ended"
    assert got["solved"]
    assert not got["wrong_claim"]
    assert (got["n"], got["m"], got["class"]) == (2, 0, "unconstrained")
    assert got["f"] == pytest.approx(0.0, abs=1e-11)
    assert got["dual"] <= 1e-6
    assert (got["stop"], got["point"]) == ("CONVERGED", "STATIONARY")
    assert got["evaluations"]["objective"] == got["iterations"] + 1
    assert got["history"][0][:2] == [0, 2.0]
    assert got["history"][-1][0] == got["iterations"]
    assert got["peak_memory"] > 2**24
    # Not what the clock shows, but that both clocks run and the parts are no larger than the whole.
    assert 0.0 < got["callback_cpu"] <= got["cpu"]
    assert got["wall"] > 0.0


@pytest.mark.parametrize(
    ("kind", "outcome", "words"),
    [
        ("bug", "ended", "KeyError"),
        ("raises", "ended", "ZeroDivisionError"),
        ("nan", "ended", "is nan"),
        ("short", "error", "ProblemError"),
        ("unreadable", "unreadable", "this file is broken"),
        ("killed", "crash", "SIGKILL"),
        ("exits", "crash", "code 3"),
        ("load-dies", "crash", "in phase load"),
    ],
)
def test_a_faulty_problem_is_an_outcome(
    tmp_path: Path, kind: str, outcome: str, words: str
) -> None:
    got = record(toy_spec(tmp_path, "BAD", kind))
    assert got["outcome"] == outcome
    assert words in got["message"]
    assert not got["solved"]
    assert not got.get("wrong_claim")
    if outcome == "ended":
        assert got["stop"] == "EVAL_ERROR"


def test_a_hanging_callback_is_killed_after_the_limit(tmp_path: Path) -> None:
    got = record(toy_spec(tmp_path, "HANGS", "hangs"), settings=SHORT)
    assert got["outcome"] == "timeout"
    assert got["phase"] == "solve"
    assert (got["n"], got["class"]) == (2, "unconstrained")
    assert "1 s" in got["message"]


def test_growing_memory_is_stopped(tmp_path: Path) -> None:
    got = record(
        toy_spec(tmp_path, "GROWS", "memory"), settings=replace(SETTINGS, memory_limit=0.5)
    )
    assert got["outcome"] == "memory"
    assert got["peak_memory"] > 0.5 * 2**30


def test_one_huge_request_for_memory_is_an_outcome(tmp_path: Path) -> None:
    spec = toy_spec(tmp_path, "HUGE", "allocates")
    got = record(spec, settings=replace(SETTINGS, memory_limit=0.5))
    assert not got["solved"]
    # The oracle turns the problem's MemoryError into the solve's ending.
    assert "MemoryError" in got["message"]


def test_an_unknown_file_is_an_outcome(tmp_path: Path) -> None:
    got = record(ProblemSpec.of(tmp_path / "NOWHERE.toy"))
    assert got["outcome"] == "unreadable"
    assert "NOWHERE.toy" in got["message"]


def test_a_missing_package_is_an_outcome(tmp_path: Path) -> None:
    got = record(toy_spec(tmp_path, "BOWL"), MethodSpec("missing", "bench-missing"))
    assert got["outcome"] == "missing"
    assert "pip install" in got["message"]


def test_a_method_that_cannot_handle_the_problem_is_an_outcome(tmp_path: Path) -> None:
    got = record(toy_spec(tmp_path, "ROWS", "rows"), MethodSpec("free", "bench-free"))
    assert got["outcome"] == "incapable"
    assert (got["n"], got["m"], got["class"]) == (2, 1, "linear")


def test_a_module_that_cannot_be_imported_is_an_outcome(tmp_path: Path) -> None:
    settings = replace(SETTINGS, imports=("no_such_module_anywhere",))
    got = record(toy_spec(tmp_path, "BOWL"), settings=settings)
    assert got["outcome"] == "error"
    assert "no_such_module_anywhere" in got["message"]


def test_what_a_problem_prints_is_not_taken_for_a_message(tmp_path: Path) -> None:
    got = record(toy_spec(tmp_path, "PRINTS", "prints"))
    assert got["solved"]
    assert got["n"] == 2


def test_a_wrong_claim_is_found(tmp_path: Path) -> None:
    blind = MethodSpec("blind", METHOD, {}, "functions")
    got = record(toy_spec(tmp_path, "LIAR", "liar"), blind)
    assert got["point"] == "STATIONARY"
    assert got["wrong_claim"]
    assert not got["solved"]


def test_hidden_derivatives_are_hidden(tmp_path: Path) -> None:
    spec = toy_spec(tmp_path, "BOWL")
    exact = record(spec)
    blind = record(spec, MethodSpec("blind", METHOD, {}, "functions"))
    assert exact["evaluations"]["objective"] == exact["evaluations"]["gradient"]
    # Two differences of the objective for each of two variables.
    assert blind["evaluations"]["objective"] > 4 * blind["evaluations"]["gradient"]
    assert blind["solved"]


def test_a_set_event_kills_the_process(tmp_path: Path) -> None:
    pipe = Pipe(tmp_path)
    spec = toy_spec(tmp_path, "HANGS", "hangs", fifo=str(pipe.path))
    cancel = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(supervise, Task(spec, TOY, SETTINGS).to_dict(), cancel)
        assert int(pipe.next()) > 0
        cancel.set()
        with pytest.raises(Cancelled):
            future.result(timeout=60.0)
    assert pipe.next() == ""
    pipe.close()


def test_a_sweep_goes_on_after_every_fault(tmp_path: Path) -> None:
    kinds = ("killed", "bowl", "unreadable", "short", "rows")
    specs = [toy_spec(tmp_path, f"P{i}", kind) for i, kind in enumerate(kinds)]
    store = tmp_path / "runs.sqlite"
    sweep = run(specs, [TOY], store=store, settings=SETTINGS, executor=2)
    assert [r["problem"] for r in sweep.runs] == ["P0", "P1", "P2", "P3", "P4"]
    outcomes = [r["outcome"] for r in sweep.runs]
    assert outcomes == ["crash", "ended", "unreadable", "error", "ended"]
    assert (sweep.done, sweep.kept, sweep.lost) == (5, 0, [])
    again = run(specs, [TOY], store=store, settings=SETTINGS)
    assert (again.done, again.kept) == (0, 5)
    assert again.runs == sweep.runs

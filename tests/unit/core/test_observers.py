from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from toy import Toy

from optlab import Problem
from optlab.core.driver import run
from optlab.core.observers import History, JsonLines, RunInfo, user_callback
from optlab.core.progress import Column, Progress
from optlab.core.tables import LiveTable, PlainTable, iteration_table
from optlab.errors import OptionError

AT = Progress(x=np.array([1.0, 2.0]), f=5.0, primal=0.0, dual=math.nan, extras={"phase": "one"})
INFO = RunInfo("toy", "sphere", 2, 0, (Column("phase", "phase", "{:>6}"),))


def sphere(**more: Any) -> Problem:
    given: dict[str, Any] = {
        "objective": lambda x: float(x @ x),
        "gradient": lambda x: 2.0 * x,
        "x0": np.array([3.0, -2.0]),
    }
    return Problem(**(given | more))


def test_callback_forms() -> None:
    seen: list[Any] = []

    def by_x(x: Any) -> None:
        seen.append(x)

    def by_record(intermediate_result: Any) -> None:
        seen.append(intermediate_result)

    def by_progress(progress: Any) -> None:
        seen.append(progress)

    def by_both(k: int, q: Any) -> None:
        seen.append((k, q))

    def annotated(q: Progress) -> None:
        seen.append(q)

    for callback in (by_x, by_record, by_progress, by_both, annotated, seen.append):
        assert not user_callback(callback)(4, AT)
    assert np.array_equal(seen[0], AT.x)
    assert seen[0] is not AT.x
    assert seen[1].fun == 5.0
    assert np.array_equal(seen[1].x, AT.x)
    assert seen[2] is AT
    assert seen[3] == (4, AT)
    assert seen[4] is AT
    assert np.array_equal(seen[5], AT.x)


def test_what_stops() -> None:
    def enough(_x: Any) -> None:
        raise StopIteration

    assert user_callback(enough)(0, AT)
    assert user_callback(lambda _x: True)(0, AT)
    assert user_callback(lambda _x: np.True_)(0, AT)
    for other in (None, False, 1, 2.5, "yes"):
        assert not user_callback(lambda _x, other=other: other)(0, AT)
    with pytest.raises(OptionError, match="callable"):
        user_callback(3)  # type: ignore[arg-type]


def test_an_error_in_a_callback_is_the_users() -> None:
    def broken(_x: Any) -> None:
        message = "plotting failed"
        raise RuntimeError(message)

    with pytest.raises(RuntimeError, match="plotting"):
        run(Toy(), sphere(), observers=[user_callback(broken)])


def test_the_log_has_one_object_per_line(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    result = run(Toy(), sphere(), observers=[JsonLines(file)])
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert [line["event"] for line in lines] == [
        "start",
        *["iteration"] * (result.iterations + 1),
        "end",
    ]
    assert lines[0]["schema"] == "optlab.log/1"
    assert [line["k"] for line in lines[1:-1]] == list(range(result.iterations + 1))
    assert lines[1]["f"] == 13.0
    assert lines[-1]["stop"] == "CONVERGED"
    assert lines[-1]["certificate"]["primal"] == 0.0


def test_the_log_is_strict_json_and_whole_after_a_crash(tmp_path: Path) -> None:
    stream = io.StringIO()
    log = JsonLines(stream)
    log.open(INFO)
    log(0, AT)
    assert json.loads(stream.getvalue().splitlines()[1])["dual"] is None
    log.close(None)
    assert json.loads(stream.getvalue().splitlines()[-1])["stop"] == "EXCEPTION"
    assert not stream.closed

    def crash(k: int, _progress: Progress) -> None:
        if k == 2:
            raise KeyError(k)

    file = tmp_path / "log.jsonl"
    with pytest.raises(KeyError):
        run(Toy(), sphere(), observers=[JsonLines(file), crash])
    assert json.loads(file.read_text(encoding="utf-8").splitlines()[-1])["stop"] == "EXCEPTION"


def test_history_thins_evenly_and_starts_anew() -> None:
    history = History(limit=10)
    history.open(INFO)
    for k in range(100):
        history(k, AT)
    kept = [row.k for row in history.rows]
    assert kept[0] == 0
    assert len(kept) <= 10
    assert len(set(np.diff(kept))) == 1
    history.open(INFO)
    assert history.rows == []
    history(0, AT)
    assert history.rows[0].as_dict()["phase"] == "one"


def test_plain_table() -> None:
    stream = io.StringIO()
    table = PlainTable(stream)
    table.open(INFO)
    for k in range(31):
        table(k, AT)
    table.close(None)
    lines = stream.getvalue().splitlines()
    assert "sphere" in lines[0]
    assert lines[1] == lines[32]
    header, row = lines[1], lines[2]
    assert header.split()[-1] == "phase"
    assert row.split()[-1] == "one"
    # Columns end where their headers end.
    assert row.index("one") + 3 == header.index("phase") + 5
    assert "5.00000000e+00" in row
    assert " - " in row


def test_a_stream_that_is_no_terminal_gets_the_plain_table() -> None:
    assert isinstance(iteration_table(io.StringIO()), PlainTable)

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert isinstance(iteration_table(Terminal()), LiveTable)


@pytest.mark.parametrize(("width", "shown"), [(200, True), (60, False)])
def test_live_table_drops_columns_rather_than_digits(width: int, *, shown: bool) -> None:
    table = LiveTable(io.StringIO())
    table.open(INFO)
    table(0, AT)
    table._console.width = width
    out = Console(file=io.StringIO(), width=width)
    with out.capture() as text:
        out.print(table._render())
    table.close(None)
    assert "5.00000000e+00" in text.get()
    assert "…" not in text.get()
    assert ("phase" in text.get()) is shown

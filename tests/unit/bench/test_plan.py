from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from optlab.bench import MethodSpec, ProblemSpec, Settings
from optlab.bench.plan import Task, make_tasks
from optlab.errors import OptionError

PROBLEM = ProblemSpec("HS71", "/a/HS71.SIF", {"N": 3}, "d1")
TASK = Task(PROBLEM, MethodSpec("m", "npasa", {"tol": 1e-8}), Settings(), {"optlab": "1"})


def changed(**parts: dict[str, Any]) -> Task:
    return replace(TASK, **{k: replace(getattr(TASK, k), **v) for k, v in parts.items()})


@pytest.mark.parametrize(
    "other",
    [
        changed(problem={"params": {"N": 4}}),
        changed(problem={"digest": "d2"}),
        changed(problem={"file": "/a/HS72.SIF"}),
        changed(method={"method": "pasa"}),
        changed(method={"options": {"tol": 1e-7}}),
        changed(method={"derivatives": "gradients"}),
        changed(settings={"tol": 1e-5}),
        changed(settings={"time_limit": 61.0}),
        changed(settings={"derivatives": "functions"}),
        changed(settings={"seed": 1}),
        changed(settings={"tag": "later"}),
        replace(TASK, versions={"optlab": "2"}),
    ],
)
def test_whatever_can_change_a_result_changes_the_key(other: Task) -> None:
    assert other.key != TASK.key


@pytest.mark.parametrize(
    "other",
    [
        changed(problem={"file": "/b/HS71.SIF", "name": "other"}),
        changed(method={"label": "another"}),
        changed(method={"derivatives": "exact"}),
        changed(settings={"grace": 1.0, "memory_limit": 2.0, "imports": ("os",)}),
    ],
)
def test_names_and_emergency_limits_do_not_change_the_key(other: Task) -> None:
    assert other.key == TASK.key


def test_a_task_goes_through_json() -> None:
    task = changed(settings={"imports": ("os", "json"), "memory_limit": 1.5})
    again = Task.from_dict(json.loads(json.dumps(task.to_dict())))
    assert again == task
    assert again.key == task.key


def test_every_problem_meets_every_method_problem_by_problem() -> None:
    problems = [replace(PROBLEM, name=name, file=f"{name}.SIF") for name in ("A", "B")]
    tasks = make_tasks(
        problems, [MethodSpec("n", "npasa"), MethodSpec("p", "pasa")], Settings()
    )
    pairs = [(t.problem.name, t.method.label) for t in tasks]
    assert pairs == [("A", "n"), ("A", "p"), ("B", "n"), ("B", "p")]
    assert {"optlab", "python", "numpy", "scipy"} <= set(tasks[0].versions)


@pytest.mark.parametrize(
    ("problems", "methods", "words"),
    [
        ([], [MethodSpec("n", "npasa")], "no problem"),
        ([PROBLEM], [], "no method"),
        ([PROBLEM], [MethodSpec("n", "npasa"), MethodSpec("n", "pasa")], "'n'"),
        ([PROBLEM, PROBLEM], [MethodSpec("n", "npasa")], "HS71"),
        ([PROBLEM], [MethodSpec("n", "npasa"), MethodSpec("o", "npasa")], "same method"),
    ],
)
def test_a_plan_without_sense_is_refused(
    problems: list[ProblemSpec], methods: list[MethodSpec], words: str
) -> None:
    with pytest.raises(OptionError, match=words):
        make_tasks(problems, methods, Settings())


@pytest.mark.parametrize(
    "wrong",
    [
        {"tol": 0.0},
        {"time_limit": -1.0},
        {"time_limit": float("nan")},
        {"memory_limit": 0.0},
        {"grace": 0.0},
        {"derivatives": "some"},
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=next(iter(wrong))):
        Settings(**wrong)


def test_the_grace_follows_the_limit() -> None:
    assert Settings(time_limit=20.0).kill_after == pytest.approx(27.0)
    assert Settings(time_limit=20.0, grace=1.0).kill_after == 21.0


def test_a_changed_file_is_another_problem(tmp_path: Path) -> None:
    file = tmp_path / "P.SIF"
    missing = ProblemSpec.of(file)
    file.write_text("one", encoding="utf-8")
    first = ProblemSpec.of(file, {"N": 10})
    file.write_text("two", encoding="utf-8")
    assert missing.digest == ""
    assert first.name == "P N=10"
    assert first.digest != ProblemSpec.of(file, {"N": 10}).digest

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from descent import Descent, Targets
from toy import Toy

import optlab
from optlab import Checkpoint, Problem, Result, StopReason
from optlab.core import checkpoint as module
from optlab.errors import (
    CapabilityError,
    MissingDependencyError,
    OptionError,
    OptlabWarning,
    ResumeError,
)

pytest.importorskip("safetensors")

X = np.array([3.0, -2.0, 1.0, 0.5])


class Counted:
    """A function that knows how often it was paid for, and may fail at a call."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.calls, self.stop_at = 0, stop_at

    def __call__(self, x: Any) -> float:
        self.calls += 1
        if self.calls == self.stop_at:
            raise KeyboardInterrupt
        return float(((x - 1.0) ** 2).sum())


def solve(function: Any, folder: Path | None = None, **more: Any) -> Result:
    given: dict[str, Any] = {"max_iter": 20, "seed": 5, "method": Descent()} | more
    if folder is not None and "resume" not in given:
        given["checkpoint"] = Checkpoint(folder, every=given.pop("every", 0.0))
    problem = Problem(objective=function, x0=X)
    return optlab.minimize(problem, **given)


UNBROKEN = solve(Counted())


@pytest.mark.parametrize("every", [0.0, 1e9])
@pytest.mark.parametrize("stop_at", [1, 2, 5, 37, 80])
def test_an_interrupted_run_goes_on_to_the_same_numbers(
    tmp_path: Path, stop_at: int, every: float
) -> None:
    """And no value is paid for twice: the second run makes only the calls that the first did not finish."""
    first = Counted(stop_at)
    broken = solve(first, tmp_path, every=every)
    assert broken.stop is StopReason.USER
    second = Counted()
    resumed = solve(second, resume=tmp_path)
    assert np.array_equal(resumed.x, UNBROKEN.x)
    assert resumed.fun == UNBROKEN.fun
    assert resumed.iterations == UNBROKEN.iterations
    assert resumed.evaluations == UNBROKEN.evaluations
    paid = stop_at - 1
    assert second.calls == UNBROKEN.evaluations["objective"] - paid


def test_a_finished_run_goes_on_where_it_ended(tmp_path: Path) -> None:
    solve(Counted(), tmp_path, max_iter=8)
    more = Counted()
    resumed = solve(more, resume=tmp_path)
    assert np.array_equal(resumed.x, UNBROKEN.x)
    assert more.calls == (20 - 8) * 4
    assert [row.k for row in resumed.history] == list(range(8, 21))


def test_the_budget_counts_the_whole_run(tmp_path: Path) -> None:
    solve(Counted(), tmp_path, max_iter=5)
    more = Counted()
    resumed = solve(more, resume=tmp_path, max_iter=None, max_eval=30)
    assert resumed.stop is StopReason.MAX_EVAL
    assert resumed.evaluations["objective"] == 30
    assert more.calls == 10


CHILD = """
import os, signal, sys
import numpy as np
from descent import Descent
import optlab
calls = 0
def f(x):
    global calls
    calls += 1
    if calls == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    return float(((x - 1.0) ** 2).sum())
problem = optlab.Problem(objective=f, x0=[3.0, -2.0, 1.0, 0.5])
optlab.minimize(problem, method=Descent(), max_iter=20, seed=5, checkpoint=optlab.Checkpoint(sys.argv[1], every=0.0))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9")
@pytest.mark.parametrize("call", [3, 47])
def test_kill_nine_loses_nothing(tmp_path: Path, call: int) -> None:
    """A process killed in the middle of a step, resumed in another process: same numbers, nothing paid twice."""
    path = os.pathsep.join(["tests/plugins", *sys.path])
    killed = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path), str(call)],
        env={**os.environ, "PYTHONPATH": path},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    again = Counted()
    resumed = solve(again, resume=tmp_path)
    assert np.array_equal(resumed.x, UNBROKEN.x)
    assert again.calls == 80 - (call - 1)


def test_a_full_disk_leaves_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = 0
    honest = module._write_whole

    def filling(path: Path, data: bytes) -> None:
        nonlocal written
        written += 1
        if written > 6:
            raise OSError(errno.ENOSPC, "No space left on device")
        honest(path, data)

    monkeypatch.setattr(module, "_write_whole", filling)
    with pytest.warns(OptlabWarning, match="No space left"):
        result = solve(Counted(), tmp_path)
    assert np.array_equal(result.x, UNBROKEN.x)
    monkeypatch.undo()
    again = Counted()
    resumed = solve(again, resume=tmp_path)
    assert np.array_equal(resumed.x, UNBROKEN.x)
    assert again.calls == 0  # the journal kept everything


def test_sampled_runs_resume_with_their_samples(tmp_path: Path) -> None:
    targets = np.random.default_rng(1).standard_normal((7, 4))

    def stated() -> Problem:
        sampled = Targets(targets)
        return Problem(objective=lambda x: sampled.at(x, None), x0=X, sampled=sampled)

    given: dict[str, Any] = {"method": Descent(), "seed": 2}
    whole = optlab.minimize(stated(), max_iter=15, **given)
    optlab.minimize(stated(), max_iter=6, checkpoint=tmp_path, **given)
    resumed = optlab.minimize(stated(), max_iter=15, resume=str(tmp_path), **given)
    assert np.array_equal(whole.x, resumed.x)


def test_the_seed_comes_from_the_checkpoint(tmp_path: Path) -> None:
    first = solve(Counted(), tmp_path, max_iter=5, seed=None)
    resumed = solve(Counted(), resume=tmp_path, seed=None)
    assert resumed.seed == first.seed


def test_files_are_those_that_the_page_names(tmp_path: Path) -> None:
    solve(Counted(), tmp_path, max_iter=3)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "checkpoint.json",
        "journal-3.bin",
        "state-3.safetensors",
    ]
    index = json.loads((tmp_path / "checkpoint.json").read_text())
    assert index["schema"] == "optlab.checkpoint/1"
    assert index["about"]["method"] == "descent"


def test_another_run_is_refused(tmp_path: Path) -> None:
    solve(Counted(), tmp_path, max_iter=3)
    with pytest.raises(ResumeError, match="seed = 5, this one has 6"):
        solve(Counted(), resume=tmp_path, seed=6)
    with pytest.raises(ResumeError, match="options"):
        solve(Counted(), resume=tmp_path, method=Descent(rate=0.3))
    with pytest.raises(ResumeError, match="n = 4"):
        optlab.minimize(
            Problem(objective=Counted(), x0=X[:2]), method=Descent(), seed=5, resume=tmp_path
        )
    with pytest.raises(OptionError, match="holds a checkpoint already"):
        solve(Counted(), tmp_path)
    with pytest.raises(OptionError, match="saved where it was"):
        solve(Counted(), resume=tmp_path, checkpoint=tmp_path / "other")


def test_damage_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(ResumeError, match="no checkpoint in"):
        solve(Counted(), resume=tmp_path)
    solve(Counted(), tmp_path, max_iter=3)
    arrays = tmp_path / "state-3.safetensors"
    data = bytearray(arrays.read_bytes())
    data[-1] ^= 1
    arrays.write_bytes(data)
    with pytest.raises(ResumeError, match="damaged"):
        solve(Counted(), resume=tmp_path)
    arrays.unlink()
    with pytest.raises(ResumeError, match="missing"):
        solve(Counted(), resume=tmp_path)
    index = tmp_path / "checkpoint.json"
    index.write_text("{")
    with pytest.raises(ResumeError, match="cannot be read"):
        solve(Counted(), resume=tmp_path)


def test_methods_and_problems_that_cannot_be_saved_say_so(tmp_path: Path) -> None:
    smooth = Problem(objective=lambda x: float(x @ x), gradient=lambda x: 2.0 * x, x0=X)
    with pytest.raises(CapabilityError, match="cannot be stored"):
        optlab.minimize(smooth, method=Toy(), checkpoint=tmp_path)
    with pytest.raises(OptionError, match="estimated first"):
        optlab.minimize(lambda x: float(x @ x), X, method="pasa", checkpoint=tmp_path)
    with pytest.raises(OptionError, match="every"):
        Checkpoint(tmp_path, every=-1.0)
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(OptionError, match="cannot be made"):
        solve(Counted(), blocked / "folder")


def test_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(MissingDependencyError, match=r"optlab-npasa\[checkpoints\]"):
        solve(Counted(), tmp_path)

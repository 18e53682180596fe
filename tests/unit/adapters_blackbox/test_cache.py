"""The cache keeps what was paid for: through kills, beside other processes, with a full disk."""

from __future__ import annotations

import importlib.util
import os
import signal
import sqlite3
import subprocess
import sys
import warnings
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simulators

from optlab.errors import OptionError, OptlabWarning
from optlab_adapters.blackbox import EvaluationCache, Simulator


def test_results_come_back_to_the_bit(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    points = rng.standard_normal((1200, 3)) * 10.0 ** rng.integers(-300, 300, (1200, 3))
    outputs = [rng.standard_normal(4) for _ in points]
    outputs[5] = np.array([np.nan, np.inf, -np.inf, -0.0])
    outputs[6] = np.array(2.5)
    cache = EvaluationCache(tmp_path / "deep" / "er" / "c.sqlite")
    cache.put("s", points, outputs, [0.0] * len(points))
    cache.close()
    again = EvaluationCache(tmp_path / "deep" / "er" / "c.sqlite")
    found = again.get("s", points)
    assert len(found) == 1200
    for i, y in enumerate(outputs):
        assert found[i].tobytes() == y.tobytes()
        assert found[i].shape == y.shape
    assert again.get("t", points) == {}
    assert again.get("s", points[:, :2]) == {}
    assert len(again.contents()) == len(again.contents("s")) == 1200


def test_the_first_of_two_results_is_kept(tmp_path: Path) -> None:
    cache = EvaluationCache(tmp_path / "c.sqlite")
    other = EvaluationCache(tmp_path / "c.sqlite")
    x = np.ones((1, 2))
    cache.put("s", x, [np.array(1.0)], [0.0])
    other.put("s", x, [np.array(2.0)], [0.0])
    assert cache.get("s", x)[0] == other.get("s", x)[0] == 1.0


def test_a_kill_in_the_middle_loses_only_the_run_under_way(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    program = f"""
import simulators
from optlab_adapters.blackbox import Simulator
def function(x):
    if x[0] == 7.0:
        print("ready", flush=True)
        simulators.block()
    return 2.0 * x
Simulator(function, cache={str(path)!r}, identity="f")([[float(i)] for i in range(20)])
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        env=simulators.ENVIRONMENT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process, process.stdout:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    ran = []

    def function(x: Any) -> Any:
        ran.append(float(x[0]))
        return 2.0 * x

    simulator = Simulator(function, cache=path, identity="f")
    found = simulator([[float(i)] for i in range(20)])
    assert ran == [float(i) for i in range(7, 20)]
    np.testing.assert_array_equal(found[:, 0], 2.0 * np.arange(20))


def test_processes_share_a_cache(tmp_path: Path) -> None:
    path = str(tmp_path / "c.sqlite")
    program = f"""
import sys, simulators
from optlab_adapters.blackbox import Simulator
simulator = Simulator(simulators.smooth, cache={path!r})
start = int(sys.argv[1])
sys.stdin.readline()
for i in range(start, start + 40):
    simulator([float(i), 1.0])
print(simulator.counts.queries + simulator.counts.cache_hits)
"""
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", program, str(start)],
            env=simulators.ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for start in (0, 20)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        assert process.communicate()[0].strip() == "40"
        assert process.returncode == 0
    points = np.array([[float(i), 1.0] for i in range(60)])
    simulator = Simulator(simulators.smooth, cache=path)
    expected = Simulator(simulators.smooth)(points)
    np.testing.assert_array_equal(simulator(points), expected)
    assert simulator.counts.queries == 0


def test_a_cache_travels_to_a_worker_as_its_file(tmp_path: Path) -> None:
    simulator = Simulator(simulators.number, cache=tmp_path / "c.sqlite")
    simulator([1.0])
    with get_context("spawn").Pool(1) as pool:
        assert pool.map(simulator, [np.array([1.0]), np.array([2.0])]) == pytest.approx(
            [0.49, 2.89]
        )
    simulator([2.0])
    counts = simulator.counts
    assert (counts.queries, counts.cache_hits) == (1, 1)


def test_a_fork_opens_the_file_again(tmp_path: Path) -> None:
    program = f"""
import os
import numpy as np
from optlab_adapters.blackbox import EvaluationCache
cache = EvaluationCache({str(tmp_path / "c.sqlite")!r})
child = os.fork()
if child == 0:
    cache.put("s", np.ones((1, 1)), [np.array(1.0)], [0.0])
    cache.close()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
print(cache.get("s", np.ones((1, 1))))
"""
    assert simulators.in_new_process(program).strip() == "{0: array(1.)}"


@pytest.mark.parametrize("content", [b"no database at all" * 100, None, "newer"])
def test_a_file_that_is_something_else_is_refused_and_left_alone(
    content: Any, tmp_path: Path
) -> None:
    path = tmp_path / "c.sqlite"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content == "newer":
        EvaluationCache(path).close()
        with sqlite3.connect(path) as db:
            db.execute("PRAGMA user_version = 99")
        db.close()
    else:
        with sqlite3.connect(path) as db:
            db.execute("CREATE TABLE precious (x)")
        db.close()
    before = path.read_bytes()
    with pytest.raises(OptionError, match=r"[nN]ame another file"):
        Simulator(simulators.number, cache=path)
    assert path.read_bytes() == before


def test_where_no_file_can_be_the_run_goes_on_and_nothing_is_run_twice(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("in the way")
    with pytest.warns(OptlabWarning, match=r"cannot be opened.*kept in memory"):
        simulator = Simulator(simulators.number, cache=blocker / "c.sqlite")
    # Said once is enough.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        simulator([1.0])
        simulator([1.0])
    assert simulator.counts.queries == 1
    blocker.unlink()
    simulator([2.0])
    assert simulator.counts.queries == 2
    # The way is free: everything is there now.
    later = Simulator(simulators.number, cache=blocker / "c.sqlite")
    later([[1.0], [2.0]])
    assert later.counts.queries == 0


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="rights bind no superuser")
def test_a_read_only_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.warns(OptlabWarning, match="cannot be opened"):
        simulator = Simulator(simulators.number, cache=tmp_path / "c.sqlite")
    simulator([1.0])
    tmp_path.chmod(0o700)


def test_on_a_full_disk_the_run_goes_on_and_the_results_are_written_later(
    tmp_path: Path,
) -> None:
    path = tmp_path / "c.sqlite"
    cache = EvaluationCache(path)
    # SQLite's own limit gives the error of a full disk.
    db = cache._connection()
    pages = db.execute("PRAGMA page_count").fetchone()[0]
    db.execute(f"PRAGMA max_page_count = {pages}")
    simulator = Simulator(lambda x: np.full(2000, x[0]), cache=cache, identity="wide")
    with pytest.warns(OptlabWarning, match=r"cannot be written \(database or disk is full\)"):
        found = simulator([[1.0], [2.0], [3.0]])
    assert found[:, 0].tolist() == [1.0, 2.0, 3.0]
    simulator([[1.0], [2.0], [3.0]])
    assert simulator.counts.queries == 3
    assert EvaluationCache(path).contents() == []
    db.execute("PRAGMA max_page_count = 1000000")
    simulator([4.0])
    assert [x.tolist() for _, x, _ in EvaluationCache(path).contents()] == [
        [1.0], [2.0], [3.0], [4.0]
    ]  # fmt: skip


def test_a_limit_on_file_sizes_is_no_end_either(tmp_path: Path) -> None:
    program = f"""
import resource, warnings
import numpy as np
from optlab_adapters.blackbox import Simulator
simulator = Simulator(lambda x: np.full(5000, x[0]), cache={str(tmp_path / "c.sqlite")!r}, identity="wide")
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    found = simulator([[float(i)] for i in range(8)])
assert found[:, 0].tolist() == [float(i) for i in range(8)]
assert any("cannot be written" in str(w.message) for w in said), said
assert simulator.counts.queries == 8
simulator([[float(i)] for i in range(8)])
assert simulator.counts.queries == 8
"""
    simulators.in_new_process(program)


def test_a_locked_cache_is_trouble_not_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("optlab_adapters.blackbox.cache._BUSY", 0.0)
    path = tmp_path / "c.sqlite"
    simulator = Simulator(simulators.number, cache=path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.warns(OptlabWarning, match="locked"):
        simulator([1.0])
    other.execute("ROLLBACK")
    other.close()
    simulator([2.0])
    assert Simulator(simulators.number, cache=path)([1.0]) == pytest.approx(0.49)
    assert len(EvaluationCache(path).contents()) == 2


def test_a_changed_function_does_not_get_old_results(tmp_path: Path) -> None:
    def version(text: str) -> Any:
        path = tmp_path / f"version_{len(list(tmp_path.glob('*.py')))}.py"
        path.write_text(f"def f(x):\n    return {text}\n")
        # The same name each time, as after an edit of the module.
        spec = importlib.util.spec_from_file_location("model", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.f

    path = tmp_path / "c.sqlite"
    assert Simulator(version("x[0] + 1.0"), cache=path)([1.0]) == 2.0
    assert Simulator(version("x[0] + 20.0"), cache=path)([1.0]) == 21.0
    old = Simulator(version("x[0] + 1.0"), cache=path)
    assert old([1.0]) == 2.0
    assert old.counts.queries == 0

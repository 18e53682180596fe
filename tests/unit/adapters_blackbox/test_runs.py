"""Functions with a time limit, commands and servers: what goes in, what comes out, what hangs, what is garbage."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simulators
from hypothesis import given
from hypothesis import strategies as st

from optlab.errors import EvaluationError, OptionError, ProblemError
from optlab_adapters.blackbox import (
    Command,
    HttpEndpoint,
    PythonFunction,
    RejectedPointError,
    Retries,
    RunError,
    RunTimeoutError,
    Simulator,
)
from optlab_adapters.blackbox.texts import fill, read_json, read_numbers

PATIENT = Retries(3, sleep=lambda _: None)
LEFT, RIGHT = np.array([-1.0, 0.0]), np.array([2.0, 0.5])


def wait_for_end(pid: int) -> bool:
    """Return whether a process ends; it was killed, so this takes no time to speak of."""
    for _ in range(2000):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        os.sched_yield()
    return False


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")


# Functions with a limit ---------------------------------------------------------------------------


def test_a_function_with_a_limit_does_what_it_does_without() -> None:
    run = PythonFunction(simulators.fails_left, timeout=60.0)
    np.testing.assert_array_equal(run(RIGHT), RIGHT)
    with pytest.raises(ArithmeticError, match="no convergence"):
        run(LEFT)
    np.testing.assert_array_equal(run(RIGHT), RIGHT)


def test_a_function_that_hangs_is_killed_and_the_next_point_is_run() -> None:
    run = PythonFunction(simulators.hangs_left, timeout=0.1)
    simulator = Simulator(run, on_failure="drop", outputs=0)
    found = simulator(np.array([LEFT, RIGHT, LEFT]))
    assert np.isnan(found).tolist() == [True, False, True]
    assert "took more than 0.1 s" in str(simulator.evaluate(LEFT[None]).errors[0])


@needs_proc
def test_the_children_of_a_function_that_hangs_are_killed_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = tmp_path / "pid"
    monkeypatch.setenv("HANG_NOTE", str(note))
    run = PythonFunction(simulators.hangs_with_a_child, timeout=2.0)
    with pytest.raises(RunTimeoutError, match="was killed"):
        run(LEFT)
    assert wait_for_end(int(note.read_text()))
    assert run(RIGHT) == 1.0


def test_a_program_with_a_limited_function_comes_to_its_end() -> None:
    program = """
import numpy as np, simulators
from optlab_adapters.blackbox import PythonFunction
run = PythonFunction(simulators.number, timeout=60.0)
print(run(np.full(2, 0.3)))
"""
    assert simulators.in_new_process(program).strip() == "0.0"


def test_a_function_that_kills_its_process_is_a_failed_run() -> None:
    run = PythonFunction(simulators.dies_left, timeout=60.0)
    with pytest.raises(RunError, match="died with exit code -9"):
        run(LEFT)
    assert run(RIGHT) == 2.0


def test_a_result_that_cannot_travel_is_told() -> None:
    with pytest.raises(RunError, match="cannot be sent"):
        PythonFunction(simulators.unsendable, timeout=60.0)(RIGHT)


def test_a_function_that_cannot_be_imported_needs_a_fork() -> None:
    with pytest.raises(OptionError, match="start_method='fork'"):
        PythonFunction(lambda x: x, timeout=60.0)(RIGHT)
    # In a process without threads: packages that other tests have loaded refuse to be forked.
    program = """
import numpy as np, simulators
from optlab_adapters.blackbox import PythonFunction, RunTimeoutError
def function(x):
    return 2 * x if x[0] > 0 else simulators.block()
run = PythonFunction(function, timeout=0.5, start_method="fork")
assert run(np.ones(2)).tolist() == [2.0, 2.0]
try:
    run(-np.ones(2))
except RunTimeoutError:
    print(run(np.ones(1)))
"""
    assert simulators.in_new_process(program).strip() == "[2.]"


@pytest.mark.parametrize("timeout", [0.0, -1.0, float("nan")])
def test_a_timeout_is_a_time(timeout: float) -> None:
    for make in (
        lambda: PythonFunction(simulators.number, timeout=timeout),
        lambda: Command([sys.executable], stdin="json", timeout=timeout),
        lambda: HttpEndpoint("http://localhost/", timeout=timeout),
    ):
        with pytest.raises(OptionError, match="timeout"):
            make()


# Texts --------------------------------------------------------------------------------------------


def test_templates() -> None:
    text = "r = {{r}}\nw={{ w:10.3e }} {r} {} $x {{1+1}} {{r.real}} {{r[0]}}"
    filled = fill(text, {"r": 0.1, "w": -2.0})
    assert filled == "r = 0.1\nw=-2.000e+00 {r} {} $x {{1+1}} {{r.real}} {{r[0]}}"
    with pytest.raises(RunError, match="known are r, w"):
        fill("{{q}}", {"r": 0.1, "w": -2.0})


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_place_without_a_format_keeps_every_digit(value: float) -> None:
    assert float(fill("{{x}}", {"x": value})) == value


@given(st.lists(st.floats(allow_nan=False), min_size=2, max_size=5), st.sampled_from(", ;\n\t"))
def test_numbers_are_read_as_they_were_written(values: list[float], between: str) -> None:
    text = f" {between} ".join(map(repr, values)) + "\n"
    np.testing.assert_array_equal(read_numbers(text), values)


def test_numbers_of_fortran_and_single_ones() -> None:
    np.testing.assert_array_equal(read_numbers("1.0D+03 -2d-1"), [1000.0, -0.2])
    assert np.ndim(read_numbers(" 4.5\n")) == 0
    for garbage in ("", "  \n", "1.0 done", "x = 1", "1.0 2.0 __import__('os')"):
        with pytest.raises(RunError, match="not numbers"):
            read_numbers(garbage)


def test_json() -> None:
    assert read_json('{"y": [1, 2], "time": 3}') == [1, 2]
    assert read_json('{"curve": [1, 2]}') == [1, 2]
    assert read_json("3.5") == 3.5
    assert read_json('{"a": 1, "b": 2}') is None
    with pytest.raises(RunError, match="not JSON"):
        read_json("{")


# Commands -----------------------------------------------------------------------------------------


def python(code: str, *more: str | Path, **options: Any) -> Command:
    return Command([sys.executable, "-I", "-c", code, *more], **options)


PRODUCT = "import json, sys; x = json.load(sys.stdin)['x']; print(json.dumps({'y': [x[0] * x[1], x[0]]}))"


@pytest.mark.parametrize(
    "command",
    [
        python(PRODUCT, stdin="json", read="json"),
        python("import sys; a, b = map(float, sys.stdin); print(a * b, a)", stdin="numbers"),
        python(
            "import sys; a, b = map(float, sys.argv[1:]); print(repr(a * b) + ';', repr(a))",
            "{{x0}}",
            "{{x1}}",
        ),
        python(
            "import sys; d = dict(line.split('=') for line in sys.stdin)\n"
            "print(float(d['w']) * float(d['h']), d['w'])",
            names=("w", "h"),
            stdin="h={{h}}\nw={{w}}\n",
        ),
        python(
            "from pathlib import Path\n"
            "a, b = map(float, Path('in/deck.txt').read_text().split())\n"
            "Path('out.txt').write_text(f'[{a * b!r}, {a!r}]'); print('noise')",
            files={"in/deck.txt": "{{x0}} {{x1}}"},
            output="out.txt",
            read="json",
        ),
        python(
            PRODUCT,
            stdin="json",
            read=lambda text: json.loads(text)["y"],
        ),
    ],
    ids=["json", "numbers", "arguments", "stdin template", "files", "own reader"],
)
def test_ways_to_and_from_a_command(command: Command) -> None:
    points = np.array([[0.1, 1 / 3], [2.0, -1e-17]])
    expected = np.stack([points[:, 0] * points[:, 1], points[:, 0]], axis=1)
    np.testing.assert_array_equal(Simulator(command)(points), expected)


def test_every_run_has_a_folder_that_is_gone_afterwards(tmp_path: Path) -> None:
    mesh = tmp_path / "mesh.dat"
    mesh.write_text("{{x0}} stays as it is")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    note = tmp_path / "folders"
    command = python(
        "import os, sys; from pathlib import Path\n"
        "assert Path('mesh.dat').read_text() == '{{' + 'x0}} stays as it is'\n"
        "Path('left').mkdir(); Path('left/behind').write_text('x' * 1000)\n"
        "open(sys.argv[1], 'a').write(os.getcwd() + os.linesep)\n"
        "print(sys.argv[2] == 'bad' and 1 / 0 or 1.0)",
        note,
        "{{x0:.0f}}",
        files={"mesh.dat": mesh},
        scratch=scratch,
    )
    command(np.array([1.0]))
    command(np.array([2.0]))
    folders = note.read_text().split()
    assert len(set(folders)) == 2
    assert all(Path(f).parent == scratch for f in folders)
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import sys; print('bad mesh', file=sys.stderr); sys.exit(3)", "code 3: bad mesh"),
        ("print('no numbers here')", "not numbers"),
        ("pass", "not numbers"),
        ("import os; os.kill(os.getpid(), 9)", "code -9"),
    ],
)
def test_a_command_that_fails_says_how(code: str, said: str) -> None:
    simulator = Simulator(python(code, stdin="json"), retries=PATIENT)
    with pytest.raises(EvaluationError, match=said) as caught:
        simulator(RIGHT)
    assert isinstance(caught.value.__cause__, RunError)
    assert simulator.counts.retries == 3


def test_a_missing_output_file_is_a_failed_run() -> None:
    with pytest.raises(RunError, match=r"left no file 'out\.txt'"):
        python("pass", stdin="json", output="out.txt")(RIGHT)


@needs_proc
def test_a_command_that_hangs_is_killed_with_its_grandchildren(tmp_path: Path) -> None:
    note = tmp_path / "pids"
    sleeper = "import os; r, w = os.pipe(); os.read(r, 1)"
    middle = (
        "import os, subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {sleeper!r}])\n"
        f"open({str(note)!r}, 'a').write(f'{{os.getpid()}} {{child.pid}}\\n')\n" + sleeper
    )
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {middle!r}])"
    with pytest.raises(RunTimeoutError, match="more than 2 s and was killed"):
        python(code, stdin="json", timeout=2.0)(RIGHT)
    pids = note.read_text().split()
    assert len(pids) == 2
    assert all(wait_for_end(int(pid)) for pid in pids)


@needs_proc
def test_what_a_command_leaves_running_is_killed_when_it_has_ended() -> None:
    # The child keeps standard output open: a reader of a pipe would wait for ever.
    code = (
        "import subprocess, sys\n"
        "sleeper = 'import os; r, w = os.pipe(); os.read(r, 1)'\n"
        "print(subprocess.Popen([sys.executable, '-c', sleeper]).pid)"
    )
    pid = int(python(code, stdin="json")(RIGHT))
    assert wait_for_end(pid)


def test_a_command_reads_the_environment_it_is_given() -> None:
    command = python(
        "import os; print(os.environ['OPTLAB_SPEED'])",
        stdin="json",
        environment={"OPTLAB_SPEED": "2.5"},
    )
    assert command(RIGHT) == 2.5


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Command([], stdin="json"), "a list of program"),
        (lambda: Command("ls -l", stdin="json"), "a list of program"),
        (lambda: Command(["no-such-program-anywhere"], stdin="json"), "no program"),
        (lambda: python("pass"), "reaches the command nowhere"),
        (lambda: python("pass", files={"a": "no place"}), "reaches the command nowhere"),
        (lambda: python("pass", stdin="{{x0:zz}}"), "x0:zz"),
        (lambda: python("pass", stdin="json", read="yaml"), "'json', 'numbers'"),
        (lambda: python("pass", files={"../a": "{{x0}}"}), "not inside"),
        (lambda: python("pass", stdin="json", files={"a": Path("nowhere")}), "no file"),
        (lambda: HttpEndpoint("ftp://host/"), "http://"),
    ],
)
def test_runs_that_make_no_sense(make: Any, said: str) -> None:
    with pytest.raises(OptionError, match=said):
        make()


def test_the_identity_follows_everything_that_decides_the_result(tmp_path: Path) -> None:
    deck = tmp_path / "deck"
    deck.write_text("a")
    base: dict[str, Any] = {"stdin": "json", "files": {"d": deck}, "output": None}
    made = [
        base,
        {**base, "stdin": "numbers"},
        {**base, "output": "o"},
        {**base, "read": "json"},
        {**base, "names": ("a", "b")},
        {**base, "environment": {"A": "b"}},
        {**base, "files": {"d": "{{x0}}"}},
    ]
    names = [python("pass", **options).identity() for options in made]
    assert len(set(names)) == len(names)
    assert python("pass", **base).identity() == names[0]
    deck.write_text("b")
    assert python("pass", **base).identity() != names[0]
    assert HttpEndpoint("http://a/").identity() != HttpEndpoint("http://b/").identity()


def test_names_must_be_as_many_as_variables() -> None:
    with pytest.raises(RunError, match="3 names of variables and was given 2"):
        python("pass", stdin="{{a}}", names=("a", "b", "c"))(RIGHT)


# Servers ------------------------------------------------------------------------------------------


class Server:
    """A server on the loopback that answers as told, request by request; takes notes."""

    def __init__(self) -> None:
        self.plan: list[Any] = []
        self.requests: list[Any] = []
        self.headers: list[dict[str, str]] = []
        self.release = threading.Event()
        self.lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with outer.lock:
                    outer.requests.append(json.loads(body))
                    outer.headers.append(dict(self.headers))
                    step = outer.plan.pop(0) if outer.plan else 200
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    outer.answer(self, step, outer.requests[-1])

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/run"

    def answer(self, handler: Any, step: Any, request: Any) -> None:
        if step == "slow":
            self.release.wait()
            return
        if step == "trickle":
            handler.send_response(200)
            handler.end_headers()
            for _ in range(10**6):
                handler.wfile.write(b" ")
            return
        if step == "drop":
            handler.connection.close()
            return
        code, text = (step, None) if isinstance(step, int) else (200, step)
        if text is None:
            x = np.array(request["x"] if isinstance(request, dict) else request)
            text = json.dumps({"y": (2.0 * x).tolist()}) if code == 200 else "said why"
        handler.send_response(code)
        handler.send_header("Content-Length", str(len(text) + ("short" in text)))
        handler.end_headers()
        handler.wfile.write(text.encode())


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    made = Server()
    thread = threading.Thread(target=made.http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield made
    made.release.set()
    made.http.shutdown()
    made.http.server_close()
    thread.join()


@pytest.mark.parametrize("batch", [False, True])
def test_a_server_is_asked_and_answers(server: Server, batch: bool) -> None:
    endpoint = HttpEndpoint(server.url, batch=batch, headers={"Authorization": "Bearer t"})
    points = np.array([[0.1, 1 / 3], [2.0, -1e-300]])
    np.testing.assert_array_equal(Simulator(endpoint)(points), 2.0 * points)
    assert server.requests == (
        [{"x": points.tolist()}] if batch else [{"x": p.tolist()} for p in points]
    )
    assert server.headers[0]["Authorization"] == "Bearer t"
    assert "Bearer" not in endpoint.identity()


def test_a_server_with_its_own_words(server: Server) -> None:
    server.plan = ['{"result": {"curve": [7, 8]}}']
    endpoint = HttpEndpoint(
        server.url,
        encode=lambda x: {"radius": x[0], "x": [x[1]]},
        decode=lambda answer: answer["result"]["curve"],
    )
    assert Simulator(endpoint)(RIGHT).tolist() == [7.0, 8.0]
    assert server.requests == [{"radius": 2.0, "x": [0.5]}]


@pytest.mark.parametrize(
    "first",
    [
        500,
        503,
        429,
        "not json",
        '{"y": "warm"}',
        '{"y": null}',
        '{"a": 1, "b": 2}',
        "drop",
        "[1, short",
    ],
)
def test_a_flaky_server_is_asked_again(server: Server, first: Any) -> None:
    server.plan = [first, first]
    simulator = Simulator(HttpEndpoint(server.url), retries=PATIENT)
    np.testing.assert_array_equal(simulator(RIGHT), 2.0 * RIGHT)
    assert simulator.counts.retries == 2


@pytest.mark.parametrize("code", [400, 404, 422])
def test_a_point_that_the_server_rejects_is_not_sent_again(server: Server, code: int) -> None:
    server.plan = [code] * 4
    simulator = Simulator(HttpEndpoint(server.url), retries=PATIENT)
    with pytest.raises(EvaluationError, match=f"code {code}.*said why") as caught:
        simulator(RIGHT)
    assert isinstance(caught.value.__cause__, RejectedPointError)
    assert len(server.requests) == 1


@pytest.mark.parametrize("step", ["slow", "trickle"])
def test_a_server_that_takes_too_long(server: Server, step: str) -> None:
    server.plan = [step]
    with pytest.raises(RunTimeoutError, match=r"more than 0\.05 s"):
        HttpEndpoint(server.url, timeout=0.05)(RIGHT)


def test_nobody_there() -> None:
    with socket.socket() as taken:
        # Bound, so that nobody else gets the port, and not listening.
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        with pytest.raises(RunError, match="cannot be asked"):
            HttpEndpoint(url)(RIGHT)


def test_a_batch_answer_of_another_length_is_a_mistake(server: Server) -> None:
    server.plan = ['{"y": [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]}']
    with pytest.raises(ProblemError, match=r"shape \(3, 2\)"):
        Simulator(HttpEndpoint(server.url, batch=True))(np.array([LEFT, RIGHT]))

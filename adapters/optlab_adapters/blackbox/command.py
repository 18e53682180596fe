"""A simulator that is a command: a folder of its own for every run, files and text in, files or text out."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from optlab.errors import OptionError
from optlab.typing import Vector
from optlab_adapters.blackbox.failures import RunError, RunTimeoutError
from optlab_adapters.blackbox.identity import function_identity
from optlab_adapters.blackbox.limited import kill_group
from optlab_adapters.blackbox.runs import AbstractRun, checked_timeout
from optlab_adapters.blackbox.texts import check_template, fill, names_of, reader

__all__ = ["Command"]

_TAIL = 500
"""Characters of standard error that a message shows."""

_WAYS = ("json", "numbers")


@dataclass(frozen=True)
class Command(AbstractRun):
    """A command that is started once for every point.

    The point reaches it through arguments, input files or standard input; its outputs are read from standard output or from a
    file. Every run has a working directory of its own, which is removed afterwards. At time-out, and when the command has ended,
    whatever it started and left behind is killed with it (its process group).

    Raises
    ------
    OptionError
        When the program is not found, or an option contradicts another.

    Examples
    --------
    >>> import sys
    >>> code = "import json, sys; x = json.load(sys.stdin)['x']; print(x[0] * x[1])"
    >>> from optlab.adapters import Command, Simulator
    >>> command = Command([sys.executable, "-c", code], stdin="json", timeout=60)
    >>> Simulator(command)([2.0, 3.0])
    6.0
    """

    arguments: Sequence[str | Path]
    """Program and arguments, run without a shell. Text may hold places such as ``{{x0}}`` or ``{{width:.3f}}``; a Path is made
    absolute, since the working directory is another one."""

    names: Sequence[str] = field(default=(), kw_only=True)
    """Of the variables, for places in templates; none: x0, x1, ..."""

    files: Mapping[str, str | Path] = field(default_factory=dict, kw_only=True)
    """Files to put into the working directory: name -> template as text, or a Path to copy unchanged."""

    stdin: str | None = field(default=None, kw_only=True)
    """What the command reads: ``"json"`` for {"x": [...]}, ``"numbers"`` for one number a line, a template, or None: nothing."""

    output: str | None = field(default=None, kw_only=True)
    """File in the working directory with the outputs; None: standard output."""

    read: str | Callable[[str], Any] = field(default="numbers", kw_only=True)
    """How outputs are read: ``"numbers"``, ``"json"``, or a function text -> number or (m,), whose exceptions are failed runs."""

    timeout: float | None = field(default=None, kw_only=True)
    """Seconds of wall time for one run; None: no limit."""

    environment: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    """Variables to set beside those of this process."""

    scratch: str | Path | None = field(default=None, kw_only=True)
    """Folder in which working directories are made; None: the system's for temporary files."""

    def __post_init__(self) -> None:
        if isinstance(self.arguments, (str, Path)) or not self.arguments:
            raise OptionError(
                f"arguments are {self.arguments!r}; a list of program and arguments is needed, such as ['solver', '-q']"
            )
        arguments = [str(a.resolve()) if isinstance(a, Path) else a for a in self.arguments]
        program = shutil.which(arguments[0])
        if program is None:
            raise OptionError(
                f"there is no program {arguments[0]!r}; give a name that the shell finds, or a path"
            )
        arguments[0] = str(Path(program).absolute())
        object.__setattr__(self, "arguments", tuple(arguments))
        checked_timeout(self.timeout)
        reader(self.read)
        for name, content in self.files.items():
            if isinstance(content, Path) and not content.is_file():
                raise OptionError(f"there is no file {str(content)!r} to copy as {name!r}")
            if Path(name).is_absolute() or ".." in Path(name).parts:
                raise OptionError(f"{name!r} is not inside the working directory of a run")
        texts = [*arguments, *(c for c in self.files.values() if isinstance(c, str))]
        if self.stdin is not None and self.stdin not in _WAYS:
            texts.append(self.stdin)
        if not any([check_template(text) for text in texts]) and self.stdin not in _WAYS:
            raise OptionError(
                "the point reaches the command nowhere; write places such as {{x0}} into arguments, files or stdin, or pass "
                "stdin='json' or 'numbers'"
            )

    def __call__(self, x: Vector) -> Any:
        """Run the command.

        Raises
        ------
        RunError
            When it does not start, ends with another code than 0, leaves no output, or its output cannot be read.
        RunTimeoutError
            When it took too long.
        """
        values = dict(zip(names_of(self.names, x.size), x.tolist(), strict=True))
        with tempfile.TemporaryDirectory(
            prefix="optlab-run-", dir=self.scratch, ignore_cleanup_errors=True
        ) as folder:
            for name, content in self.files.items():
                target = Path(folder, name)
                target.parent.mkdir(parents=True, exist_ok=True)
                if isinstance(content, Path):
                    shutil.copy(content, target)
                else:
                    target.write_text(fill(content, values), encoding="utf-8")
            arguments = [fill(str(a), values) for a in self.arguments]
            printed = self._run(arguments, self._input(x, values), folder)
            return reader(self.read)(self._answer(printed, folder))

    def identity(self) -> str:
        """Name the command by its arguments, templates, copied files and the way its output is read."""
        read = self.read if isinstance(self.read, str) else function_identity(self.read)
        files = {
            name: content
            if isinstance(content, str)
            else hashlib.sha256(content.read_bytes()).hexdigest()
            for name, content in sorted(self.files.items())
        }
        facts = [
            [str(a) for a in self.arguments], list(self.names), files, self.stdin, self.output, read,
            sorted(self.environment.items()),
        ]  # fmt: skip
        return f"command {json.dumps(facts)}"

    def _input(self, x: Vector, values: dict[str, float]) -> str:
        """Return what the command is to read from standard input."""
        if self.stdin is None:
            return ""
        if self.stdin == "json":
            return json.dumps({"x": x.tolist()}) + "\n"
        if self.stdin == "numbers":
            return "".join(f"{value!r}\n" for value in x.tolist())
        return fill(self.stdin, values)

    def _run(self, arguments: list[str], given: str, folder: str) -> str:
        """Run the command to its end and return what it printed.

        Files in place of pipes: a child that keeps a pipe open cannot hold the run up, and nothing waits for a reader.
        """
        with contextlib.ExitStack() as stack:
            stdin, stdout, stderr = (
                stack.enter_context(tempfile.TemporaryFile()) for _ in range(3)
            )
            stdin.write(given.encode())
            stdin.seek(0)
            try:
                process = subprocess.Popen(
                    arguments,
                    stdin=stdin,
                    stdout=stdout,
                    stderr=stderr,
                    cwd=folder,
                    env={**os.environ, **self.environment},
                    # A group of its own: a kill reaches the children, and Ctrl-C does not.
                    start_new_session=sys.platform != "win32",
                )
            except OSError as error:
                raise RunError(f"did not start: {error}") from error
            try:
                code = process.wait(self.timeout)
            except subprocess.TimeoutExpired:
                raise RunTimeoutError(
                    f"took more than {self.timeout:g} s and was killed{_tail(stderr)}"
                ) from None
            finally:
                kill_group(process.pid)
                process.wait()
            if code != 0:
                raise RunError(f"ended with code {code}{_tail(stderr)}")
            return _text(stdout)

    def _answer(self, printed: str, folder: str) -> str:
        """Return the text with the outputs."""
        if self.output is None:
            return printed
        try:
            return Path(folder, self.output).read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise RunError(f"left no file {self.output!r}: {error.strerror}") from error


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def _tail(stderr: IO[bytes]) -> str:
    """Return the end of what was printed on standard error, for a message."""
    text = " ".join(_text(stderr).split())[-_TAIL:]
    return f": {text}" if text else ""

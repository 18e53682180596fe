"""Errors and warnings of optlab.

Every error derives from :class:`OptlabError` and from the builtin that a caller who does not know
optlab would expect. A message says what was given, what is needed and how to fix it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from optlab.typing import Vector

__all__ = [
    "BudgetError",
    "CapabilityError",
    "EvaluationError",
    "MissingDependencyError",
    "OptionError",
    "OptlabError",
    "OptlabWarning",
    "ParseError",
    "ProblemError",
    "ResumeError",
    "SolveError",
    "UnknownMethodError",
]


class OptlabError(Exception):
    """Base class of every error that optlab raises on purpose."""


class ProblemError(OptlabError, ValueError):
    """A problem is stated wrongly: shapes, bounds, names or values that contradict each other."""


class OptionError(OptlabError, ValueError):
    """An option, a limit or a registration has a wrong name or value."""


class UnknownMethodError(OptlabError, LookupError):
    """No method or problem source is registered for what was given."""


class CapabilityError(OptlabError, TypeError):
    """The problem lacks something that is needed, or has something that the method cannot handle."""


class BudgetError(OptlabError, RuntimeError):
    """More evaluations are asked for than a budget has left."""


class EvaluationError(OptlabError, RuntimeError):
    """A function of the problem raised an exception or returned a value that is not finite.

    Parameters
    ----------
    function
        Which verb failed: objective, gradient, constraints, jacobian, hessian or hprod.
    x
        Point of the failed evaluation, shape (n,).
    cause
        The exception that the function raised, or a sentence about the value it returned.
    """

    def __init__(self, function: str, x: Vector, cause: BaseException | str) -> None:
        self.function = function
        self.x = x
        self.cause = cause
        super().__init__(function, x, cause)

    def __str__(self) -> str:
        if isinstance(self.cause, BaseException):
            what = f"raised {type(self.cause).__name__}: {self.cause}"
        else:
            what = self.cause
        return f"{self.function}(x) {what}, at x = {_short(self.x)}"


class ParseError(OptlabError, ValueError):
    """A file cannot be read.

    Parameters
    ----------
    message
        The reason, one sentence.
    file
        The file, or None when the text did not come from a file.
    line
        1-based line number, or None when the error belongs to no single line.
    """

    def __init__(
        self, message: str, file: str | Path | None = None, line: int | None = None
    ) -> None:
        self.message = message
        self.file = file
        self.line = line
        super().__init__(message, file, line)

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line) if part is not None)
        return f"{place}: {self.message}" if place else self.message


class MissingDependencyError(OptlabError, ImportError):
    """An optional package is not installed.

    Parameters
    ----------
    package
        Name of the package that could not be imported.
    extra
        The extra of optlab's distribution that installs it.
    purpose
        What needs it, as the start of a sentence.
    """

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        self.package = package
        self.extra = extra
        self.purpose = purpose
        super().__init__(
            f"{purpose} needs {package}, which is not installed: "
            f'pip install "optlab-npasa[{extra}]"'
        )


class SolveError(OptlabError, RuntimeError):
    """A result is not a solution; raised only by ``Result.raise_if_failed``."""


class ResumeError(OptlabError, ValueError):
    """A checkpoint cannot be read, or belongs to another run."""


class OptlabWarning(UserWarning):
    """Something is suspicious but the work goes on."""


def _short(x: Vector) -> str:
    """Format a vector in one line; long vectors lose their middle."""
    values = [f"{float(v):.6g}" for v in (x if x.size <= 6 else x[:5])]
    tail = f", ... ({x.size} entries)" if x.size > 6 else ""
    return "[" + ", ".join(values) + tail + "]"

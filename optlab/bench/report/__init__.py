"""Reports of a sweep: HTML for people, CSV and JSON for programs, Markdown for documents.

The ending of the file name chooses; all say the same numbers, which :mod:`optlab.bench.report.summary`
defines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from optlab.bench.report.page import html_page
from optlab.bench.report.summary import Summary, summarise
from optlab.bench.report.text import csv_table, headline_text, json_document, markdown
from optlab.bench.store import Run
from optlab.errors import MissingDependencyError, OptionError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["check_targets", "headline", "write_report"]

_FORMATS: dict[str, Callable[[Summary], str]] = {
    ".html": html_page,
    ".csv": csv_table,
    ".json": json_document,
    ".md": markdown,
}


def check_targets(paths: Sequence[Path]) -> None:
    """Refuse report files that cannot be written, before a sweep of hours.

    Raises
    ------
    OptionError
        The ending is not known, or there is no such folder.
    MissingDependencyError
        HTML is asked for and jinja2 is not installed.
    """
    for path in paths:
        if path.suffix.lower() not in _FORMATS:
            raise OptionError(
                f"--report {path} has the ending {path.suffix!r}; one of {', '.join(_FORMATS)} is needed"
            )
        if not path.parent.is_dir():
            raise OptionError(f"--report {path}: there is no folder {str(path.parent)!r}")
        if path.suffix.lower() == ".html" and find_spec("jinja2") is None:
            raise MissingDependencyError("jinja2", "bench", "an HTML report")


def write_report(runs: Sequence[Run], path: Path, *, reference: str | None = None) -> None:
    """Write a report in the format of the file's ending.

    Parameters
    ----------
    runs
        From a store or a sweep; at most one for each problem and label.
    reference
        Label that the others are compared with; None: ipopt when there, else the last.

    Raises
    ------
    OptionError
        The ending or the reference is not known.
    MissingDependencyError
        HTML is asked for and jinja2 is not installed.
    """
    check_targets([path])
    text = _FORMATS[path.suffix.lower()](summarise(runs, reference))
    path.write_text(text, encoding="utf-8")


def headline(runs: Sequence[Run], *, reference: str | None = None) -> str:
    """Return the most important numbers as a few lines of text."""
    return headline_text(summarise(runs, reference))

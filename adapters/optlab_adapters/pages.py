"""HTML pages that need nothing else, in the look of optlab's benchmark reports."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from optlab.errors import MissingDependencyError, OptionError

__all__ = ["render", "save_report"]


def render(package: str, **values: Any) -> str:
    """Return a page from ``report.html`` among the templates of a package.

    Raises
    ------
    MissingDependencyError
        Without jinja2.
    """
    if find_spec("jinja2") is None:
        raise MissingDependencyError("jinja2", "bench", "an HTML report")
    jinja2: Any = importlib.import_module("jinja2")
    homes = [jinja2.PackageLoader(package), jinja2.PackageLoader("optlab.bench.report")]
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(homes), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    page: str = environment.get_template("report.html").render(**values)
    return page


def save_report(
    path: str | Path, page: Callable[[], str], values: Callable[[], dict[str, Any]]
) -> None:
    """Write a report: to ``.html`` the page, to ``.json`` the values.

    Raises
    ------
    OptionError
        When the name ends in something else.
    """
    form = Path(path).suffix.lower()
    if form not in {".json", ".html"}:
        raise OptionError(f"the name {str(path)!r} ends in {form!r}; .json or .html is needed")
    if form == ".html":
        written = page()
    else:
        written = json.dumps(values(), indent=1, allow_nan=False) + "\n"
    Path(path).write_text(written, encoding="utf-8")

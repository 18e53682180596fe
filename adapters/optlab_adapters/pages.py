"""HTML pages that need nothing else, in the look of optlab's benchmark reports."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from typing import Any

from optlab.errors import MissingDependencyError

__all__ = ["render"]


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

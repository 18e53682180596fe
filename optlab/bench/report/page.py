"""The HTML page."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optlab.bench.report.summary import Summary

__all__ = ["html_page"]


def html_page(whole: Summary) -> str:
    """Return the page."""
    raise NotImplementedError(whole)

"""The report of a spiking network as an HTML page that needs nothing else."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from optlab.errors import MissingDependencyError
from optlab_adapters.snn.tables import neuron_rows, sentences, synapse_rows

if TYPE_CHECKING:
    from optlab_adapters.snn.report import SpikingReport

__all__ = ["html_page"]


def html_page(report: SpikingReport) -> str:
    """Return the page; its style sheet is that of optlab's benchmark reports."""
    if find_spec("jinja2") is None:
        raise MissingDependencyError("jinja2", "bench", "an HTML report")
    jinja2: Any = importlib.import_module("jinja2")
    homes = [
        jinja2.PackageLoader("optlab_adapters.snn"),
        jinja2.PackageLoader("optlab.bench.report"),
    ]
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(homes), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    page: str = environment.get_template("report.html").render(
        report=report,
        lines=sentences(report),
        tables={"neurons": neuron_rows(report), "layers": synapse_rows(report)},
        charts=[report.plot(name) for name in ("activity", "energy", "raster")],
    )
    return page

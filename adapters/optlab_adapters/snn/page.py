"""The report of a spiking network as an HTML page that needs nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optlab_adapters.pages import render
from optlab_adapters.snn.tables import neuron_rows, sentences, synapse_rows

if TYPE_CHECKING:
    from optlab_adapters.snn.report import SpikingReport

__all__ = ["html_page"]


def html_page(report: SpikingReport) -> str:
    """Return the page; its style sheet is that of optlab's benchmark reports."""
    return render(
        "optlab_adapters.snn",
        report=report,
        lines=sentences(report),
        tables={"neurons": neuron_rows(report), "layers": synapse_rows(report)},
        charts=[report.plot(name) for name in ("activity", "energy", "raster")],
    )

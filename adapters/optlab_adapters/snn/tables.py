"""The report of a spiking network as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optlab_adapters.snn.report import SpikingReport

__all__ = ["neuron_rows", "sentences", "synapse_rows", "text"]

Rows = list[tuple[str, ...]]


def text(report: SpikingReport) -> str:
    """Return the whole report."""
    tables = (neuron_rows(report), synapse_rows(report))
    return "\n".join([*sentences(report), *(f"\n{_aligned(rows)}" for rows in tables)])


def sentences(report: SpikingReport) -> list[str]:
    """Return the totals, a line for each subject."""
    setting, pipeline = report.setting, report.pipeline
    order = f", {setting.order} first" if setting.mode == "binary" else ""
    shift = "" if setting.bias_shift else ", WITHOUT bias shift"
    lines = [
        f"{setting.mode} codes{order}, {setting.arithmetic} arithmetic{shift}, T = {pipeline.steps}",
        f"{report.images:,} images: same decision as the quantized network on {_percent(report.agreement)}",
        f"latency {pipeline.latency} steps, one image every {pipeline.steps} steps",
        f"{report.spikes_per_neuron:.3f} spikes per neuron for an image, {_percent(report.silent)} of neurons silent",
        (
            f"{report.energy / 1000:.4g} nJ for an image, {report.energy_ratio:.2f} of the quantized "
            f"network's {report.dense_energy / 1000:.4g} nJ ({setting.energy})"
        ),
    ]
    if report.accuracy is not None and report.quantized_accuracy is not None:
        lines[1] += (
            f"; accuracy {_percent(report.accuracy)}, its {_percent(report.quantized_accuracy)}"
        )
    compared = (
        "codes are not compared"
        if report.mismatches is None
        else f"{report.mismatches:,} of {report.codes:,} codes differ"
    )
    lines.insert(2, f"{compared}; largest difference of a logit {report.logit_error:.2g}")
    return lines


def neuron_rows(report: SpikingReport) -> Rows:
    """Return a row for every neuron layer, under the names of the columns."""
    head = (
        "neurons",
        "number",
        "spikes",
        "silent",
        "dead",
        "mismatches",
        "fires in steps",
        "waits",
    )
    rows = [
        (
            layer.name,
            f"{layer.neurons:,}",
            f"{layer.spikes:.3f}",
            _percent(layer.silent),
            _percent(layer.dead),
            "-" if layer.mismatches is None else f"{layer.mismatches:,}",
            f"{stage.first} to {stage.last}",
            f"{stage.waits}",
        )
        for layer, stage in zip(report.neurons, report.pipeline.stages, strict=True)
    ]
    return [head, *rows]


def synapse_rows(report: SpikingReport) -> Rows:
    """Return a row for every convolution and Linear, under the names of the columns."""
    head = ("layer", "applied to", "MACs", "multiplies", "accumulates", "nJ", "quantized nJ")
    rows = [
        (
            layer.work.name,
            layer.work.source,
            f"{layer.work.macs:,.0f}",
            f"{layer.work.multiplications:,.0f}",
            f"{layer.work.accumulations:,.0f}",
            f"{layer.energy / 1000:.4g}",
            f"{layer.dense_energy / 1000:.4g}",
        )
        for layer in report.synapses
    ]
    return [head, *rows]


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(
            [
                row[0].ljust(widths[0]),
                *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)),
            ]
        )
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"

"""The report of codecs as an HTML page that needs nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optlab_adapters.pages import render

if TYPE_CHECKING:
    from optlab_adapters.compression.report import CodecReport

__all__ = ["html_page"]


def html_page(report: CodecReport) -> str:
    """Return the page; its style sheet is that of optlab's benchmark reports."""
    lines = [report.plot("D")]
    lines += [report.plot(kind, group) for group in report.groups for kind in ("G", "R")]
    return render(
        "optlab_adapters.compression",
        codecs=", ".join(report.codecs),
        sentences=_sentences(report),
        tables={"By group": report.table(), "Gain in dB": report.full_table()},
        lines=lines,
        maps=[report.maps(codec) for codec in report.codecs],
        compat=report.setting["compat"],
    )


def _sentences(report: CodecReport) -> list[str]:
    setting = report.setting
    rate, shape = setting["bpp"], " x ".join(map(str, setting["shape"]))
    how = (
        "every codec at its own setting" if rate is None else f"at most {rate:g} bits per pixel"
    )
    found = [f"{setting['images']} images of {shape}, {how}."]
    if rate is not None:
        over = [
            f"{row.codec}, {row.corruption} {row.severity}"
            for row in report.rows
            if row.most_bpp > rate
        ]
        if over:
            found.append(f"Some images take more at the coarsest setting: {'; '.join(over)}.")
    if setting["fitted"]:
        found.append(f"Fitted to these very images: {', '.join(setting['fitted'])}.")
    return found

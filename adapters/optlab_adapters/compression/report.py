"""What codecs do to images and damaged images, as numbers, tables and a page; made by :func:`spectral_report`."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.errors import OptionError
from optlab.typing import Vector
from optlab_adapters.compression.charts import map_chart, radial_chart
from optlab_adapters.compression.errors import GROUPS, group_of
from optlab_adapters.compression.page import html_page
from optlab_adapters.pages import save_report
from optlab_adapters.robustness.spectra import bands, radial

if TYPE_CHECKING:
    from pathlib import Path

    from optlab_adapters.charts import Chart

__all__ = ["CodecReport", "Measured", "Spectra"]

SCHEMA = "optlab-codec-report-1"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A codec on a set of images; PSNR in dB and MS-SSIM are means over images.

    Attributes
    ----------
    codec, corruption : str
        The corruption of images as they are is ``clean``.
    severity : int
        0 for clean.
    group : str
        clean, low, medium, high or other.
    bpp, most_bpp : float
        Mean and largest rate of an image.
    fixed_bpp : float
        Mean rate with the settings that the clean images had.
    psnr, ms_ssim : float
        Decoded against the image that was encoded: D for clean images, G for damaged ones.
    psnr_clean, ms_ssim_clean : float
        Decoded against the image before the damage: R.
    psnr_damaged : float
        The damaged image itself against the clean one; inf for clean.
    """

    codec: str
    corruption: str
    severity: int
    group: str
    bpp: float
    most_bpp: float
    fixed_bpp: float
    psnr: float
    psnr_clean: float
    psnr_damaged: float
    ms_ssim: float
    ms_ssim_clean: float

    @property
    def gain(self) -> float:
        """How many dB the decoded image is nearer to the clean one than the damaged image is; nan for clean."""
        return self.psnr_clean - self.psnr_damaged if self.corruption != "clean" else math.nan


@dataclass(frozen=True, eq=False)
class Spectra:
    """A spectrum of errors.

    Attributes
    ----------
    codec : str
    kind : {"D", "G", "R"}
    corruption : str
        With its severity, or ``clean``.
    power : Vector
        Shape (H, W), frequency 0 in the middle.
    """

    codec: str
    kind: str
    corruption: str
    power: Vector


@dataclass(frozen=True, eq=False)
class CodecReport:
    """Codecs under corruptions. ``print`` shows the table by group.

    Attributes
    ----------
    rows : tuple of Measured
    spectra : tuple of Spectra
    setting : dict
        What was asked for.
    """

    rows: tuple[Measured, ...]
    spectra: tuple[Spectra, ...]
    setting: dict[str, Any]

    @property
    def codecs(self) -> tuple[str, ...]:
        """Names, in the order given."""
        return tuple(dict.fromkeys(row.codec for row in self.rows))

    @property
    def groups(self) -> tuple[str, ...]:
        """Groups of corruptions that were measured, low frequencies first."""
        found = {row.group for row in self.rows}
        return tuple(group for group in (*GROUPS, "other") if group in found)

    def row(self, codec: str, corruption: str, severity: int = 0) -> Measured:
        """Return a row; severity 0 with ``clean``.

        Raises
        ------
        OptionError
            When that was not measured.
        """
        for row in self.rows:
            if (row.codec, row.corruption, row.severity) == (codec, corruption, severity):
                return row
        raise OptionError(f"{codec!r} was not measured under {corruption!r} {severity}")

    def mean(self, codec: str, group: str, column: str) -> float:
        """Return a column's mean over a group's corruptions and severities.

        Raises
        ------
        OptionError
            For a codec or group without rows, or a column that is none.
        """
        rows = [row for row in self.rows if row.codec == codec and row.group == group]
        if not rows or not hasattr(rows[0], column):
            raise OptionError(
                f"there is no {column!r} of {codec!r} in {group!r}; codecs {self.codecs}, groups {('clean', *self.groups)}"
            )
        return float(np.mean([getattr(row, column) for row in rows]))

    def spectrum(self, codec: str, kind: str, group: str = "clean") -> Vector:
        """Return a spectrum of errors, shape (H, W), averaged over the group's corruptions; D needs no group.

        Raises
        ------
        OptionError
            When there is none.
        """
        found = [
            one.power
            for one in self.spectra
            if (one.codec, one.kind) == (codec, kind)
            and (kind == "D" or group_of(one.corruption.rsplit(" ", 1)[0]) == group)
        ]
        if not found:
            raise OptionError(f"there is no spectrum {kind!r} of {codec!r} for {group!r}")
        mean: Vector = np.mean(found, axis=0)
        return mean

    def table(self) -> list[list[str]]:
        """Return the numbers by codec and group; the first row has the names of the columns."""
        head = ["codec", "group", "bpp", "bpp at clean settings", "PSNR", "PSNR to clean", "damaged", "gain", "MS-SSIM", "to clean"]  # fmt: skip
        columns = {
            "bpp": 3, "fixed_bpp": 3, "psnr": 2, "psnr_clean": 2, "psnr_damaged": 2, "gain": 2, "ms_ssim": 4, "ms_ssim_clean": 4,
        }  # fmt: skip
        rows = [head]
        for codec in self.codecs:
            for group in ("clean", *self.groups):
                values = [(self.mean(codec, group, name), d) for name, d in columns.items()]
                cells = [f"{v:.{d}f}" if math.isfinite(v) else "" for v, d in values]
                rows.append([codec, group, *cells])
        return rows

    def full_table(self) -> list[list[str]]:
        """Return the gain in dB of every corruption and severity, a column for each codec."""
        cases = dict.fromkeys(
            (row.corruption, row.severity) for row in self.rows if row.severity > 0
        )
        rows = [["corruption", "group", *self.codecs]]
        for corruption, severity in cases:
            gains = [self.row(codec, corruption, severity).gain for codec in self.codecs]
            name = f"{corruption.replace('_', ' ')} {severity}"
            rows.append([name, group_of(corruption), *(f"{gain:+.2f}" for gain in gains)])
        return rows

    def __str__(self) -> str:
        rows = self.table()
        widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
        return "\n".join(
            "  ".join(
                cell.ljust(width) if k < 2 else cell.rjust(width)
                for k, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        )

    def plot(self, kind: str = "D", group: str = "clean") -> Chart:
        """Draw the radial spectra of D, or of G or R for a group of corruptions, a line for each codec."""
        lines = {codec: radial(self.spectrum(codec, kind, group)) for codec in self.codecs}
        return radial_chart(lines, kind, group)

    def maps(self, codec: str) -> Chart:
        """Draw the spectra of a codec as maps: D, then G and R for each group, on one scale of brightness."""
        found = {"D": self.spectrum(codec, "D")}
        for group in self.groups:
            for kind in ("G", "R"):
                found[f"{kind}, {group}"] = self.spectrum(codec, kind, group)
        return map_chart(codec, found)

    def to_dict(self) -> dict[str, Any]:
        """Return all numbers as JSON has them; spectra by ring and band, null for what is not finite."""
        rows = [{**asdict(row), "gain": row.gain} for row in self.rows]
        spectra = [
            {
                "codec": one.codec, "kind": one.kind, "corruption": one.corruption,
                "radial": radial(one.power).tolist(), "bands": bands(one.power).tolist(),
            }
            for one in self.spectra
        ]  # fmt: skip
        finite = [{k: _plain(v) for k, v in row.items()} for row in rows]
        return {"schema": SCHEMA, "setting": self.setting, "rows": finite, "spectra": spectra}

    def save(self, path: str | Path) -> None:
        """Write a file: ``.json`` holds the numbers, ``.html`` is a page that needs nothing else.

        Raises
        ------
        OptionError
            When the name ends in something else.
        MissingDependencyError
            When a page is asked for and jinja2 or Pillow is not installed.
        """
        save_report(path, lambda: html_page(self), self.to_dict)


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value

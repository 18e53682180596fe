"""Codecs out of distribution: rates, PSNR, gains by group of corruptions, identities of the linear codec.

    python benchmarks/robustness/codecs.py --json codecs.json --plot codecs.png --html codecs.html

Photographs come from wheels: scikit-learn's two always, scikit-image's eight where it is installed.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from corruptions import centres, photographs

from optlab_adapters import compression as cp
from optlab_adapters.compression.linear import blocks_of
from optlab_adapters.robustness import CorruptionSuite, bands

BPP, SEVERITY = 0.8, 3
GREY = np.array([0.299, 0.587, 0.114])


def identities(images: Any, suite: CorruptionSuite) -> dict[str, float]:
    """Return the largest difference between both sides of the identities for R and G, values in [0, 1], by corruption."""
    clean = np.concatenate([blocks_of(image, 8) for image in images]) / 255
    components = cp.Components.of(clean, 16)
    found = {}
    for name, severity in suite:
        damaged = suite.apply(images, name, severity)
        samples = np.concatenate([blocks_of(image, 8) for image in damaged]) / 255
        e = components.errors(clean, samples - clean)
        robust = e.robustness - e.distortion - e.kept
        general = e.generalization - e.distortion - e.removed - 2 * e.cross
        found[name] = float(max(np.abs(robust).max(), np.abs(general).max()))
    return found


def fixed_step(images: Any, suite: CorruptionSuite) -> dict[str, float]:
    """Return the rates of the grey linear codec with the steps that clean images had, by group."""
    report = cp.spectral_report([cp.Linear()], images, suite, bpp=BPP)
    groups = ("clean", *report.groups)
    return {group: report.mean("linear", group, "fixed_bpp") for group in groups}


def measure(images: Any) -> tuple[dict[str, Any], cp.CodecReport]:
    """Return all numbers, and the report of codecs."""
    suite = CorruptionSuite("common", severities=SEVERITY, scale="imagenet")
    codecs = [cp.Jpeg(), cp.Jpeg2000(), cp.WebP(), cp.Linear(rank=16)]
    start = time.process_time()
    report = cp.spectral_report(codecs, images, suite, bpp=BPP)
    seconds = time.process_time() - start
    grey = np.rint(images @ GREY).astype(np.uint8)
    gains = {c: {g: report.mean(c, g, "gain") for g in report.groups} for c in report.codecs}
    return {
        "photographs": len(images),
        "cpu_seconds": seconds,
        "gains": gains,
        "bands_of_D": {c: bands(report.spectrum(c, "D")).tolist() for c in report.codecs},
        "identities": identities(grey, suite),
        "fixed_step": fixed_step(grey, suite),
        "report": report.to_dict(),
    }, report


def check(found: dict[str, Any]) -> bool:
    """Print what was asked for; return whether it is met."""
    gains = found["gains"]
    met = [
        gains[codec]["high"] >= 3 and abs(gains[codec]["low"]) < 0.2
        for codec in ("JPEG", "JPEG 2000")
    ]
    for codec, by_group in gains.items():
        print(f"{codec:16s} gain in dB:", *(f"{g} {v:+.2f} " for g, v in by_group.items()))
    worst = max(found["identities"].values())
    print(f"identities of the linear codec hold to {worst:.1e}")
    rates = found["fixed_step"]
    ratio = rates["high"] / rates["clean"]
    print("grey linear codec, steps of clean images, bpp:", rates, f"high / clean {ratio:.2f}")
    print(f"{found['cpu_seconds']:.0f} CPU s for the report")
    return all(met) and worst <= 1e-10


def plot(report: cp.CodecReport, path: Path) -> None:
    """Draw the gains by corruption."""
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("Agg")
    import matplotlib.pyplot as plt  # noqa: PLC0415

    names = [row.corruption for row in report.rows if row.codec == report.codecs[0]][1:]
    figure, axis = plt.subplots(figsize=(12, 4.5), layout="constrained")
    width = 0.8 / len(report.codecs)
    for k, codec in enumerate(report.codecs):
        gains = [report.row(codec, name, SEVERITY).gain for name in names]
        axis.bar(np.arange(len(names)) + k * width, gains, width, label=codec)
    axis.set_xticks(np.arange(len(names)) + 0.4, [n.replace("_", "\n") for n in names], size=8)
    axis.set_ylabel(f"gain in dB at {BPP} bpp, severity {SEVERITY}")
    axis.axhline(0, color="black", linewidth=0.8)
    axis.legend()
    figure.savefig(path, dpi=120)


def main() -> int:
    """Measure, print, check."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    for name in ("--json", "--plot", "--html"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--photographs", type=int, help="how many of them; all by default")
    given = parser.parse_args()
    found, report = measure(centres(photographs()[: given.photographs]))
    print(report)
    met = check(found)
    if given.json is not None:
        given.json.write_text(json.dumps(found, indent=1))
    if given.plot is not None:
        plot(report, given.plot)
    if given.html is not None:
        report.save(given.html)
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())

"""Corruptions: CPU time, bytes over batches, error by severity, energy by frequency, and a maintained package beside.

    python benchmarks/robustness/corruptions.py --json corruptions.json --plot corruptions.png

Photographs come from wheels: scikit-learn's two always, scikit-image's eight where it is installed. The comparison needs
imagecorruptions (the maintained fork is imagecorruptions-imaug); without it that part is left out, and said so.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_sample_images

from optlab_adapters.robustness import CorruptionSuite, bands, psd

IMAGES, SIDE = 1_500, 32
CROP = 256

MEASURED = {
    "snow": (0.92, 0.07, 0.01),
    "frost": (0.96, 0.03, 0.01),
    "fog": (0.94, 0.05, 0.01),
    "brightness": (0.98, 0.01, 0.01),
    "contrast": (0.84, 0.12, 0.04),
    "motion_blur": (0.48, 0.39, 0.12),
    "zoom_blur": (0.62, 0.30, 0.08),
    "defocus_blur": (0.08, 0.68, 0.24),
    "glass_blur": (0.26, 0.57, 0.17),
    "elastic_transform": (0.13, 0.59, 0.27),
    "gaussian_noise": (0.05, 0.18, 0.77),
    "shot_noise": (0.04, 0.18, 0.78),
    "impulse_noise": (0.05, 0.18, 0.78),
    "pixelate": (0.00, 0.29, 0.70),
    "jpeg_compression": (0.03, 0.23, 0.73),
}
"""Shares of corruption energy below 1/8, up to 1/2 and above 1/2 of the Nyquist frequency at severity 3, measured with
imagecorruptions-imaug 1.1.5 on ten photographs."""


def photographs() -> list[Any]:
    """Return colour photographs."""
    photos = list(load_sample_images().images)
    try:
        from skimage import data  # noqa: PLC0415
    except ImportError:
        return photos
    names = ("astronaut", "chelsea", "coffee", "hubble_deep_field", "rocket", "retina")
    photos += [getattr(data, name)() for name in (*names, "immunohistochemistry")]
    return [*photos, data.stereo_motorcycle()[0]]


def tiles(photos: list[Any]) -> Any:
    """Cut the photographs into tiles until there are enough."""
    every = [
        photo[r : r + SIDE, c : c + SIDE]
        for photo in photos
        for r in range(0, photo.shape[0] - SIDE + 1, SIDE)
        for c in range(0, photo.shape[1] - SIDE + 1, SIDE)
    ]
    order = np.random.default_rng(0).permutation(len(every))
    return np.array([every[order[k % len(every)]] for k in range(IMAGES)])


def centres(photos: list[Any]) -> Any:
    """Cut the middle out of every photograph."""
    cut = []
    for photo in photos:
        top, left = ((n - CROP) // 2 for n in photo.shape[:2])
        cut.append(photo[top : top + CROP, left : left + CROP])
    return np.array(cut)


def squared(one: Any, other: Any) -> float:
    """Return the mean squared error in units of 1/255."""
    return float(np.mean((one.astype(np.float64) - other) ** 2))


def speed(images: Any) -> dict[str, Any]:
    """Corrupt everything once whole, timed, and once in batches of another size."""
    suite = CorruptionSuite("all")
    seconds: dict[str, float] = {}
    errors: dict[str, list[float]] = {}
    same = True
    for name in suite.corruptions:
        seconds[name], errors[name] = 0.0, []
        for severity in suite.levels:
            start = time.process_time()
            whole = suite.apply(images, name, severity)
            seconds[name] += time.process_time() - start
            errors[name].append(squared(whole, images))
            split = hashlib.sha256()
            for first in range(0, len(images), 411):
                split.update(suite.apply(images[first : first + 411], name, severity, first))
            same &= split.digest() == hashlib.sha256(whole).digest()
        print(
            f"{name:18s} {seconds[name]:6.2f} s ",
            *(f"{e:8.1f}" for e in errors[name]),
            flush=True,
        )
    return {"seconds": seconds, "errors": errors, "same_bytes": same}


def energy(images: Any) -> dict[str, list[float]]:
    """Return the shares of corruption energy of brightness in three bands at severity 3."""
    suite = CorruptionSuite("common", scale="imagenet")
    weights = np.array([0.299, 0.587, 0.114])
    found = {}
    for name in suite.corruptions:
        difference = (suite.apply(images, name, 3).astype(float) - images) @ weights / 255
        found[name] = bands(psd(difference)).tolist()
    return found


def against_package(images: Any) -> dict[str, Any] | None:
    """Return mean squared errors here and in the package, or None without it."""
    try:
        from imagecorruptions import corrupt  # noqa: PLC0415
    except ImportError:
        return None
    suite = CorruptionSuite("all", scale="imagenet")
    np.random.seed(0)  # noqa: NPY002, TID251 - the package draws from the global generator
    found: dict[str, Any] = {}
    for name in suite.corruptions:
        ours, theirs = [], []
        for severity in suite.levels:
            ours.append(squared(suite.apply(images, name, severity), images))
            made = [corrupt(image, corruption_name=name, severity=severity) for image in images]
            theirs.append(squared(np.array(made), images))
        found[name] = {"ours": ours, "theirs": theirs}
        ratios = " ".join(f"{a / b:5.2f}" for a, b in zip(ours, theirs, strict=True))
        print(f"{name:18s} error here / in the package: {ratios}", flush=True)
    return found


def report(found: dict[str, Any]) -> bool:
    """Print what was asked for; return whether all of it is met."""
    seconds = sum(found["speed"]["seconds"].values())
    fast, same = seconds < 60, found["speed"]["same_bytes"]
    print(f"\n19 corruptions x 5 severities x {IMAGES:,} images: {seconds:.1f} CPU s")
    print(f"the same bytes in batches of another size: {same}")
    uneven = [n for n, e in found["speed"]["errors"].items() if not (np.diff(e) > 0).all()]
    print(f"error does not rise at every severity: {', '.join(uneven) or 'none'}")
    off = {
        name: float(np.abs(np.subtract(found["bands"][name], MEASURED[name])).max())
        for name in MEASURED
    }
    worst = max(off, key=lambda name: off[name])
    print(f"bands: largest difference from the earlier measurement {off[worst]:.3f} ({worst})")
    if found["package"] is None:
        print("imagecorruptions is not installed: no comparison")
        return fast and same
    fixed = ("defocus_blur", "zoom_blur", "gaussian_blur", "brightness", "contrast", "pixelate")
    fixed = (*fixed, "jpeg_compression", "saturate")
    ratios = {n: np.divide(v["ours"], v["theirs"]) for n, v in found["package"].items()}
    spread = max(float(np.abs(ratios[name] - 1).max()) for name in fixed)
    print(f"deterministic corruptions: errors within {100 * spread:.1f} % of the package's")
    return fast and same and spread <= 0.15


def plot(found: dict[str, Any], path: Path) -> None:
    """Draw the error by severity, a panel for each corruption."""
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("Agg")
    import matplotlib.pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(4, 5, figsize=(13, 9), layout="constrained")
    errors, package = found["speed"]["errors"], found["package"]
    for axis, name in zip(axes.flat, errors, strict=False):
        axis.plot(range(1, 6), errors[name], "o-", label="CIFAR scale, 32 px")
        if package is not None:
            axis.plot(range(1, 6), package[name]["ours"], "s-", label="ImageNet scale, 256 px")
            axis.plot(range(1, 6), package[name]["theirs"], "k--", label="imagecorruptions")
        axis.set_title(name.replace("_", " "), fontsize=9)
        axis.set_yscale("log")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    axes.flat[-1].axis("off")
    axes.flat[-1].legend(handles, labels, loc="center")
    figure.supxlabel("severity")
    figure.supylabel("mean squared error, 0..255")
    figure.savefig(path, dpi=120)


def main() -> int:
    """Measure, print, check."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    given = parser.parse_args()
    photos = photographs()
    crops = centres(photos)
    found = {
        "photographs": len(photos),
        "speed": speed(tiles(photos)),
        "bands": energy(crops),
        "package": against_package(crops),
    }
    met = report(found)
    if given.json is not None:
        given.json.write_text(json.dumps(found, indent=1))
    if given.plot is not None:
        plot(found, given.plot)
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())

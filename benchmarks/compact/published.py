"""When is a compact network at least as good as the dense one? Statistics of 447 published networks.

    python benchmarks/compact/published.py robustnets.json --json published.json --plot published.png

The file (else that of OPTLAB_ROBUSTNETS, else ../shared/data/robustnets.json) is the table of the RobustNets models (Fridovich-Keil et al., 2022), metric_and_OOD_var_dict.json in their repository. A cell
is an architecture with an augmentation, nine of them; networks are those pruned globally, the dense one of a cell is the only one of
sparsity 0 there. Printed by method and sparsity: cells in which both CIFAR-10 and CIFAR-10-C accuracy are at least the dense
network's, and mean changes in points. Asked: lrr in all nine at 50, 80, 90 and 95 %. That lrr trains several times as long as its
dense network, the table does not tell.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from optlab.adapters import pruning

ROOT = Path(__file__).resolve().parents[2]
FILE = Path(
    os.environ.get("OPTLAB_ROBUSTNETS", ROOT.parent / "shared" / "data" / "robustnets.json")
)
METHODS = ("FT", "GMP", "lth", "lrr", "edgepopup", "biprop")
SPARSITIES = (0.5, 0.6, 0.8, 0.9, 0.95)
ASKED = (0.5, 0.8, 0.9, 0.95)
"""Sparsities at which lrr is asked to win everywhere."""


def models(table: Mapping[str, Mapping[str, float]]) -> list[Any]:
    """Return the networks that were pruned globally; names are ARCHITECTURE_AUGMENTATION_METHOD_SCOPE_SPARSITY."""
    found = []
    for name, values in table.items():
        architecture, augmentation, method, scope, sparsity = name.split("_")
        if scope == "globally":
            found.append(
                pruning.CompactModel(
                    cell=(architecture, augmentation),
                    method=method,
                    sparsity=float(sparsity),
                    clean=values["cifar10_acc"],
                    corrupted=values["cifar10c_acc"],
                )
            )
    return found


def draw(found: Mapping[tuple[str, float], Any], path: Path) -> None:
    """Draw wins and mean changes over the sparsity."""
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, every = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
    kinds = (
        ("wins", "cells won, of 9"),
        ("clean", "clean, points"),
        ("corrupted", "C, points"),
    )
    for ax, (kind, label) in zip(every, kinds, strict=True):
        for method in METHODS:
            values = [getattr(found[method, s], kind) for s in SPARSITIES]
            ax.plot([100 * s for s in SPARSITIES], values, "o-", label=method)
        ax.set_xlabel("sparsity, %")
        ax.set_ylabel(label)
        ax.grid(alpha=0.3)
    figure.legend(*every[0].get_legend_handles_labels(), loc="outside lower center", ncols=6)
    figure.suptitle("Networks pruned globally against the dense one of their cell")
    figure.savefig(path, dpi=120)


def main() -> int:
    """Read, count, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("file", type=Path, nargs="?", default=FILE)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    given = parser.parse_args()
    if not given.file.is_file():
        print(f"left out: there is no {given.file}")
        return 0
    found = pruning.card_statistics(models(json.loads(given.file.read_text())))
    print(f"{'sparsity':10}" + "".join(f"{m:>22}" for m in METHODS))
    for sparsity in SPARSITIES:
        cells = [found[method, sparsity] for method in METHODS]
        shown = [f"{c.wins}/{c.cells} {c.clean:+.1f} {c.corrupted:+.1f}" for c in cells]
        print(f"{sparsity:<10g}" + "".join(f"{s:>22}" for s in shown))
    met = all(found["lrr", s].wins == found["lrr", s].cells == 9 for s in ASKED)
    print(
        f"lrr in 9 of 9 cells at {', '.join(f'{s:g}' for s in ASKED)}: {'met' if met else 'MISSED'}"
    )
    if given.json is not None:
        rows = [
            {"method": m, "sparsity": s, "wins": c.wins, "cells": c.cells}
            | {"clean": c.clean, "corrupted": c.corrupted}
            for (m, s), c in found.items()
        ]
        given.json.write_text(json.dumps({"statistics": rows, "met": met}, indent=1))
    if given.plot is not None:
        draw(found, given.plot)
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())

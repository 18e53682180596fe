"""Write a folder of images under corruptions.

python -m optlab_adapters.robustness FOLDER OUT --corruptions common --severities 1 3 5 --scale imagenet
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from optlab.errors import OptlabError
from optlab_adapters.robustness.dataset import corrupt_dataset
from optlab_adapters.robustness.suite import CorruptionSuite

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; return 0, 1 when images were skipped, 2 for wrong use, 3 when a file could not be written."""
    parser = argparse.ArgumentParser(
        prog="python -m optlab_adapters.robustness", description=__doc__.split("\n", 1)[0]
    )
    parser.add_argument("folder", type=Path, help="images, in subfolders or not")
    parser.add_argument("out", type=Path, help="where to write; a stopped run goes on")
    parser.add_argument(
        "--corruptions", nargs="+", default=["common"], help="common, heldout, all, or names"
    )
    parser.add_argument("--severities", nargs="+", type=int, default=[1, 2, 3, 4, 5])
    parser.add_argument("--scale", choices=["cifar", "imagenet"], default="imagenet")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    console = Console(stderr=True)
    names = given.corruptions[0] if len(given.corruptions) == 1 else given.corruptions
    try:
        suite = CorruptionSuite(names, given.severities, given.scale, given.seed)
        with Progress(
            "images", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console
        ) as bar:
            task = bar.add_task("", total=None)
            report = corrupt_dataset(
                given.folder,
                given.out,
                suite,
                lambda done, total: bar.update(task, completed=done, total=total),
            )
    except OptlabError as error:
        console.print(f"error: {error}", markup=False)
        return 2
    except OSError as error:
        console.print(
            f"error: {error}; what is finished stays, run the same again to go on", markup=False
        )
        return 3
    for name, reason in report.skipped.items():
        console.print(f"skipped {name}: {reason}", markup=False)
    console.print(f"{report.written:,} files written, {report.kept:,} kept")
    return 1 if report.skipped else 0


if __name__ == "__main__":
    raise SystemExit(main())

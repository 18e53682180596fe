"""Fuzz a reader of problem files with atheris: ``python tests/fuzz/readers.py nl -runs=100000``.

The first argument is ``nl`` or ``sif``; what follows goes to libFuzzer. Every input must end in a Problem that
can be evaluated, or in the reader's own error, within the limits of time and memory that the options set.
``make fuzz`` runs both.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris
import numpy as np

with atheris.instrument_imports(include=["optlab_problems"]):
    from optlab_problems import NlError, SifError, read_nl, read_sif
    from optlab_problems.nl import NlLimits
    from optlab_problems.sif import Limits

from optlab import Problem

ROOT = Path(__file__).parents[2]

_NL_LIMITS = NlLimits(file_bytes=100_000, operations=20_000, terms=100_000)
_SIF_LIMITS = Limits(file_bytes=100_000, steps=20_000, items=2_000, pattern_entries=20_000)
"""Small, so that an input takes milliseconds; that the limits hold is part of what is tested."""


def evaluate(problem: Problem) -> None:
    """Call every verb at the start point; nothing may raise, whatever the values."""
    x, y = problem.x0, np.ones(problem.m)
    problem.objective(x)
    problem.gradient(x)
    problem.constraints(x)
    problem.jacobian(x)
    if problem.has_hessian:
        problem.hessian(x, y, 1.0)
    problem.hprod(x, y, 1.0, x)


def fuzz_nl(data: bytes) -> None:
    """Read the input as a .nl file."""
    try:
        problem = read_nl(data, limits=_NL_LIMITS)
    except NlError:
        return
    evaluate(problem)


def sif_fuzzer(folder: Path) -> Callable[[bytes], None]:
    """Return what reads the input as a SIF file."""
    path = folder / "input.SIF"

    def fuzz(data: bytes) -> None:
        path.write_bytes(data)
        try:
            problem = read_sif(path, limits=_SIF_LIMITS)
        except SifError:
            return
        evaluate(problem)

    return fuzz


def main() -> None:
    """Run until libFuzzer's own limit."""
    kind, *options = sys.argv[1:]
    with tempfile.TemporaryDirectory() as scratch:
        corpus = Path(scratch) / "corpus"
        corpus.mkdir()
        seeds = {
            "nl": [*(ROOT / "problems").rglob("*.nl"), *(ROOT / "tests/data/nl").glob("*.nl")],
            "sif": [
                *(ROOT / "problems").rglob("*.SIF"),
                *(ROOT / "tests/data/sif").glob("*.SIF"),
            ],
        }
        for path in seeds[kind]:
            (corpus / path.name).write_bytes(path.read_bytes())
        test = fuzz_nl if kind == "nl" else sif_fuzzer(Path(scratch))
        atheris.Setup([sys.argv[0], str(corpus), *options], test)
        atheris.Fuzz()


if __name__ == "__main__":
    main()

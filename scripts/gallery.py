"""Run the models of docs/gallery and the examples of docs/zeroth and docs/snn: draw their figures, bring their pages up to date.

    python scripts/gallery.py [NAME ...]

Of a model the page has the time of the second of two solves in one process: imports and compilation are over by then. An example
takes minutes and is run once; its numbers are written beside its figure, and the page has a table of them.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "gallery"
PAGE = FOLDER / "README.md"
EXAMPLES = {
    ROOT / "docs" / "zeroth" / "examples": ROOT / "docs" / "zeroth" / "examples.md",
    ROOT / "docs" / "snn" / "examples": ROOT / "docs" / "snn" / "README.md",
}
"""Folders of examples, and the pages that have their tables."""


def interface(script: ModuleType) -> str:
    """Say how a script states its model, by what it imports."""
    if hasattr(script, "cp"):
        return "CVXPY"
    if hasattr(script, "pyo"):
        return "Pyomo"
    return "SciPy's signature" + (", torch" if hasattr(script, "torch") else "")


def row(name: str) -> str:
    """Solve and draw a model; return its row of the table."""
    script = importlib.import_module(name)
    script.solve()
    begun = time.perf_counter()
    solution = script.solve()
    seconds = time.perf_counter() - begun
    script.plot(solution, FOLDER / f"{name}.svg")
    title = (script.__doc__ or "").splitlines()[0].rstrip(".")
    print(f"{name:20} {seconds:6.2f} s")
    return f"| [{title}]({name}.py) | {interface(script)} | {seconds:.2g} s |"


def models(names: list[str]) -> None:
    """Run models and renew their rows of the page."""
    page = PAGE.read_text(encoding="utf-8")
    for name in names:
        made = row(name)
        pattern = rf"^\| \[[^|]*\]\({name}\.py\) \|.*$"
        page, found = re.subn(pattern, lambda _, new=made: new, page, flags=re.MULTILINE)
        if found != 1:
            print(f"{PAGE.name} has {found} rows for {name}; it needs one", file=sys.stderr)
    PAGE.write_text(page, encoding="utf-8")


def examples(names: list[str], folder: Path) -> None:
    """Run examples, which write their numbers and figures into their folder; renew their tables of its page."""
    file = EXAMPLES[folder]
    page = file.read_text(encoding="utf-8")
    os.chdir(folder)
    sys.argv[1:] = []
    for name in names:
        script = importlib.import_module(name)
        script.main()
        answer = json.loads(Path(f"{name}.json").read_text(encoding="utf-8"))
        block = f"<!-- {name} -->\n{script.table(answer)}\n<!-- end -->"
        pattern = rf"<!-- {name} -->.*?<!-- end -->"
        page, found = re.subn(pattern, lambda _, new=block: new, page, flags=re.DOTALL)
        if found != 1:
            print(f"{file.name} has {found} tables for {name}", file=sys.stderr)
    file.write_text(page, encoding="utf-8")


def main(names: list[str]) -> None:
    """Run the named models and examples, or all."""
    runs: dict[Path, Callable[[list[str]], None]] = {FOLDER: models}
    runs |= {folder: partial(examples, folder=folder) for folder in EXAMPLES}
    for folder, run in runs.items():
        sys.path.insert(0, str(folder))
        # The others are what examples share.
        scripts = (
            p.stem for p in sorted(folder.glob("*.py")) if "\ndef main(" in p.read_text()
        )
        run([name for name in scripts if not names or name in names])


if __name__ == "__main__":
    main(sys.argv[1:])

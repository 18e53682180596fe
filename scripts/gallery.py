"""Run the models of docs/gallery: draw their figures and note on the page how long they take to solve.

    python scripts/gallery.py [NAME ...]

The time is that of the second of two solves in one process: imports and compilation are over by then.
"""

from __future__ import annotations

import importlib
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "gallery"
PAGE = FOLDER / "README.md"


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


def main(names: list[str]) -> None:
    """Run the named models, or all."""
    sys.path.insert(0, str(FOLDER))
    page = PAGE.read_text(encoding="utf-8")
    for name in names or sorted(path.stem for path in FOLDER.glob("*.py")):
        made = row(name)
        pattern = rf"^\| \[[^|]*\]\({name}\.py\) \|.*$"
        page, found = re.subn(pattern, lambda _, new=made: new, page, flags=re.MULTILINE)
        if found != 1:
            print(f"{PAGE.name} has {found} rows for {name}; it needs one", file=sys.stderr)
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])

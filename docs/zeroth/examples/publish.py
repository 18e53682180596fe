"""What the examples share: numbers as JSON, as a table for the page, and the look of the figures."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

STYLE = Path(__file__).parents[2] / "gallery" / "gallery.mplstyle"

Answer = dict[str, Any]


def markdown(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table for the page."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def publish(
    name: str,
    answer: Answer,
    table: Callable[[Answer], str],
    plot: Callable[[Answer, Path], None],
) -> None:
    """Print the table, write NAME.json and draw NAME.svg in the folder one is in."""
    print(table(answer))
    text = json.dumps(answer, indent=1) + "\n"
    Path(f"{name}.json").write_text(text, encoding="utf-8")
    # Drawn from what was written: the figure shows nothing that the file does not hold.
    plot(json.loads(text), Path(f"{name}.svg"))

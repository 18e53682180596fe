from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from typing import Any

import pytest

from optlab.adapters import pruning
from optlab.errors import ProblemError


def model(cell: str, method: str, sparsity: float, clean: float, corrupted: float) -> Any:
    return pruning.CompactModel(cell, method, sparsity, clean, corrupted)


DENSE = [model("a", "dense", 0.0, 90.0, 70.0), model("b", "dense", 0.0, 80.0, 60.0)]


def test_a_win_needs_both_accuracies_and_changes_are_means() -> None:
    found = pruning.card_statistics(
        [
            model("a", "lrr", 0.5, 90.0, 70.0),  # as good is a win
            model("b", "lrr", 0.5, 84.0, 59.0),  # better on one only is none
            model("b", "lrr", 0.9, 79.0, 65.0),
            *DENSE,
        ]
    )
    assert set(found) == {("lrr", 0.5), ("lrr", 0.9)}
    half = found["lrr", 0.5]
    assert (half.wins, half.cells) == (1, 2)
    assert half.clean == pytest.approx(2.0)
    assert half.corrupted == pytest.approx(-0.5)
    assert (found["lrr", 0.9].wins, found["lrr", 0.9].cells) == (0, 1)


def test_cells_without_or_with_two_networks() -> None:
    with pytest.raises(ProblemError, match="'c' has no network of sparsity 0"):
        pruning.card_statistics([model("c", "lrr", 0.5, 90.0, 70.0), *DENSE])
    with pytest.raises(ProblemError, match="'a' has two networks"):
        pruning.card_statistics([*DENSE, DENSE[0]])
    twice = model("a", "lrr", 0.5, 90.0, 70.0)
    with pytest.raises(ProblemError, match=r"'lrr' at sparsity 0\.5"):
        pruning.card_statistics([twice, twice, *DENSE])


@pytest.fixture
def published(root: Path) -> dict[tuple[str, float], Any]:
    default = root.parent / "shared" / "data" / "robustnets.json"
    file = Path(os.environ.get("OPTLAB_ROBUSTNETS", default))
    if not file.is_file():
        pytest.skip(f"no table of published networks at {file}; set OPTLAB_ROBUSTNETS")
    spec = importlib.util.spec_from_file_location(
        "published", root / "benchmarks" / "compact" / "published.py"
    )
    assert spec is not None
    assert spec.loader is not None
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    networks: list[Any] = program.models(json.loads(file.read_text()))
    found: dict[tuple[str, float], Any] = pruning.card_statistics(networks)
    return found


def test_published_networks_lrr_wins_everywhere(
    published: dict[tuple[str, float], Any],
) -> None:
    for sparsity in (0.5, 0.8, 0.9, 0.95):
        assert (published["lrr", sparsity].wins, published["lrr", sparsity].cells) == (9, 9)
    # Counted from the same table by other means.
    wins = {
        "FT": (4, 3, 1, 0),
        "GMP": (1, 0, 0, 0),
        "lth": (6, 7, 8, 8),
        "biprop": (0, 3, 2, 0),
    }
    for method, counts in wins.items():
        found = [published[method, s].wins for s in (0.5, 0.8, 0.9, 0.95)]
        assert tuple(found) == counts, method
    last = published["lrr", 0.95]
    assert last.clean == pytest.approx(1.1, abs=0.05)
    assert last.corrupted == pytest.approx(1.8, abs=0.05)

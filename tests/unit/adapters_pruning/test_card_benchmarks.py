"""The programs of benchmarks/compact about cards, at sizes at which nothing is learned."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch: Any = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


@pytest.fixture
def patches(root: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the module natural_patches, with photographs whose pixels are the number of their tile."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    file = root / "benchmarks" / "compact" / "natural_patches.py"
    spec = importlib.util.spec_from_file_location("natural_patches", file)
    assert spec is not None
    assert spec.loader is not None
    program = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up.
    monkeypatch.setitem(sys.modules, "natural_patches", program)
    spec.loader.exec_module(program)

    def numbered(name: str) -> Any:
        side, first = program.TILE, 100 * program.CLASSES.index(name)
        tiles = first + np.arange(20, dtype=np.float32).reshape(4, 5)
        # Four pixels more at the right and below belong to no tile.
        return np.pad(
            np.kron(tiles, np.ones((side, side))), ((0, 4), (0, 4)), constant_values=-1
        )

    monkeypatch.setattr(program, "photograph", numbered)
    return program


def test_no_pixel_is_in_both_parts_of_natural_patches(patches: Any) -> None:
    found = patches.natural_patches(0, train=4000, test=600)
    assert found.train.shape == (4000, 1, 32, 32)
    assert found.test.shape == (600, 1, 32, 32)
    for images, labels in (
        (found.train, found.train_labels),
        (found.test, found.test_labels),
    ):
        assert (np.bincount(labels) == len(labels) // 10).all()
        # Every crop lies in one tile, and the tile belongs to the photograph of the label.
        assert (images == images[:, :, :1, :1]).all()
        assert (images[:, 0, 0, 0] // 100 == labels).all()
    tiles, others = (set(x[:, 0, 0, 0].tolist()) for x in (found.train, found.test))
    assert not tiles & others
    assert len(tiles) == 14 * 10  # 70 % of 20, all of them used
    assert len(others) == 6 * 10


def test_natural_patches_follow_the_seed(patches: Any) -> None:
    first, again, other = (
        patches.natural_patches(s, train=50, test=20).train for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_the_small_residual_network_has_44_thousand_weights(patches: Any) -> None:
    network = patches.small_residual()
    assert sum(p.numel() for p in network.parameters()) == 44_014
    assert network(torch.rand(2, 1, 32, 32)).shape == (2, 10)


def test_cards(root: Path, tmp_path: Path) -> None:
    for name in ("skimage", "sklearn", "matplotlib"):
        pytest.importorskip(name)
    out, plot = tmp_path / "cards.json", tmp_path / "cards.png"
    paths = [root, root / "problems", root / "adapters"]
    program = subprocess.run(
        [
            sys.executable,
            str(root / "benchmarks" / "compact" / "cards.py"),
            *("--json", str(out), "--plot", str(plot), "--seeds", "0", "--epochs", "0.05"),
            *("--tests", "60", "--severities", "3"),
        ],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths))},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    # 1 says that something asked for is not met, as it may be without training.
    assert program.returncode in {0, 1}, program.stderr
    found = json.loads(out.read_text())
    (run,) = found["runs"]
    assert set(run["corrupted"]) == {
        *("clean", "augmix", "noise", "average", "spectral", "neighbours", "weights", "oracle")
    }
    singles = [run["corrupted"][name] for name in ("clean", "augmix", "noise")]
    assert run["corrupted"]["oracle"] >= max(singles)
    gain = 100 * (run["corrupted"]["spectral"] - max(singles))
    assert found["gains"]["best"] == pytest.approx(gain)
    assert set(run["CPU s"]) == {"clean", "augmix", "noise", "average"}
    assert plot.stat().st_size > 1000

"""The programs of benchmarks/snn run, at sizes at which nothing is learned, and their comparisons hold there, too."""

from __future__ import annotations

import gzip
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.torch
ROOT = Path(__file__).parents[3]


def ran(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    paths = [ROOT, ROOT / "problems", ROOT / "adapters"]
    return subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "snn" / program), *arguments],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths))},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def equal(row: dict[str, Any]) -> bool:
    return bool(
        row["mismatches"]["double"] == 0
        and row["logits"]["double"] <= 1e-12
        and row["farthest"] <= 1e-5
        and row["integer"]["equal"]
    )


def test_digits(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    out, plot = tmp_path / "digits.json", tmp_path / "digits.png"
    options = ("--seeds", "1", "--epochs", "1", "--copies", "1")
    program = ran("digits.py", "--json", str(out), "--plot", str(plot), *options)
    # 1 says that something asked for is not met, as it may be after one epoch.
    assert program.returncode in {0, 1}, program.stderr
    found = json.loads(out.read_text())
    assert [row["steps"] for row in found["conversions"]] == [2, 3, 4]
    assert all(equal(row) for row in found["conversions"])
    assert all(row["codes"] == 449 * 2560 for row in found["conversions"])
    assert all(row["quantized"] > 20.0 for row in found["conversions"])
    assert found["penalties"][-1]["spikes"] < found["penalties"][0]["spikes"]
    assert "no mismatch in double: met" in program.stdout
    assert plot.stat().st_size > 1000


def write_idx(path: Path, values: Any) -> None:
    head = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes()
    path.write_bytes(gzip.compress(head + values.tobytes()))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Noise with the names and sizes of Fashion-MNIST, brighter with the number of the class."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 96), ("t10k", 24)):
        labels = rng.integers(10, size=count, dtype=np.uint8)
        pixels = (
            rng.integers(20, size=(count, 28, 28), dtype=np.uint8) + 20 * labels[:, None, None]
        )
        write_idx(tmp_path / f"{part}-images-idx3-ubyte.gz", pixels)
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte.gz", labels)
    return tmp_path


def test_fashion(images: Path) -> None:
    out = images / "fashion.json"
    options = (
        "--seeds",
        "1",
        "--epochs",
        "1",
        "--fine",
        "1",
        "--width",
        "2",
        "--compared",
        "8",
    )
    program = ran("fashion.py", "--folder", str(images), "--json", str(out), *options)
    assert program.returncode in {0, 1}, program.stderr
    rows = json.loads(out.read_text())["rows"]
    assert [(row["net"], row["steps"]) for row in rows] == [
        ("residual", 2),
        ("residual", 4),
        ("stacked", 2),
        ("stacked", 4),
    ]
    assert all(equal(row) for row in rows)
    # 19 and 6 activations one after the other, each T steps.
    assert [row["latency"] for row in rows] == [38, 76, 12, 24]


def test_fashion_is_left_out_without_images(tmp_path: Path) -> None:
    program = ran("fashion.py", "--folder", str(tmp_path / "none"))
    assert program.returncode == 0, program.stderr
    assert program.stdout.startswith("left out: no Fashion-MNIST in")
    assert "dataset-fashion-mnist" in program.stdout


def test_make_bench_finds_them() -> None:
    spec = importlib.util.spec_from_file_location("bench_script", ROOT / "scripts" / "bench.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = script
    try:
        spec.loader.exec_module(script)
        found = {bench.name: bench.command() for bench in script.plan()}
    finally:
        del sys.modules[spec.name]
    for name in ("snn-digits", "snn-fashion"):
        assert "--json" in found[name]
        assert "--plot" in found[name]
    assert not {"snn-nets", "snn-spiking"} & set(found)

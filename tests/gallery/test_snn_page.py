"""The page of spiking networks shows what the numbers of its example say."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "snn"
ANSWER = json.loads((FOLDER / "examples" / "digits.json").read_text("utf-8"))


def example() -> Any:
    for package in ("torch", "sklearn"):
        pytest.importorskip(package)
    spec = importlib.util.spec_from_file_location("digits", FOLDER / "examples" / "digits.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_is_that_of_the_numbers() -> None:
    page = (FOLDER / "README.md").read_text("utf-8")
    assert f"<!-- digits -->\n{example().table(ANSWER)}\n<!-- end -->" in page
    assert f"{100 * ANSWER['float']:.1f} % on 450 test images" in page


def test_what_the_page_says_of_the_numbers() -> None:
    rows = {(row["steps"], row["network"]): row for row in ANSWER["rows"]}
    for (_, name), row in rows.items():
        if name.startswith("binary codes"):
            assert row["mismatches"] == 0
            assert row["logit_error"] <= (0.0 if "integers" in name else 1e-4)
    unshifted = [rows[t, "without bias shift"]["accuracy"] for t in (1, 2, 3, 4)]
    assert unshifted == sorted(unshifted, reverse=True)
    few, all_ = rows[4, "binary codes, spike penalty"], rows[4, "binary codes"]
    assert few["spikes_per_neuron"] < 0.3 * all_["spikes_per_neuron"]


@pytest.mark.parametrize("name", ["activity", "energy", "raster"])
def test_figures(name: str) -> None:
    file = FOLDER / "examples" / f"{name}.svg"
    assert f"(examples/{name}.svg)" in (FOLDER / "README.md").read_text("utf-8")
    root = ET.fromstring(file.read_text("utf-8"))
    assert sum(item.tag.endswith("}path") for item in root.iter()) > 5

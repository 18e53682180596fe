"""The page shows every model, with figures that the scripts draw today."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import gallery
import pytest

PAGE = gallery.FOLDER / "README.md"
LARGEST_FIGURE = 100_000


def words(svg: Path) -> set[str]:
    """Return the texts of a figure that hold a word; matplotlib writes them into comments."""
    texts = re.findall(r"<!-- (.*?) -->", svg.read_text("utf-8"))
    return {text for text in texts if re.search(r"[A-Za-z]{3}", text)}


def drawn(svg: Path) -> int:
    """Count the shapes of a figure."""
    root = ET.fromstring(svg.read_text("utf-8"))
    return sum(item.tag.endswith(("}path", "}use")) for item in root.iter())


def test_there_are_ten_models() -> None:
    assert len(gallery.NAMES) >= 10


@pytest.mark.parametrize("name", gallery.NAMES)
def test_the_page_shows_the_model_and_its_time(name: str) -> None:
    page = PAGE.read_text("utf-8")
    row = re.search(
        rf"^\| \[(.+)\]\({name}\.py\) \| (.+) \| ([\d.]+) s \|$", page, re.MULTILINE
    )
    assert row is not None
    source = (gallery.FOLDER / f"{name}.py").read_text("utf-8")
    assert source.startswith(f'"""{row[1]}.\n')
    imports = {"CVXPY": "import cvxpy", "Pyomo": "import pyomo", "torch": "import torch"}
    for word, line in imports.items():
        assert (word in row[2]) == (line in source)
    assert float(row[3]) > 0
    assert f"({name}.svg)" in page


@pytest.mark.parametrize("name", gallery.NAMES)
def test_the_script_says_where_its_problem_comes_from(name: str) -> None:
    module = gallery.script(name)
    assert "\nSource: " in module.__doc__
    assert "\nWhat one learns: " in module.__doc__
    assert all(callable(getattr(module, verb)) for verb in ("build", "solve", "plot", "main"))


@pytest.mark.parametrize("name", gallery.NAMES)
def test_the_figure_is_what_the_script_draws(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    committed = gallery.FOLDER / f"{name}.svg"
    assert committed.stat().st_size < LARGEST_FIGURE
    module: Any = gallery.script(name)
    answer = gallery.solution(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "solve", lambda: answer)
    module.main()
    assert len(capsys.readouterr().out) > 20
    new = tmp_path / f"{name}.svg"
    assert drawn(new) > 20
    assert abs(drawn(new) - drawn(committed)) <= 0.1 * drawn(committed)
    # Axis labels, legends and titles, among them the numbers in the titles.
    assert words(new) == words(committed)
    assert words(new)

"""The page of the zeroth-order examples shows what their numbers say."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import gallery
import pytest

PAGE = gallery.EXAMPLES.with_suffix(".md")
NAMES = sorted(path.stem for path in gallery.EXAMPLES.glob("*.json"))
LARGEST_FIGURE = 100_000


def answer_of(name: str) -> Any:
    return json.loads((gallery.EXAMPLES / f"{name}.json").read_text("utf-8"))


def words(svg: Path) -> set[str]:
    """Return the texts of a figure; matplotlib writes them into comments."""
    return set(re.findall(r"<!-- (.*?) -->", svg.read_text("utf-8")))


def shapes(svg: Path) -> int:
    root = ET.fromstring(svg.read_text("utf-8"))
    return sum(item.tag.endswith(("}path", "}use")) for item in root.iter())


def test_the_five_applications_are_there() -> None:
    assert set(NAMES) == {
        "adversarial_attack", "black_box_defence", "image_classification", "pde_correction",
        "simulator_regression",
    }  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_the_table_on_the_page_is_that_of_the_numbers(name: str) -> None:
    module, page = gallery.example(name), PAGE.read_text("utf-8")
    assert f"<!-- {name} -->\n{module.table(answer_of(name))}\n<!-- end -->" in page
    assert f"(examples/{name}.svg)" in page
    assert f"(examples/{name}.py)" in page
    assert "\nSource: " in module.__doc__
    assert "\nWhat one learns: " in module.__doc__


@pytest.mark.parametrize("name", NAMES)
def test_the_figure_is_drawn_from_the_numbers(name: str, tmp_path: Path) -> None:
    committed, drawn = gallery.EXAMPLES / f"{name}.svg", tmp_path / "drawn.svg"
    assert committed.stat().st_size < LARGEST_FIGURE
    gallery.example(name).plot(answer_of(name), drawn)
    assert words(drawn) == words(committed)
    assert shapes(drawn) == shapes(committed) > 20


def test_numbers_figure_and_table_are_published_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = gallery.example("adversarial_attack")
    answer = answer_of("adversarial_attack")
    monkeypatch.chdir(tmp_path)
    module.publish("again", answer, module.table, module.plot)
    assert json.loads(Path("again.json").read_text("utf-8")) == answer
    assert shapes(Path("again.svg")) > 20
    assert capsys.readouterr().out == module.table(answer) + "\n"

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from bench_toys import lost, made_up
from hypothesis import given
from hypothesis import strategies as st

from optlab.bench.report.charts import history_chart, profile_chart
from optlab.bench.report.profiles import Profile
from optlab.bench.report.svg import document, style


def lines(svg: str) -> list[list[tuple[float, float]]]:
    """Return the points of every line, in page coordinates (y grows downwards)."""
    root = ET.fromstring(svg)
    found = []
    for line in root.iter("polyline"):
        pairs = (pair.split(",") for pair in line.attrib["points"].split())
        found.append([(float(x), float(y)) for x, y in pairs])
    return found


def draw(costs: list[list[float]], total: int, **more: Any) -> str:
    profiles = [Profile(f"m{i}", sorted(c), total) for i, c in enumerate(costs)]
    given_ = {"base": 2, "least": 1.0, "most": 1024.0, **more}
    return profile_chart(profiles, "title <&>", "cost", **given_)


COSTS = st.lists(st.lists(st.floats(1.0, 1e5), max_size=10), min_size=1, max_size=4)


@given(COSTS)
def test_a_profile_rises_and_stays_in_the_frame(costs: list[list[float]]) -> None:
    svg = draw(costs, 10)
    for line in lines(svg):
        xs, ys = zip(*line, strict=True)
        assert list(xs) == sorted(xs)
        assert list(ys) == sorted(ys, reverse=True)
        assert 0.0 <= min(xs) <= max(xs) <= 520.0
        assert 0.0 <= min(ys) <= max(ys) <= 320.0


def test_heights_are_shares() -> None:
    (line,) = lines(draw([[1.0, 2.0, 4.0]], 4))
    low, high = 320.0 - 46.0, 14.0
    heights = [(low - y) / (low - high) for _, y in line]
    assert heights[-1] == pytest.approx(0.75, abs=1e-3)
    assert {round(h, 2) for h in heights} == {0.25, 0.5, 0.75}


def test_names_are_escaped_and_methods_differ_without_colour() -> None:
    assert "title &lt;&amp;&gt;" in draw([[1.0]], 1)
    dashes = {style(i).dash for i in range(8)}
    colours = {style(i).colour for i in range(8)}
    assert len(dashes) == len(colours) == 8
    assert style(8) == style(0)


def test_a_history_has_a_line_per_run_and_quantity() -> None:
    runs = [(0, made_up("A", "a")), (1, made_up("A", "b")), (2, lost("A", "c", "crash"))]
    svg = history_chart(runs, 0.5, "A")
    both = re.findall(r"<svg.*?</svg>", svg)
    assert [len(lines(chart)) for chart in both] == [2, 2]
    (chart,) = re.findall(r"<svg.*?</svg>", history_chart(runs, None, "A"))
    assert len(lines(chart)) == 2


def test_a_history_without_numbers_draws_nothing() -> None:
    assert history_chart([(0, lost("A", "a", "crash"))], None, "A") == ""
    nothing = made_up("A", "a", history=[[0, None, None, None], [1, None, 0.0, 0.0]])
    assert history_chart([(0, nothing)], 1.0, "A") == ""


def test_a_long_history_stays_short() -> None:
    rows = [[k, 1.0 + 0.5**k, 0.9**k, 0.8**k] for k in range(200)]
    svg = history_chart([(0, made_up("A", "a", history=rows))], 1.0, "A")
    assert all(
        len(line) <= 60 for chart in re.findall(r"<svg.*?</svg>", svg) for line in lines(chart)
    )
    assert "1e-" in svg


def test_a_chart_as_a_file_of_its_own() -> None:
    chart = profile_chart(
        [Profile("a", [1.0, 2.0], 2)], "A > B", "cost", base=2, least=1, most=8
    )
    root = ET.fromstring(document(chart))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.get("aria-label") == "A > B"
    assert [item.tag.rpartition("}")[2] for item in root][:2] == ["style", "rect"]

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from bench_toys import lost, made_up

from optlab.bench.report import check_targets, headline, write_report
from optlab.errors import MissingDependencyError, OptionError

EVIL = "<script>alert('x')</script>|&"


@pytest.fixture
def runs() -> list[dict[str, Any]]:
    return [
        made_up("A N=10", "npasa", cpu=0.2),
        made_up("A N=10", "ipopt", cpu=0.4, history=[]),
        made_up(
            "B", "npasa", f=None, solved=False, stop="MAX_TIME", point="UNKNOWN", dual=None
        ),
        lost("B", "ipopt", "memory"),
        made_up(EVIL, "npasa", message=EVIL),
        made_up(EVIL, "ipopt", wrong_claim=True, solved=False),
    ]


class Page(HTMLParser):
    """What a page holds: tags with their attributes, and the text of every cell."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in {"meta", "link", "br", "input"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag


def html(runs: list[dict[str, Any]], folder: Path) -> str:
    write_report(runs, folder / "r.html")
    return (folder / "r.html").read_text(encoding="utf-8")


def test_the_page_is_well_formed_and_needs_nothing_else(
    runs: list[dict[str, Any]], tmp_path: Path
) -> None:
    text = html(runs, tmp_path)
    page = Page(text)
    assert page.open == []
    for tag, attributes in page.seen:
        assert not {"src", "srcset", "data"} & set(attributes), (tag, attributes)
        if "href" in attributes:
            assert str(attributes["href"]).startswith(("#", "data:,"))
    assert not re.search(r"url\(|@import|https?://", text)
    names = [a["id"] for _, a in page.seen if "id" in a]
    assert len(names) == len(set(names))
    targets = {
        str(a["href"])[1:] for _, a in page.seen if str(a.get("href", "")).startswith("#")
    }
    assert targets <= set(names)


def test_names_and_messages_are_text_and_never_markup(
    runs: list[dict[str, Any]], tmp_path: Path
) -> None:
    text = html(runs, tmp_path)
    assert "alert(" in text
    assert "<script>alert" not in text
    assert sum(tag == "script" for tag, _ in Page(text).seen) == 1


def test_tables_have_headings_with_scope_and_charts_have_names(
    runs: list[dict[str, Any]], tmp_path: Path
) -> None:
    seen = Page(html(runs, tmp_path)).seen
    assert all("scope" in a for tag, a in seen if tag == "th")
    charts = [a for tag, a in seen if tag == "svg" and a.get("class") == "chart"]
    # Four profiles; residual and objective of the two problems that some method solves, residual of
    # the third.
    assert len(charts) == 9
    assert all(a.get("aria-label") and a.get("role") == "img" for a in charts)
    assert [a.get("lang") for tag, a in seen if tag == "html"] == ["en"]


def test_the_headline_says_who_solves_what(runs: list[dict[str, Any]], tmp_path: Path) -> None:
    text = html(runs, tmp_path)
    assert "npasa solves 2 of 3 problems, ipopt 1." in text
    shown = headline(runs)
    assert re.search(r"npasa +2 +3 +0\n", shown)
    assert re.search(r"ipopt +1 +3 +1\n", shown)
    assert "npasa against ipopt on the 1 problems that both solve" in shown
    assert "CPU time 0.5 times" in shown


def test_nothing_solved_and_one_method_alone_make_a_page(tmp_path: Path) -> None:
    assert "npasa solves 0 of 1 problems." in html([lost("A", "npasa", "crash")], tmp_path)
    assert "npasa solves 1 of 1 problems." in html([made_up("A", "npasa")], tmp_path)
    assert headline([made_up("A", "npasa")]).splitlines()[1].split() == ["npasa", "1", "1", "0"]


def test_a_big_sweep_stays_a_small_page(tmp_path: Path) -> None:
    rows = [[k, 10.0 / (k + 1), 1.0 / (k + 1), 2.0 / (k + 1)] for k in range(200)]
    many = [
        made_up(f"PROBLEM{i} N=1000", label, history=rows, cpu=1.0 + i % 7)
        for i in range(366)
        for label in ("npasa", "ipopt", "slsqp", "trust-constr")
    ]
    write_report(many, tmp_path / "r.html")
    assert (tmp_path / "r.html").stat().st_size < 8 * 2**20


def test_csv_has_a_line_per_run(runs: list[dict[str, Any]], tmp_path: Path) -> None:
    write_report(runs, tmp_path / "r.csv")
    text = (tmp_path / "r.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == len(runs)
    assert (rows[0]["problem"], rows[0]["label"], rows[0]["solved"]) == (
        "A N=10",
        "npasa",
        "True",
    )
    assert (rows[0]["evaluations"], rows[0]["n_gradient"], rows[0]["cpu"]) == ("10", "4", "0.2")
    assert rows[3]["outcome"] == "memory"
    assert rows[3]["f"] == rows[3]["evaluations"] == ""
    assert rows[4]["problem"] == EVIL


def test_json_holds_everything(runs: list[dict[str, Any]], tmp_path: Path) -> None:
    write_report(runs, tmp_path / "r.json", reference="npasa")
    document = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert document["schema"] == "optlab.bench/1"
    assert document["reference"] == "npasa"
    assert document["counts"]["npasa"]["solved"] == 2
    assert document["runs"] == json.loads(json.dumps(runs))
    assert document["pairs"][0]["cpu_ratio"] == pytest.approx(2.0)


def test_markdown_tables_survive_bars_in_names(
    runs: list[dict[str, Any]], tmp_path: Path
) -> None:
    write_report(runs, tmp_path / "r.md")
    lines = (tmp_path / "r.md").read_text(encoding="utf-8").splitlines()
    widths = [len(re.findall(r"(?<!\\)\|", line)) for line in lines]
    for before, now in pairwise(widths):
        assert before == now or 0 in {before, now}
    assert "| npasa | 2/3 | 2/3 | 0 |" in lines or any("| npasa |" in line for line in lines)
    assert any("memory" in line and "| B |" in line for line in lines)


@pytest.mark.parametrize(
    ("name", "words"), [("r.pdf", "'.pdf'"), ("r", "''"), ("nowhere/r.html", "nowhere")]
)
def test_targets_that_cannot_be_written_are_refused(
    tmp_path: Path, name: str, words: str
) -> None:
    with pytest.raises(OptionError) as caught:
        check_targets([tmp_path / "ok.csv", tmp_path / name])
    assert words in str(caught.value)


def test_without_jinja_the_error_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingDependencyError, match=r"optlab-npasa\[bench\]"):
        write_report([made_up("A", "npasa")], tmp_path / "r.html")
    # Before a sweep of hours, not after it.
    with pytest.raises(MissingDependencyError, match=r"optlab-npasa\[bench\]"):
        check_targets([tmp_path / "r.html"])
    write_report([made_up("A", "npasa")], tmp_path / "r.csv")


def test_reports_and_sweeps_do_not_load_what_they_do_not_need() -> None:
    code = (
        "import sys, optlab.cli; "
        "sys.exit(any(m in sys.modules for m in ('jinja2', 'distributed', 'rich.progress')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

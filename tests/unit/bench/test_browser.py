"""The page in a real browser: it renders, runs without errors, sorts, filters and opens sections."""

from __future__ import annotations

import json
import shutil
import subprocess
from html.parser import HTMLParser
from typing import Any

import pytest
from bench_toys import lost, made_up

from optlab.bench.report import write_report

pytestmark = pytest.mark.browser

PROBE = """
<script>
const errors = [];
window.addEventListener("error", (e) => errors.push(String(e.message)));
</script>
"""

ACTIONS = """
<script>
window.addEventListener("load", () => {
  const seen = {};
  const table = document.getElementById("run-table");
  const column = (i) => Array.from(table.tBodies[0].rows).filter((r) => !r.hidden)
    .map((r) => r.cells[i].textContent);
  const heads = Array.from(table.tHead.rows[0].cells);
  const at = (name) => heads.findIndex((h) => h.textContent === name);
  const press = (name) => heads[at(name)].querySelector("button").click();
  const choose = (id, value) => {
    const input = document.getElementById(id);
    input.value = value;
    input.dispatchEvent(new Event("input"));
  };
  seen.rows = column(0).length;
  seen.shown = document.getElementById("shown").textContent;
  press("evals");
  seen.up = column(at("evals"));
  seen.state = heads[at("evals")].getAttribute("aria-sort");
  press("evals");
  seen.down = column(at("evals"));
  press("problem");
  seen.names = column(0);
  seen.others = heads.filter((h) => h.getAttribute("aria-sort") !== "none").length;
  choose("by-ending", "not solved");
  seen.failed = column(at("ending"));
  choose("by-ending", "");
  choose("by-method", "ipopt");
  choose("by-name", "p1");
  seen.chosen = column(0).concat(column(2));
  seen.count = document.getElementById("shown").textContent;
  location.hash = document.querySelector("#run-table a").hash;
  setTimeout(() => {
    seen.open = Array.from(document.querySelectorAll("details[open] .name")).map((e) => e.textContent);
    seen.wide = document.documentElement.scrollWidth <= document.documentElement.clientWidth;
    seen.charts = Array.from(document.querySelectorAll("#profiles svg.chart"))
      .map((s) => s.getBoundingClientRect()).filter((r) => r.width > 200 && r.height > 100).length;
    seen.errors = errors;
    const note = document.createElement("pre");
    note.id = "seen";
    note.textContent = JSON.stringify(seen);
    document.body.append(note);
  }, 0);
});
</script>
"""


class Note(HTMLParser):
    """The text of the element that the actions leave behind."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = ""
        self._inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag == "pre" and ("id", "seen") in attrs

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.text += data
            self._inside = False


@pytest.fixture(scope="module")
def chromium() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome", "chrome"):
        found = shutil.which(name)
        if found is not None:
            return found
    pytest.skip("no chromium here (on Debian: apt-get install chromium)")


def runs() -> list[dict[str, Any]]:
    made = []
    for i in range(12):
        counts = {"objective": (37 * i) % 50 + 1, "constraints": 0}
        made.append(made_up(f"P{i}", "npasa", evaluations=counts))
        made.append(made_up(f"P{i}", "ipopt", evaluations={"objective": 100 - i}))
    made[5] = lost("P2", "ipopt", "timeout")
    made[6] = made_up("P3", "npasa", solved=False, stop="MAX_TIME", point="FEASIBLE")
    return made


@pytest.fixture(scope="module")
def seen(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("browser")
    write_report(runs(), folder / "r.html")
    text = (folder / "r.html").read_text(encoding="utf-8")
    text = text.replace("<style>", PROBE + "<style>", 1)
    text = text.replace("</body>", ACTIONS + "</body>", 1)
    (folder / "probed.html").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [
            chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            f"--user-data-dir={folder / 'profile'}", "--window-size=1300,1000",
            "--virtual-time-budget=5000", "--dump-dom", (folder / "probed.html").as_uri(),
        ],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    note = Note(done.stdout).text
    assert note, "the page's actions did not come to their end"
    result: dict[str, Any] = json.loads(note)
    return result


def test_the_page_runs_without_errors(seen: dict[str, Any]) -> None:
    assert seen["errors"] == []
    assert seen["charts"] == 4
    assert seen["wide"], "the page must not scroll sideways"


def test_every_run_is_in_the_table(seen: dict[str, Any]) -> None:
    assert seen["rows"] == 24
    assert seen["shown"] == "24 of 24 runs"


def test_numbers_sort_as_numbers_and_missing_ones_come_last(seen: dict[str, Any]) -> None:
    up, down = seen["up"], seen["down"]
    assert up[-1] == down[-1] == "–"
    numbers = [int(text) for text in up[:-1]]
    assert numbers == sorted(numbers)
    assert len(set(numbers)) > 10
    assert [int(text) for text in down[:-1]] == sorted(numbers, reverse=True)
    assert seen["state"] == "ascending"


def test_names_sort_as_text(seen: dict[str, Any]) -> None:
    assert seen["names"] == sorted(seen["names"], key=str.lower)
    assert seen["others"] == 1


def test_filters_keep_what_is_asked_for(seen: dict[str, Any]) -> None:
    assert sorted(seen["failed"]) == ["max time", "timeout"]
    assert seen["chosen"] == ["P1", "P10", "P11", "ipopt", "ipopt", "ipopt"]
    assert seen["count"] == "3 of 24 runs"


def test_a_link_opens_the_section_of_its_problem(seen: dict[str, Any]) -> None:
    assert seen["open"] == ["P0"]

"""The examples of README and of every page in docs are run, with their output."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

from optlab.core.registry import known_methods

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
OPTIONAL = ("cvxpy", "nir", "spikingjelly", "torch")
"""Packages without which the pages that import them are skipped."""
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.FAIL_FAST


def ident(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=ident)
def test_examples_do_what_they_show(
    page: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for package in OPTIONAL:
        if re.search(rf">>> (?:from|import) {package}\b", page.read_text(encoding="utf-8")):
            pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    failed, _ = doctest.testfile(
        str(page), module_relative=False, optionflags=FLAGS, encoding="utf-8"
    )
    assert not failed, capsys.readouterr().out


def test_the_readme_has_an_example() -> None:
    assert (ROOT / "README.md").read_text(encoding="utf-8").count(">>> ") >= 4


@pytest.mark.parametrize("page", PAGES, ids=ident)
def test_every_python_block_is_run(page: Path) -> None:
    blocks = re.findall(
        r"```python\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL
    )
    assert all(block.startswith(">>> ") for block in blocks)


@pytest.mark.parametrize("page", PAGES, ids=ident)
def test_links_inside_the_project_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), target


def test_every_key_used_is_in_the_bibliography() -> None:
    keys = set(re.findall(r"@\w+\{(\w+),", (ROOT / "docs" / "refs.bib").read_text("utf-8")))
    used: dict[str, str] = {}
    for folder in ("optlab", "problems", "adapters", "docs"):
        for path in [*(ROOT / folder).rglob("*.py"), *(ROOT / folder).rglob("*.md")]:
            text = path.read_text(encoding="utf-8")
            found = re.findall(
                r"(?:\[|reference=\")([A-Z][A-Za-z]+\d{2}[a-z]?)(?=[\],\"])", text
            )
            used |= {key: ident(path) for key in found}
    # [DH21] stands for DH21a and DH21b together.
    known = keys | {key.rstrip("ab") for key in keys}
    missing = {key: where for key, where in used.items() if key not in known}
    assert not missing
    assert used


def test_the_readme_lists_every_method_and_no_other() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = text.split("## Methods")[1].split("\n## ")[0]
    names = re.findall(r"^\| ((?:`[\w-]+`(?:, )?)+) \|", table, flags=re.MULTILINE)
    listed = set(re.findall(r"`([\w-]+)`", " ".join(names))) - {"auto"}
    # Other tests register methods of their own.
    ours = [cls for cls in known_methods() if cls.__module__.startswith("optlab.methods.")]
    assert listed == {cls.info.name for cls in ours}

"""The bibliography is well formed, and what the zeroth-order methods cite is in it."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "refs.bib").read_text(encoding="utf-8")
KEYS = re.findall(r"^@\w+\{(\w+),", TEXT, flags=re.MULTILINE)


def test_every_entry_is_closed_before_the_next() -> None:
    for entry in re.split(r"^(?=@)", TEXT, flags=re.MULTILINE)[1:]:
        assert entry.count("{") == entry.count("}"), entry


def test_no_key_twice() -> None:
    assert not [key for key, count in Counter(KEYS).items() if count > 1]


def test_the_sources_of_the_zeroth_order_methods_are_listed() -> None:
    cited = {
        key
        for path in (ROOT / "optlab" / "methods" / "zeroth").rglob("*.py")
        for key in re.findall(r"\[([A-Z][A-Za-z]+\d\d)", path.read_text(encoding="utf-8"))
    }
    assert len(cited) > 20
    assert cited <= set(KEYS), sorted(cited - set(KEYS))

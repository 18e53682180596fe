"""The catalogue: what is taken, what is installed, what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import optlab
from optlab.cli import main
from optlab.core import problem_sources
from optlab.errors import MissingDependencyError, UnknownMethodError


@pytest.fixture
def absent() -> Iterator[problem_sources.ProblemSource]:
    """A source whose package nobody has."""

    def load(*_: Any) -> optlab.Problem:
        raise AssertionError("must not be called")

    source = problem_sources.ProblemSource(
        "absent", "for tests", load, (".absent",), requires="no_such_package", objects="Thing"
    )
    problem_sources.register_source(source)
    yield source
    del problem_sources._sources["absent"]


def test_sources_are_listed_with_what_they_need(
    absent: problem_sources.ProblemSource, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sources"]) == 0
    lines = capsys.readouterr().out.splitlines()
    by_name = {line.split()[0]: line for line in lines[2:]}
    assert {"sif", "nl", "pyomo", absent.name} <= set(by_name)
    assert "no_such_package (missing)" in by_name["absent"]
    assert ".nl" in by_name["nl"]
    assert "function" in by_name["python"]
    assert "torch (" in by_name["torch"]
    assert "written back" in by_name["pyomo"]
    assert "result only" in by_name["sif"]


def test_methods_are_listed_with_what_they_need(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods"]) == 0
    shown = capsys.readouterr().out
    assert "npasa" in shown
    assert "cyipopt (" in shown


def test_installed_is_seen_without_importing(absent: problem_sources.ProblemSource) -> None:
    by_name = {source.name: source for source in optlab.sources()}
    assert by_name["sif"].installed
    assert not absent.installed


@pytest.mark.usefixtures("absent")
def test_the_refusal_of_a_file_says_what_is_taken_and_what_is_missing() -> None:
    with pytest.raises(UnknownMethodError) as caught:
        optlab.minimize("model.xyz")
    text = str(caught.value)
    assert "'model.xyz'" in text
    assert ".nl, .sif" in text
    assert ".absent" not in text
    assert "absent (needs no_such_package)" in text


@pytest.mark.usefixtures("absent")
def test_what_a_missing_package_would_read_names_the_package() -> None:
    with pytest.raises(MissingDependencyError, match="no_such_package"):
        optlab.minimize("model.absent")

"""Reports: the schema tells the truth, what is written is read back, hostile files are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import optlab
from optlab.trust import report as module
from optlab.trust.report import Report, ReportError, parse_report, read_report, write_report
from optlab.trust.schema import first_violation, load_schema
from optlab_problems.classic import sif_path

SCHEMA = load_schema("result-2.schema.json")
HS71 = str(sif_path("HS71"))


def _rosenbrock(**more: Any) -> optlab.Problem:
    return optlab.Problem(
        objective=lambda x: float(100.0 * (x[1] - x[0] ** 2) ** 2 + (1.0 - x[0]) ** 2),
        x0=[-1.2, 1.0],
        **more,
    )


SOLVES = {
    "npasa": lambda: optlab.minimize(HS71),
    "slsqp": lambda: optlab.minimize(HS71, method="slsqp"),
    "no iteration": lambda: optlab.minimize(HS71, max_iter=0, max_time=60.0),
    "estimated": lambda: optlab.minimize(_rosenbrock()),
    "no value": lambda: optlab.minimize(
        optlab.Problem(objective=lambda _: np.nan, gradient=lambda x: x, x0=[1.0])
    ),
}


@pytest.fixture(scope="module", params=SOLVES)
def result(request: pytest.FixtureRequest) -> optlab.Result:
    return SOLVES[request.param]()


@pytest.fixture(scope="module")
def content() -> dict[str, Any]:
    return optlab.minimize(HS71).to_dict()


@pytest.fixture(scope="module")
def data(content: dict[str, Any]) -> bytes:
    return json.dumps(content).encode()


def test_every_result_fits_the_published_schema(result: optlab.Result) -> None:
    """By jsonschema, which knows nothing of our own checker."""
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(json.loads(json.dumps(result.to_dict(), allow_nan=False)), SCHEMA)
    assert first_violation(result.to_dict(), SCHEMA) is None


def test_what_is_written_is_read_back(result: optlab.Result, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write_report(result, path)
    report = read_report(path)
    assert report.x.tolist() == result.x.tolist()
    np.testing.assert_array_equal(report.y, result.multipliers.constraints)
    np.testing.assert_array_equal(report.z, result.multipliers.bounds)
    assert (report.stop, report.point, report.success) == (
        result.stop,
        result.point,
        result.success,
    )
    for name, number in result.certificate.as_dict().items():
        read = getattr(report.certificate, name)
        assert read == number or (np.isnan(read) and not np.isfinite(number))
    assert report.content["versions"]["numpy"] == np.__version__
    warm = report.warm_start()
    assert warm.x.tolist() == result.x.tolist()


def test_the_report_says_what_was_solved_and_how(content: dict[str, Any]) -> None:
    source = content["source"]
    assert source["source"] == "sif"
    assert source["file"] == HS71
    assert source["size"] == Path(HS71).stat().st_size
    assert content["sizes"] == {"variables": 4, "constraints": 2}
    assert content["settings"]["options"]["theta"] == 0.5
    result = optlab.minimize(HS71, method="slsqp", max_iter=40, options={"tol": 1e-5})
    again = result.to_dict()
    assert again["settings"]["tol"] == 1e-5
    assert again["settings"]["limits"]["max_iter"] == 40
    assert optlab.minimize(_rosenbrock(), max_iter=1).to_dict()["source"] is None


def test_a_schema_with_a_keyword_that_is_not_checked_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.json").write_text('{"properties": {"a": {"maximum": 3}}}', encoding="utf-8")
    monkeypatch.setattr("optlab.trust.schema.resources.files", lambda _: tmp_path)
    with pytest.raises(ValueError, match="maximum"):
        load_schema("x.json")


# Anything JSON can hold; floats are finite because JSON has no others.
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from(["STATIONARY", "exact", "optlab.result/2", "f" * 64, "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


def _places(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """List the places of all values in a report, its own excepted."""
    inner: Any = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    found = [place] if place else []
    for key, item in inner:
        found += _places(item, (*place, key))
    return found


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_our_checker_agrees_with_jsonschema(
    content: dict[str, Any], data: st.DataObject
) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    changed = json.loads(json.dumps(content))
    place = data.draw(st.sampled_from(_places(changed)))
    *outer, last = place
    at = changed
    for key in outer:
        at = at[key]
    what = data.draw(st.sampled_from(["replace", "delete", "add"]))
    if what == "replace":
        at[last] = data.draw(JSON)
    elif what == "delete":
        del at[last]
    elif isinstance(at, dict):
        at[data.draw(st.text(max_size=3))] = data.draw(JSON)
    else:
        at.append(data.draw(JSON))
    valid = jsonschema.Draft202012Validator(SCHEMA).is_valid(changed)
    assert (first_violation(changed, SCHEMA) is None) == valid
    if not valid:
        with pytest.raises(ReportError):
            parse_report(json.dumps(changed).encode())


def _read(data: bytes) -> Report | None:
    try:
        return parse_report(data, "some.json")
    except ReportError as error:
        text = str(error)
        assert text.startswith("some.json")
        assert text.isprintable()
        assert len(text) < 500
        return None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.integers(0, 10_000))
def test_a_truncated_report_is_refused(data: bytes, length: int) -> None:
    assert length >= len(data) or _read(data[:length]) is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 10_000), st.binary(max_size=3)), min_size=1, max_size=4)
)
def test_a_damaged_report_is_read_or_refused_and_nothing_else(
    data: bytes, damages: list[tuple[int, bytes]]
) -> None:
    for at, piece in damages:
        position = at % len(data)
        data = data[:position] + piece + data[position + 1 :]
    report = _read(data)
    if report is not None:
        assert report.x.shape == (report.n,)
        assert report.y.shape == (report.m,)


@settings(deadline=None)
@given(st.binary(max_size=200) | JSON.map(lambda v: json.dumps(v).encode()))
def test_what_is_no_report_is_refused(data: bytes) -> None:
    assert _read(data) is None


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"fun": 17', '"fun": NaN, "was": 17', "NaN"),
        ('"fun": 17', '"fun": -Infinity, "was": 17', "Infinity"),
        ('"fun": 17', '"fun": 1e999, "was": 17', "too large"),
        ('"fun": 17', '"fun": 1' + "0" * 400 + ', "was": 17', "too large"),
        ('"fun": 17', '"fun": ' + "9" * 5000 + ', "was": 17', "too large"),
        ('"fun": 17', '"fun": "17", "was": 17', 'fun is "17"'),
        ('"fun": 17', '"fun": true, "was": 17', "fun is true"),
        ('"success": true', '"success": true, "success": true', "twice"),
        ('"x": [1.0', '"x": [1.0, 1.0', "sizes"),
        ('"x": [1.0', '"x": ["1.0"', "x[0]"),
        ('"iterations": 3', '"iterations": -3', "iterations"),
        ('"point": "STATIONARY"', '"point": "UNKNOWN"', "success"),
        ('"point": "STATIONARY"', '"point": "FINE"', "STATIONARY"),
        ('"schema": "optlab.result/2"', '"schema": "optlab.result/9"', "optlab.result/9"),
        ('"method"', '"\\ud800\\u001b[2J": 1, "method"', "not known"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(data: bytes, old: str, new: str, words: str) -> None:
    text = data.decode()
    assert old in text
    with pytest.raises(ReportError) as caught:
        parse_report(text.replace(old, new, 1).encode(), "some.json")
    assert words in str(caught.value)
    assert str(caught.value).isprintable()


def test_brackets_without_end_are_refused_without_a_crash() -> None:
    for piece in (b"[", b'{"a":', b"[[],"):
        with pytest.raises(ReportError):
            parse_report(piece * 100_000)


def test_size_is_limited_before_anything_is_parsed(
    data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(data + b" " * 100)
    monkeypatch.setattr(module, "MAX_BYTES", len(data) + 99)
    with pytest.raises(ReportError, match="larger"):
        read_report(path)
    monkeypatch.setattr(module, "MAX_BYTES", len(data) + 100)
    assert read_report(path).n == 4
    monkeypatch.setattr(module, "MAX_MARKS", 20)
    with pytest.raises(ReportError, match="brackets"):
        read_report(path)


def test_the_longest_history_is_within_the_limits() -> None:
    """History keeps at most 20,000 rows; a row of NPASA has about fifteen numbers."""
    row = {"k": 1, **dict.fromkeys((f"name{i}" for i in range(20)), 1.0)}
    text = json.dumps(row)
    marks = sum(text.count(mark) for mark in '[{:"')
    assert 20_000 * marks < 0.5 * module.MAX_MARKS

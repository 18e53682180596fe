from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optlab.bench.methods import check_methods, parse_methods, read_method_file
from optlab.bench.plan import MethodSpec
from optlab.core.plain import value
from optlab.errors import OptionError, ParseError, UnknownMethodError

NAMES = st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True)
VALUES = st.one_of(
    st.booleans(),
    st.none(),
    st.integers(-1000, 1000),
    st.floats(allow_nan=False, allow_infinity=False),
    NAMES.filter(lambda s: s not in {"true", "false", "none", "inf", "nan", "infinity"}),
)


@given(st.dictionaries(NAMES, VALUES, max_size=3), NAMES, NAMES)
def test_options_come_back_as_they_were_written(
    options: dict[str, object], method: str, label: str
) -> None:
    options.pop("derivatives", None)
    text = ", ".join(f"{key} = {given}" for key, given in options.items())
    first, second = parse_methods(f" {label} = {method}[{text}] ,{method}[]x"[:-1])
    assert first == MethodSpec(label, method, options)
    assert second == MethodSpec(f"{method}[]", method)


def test_the_label_is_the_item_as_written() -> None:
    specs = parse_methods("npasa,npasa[derivatives=gradients],g=npasa[derivatives=gradients]")
    assert [s.label for s in specs] == ["npasa", "npasa[derivatives=gradients]", "g"]
    assert [s.derivatives for s in specs] == [None, "gradients", "gradients"]
    assert all(s.method == "npasa" and s.options == {} for s in specs)
    assert parse_methods("trust-constr")[0].method == "trust-constr"
    assert parse_methods(" , ") == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("npasa[tol", "npasa[tol"),
        ("npasa[tol]", "OPTION=VALUE"),
        ("npasa]", "npasa]"),
        ("a b", "LABEL=METHOD"),
        ("npasa[derivatives=some]", "functions"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, words: str) -> None:
    with pytest.raises(OptionError) as caught:
        parse_methods(text)
    assert words in str(caught.value)


def test_a_toml_file_says_the_same(tmp_path: Path) -> None:
    file = tmp_path / "methods.toml"
    file.write_text(
        '[npasa]\n[slow]\nmethod = "npasa"\nderivatives = "gradients"\n'
        "[slow.options]\ntol = 1e-8\n",
        encoding="utf-8",
    )
    assert read_method_file(file) == [
        MethodSpec("npasa", "npasa"),
        MethodSpec("slow", "npasa", {"tol": 1e-8}, "gradients"),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [("[a", "methods.toml"), ("a = 1", "table"), ("[a]\noption = 1", "option")],
)
def test_a_wrong_toml_file_is_named(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "methods.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ParseError) as caught:
        read_method_file(file)
    assert words in str(caught.value)


def test_unknown_methods_and_options_are_refused_before_anything_runs() -> None:
    check_methods(parse_methods("npasa,auto,pasa"), 1e-6)
    with pytest.raises(UnknownMethodError, match="npasa"):
        check_methods(parse_methods("npsa"), 1e-6)
    with pytest.raises(OptionError, match="tool"):
        check_methods(parse_methods("npasa[tool=1e-3]"), 1e-6)
    with pytest.raises(UnknownMethodError, match="auto"):
        check_methods(parse_methods("auto[tol=1e-3]"), 1e-6)


def test_values_are_what_they_look_like() -> None:
    assert [value(t) for t in ("1", "1.0", "-2e3", "False", "NONE", "x1", "")] == [
        1, 1.0, -2000.0, False, None, "x1", "",
    ]  # fmt: skip
    assert isinstance(value("1"), int)
    assert isinstance(value("1.0"), float)

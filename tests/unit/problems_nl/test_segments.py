"""Segments: what the reader makes of them, and what it refuses."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from nl_files import NlFile, binary

import optlab
from optlab.errors import OptionError, OptlabWarning, ParseError
from optlab_problems.nl import NlError, NlLimits, NlModel, read_nl

INF = np.inf

FULL = NlFile(
    n=3,
    objective="o0 o5 v3 n2 v4",
    rows=["o2 v3 v2", ""],
    row_bounds=["0 -1 4", "4 2.5"],
    bounds=["0 -5 5", "1 9", "2 0"],
    linear={0: {0: 0.0, 1: 2.0}, 1: {0: 1.0, 2: -1.0}, -1: {2: 3.0}},
    defined=["0:2 1:-1 | o41 v2", "o2 v3 v3"],
    start={0: 0.5, 2: 0.25},
    extra="k2\n1\n2\nS0 1 color\n1 7\nS5 1 weight\n0 2.5\nd1\n1 -0.75",
)
"""f = e^2 + e^2 + 3 x2, e = 2 x0 - x1 + sin x2; c0 = e x2 + 2 x1; c1 = x0 - x2."""


@pytest.mark.parametrize("encoding", ["text", "<", ">"])
def test_a_file_with_most_segments(encoding: str) -> None:
    data = FULL.text() if encoding == "text" else binary(FULL.text(), encoding)
    model = NlModel(data)
    problem = model.problem()
    x = np.array([0.5, -0.25, 0.75])
    e = 2 * x[0] - x[1] + np.sin(x[2])
    assert problem.objective(x) == pytest.approx(2 * e**2 + 3 * x[2])
    assert problem.constraints(x) == pytest.approx([e * x[2] + 2 * x[1], x[0] - x[2]])
    assert problem.linear is not None
    assert problem.linear.tolist() == [False, True]
    assert problem.x0.tolist() == [0.5, 0.0, 0.25]
    assert (problem.lb.tolist(), problem.ub.tolist()) == ([-5, -INF, 0], [5, 9, INF])
    assert (problem.cl.tolist(), problem.cu.tolist()) == ([-1, 2.5], [4, 2.5])
    assert problem.variable_names == ("x[0]", "x[1]", "x[2]")
    assert problem.constraint_names == ("c[0]", "c[1]")
    found = optlab.check_derivatives(problem, x)
    assert found, found
    suffixes = model.content.suffixes
    assert suffixes[0, "color"].dense(3).tolist() == [0, 7, 0]
    assert suffixes[1, "weight"].dense(2).tolist() == [2.5, 0]
    assert model.content.duals is not None
    assert model.content.duals.tolist() == [0, -0.75]


def test_dense_and_sparse_derivatives_agree() -> None:
    x, y = np.array([0.5, -0.25, 0.75]), np.array([0.3, -2.0])
    full, sparse = read_nl(FULL.text(), dense=True), read_nl(FULL.text(), dense=False)
    assert sparse.jacobian(x).toarray() == pytest.approx(full.jacobian(x))  # type: ignore[union-attr]
    hessian = np.asarray(full.hessian(x, y, 0.7))
    assert sparse.hessian(x, y, 0.7).toarray() == pytest.approx(hessian)  # type: ignore[union-attr]
    v = np.array([1.0, -2.0, 3.0])
    assert full.hprod(x, y, 0.7, v) == pytest.approx(hessian @ v)


def test_products_need_no_hessian() -> None:
    x, y, v = np.array([0.5, -0.25, 0.75]), np.array([0.3, -2.0]), np.array([1.0, -2.0, 3.0])
    plans = NlLimits().plans
    limits = NlLimits(plans=type(plans)(second=3))
    small = read_nl(FULL.text(), limits=limits)
    assert not small.has_hessian
    hessian = np.asarray(read_nl(FULL.text()).hessian(x, y, 0.7))
    assert small.hprod(x, y, 0.7, v) == pytest.approx(hessian @ v)


def test_affine_defined_variables_make_linear_rows() -> None:
    # v4 = 2 (x0 + 3) - x1 through a chain of sums; the row is 2 v4 + x1.
    chain = NlFile(
        rows=["o0 o2 n2 v3 v1"], row_bounds=["1 4"], defined=["0:1 | n3", "o1 o2 n2 v2 v1"]
    )
    problem = read_nl(chain.text())
    assert problem.linear is not None
    assert problem.linear.all()
    assert problem.constraints(np.array([1.0, 5.0])) == pytest.approx([2 * (2 * 4 - 5) + 5])
    assert np.asarray(problem.jacobian(problem.x0)) == pytest.approx(np.array([[4.0, -1.0]]))


def test_objectives_are_chosen_and_maximised() -> None:
    two = NlFile(
        objective="o41 v0",
        extra="O1 1\no2\nv0\nv1\nG1 1\n0 2",
        counts={2: " 2 0 2 0 0", 3: " 0 2"},
    ).text()
    x = np.array([0.5, 0.25])
    assert read_nl(two).objective(x) == pytest.approx(np.sin(0.5))
    # A maximum is the negative minimum.
    assert read_nl(two, 2).objective(x) == pytest.approx(-(0.125 + 1.0))
    assert NlModel(two, 2).maximise
    assert read_nl(two, 0).objective(x) == 0.0
    with pytest.raises(NlError, match="objective 3 does not exist; the file has 2"):
        read_nl(two, 3)


def test_no_objective_is_a_feasibility_problem() -> None:
    data = NlFile(rows=["o2 v0 v1"], row_bounds=["4 1"], counts={2: " 2 1 0 0 1"}).text()
    data = data.replace(b"O0 0\nn0\n", b"")
    problem = read_nl(data)
    assert problem.objective(problem.x0) == 0.0
    result = optlab.minimize(problem, [2.0, 1.0])
    assert result.success
    assert result.x[0] * result.x[1] == pytest.approx(1.0, abs=1e-6)


def test_names_come_from_the_files_beside(tmp_path: Path) -> None:
    path = tmp_path / "model.nl"
    path.write_bytes(FULL.text())
    (tmp_path / "model.col").write_text("a\nb[1]\nc d\n")
    (tmp_path / "model.row").write_text("first\nsecond\ncost\n")
    problem = read_nl(path)
    assert problem.name == "model"
    assert problem.variable_names == ("a", "b[1]", "c d")
    assert problem.constraint_names == ("first", "second")
    for useless in ("a\na\nb\n", "a\n", "a\n\nb\n"):
        (tmp_path / "model.col").write_text(useless)
        assert read_nl(path).variable_names == ("x[0]", "x[1]", "x[2]")


def test_a_model_can_be_sent_to_a_worker() -> None:
    problem = read_nl(FULL.text())
    again = pickle.loads(pickle.dumps(problem.objective))
    assert again(problem.x0) == problem.objective(problem.x0)


@pytest.mark.parametrize(
    ("counts", "name"),
    [
        ({7: " 1 0 0 0 0"}, r"x\[3\]"),
        ({7: " 0 2 0 0 0"}, r"x\[2\]"),
        ({5: " 3 2 1", 7: " 0 0 1 0 0"}, r"x\[0\]"),
        ({5: " 3 2 1", 7: " 0 0 0 1 0"}, r"x\[2\]"),
        ({5: " 2 3 1", 7: " 0 0 0 0 1"}, r"x\[2\]"),
    ],
)
def test_integer_variables_are_refused_by_name(counts: dict[int, str], name: str) -> None:
    with pytest.raises(NlError, match=rf"whole values only, the first is {name}"):
        read_nl(NlFile(n=4, counts=counts).text())


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (NlFile(extra="F0 0 1 hypot", objective="f0 1 v0", counts={6: " 0 1 0 1"}), "hypot"),
        (NlFile(counts={2: " 2 0 1 0 0 1"}, extra="L0\nn1"), "logical constraints"),
        (NlFile(counts={3: " 0 1 1 0 0 0"}), "complementarity"),
        (NlFile(rows=["v0"], row_bounds=["5 1 1"]), "row 0 complements"),
        (NlFile(extra="S0 1 sosno\n1 1"), r"x\[1\] belongs to a special ordered set"),
        (NlFile(start={1: float("nan")}), r"start value of x\[1\] is not finite"),
        (NlFile(objective="v7"), "v7 does not exist"),
        (NlFile(objective="v2", defined=["v0"], extra="O0 0\nv2"), "before its V segment"),
        (NlFile(objective="h3:abc"), "a text stands"),
        (NlFile(objective="z1"), "'z' is found where an expression is needed"),
        (NlFile(objective="o0 v0"), "'b' is found where an expression"),
        (NlFile(objective="o54 0"), "a list of 0 operands"),
        (NlFile(objective="o54 1000 v0"), "1000 lines are announced"),
        (NlFile(objective="o64 2 n1 n0 n2 n0"), "belongs to a variable"),
        (NlFile(objective="o64 3 n1 n2 n3 n1 n0 v0"), "breakpoints .* must ascend"),
        (NlFile(objective="nabc"), "'abc' is found where a number is needed"),
        (NlFile(objective="n"), "the line ends where more is needed"),
        (NlFile(extra="q"), "'q' begins no segment"),
        (NlFile(bounds=["9 1", "3"]), "'9' is found where a bound is needed"),
        (NlFile(bounds=["0 2 1", "3"]), "leave no value in between"),
        (NlFile(linear={-1: {5: 1.0}}), "index 5 does not exist; there are 2"),
        (NlFile(rows=["v0"], linear={3: {0: 1.0}}), "row 3 does not exist"),
        (NlFile(extra="C0\nn0", rows=["v0"]), "segment C occurs twice"),
        (NlFile(extra="b\n3\n3"), "segment b occurs twice"),
        (NlFile(extra="x9\n0 1"), "9 start values"),
        (NlFile(extra="S9 1 s\n0 1"), "suffix of kind 9"),
        (NlFile(extra="S0 1 s\n0 1.5"), "an index and a value"),
        (NlFile(counts={2: " 2 1 1 0 0"}), "without its r segment"),
        (NlFile(counts={2: " 5000 0 1 0 0"}), "5000 cannot belong"),
        (NlFile(counts={2: " 2 x 1"}), "'x' is found where a whole number"),
        (NlFile(counts={2: " 2"}), "must count variables, rows and objectives"),
        (NlFile(counts={1: "q3 1 1 0"}), "begins with g .* or b"),
        (NlFile(counts={1: "g12 1 1"}), "12 options are announced"),
        (NlFile(counts={5: " 7 0 0"}), "7 variables of one kind"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(file: NlFile, words: str) -> None:
    with pytest.raises(NlError, match=words) as caught:
        read_nl(file.text())
    assert isinstance(caught.value, ParseError)


def test_errors_name_line_or_offset_and_file(tmp_path: Path) -> None:
    path = tmp_path / "bad.nl"
    text = NlFile(objective="o2 v0 v7").text()
    path.write_bytes(text)
    with pytest.raises(NlError) as caught:
        read_nl(path)
    assert str(caught.value).startswith(f"{path}:14: v7")
    path.write_bytes(binary(text))
    with pytest.raises(NlError, match=r"\(at byte \d+\)") as caught:
        read_nl(path)
    assert caught.value.line is None
    assert pickle.loads(pickle.dumps(caught.value)).offset == caught.value.offset
    with pytest.raises(NlError, match="ten lines"):
        read_nl(b"g3 1 1 0\n 1 0 1\n")
    path.write_bytes(text.replace(b" 0 0 0 1\n", b" 0 0 5 1\n").replace(b"g3", b"b3", 1))
    with pytest.raises(NlError, match="arithmetic 5"):
        read_nl(path)


def test_limits_are_kept() -> None:
    rows = NlFile(n=3, rows=["o2 v0 o41 v1"] * 3, objective="o54 3 v0 v1 v2")
    with pytest.raises(NlError, match="at most 10 are accepted"):
        read_nl(rows.text(), limits=NlLimits(file_bytes=10))
    with pytest.raises(NlError, match="operations"):
        read_nl(rows.text(), limits=NlLimits(operations=1))
    with pytest.raises(NlError, match="linear terms"):
        read_nl(rows.text(), limits=NlLimits(terms=2))
    with pytest.raises(NlError, match="2 levels deep; 1 are accepted"):
        read_nl(rows.text(), limits=NlLimits(levels=1))
    plans = NlLimits().plans
    with pytest.raises(NlError, match="first derivatives need more than 5"):
        read_nl(rows.text(), limits=NlLimits(plans=type(plans)(first=5)))


def test_deep_expressions_need_no_deep_stack() -> None:
    depth = 3000
    nested = read_nl(NlFile(objective="o41 " * depth + "v0").text())
    assert abs(nested.objective(np.ones(2))) < 0.1
    found = nested.gradient(np.ones(2))
    assert 0.0 < found[0] < 1e-3
    chain = read_nl(NlFile(objective="o1 o2 v0 v0 " * 20_000 + "v0").text())
    # x^2 - (x^2 - (... - x)) with an even number of squares.
    assert chain.objective(np.array([3.0, 0.0])) == pytest.approx(3.0)
    assert chain.gradient(np.array([3.0, 0.0])) == pytest.approx([1.0, 0.0])


def test_the_start_is_moved_into_the_bounds() -> None:
    problem = read_nl(NlFile(bounds=["0 1 2", "1 -3"], start={1: 5.0}).text())
    assert problem.x0.tolist() == [1.0, -3.0]


@pytest.mark.parametrize(
    ("objective", "start", "words"),
    [
        ("o43 o1 v0 v1", {0: 1.0, 1: 2.0}, r"value: log .* at x\[0\] = 1, x\[1\] = 2"),
        ("o39 o5 v1 n2", {1: 0.0}, r"slope: sqrt .* at x\[1\] = 0"),
        ("o0 o35 o28 v0 n0 n1 o43 v1 o3 n1 v0", {1: -1.0}, r"value: div .* at x\[0\] = 0"),
    ],
)
def test_a_start_without_values_names_operator_and_variables(
    tmp_path: Path, objective: str, start: dict[int, float], words: str
) -> None:
    path = tmp_path / "m.nl"
    path.write_bytes(NlFile(objective=objective, start=start).text())
    with pytest.warns(OptlabWarning, match=words):
        result = optlab.minimize(path)
    assert result.stop is optlab.StopReason.EVAL_ERROR
    assert NlModel(path).undefined(np.array([3.0, 1.0])) is None


def test_line_ends_of_windows() -> None:
    data = FULL.text().replace(b"\n", b"\r\n")
    x = np.array([0.5, -0.25, 0.75])
    assert read_nl(data).objective(x) == read_nl(FULL.text()).objective(x)


def test_the_source_takes_files_and_objno(tmp_path: Path) -> None:
    path = tmp_path / "two.NL"
    path.write_bytes(NlFile(objective="o5 o1 v0 n2 n2").text())
    result = optlab.minimize(path, params={"objno": 1})
    assert result.success
    assert result.x[0] == pytest.approx(2.0, abs=1e-6)
    with pytest.raises(OptionError, match="'N' is no parameter"):
        optlab.minimize(path, params={"N": 3})
    assert "nl" in [source.name for source in optlab.sources()]

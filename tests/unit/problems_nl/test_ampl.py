"""The program called as AMPL calls its solvers."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from nl_files import NlFile

import optlab
from optlab.cli import main
from optlab.errors import OptionError
from optlab_problems.nl.ampl_options import AmplOptions, read_options
from optlab_problems.nl.answer import status_number
from optlab_problems.nl.solution import Solution, read_sol

# min (x0 - 3)^2 + x1^2 with x0 + x1 <= 2 and x1 >= 0.25.
QUADRATIC = NlFile(
    objective="o0 o5 o1 v0 n3 n2 o5 v1 n2",
    rows=[""],
    row_bounds=["1 2"],
    linear={0: {0: 1.0, 1: 1.0}},
    bounds=["3", "2 0.25"],
)


def call(*arguments: str) -> tuple[int, str]:
    stream = io.StringIO()
    return main(list(arguments), stream), stream.getvalue()


def written(folder: Path, file: NlFile, *options: str) -> Solution:
    (folder / "m.nl").write_bytes(file.text())
    code, _ = call(str(folder / "m"), "-AMPL", *options)
    assert code == 0
    return read_sol(folder / "m.sol")


def test_the_answer_goes_to_the_sol_file(tmp_path: Path) -> None:
    answer = written(tmp_path, QUADRATIC, "tol=1e-9")
    assert answer.status == 0
    assert answer.sizes == (1, 2)
    assert answer.x == pytest.approx([1.75, 0.25], abs=1e-7)
    # d f / d (right-hand side) = -2 (3 - 1.75); the bound on x1 costs 3 a unit.
    assert answer.duals == pytest.approx([-2.5], abs=1e-6)
    (lower,) = answer.suffixes
    assert (lower.name, lower.indices.tolist()) == ("ipopt_zL_out", [1])
    assert lower.values == pytest.approx([3.0], abs=1e-6)


def test_the_duals_of_a_maximum_have_the_other_sign(tmp_path: Path) -> None:
    # max -f is the same point; AMPL's dual is the change of the stated objective.
    file = NlFile(
        objective=f"o16 {QUADRATIC.objective}",
        maximise=True,
        rows=[""],
        row_bounds=["1 2"],
        linear={0: {0: 1.0, 1: 1.0}},
        bounds=["3", "2 0.25"],
    )
    answer = written(tmp_path, file, "tol=1e-9")
    assert answer.x == pytest.approx([1.75, 0.25], abs=1e-7)
    assert answer.duals == pytest.approx([2.5], abs=1e-6)
    (lower,) = answer.suffixes
    assert lower.values == pytest.approx([-3.0], abs=1e-6)
    assert "objective -1.625" in answer.message


def test_duals_are_the_change_of_the_optimum(tmp_path: Path) -> None:
    def optimum(right: float, sign: str) -> tuple[float, float]:
        file = NlFile(
            objective=f"{sign} o0 o44 v0 o44 v1".removeprefix("+ "),
            maximise=bool(sign == "o16"),
            rows=["o2 v0 v1"],
            row_bounds=[f"4 {right!r}"],
            bounds=["0 0.1 9", "0 0.1 9"],
            start={0: 1.0, 1: 1.2},
        )
        (tmp_path / "m.nl").write_bytes(file.text())
        assert call(str(tmp_path / "m"), "-AMPL", "tol=1e-10")[0] == 0
        answer = read_sol(tmp_path / "m.sol")
        value = np.exp(answer.x).sum()
        return float(-value if sign == "o16" else value), float(answer.duals[0])

    for sign in ("+", "o16"):
        below, at, above = (optimum(r, sign) for r in (0.999, 1.0, 1.001))
        assert at[1] == pytest.approx((above[0] - below[0]) / 0.002, rel=1e-4)


def test_options_and_vbtol_are_echoed(tmp_path: Path) -> None:
    file = NlFile(objective=QUADRATIC.objective, counts={1: "g4 2 3 0 7 0.125", 6: " 0 0 0 0"})
    answer = written(tmp_path, file)
    assert (answer.options, answer.vbtol) == ((2, 3, 0, 7), 0.125)
    # The last flag of line 6 says that no suffixes are wanted.
    assert answer.suffixes == []


def test_both_spellings_of_the_call(tmp_path: Path) -> None:
    path = tmp_path / "m.nl"
    path.write_bytes(QUADRATIC.text())
    assert call("solve", str(path), "-AMPL", "outlev=0")[0] == 0
    first = read_sol(tmp_path / "m.sol").x
    (tmp_path / "m.sol").unlink()
    code, shown = call(str(path), "outlev=0", "wantsol=6")
    assert code == 0
    assert not (tmp_path / "m.sol").exists()
    assert "first-order conditions" in shown
    assert "x[1]" in shown
    assert "c[0]" in shown
    code, shown = call(str(path), "outlev=0", "wantsol=9")
    assert "first-order" not in shown
    assert read_sol(tmp_path / "m.sol").x == pytest.approx(first)


def test_version_and_list_of_options() -> None:
    code, shown = call("-v")
    assert code == 0
    assert f"optlab {optlab.__version__}" in shown
    code, shown = call("-=")
    assert code == 0
    assert {"maxit", "tol", "objno", "wantsol"} <= set(shown.split())


def test_the_environment_is_read_and_the_command_line_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("optlab_options", "maxit=0 outlev=0")
    assert written(tmp_path, QUADRATIC).status == 400
    assert written(tmp_path, QUADRATIC, "max_iter=100").status == 0
    monkeypatch.setenv("optlab_options", "method='slsqp'")
    assert "slsqp" in written(tmp_path, QUADRATIC).message


def test_a_warm_start_comes_with_the_file(tmp_path: Path) -> None:
    cold = NlFile(
        objective="o0 o44 v0 o44 v1", rows=["o2 v0 v1"], row_bounds=["4 1"], start={0: 2, 1: 1}
    )
    first = written(tmp_path, cold, "tol=1e-9")
    x, dual = first.x.tolist(), float(first.duals[0])
    warm = NlFile(
        objective=cold.objective, rows=cold.rows, row_bounds=cold.row_bounds,
        start=dict(enumerate(x)), extra=f"d1\n0 {dual!r}",
    )  # fmt: skip
    iterations = {
        use: written(tmp_path, warm, f"warm_start={use}").message.split("\n")[2].split()[0]
        for use in ("yes", "no")
    }
    assert iterations["yes"] == "0"


def test_bound_multipliers_come_from_suffixes() -> None:
    from optlab_problems.nl import NlModel

    text = "S4 1 ipopt_zL_in\n1 3\nS4 1 ipopt_zU_in\n0 -2"
    low, high = (
        NlModel(NlFile(extra=text, maximise=flag).text()).warm_start() for flag in (False, True)
    )
    assert low is not None
    assert high is not None
    assert low.z is not None
    assert high.z is not None
    assert low.z.tolist() == [2.0, -3.0]
    assert high.z.tolist() == [-2.0, 3.0]
    assert NlModel(NlFile(extra="d0").text()).warm_start() is None


@pytest.mark.parametrize(
    ("file", "status"),
    [
        # x0^2 + x1^2 = -1
        (NlFile(rows=["o0 o5 v0 n2 o5 v1 n2"], row_bounds=["4 -1"], start={0: 1, 1: 1}), 200),
        (NlFile(objective="o0 o16 v0 v1", bounds=["3", "0 0 1"]), 300),
        (NlFile(objective="o43 o1 v0 n1"), 501),
    ],
)
def test_endings_have_the_numbers_of_ampl(tmp_path: Path, file: NlFile, status: int) -> None:
    answer = written(tmp_path, file, "outlev=0", "maxit=300")
    assert answer.status == status
    if status == 501:
        assert "the objective has no finite value: log is not defined" in answer.message
        assert "at x[0] = 0" in answer.message


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nowhere", "-AMPL"), "nowhere.nl"),
        (("-AMPL",), "usage: optlab stub"),
        (("FILE", "-AMPL", "tol"), "not of the form KEY=VALUE"),
        (("FILE", "-AMPL", "tol=small"), "tol=small has a value that does not fit"),
        (("FILE", "-AMPL", "warm_start=perhaps"), "does not fit"),
        (("FILE", "-AMPL", "method=npsa"), "npasa"),
        (("FILE", "-AMPL", "sped=3"), "sped"),
        (("FILE", "-AMPL", "objno=4"), "objective 4 does not exist"),
    ],
)
def test_a_wrong_call_is_one_line_and_code_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
) -> None:
    (tmp_path / "m.nl").write_bytes(QUADRATIC.text())
    given = [str(tmp_path / "m") if word == "FILE" else word for word in arguments]
    code, _ = call(*given)
    error = capsys.readouterr().err
    assert code == 1
    assert words in error
    assert error.count("\n") == 1
    assert not (tmp_path / "m.sol").exists()


def test_words_of_the_environment() -> None:
    options = read_options("tol = 1e-4 maxtime=3 name 'two words'", ["tol=1e-5"])
    expected = AmplOptions(tol=1e-5, max_time=3.0, others={"name": "two words"})
    assert options == expected
    with pytest.raises(OptionError, match="cannot be split"):
        read_options("a='b", [])


def test_status_numbers_cover_every_ending() -> None:
    from dataclasses import replace

    from optlab import PointStatus, StopReason

    result = optlab.minimize(lambda x: float(x @ x), [1.0], jac=lambda x: 2 * x)
    ranges = {
        (StopReason.MAX_TIME, PointStatus.FEASIBLE): 4,
        (StopReason.MAX_EVAL, PointStatus.UNKNOWN): 4,
        (StopReason.USER, PointStatus.FEASIBLE): 4,
        (StopReason.STALLED, PointStatus.FEASIBLE): 1,
        (StopReason.STALLED, PointStatus.UNKNOWN): 5,
        (StopReason.NUMERICAL_ERROR, PointStatus.FEASIBLE): 5,
        (StopReason.CONVERGED, PointStatus.INFEASIBLE_STATIONARY): 2,
        (StopReason.CONVERGED, PointStatus.UNBOUNDED_DIRECTION): 3,
    }
    for (stop, point), hundred in ranges.items():
        ended = replace(result, success=False, stop=stop, point=point)
        assert status_number(ended) // 100 == hundred
    assert status_number(result) == 0

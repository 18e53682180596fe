"""The .sol file: written, read back, and read by Pyomo's own reader."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optlab_problems.nl import NlError
from optlab_problems.nl.content import Suffix
from optlab_problems.nl.solution import Solution, read_sol, write_sol

numbers = st.floats(allow_nan=False)


@st.composite
def solutions(draw: st.DrawFn) -> Solution:
    n, m = draw(st.integers(0, 4)), draw(st.integers(0, 3))
    options = draw(st.sampled_from([(1, 1, 0), (1, 3, 0, 7), (2, 0, 5)]))
    suffixes = []
    if n and draw(st.booleans()):
        values = np.array(draw(st.lists(numbers, min_size=n, max_size=n)))
        suffixes.append(Suffix("zl", 0, True, np.arange(n), values))
        suffixes.append(Suffix("status", 0, False, np.array([n - 1]), np.array([3.0])))
    return Solution(
        message=draw(
            st.sampled_from(["solved", "two\nlines", "", "Options", "a\n\nOptions \nb"])
        ),
        x=np.array(draw(st.lists(numbers, min_size=n, max_size=n))),
        duals=np.array(draw(st.sampled_from([0, m])) * [0.25], dtype=np.float64),
        status=draw(st.sampled_from([0, 100, 200, 300, 400, 500])),
        objno=draw(st.integers(1, 3)),
        sizes=(m, n),
        options=options,
        vbtol=draw(numbers) if options[1] == 3 else None,
        suffixes=suffixes,
    )


@given(solutions())
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, solution: Solution
) -> None:
    path = tmp_path_factory.mktemp("sol") / "a.sol"
    write_sol(path, solution)
    assert [other.name for other in path.parent.iterdir()] == ["a.sol"]
    again = read_sol(path)
    assert again.message.replace("(", "").replace(")", "").split() == solution.message.split()
    assert again.x.tolist() == solution.x.tolist()
    assert again.duals.tolist() == solution.duals.tolist()
    kept = ("status", "objno", "sizes", "options", "vbtol")
    assert [getattr(again, name) for name in kept] == [getattr(solution, name) for name in kept]
    assert len(again.suffixes) == len(solution.suffixes)
    for got, given_ in zip(again.suffixes, solution.suffixes, strict=True):
        assert (got.name, got.kind, got.real) == (given_.name, given_.kind, given_.real)
        assert got.indices.tolist() == given_.indices.tolist()
        assert got.values.tolist() == given_.values.tolist()


def test_the_layout_is_that_of_ampl(tmp_path: Path) -> None:
    suffix = Suffix("ipopt_zL_out", 0, True, np.array([1]), np.array([0.5]))
    solution = Solution(
        "optlab: solved", np.array([1.0, -2.5]), np.array([0.125]), 0, sizes=(1, 2),
        suffixes=[suffix],
    )  # fmt: skip
    write_sol(tmp_path / "a.sol", solution)
    assert (tmp_path / "a.sol").read_text().splitlines() == [
        "optlab: solved", "", "Options", "3", "1", "1", "0", "1", "1", "2", "2",
        "0.125", "1.0", "-2.5", "objno 0 0", "suffix 4 1 13 0 0", "ipopt_zL_out", "1 0.5",
    ]  # fmt: skip


def test_pyomo_reads_it(tmp_path: Path) -> None:
    reader = pytest.importorskip("pyomo.opt.plugins.sol")
    suffix = Suffix("ipopt_zL_out", 0, True, np.array([1]), np.array([0.5]))
    solution = Solution(
        "optlab: solved", np.array([1.0, -2.5]), np.array([0.125]), 400, sizes=(1, 2),
        options=(1, 3, 0), vbtol=1e-3, suffixes=[suffix],
    )  # fmt: skip
    write_sol(tmp_path / "a.sol", solution)
    found = reader.ResultsReader_sol()(str(tmp_path / "a.sol"), suffixes=[".*"])
    assert found.solver.id == 400
    assert found.solution.variable["v1"] == {"Value": -2.5, "ipopt_zL_out": 0.5}
    assert found.solution.constraint["c0"] == {"Dual": 0.125}


GOOD = "m\n\nOptions\n3\n1\n1\n0\n1\n1\n2\n2\n0.125\n1.0\n-2.5\nobjno 0 0\nsuffix 4 1 3 0 0\nzl\n1 0.5\n"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("Options", "Nothing", "ends early"),
        ("1\n2\n2\n", "1\n2\n99\n", "99 lines are announced"),
        ("0.125", "x", "'x' is found where a number"),
        ("\n3\n1\n", "\n77\n1\n", "75 options"),
        ("\n3\n1\n", "\nx\n1\n", "'x' is found where a whole number"),
        ("4 1 3 0 0", "4 9 3 0 0", "impossible numbers"),
        ("1 0.5", "1", "an index and a value"),
        ("\n0\n1\n1\n2\n2", "\n0\n1\n-1\n2\n2", "-1 lines"),
        ("objno 0 0", "objno 0 " + "9" * 30, "too large"),
    ],
)
def test_a_wrong_file_is_an_nl_error_with_a_line(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    path = tmp_path / "a.sol"
    path.write_text(GOOD)
    assert read_sol(path).suffixes[0].values.tolist() == [0.5]
    assert old in GOOD
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(NlError, match=words) as caught:
        read_sol(path)
    assert caught.value.line is not None


@given(st.text(alphabet="Options\n0123456789.- suffixobjn", max_size=60), st.integers(0, 90))
def test_damaged_files_never_raise_anything_else(
    tmp_path_factory: pytest.TempPathFactory, piece: str, where: int
) -> None:
    path = tmp_path_factory.mktemp("sol") / "a.sol"
    path.write_text(GOOD[:where] + piece + GOOD[where:])
    with contextlib.suppress(NlError):
        read_sol(path)

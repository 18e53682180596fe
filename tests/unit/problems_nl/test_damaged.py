"""Damaged and hostile .nl files: an NlError or a problem, within bounds of memory and time."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from nl_files import NlFile, binary

from optlab_problems.nl import NlError, NlLimits, read_nl

FOLDER = Path(__file__).parents[2] / "data" / "nl"
SEEDS = {path.name: path.read_bytes() for path in sorted(FOLDER.glob("*.nl"))}
LIMITS = NlLimits(file_bytes=100_000, operations=20_000, terms=100_000)

pieces = st.one_of(
    st.binary(max_size=12),
    st.integers(-3, 10**12).map(lambda k: str(k).encode()),
    st.sampled_from([
        b"o54\n", b"o2\n", b"v0\n", b"v9999\n", b"nnan\n", b"ninf\n", b"o64\n3\n", b"J0 2\n",
        b"S4 1 sosno\n", b"\n\n", b"k1\n", b"-1", b"1e400", b"C0\n", b"V4 0 0\n", b"\xff\xff\xff\x7f",
    ]),
)  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    data = SEEDS[draw(st.sampled_from(sorted(SEEDS)))]
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        length = draw(st.sampled_from([0, 0, 1, 1, 4, 8, 30, len(data)]))
        data = data[:at] + draw(pieces) + data[at + length :]
    return data


@settings(max_examples=300)
@given(damaged())
@example(b"")
@example(SEEDS["full.nl"][:-40])
def test_damaged_files_give_an_nl_error_or_a_problem(data: bytes) -> None:
    try:
        problem = read_nl(data, limits=LIMITS)
    except NlError:
        return
    x, y = problem.x0, np.ones(problem.m)
    problem.objective(x)
    assert problem.gradient(x).shape == x.shape
    assert problem.constraints(x).shape == y.shape
    problem.jacobian(x)
    if problem.has_hessian:
        problem.hessian(x, y, 1.0)
    assert problem.hprod(x, y, 1.0, x).shape == x.shape


def test_the_seeds_are_good() -> None:
    assert len(SEEDS) == 9
    assert {read_nl(data).n for data in SEEDS.values()} == {2, 3, 4, 5, 6, 7}


HUGE = "99999999"


ANNOUNCED = [
    NlFile(counts={2: f" {HUGE} 0 1"}),
    NlFile(counts={2: f" 2 {HUGE} 1"}),
    NlFile(counts={2: f" 2 0 {HUGE}"}),
    NlFile(counts={10: f" {HUGE} 0 0 0 0"}),
    NlFile(counts={2: " " + "9" * 5000}),
    NlFile(counts={8: f" {HUGE} {HUGE}", 9: f" {HUGE} {HUGE}"}, extra=f"x{HUGE}\n0 1"),
    NlFile(counts={8: f" {HUGE} {HUGE}"}, extra=f"J0 {HUGE}\n0 1"),
    NlFile(extra=f"S0 {HUGE} s\n0 1"),
    NlFile(extra=f"k{HUGE}"),
    NlFile(objective=f"o54 {HUGE} v0"),
    NlFile(objective=f"o64 {HUGE} n0 n0"),
    NlFile(objective=f"o70 {HUGE} n0 n0"),
    NlFile(extra=f"V2 {HUGE} 0", defined=["v0"]),
]
"""Files that announce far more than they have."""

# Those whose items stop where the encoder reads on can only be written as text.
ENCODABLE = (0, 1, 2, 3, 4)


@pytest.mark.parametrize(
    "data",
    [file.text() for file in ANNOUNCED] + [binary(ANNOUNCED[k].text()) for k in ENCODABLE],
)
def test_what_is_announced_sets_no_memory_aside(data: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(NlError):
            read_nl(data)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_doubling_expressions_stay_small() -> None:
    # Written out, v_k = v_(k-1)^2 has 2^k factors; the affine chain has 2^k terms.
    n = 40
    squares = NlFile(defined=["o41 v0", *(f"o2 v{k + 1} v{k + 1}" for k in range(1, n))])
    squares.objective = f"v{n + 1}"
    problem = read_nl(squares.text())
    assert problem.objective(np.array([0.5, 0.0])) == pytest.approx(0.0)
    doubles = NlFile(defined=["0:1 | n1", *(f"o0 v{k + 1} v{k + 1}" for k in range(1, n))])
    doubles.rows, doubles.row_bounds = [f"v{n + 1}"], ["1 5"]
    problem = read_nl(doubles.text())
    assert problem.linear is not None
    assert problem.linear.all()
    assert problem.constraints(np.array([2.0, 0.0])) == pytest.approx([3.0 * 2.0 ** (n - 1)])

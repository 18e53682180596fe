"""Bounds, rows, ranges, scales, defaults, start points and parameter arithmetic."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from optlab_problems import read_sif
from optlab_problems.sif import SifModel

DATA = Path(__file__).parents[2] / "data" / "sif"
INF = math.inf


@pytest.fixture(scope="module")
def zoo() -> SifModel:
    return SifModel(DATA / "ZOO.SIF")


def test_bounds_of_every_kind(zoo: SifModel) -> None:
    s = zoo.structure
    bounds = dict(
        zip(s.variable_names, zip(s.lb.tolist(), s.ub.tolist(), strict=True), strict=True)
    )
    assert bounds == {
        "FREE": (-INF, INF),
        "LOWER": (-1.0, INF),
        "UPPER": (-3.0, 9.0),
        "BOTH": (1.0, 2.0),
        "FIXED": (4.0, 4.0),
        "MINUS": (-INF, 8.0),
        "PLUS": (-3.0, INF),
        "HUGE": (-INF, INF),
        "ZEROUP": (-INF, 0.0),
        "PLAIN": (-3.0, INF),
        "A1": (-2.0, 7.0),
        "A2": (-2.0, 7.0),
        "A3": (0.25, 0.25),
        "FLAG": (0.0, 1.0),
        "COUNT": (-3.0, INF),
    }


def test_rows_have_the_bounds_of_their_kind_and_range(zoo: SifModel) -> None:
    s = zoo.structure
    rows = dict(
        zip(zoo.constraint_names, zip(s.cl.tolist(), s.cu.tolist(), strict=True), strict=True)
    )
    assert rows == {
        "EQ": (0.0, 0.0),
        "LE": (-INF, 0.0),
        "GE": (0.0, INF),
        "GR": (0.0, 4.0),
        "LR": (-5.0, 0.0),
        "ZR": (0.0, 7.0),
        "ER": (-2.0, 0.0),
        "DEFROW": (0.0, INF),
        "COMB": (0.0, 0.0),
    }
    assert zoo.linear.all()


def test_row_values_use_scales_constants_and_combinations(zoo: SifModel) -> None:
    names = zoo.structure.variable_names
    x = np.arange(1.0, len(names) + 1.0)
    v = dict(zip(names, x.tolist(), strict=True))
    assert dict(zip(zoo.constraint_names, zoo.constraints(x).tolist(), strict=True)) == {
        "EQ": v["FREE"] + v["A1"] - 2.0,
        "LE": (2.0 * v["UPPER"] + 8.0) / 4.0,
        "GE": v["FIXED"] - 7.0,
        "GR": v["A1"] - 1.5,
        "LR": v["A2"] - 1.5,
        "ZR": (0.5 * v["A3"] - 1.5) / 0.5,
        "ER": v["A1"] - 1.5,
        "DEFROW": v["PLAIN"] - 1.5,
        "COMB": 2.0 * (v["FREE"] + v["A1"]) - 3.0 * v["FIXED"] - 1.5,
    }
    # The coefficient of FREE stands on two cards of OBJ1 and is summed.
    assert (
        zoo.objective(x) == 1.5 * v["FREE"] + 2.0 * v["LOWER"] + (6.0 * v["BOTH"] - 3.0) / 3.0
    )


def test_start_point_multipliers_and_information(zoo: SifModel) -> None:
    s = zoo.structure
    start = dict(zip(s.variable_names, s.x0.tolist(), strict=True))
    assert (start["FREE"], start["A1"], start["A2"], start["PLAIN"]) == (10.0, 1.0, 2.0, 0.5)
    y0 = dict(zip(zoo.constraint_names, s.y0.tolist(), strict=True))
    assert (y0["EQ"], y0["GE"], y0["LE"]) == (3.0, 7.0, -1.0)
    assert zoo.objective_bounds == (-5.0, 5.0)
    assert [s.variable_names[i] for i in s.integers] == ["FLAG", "COUNT"]


def test_quadratic_section_is_half_of_a_symmetric_form() -> None:
    problem = read_sif(DATA / "QUADSEC.SIF")
    assert np.asarray(problem.hessian(np.zeros(2), np.zeros(2), 2.0)).tolist() == [
        [8.0, -2.0],
        [-2.0, 4.0],
    ]
    assert problem.gradient(np.array([1.0, 2.0])).tolist() == [1 + 4 - 2, -2 + 4 - 1]
    assert (problem.cl.tolist(), problem.cu.tolist()) == ([0.0, -INF], [2.0, 0.0])
    assert (problem.lb.tolist(), problem.ub.tolist()) == ([0.0, -INF], [4.0, INF])


def test_a_maximization_is_handed_on_as_a_minimization(tmp_path: Path) -> None:
    text = (DATA / "QUADSEC.SIF").read_text()
    path = tmp_path / "MAX.SIF"
    path.write_text(text.replace("ROWS\n", "OBJSENSE\n    MAX\nROWS\n"))
    x, y = np.array([0.3, -0.8]), np.array([1.0, 2.0])
    low, high = read_sif(DATA / "QUADSEC.SIF"), read_sif(path)
    assert high.objective(x) == -low.objective(x)
    assert high.gradient(x).tolist() == (-low.gradient(x)).tolist()
    assert np.array_equal(high.constraints(x), low.constraints(x))
    expected = np.asarray(low.hessian(x, y, -1.0))
    assert np.array_equal(np.asarray(high.hessian(x, y, 1.0)), expected)


def test_parameter_arithmetic() -> None:
    model = SifModel(DATA / "LOOPS.SIF")
    s = model.structure
    one = np.zeros(s.n)
    one[s.variable_names.index("X")] = 1.0
    values = dict(zip(model.constraint_names, model.constraints(one).tolist(), strict=True))
    r, ra = 2.5, 3.0
    expected = {
        # Integers: 7 + 5, 5 - 7, 7 * -3, 30 / 7, 7, 7 + 3, 7 - 3, 7 * 3, 7 / 2, trunc(-2.75).
        "GMA": 12, "GMS": -2, "GMM": -21, "GMD": 4, "GM=": 7, "GM+": 10, "GM-": 4, "GM*": 21,
        "GM/": 3, "GIR": -2,
        "GR": r, "GRI": -2, "GRA": ra, "GRS": -2, "GRM": -10, "GRD": 4, "GRF": 4, "GR=": r,
        "GR+": r + ra, "GR-": r - ra, "GR*": r * ra, "GR/": r / 4, "GRPAR": 10,
    }  # fmt: skip
    for i in (1, 2, 3):
        a, b = float(i), i + 0.5
        array = {
            "A": a, "B": b, "C": 0.5 - a, "D": 2 * a, "E": 6 / a, "F": a, "G": a + b, "H": a - b,
            "K": a * b, "L": a / b, "N": math.exp(a), "O": -1.0, "P": math.pi / 4,
        }  # fmt: skip
        expected |= {f"{k}{k}{i}": value for k, value in array.items()}
    assert values == pytest.approx(expected, rel=1e-15)


def test_loops_expand_names_in_order() -> None:
    names = SifModel(DATA / "LOOPS.SIF").structure.variable_names
    # I runs 3, 2, 1; J runs from 1 to 7 by 7; then J from I to 2; W(I,) has one index left.
    assert names == ("X", "Y3,1", "Y2,1", "Z2,2,4", "Y1,1", "Z1,1,2", "Z1,2,4", "W1")


def test_free_format_reads_the_same_problem() -> None:
    fixed, free = read_sif(DATA / "HS6.SIF"), read_sif(DATA / "FREE.SIF")
    assert np.array_equal(fixed.x0, free.x0)
    assert np.array_equal(fixed.lb, free.lb)
    for x in ([-1.2, 1.0], [0.3, 0.4]):
        point = np.array(x)
        assert fixed.objective(point) == free.objective(point)
        assert np.array_equal(
            np.asarray(fixed.jacobian(point)), np.asarray(free.jacobian(point))
        )


def test_names_and_linear_rows_reach_the_problem() -> None:
    problem = read_sif(DATA / "INTERN.SIF")
    assert problem.name == "INTERN"
    assert problem.variable_names == ("X1", "X2", "X3", "X4")
    assert problem.constraint_names == ("ROOT", "MIX")
    assert problem.linear is not None
    assert problem.linear.tolist() == [False, False]
    affine = read_sif(DATA / "QUADSEC.SIF").linear
    assert affine is not None
    assert affine.all()

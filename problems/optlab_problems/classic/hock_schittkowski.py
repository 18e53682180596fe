"""Problems of Hock and Schittkowski [HS81], numbered as there.

Formulas, starting points and optimal values are those of the book; where later work refined a
printed value the entry says so. Inequalities are kept in the book's direction, c(x) >= 0, with
constants moved into the row bounds where the row is affine.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

from optlab_problems.classic._entry import Entry, Kind, Outcome
from optlab_problems.classic._formula import INF, Formula, Number

_BOOK = "HS81"


def _hs6_objective(x: Sequence[Number]) -> Number:
    return (1 - x[0]) ** 2


def _hs6_rows(x: Sequence[Number]) -> list[Number]:
    return [10 * (x[1] - x[0] ** 2)]


def _hs10_objective(x: Sequence[Number]) -> Number:
    return x[0] - x[1]


def _hs10_rows(x: Sequence[Number]) -> list[Number]:
    return [-3 * x[0] ** 2 + 2 * x[0] * x[1] - x[1] ** 2 + 1]


def _hs13_objective(x: Sequence[Number]) -> Number:
    return (x[0] - 2) ** 2 + x[1] ** 2


def _hs13_rows(x: Sequence[Number]) -> list[Number]:
    return [(1 - x[0]) ** 3 - x[1]]


def _hs14_objective(x: Sequence[Number]) -> Number:
    return (x[0] - 2) ** 2 + (x[1] - 1) ** 2


def _hs14_rows(x: Sequence[Number]) -> list[Number]:
    return [-0.25 * x[0] ** 2 - x[1] ** 2 + 1, x[0] - 2 * x[1]]


def _hs21_objective(x: Sequence[Number]) -> Number:
    return 0.01 * x[0] ** 2 + x[1] ** 2 - 100


def _hs21_rows(x: Sequence[Number]) -> list[Number]:
    return [10 * x[0] - x[1]]


def _hs26_objective(x: Sequence[Number]) -> Number:
    return (x[0] - x[1]) ** 2 + (x[1] - x[2]) ** 4


def _hs26_rows(x: Sequence[Number]) -> list[Number]:
    return [(1 + x[1] ** 2) * x[0] + x[2] ** 4 - 3]


def _hs28_objective(x: Sequence[Number]) -> Number:
    return (x[0] + x[1]) ** 2 + (x[1] + x[2]) ** 2


def _hs28_rows(x: Sequence[Number]) -> list[Number]:
    return [x[0] + 2 * x[1] + 3 * x[2]]


def _hs35_objective(x: Sequence[Number]) -> Number:
    linear = 9 - 8 * x[0] - 6 * x[1] - 4 * x[2]
    squares = 2 * x[0] ** 2 + 2 * x[1] ** 2 + x[2] ** 2
    return linear + squares + 2 * x[0] * x[1] + 2 * x[0] * x[2]


def _hs35_rows(x: Sequence[Number]) -> list[Number]:
    return [-x[0] - x[1] - 2 * x[2]]


def _hs39_objective(x: Sequence[Number]) -> Number:
    return -x[0]


def _hs39_rows(x: Sequence[Number]) -> list[Number]:
    return [x[1] - x[0] ** 3 - x[2] ** 2, x[0] ** 2 - x[1] - x[3] ** 2]


def _hs40_objective(x: Sequence[Number]) -> Number:
    return -x[0] * x[1] * x[2] * x[3]


def _hs40_rows(x: Sequence[Number]) -> list[Number]:
    return [x[0] ** 3 + x[1] ** 2 - 1, x[0] ** 2 * x[3] - x[2], x[3] ** 2 - x[1]]


def _hs43_objective(x: Sequence[Number]) -> Number:
    squares = x[0] ** 2 + x[1] ** 2 + 2 * x[2] ** 2 + x[3] ** 2
    return squares - 5 * x[0] - 5 * x[1] - 21 * x[2] + 7 * x[3]


def _hs43_rows(x: Sequence[Number]) -> list[Number]:
    a, b, c, d = (v**2 for v in x)
    return [
        8 - a - b - c - d - x[0] + x[1] - x[2] + x[3],
        10 - a - 2 * b - c - 2 * d + x[0] + x[3],
        5 - 2 * a - b - c - 2 * x[0] + x[1] + x[3],
    ]


def _hs48_objective(x: Sequence[Number]) -> Number:
    return (x[0] - 1) ** 2 + (x[1] - x[2]) ** 2 + (x[3] - x[4]) ** 2


def _hs48_rows(x: Sequence[Number]) -> list[Number]:
    return [x[0] + x[1] + x[2] + x[3] + x[4], x[2] - 2 * (x[3] + x[4])]


def _hs63_objective(x: Sequence[Number]) -> Number:
    return 1000 - x[0] ** 2 - 2 * x[1] ** 2 - x[2] ** 2 - x[0] * x[1] - x[0] * x[2]


def _hs63_rows(x: Sequence[Number]) -> list[Number]:
    return [8 * x[0] + 14 * x[1] + 7 * x[2], x[0] ** 2 + x[1] ** 2 + x[2] ** 2 - 25]


def _hs71_objective(x: Sequence[Number]) -> Number:
    return x[0] * x[3] * (x[0] + x[1] + x[2]) + x[2]


def _hs71_rows(x: Sequence[Number]) -> list[Number]:
    return [
        x[0] * x[1] * x[2] * x[3] - 25,
        x[0] ** 2 + x[1] ** 2 + x[2] ** 2 + x[3] ** 2 - 40,
    ]


def _hs76_objective(x: Sequence[Number]) -> Number:
    squares = x[0] ** 2 + 0.5 * x[1] ** 2 + x[2] ** 2 + 0.5 * x[3] ** 2
    return squares - x[0] * x[2] + x[2] * x[3] - x[0] - 3 * x[1] + x[2] - x[3]


def _hs76_rows(x: Sequence[Number]) -> list[Number]:
    return [
        -x[0] - 2 * x[1] - x[2] - x[3],
        -3 * x[0] - x[1] - 2 * x[2] + x[3],
        x[1] + 4 * x[2],
    ]


def _hs100_objective(x: Sequence[Number]) -> Number:
    squares = (x[0] - 10) ** 2 + 5 * (x[1] - 12) ** 2 + 3 * (x[3] - 11) ** 2 + 7 * x[5] ** 2
    high = x[2] ** 4 + 10 * x[4] ** 6 + x[6] ** 4
    return squares + high - 4 * x[5] * x[6] - 10 * x[5] - 8 * x[6]


def _hs100_rows(x: Sequence[Number]) -> list[Number]:
    return [
        127 - 2 * x[0] ** 2 - 3 * x[1] ** 4 - x[2] - 4 * x[3] ** 2 - 5 * x[4],
        282 - 7 * x[0] - 3 * x[1] - 10 * x[2] ** 2 - x[3] + x[4],
        196 - 23 * x[0] - x[1] ** 2 - 6 * x[5] ** 2 + 8 * x[6],
        -4 * x[0] ** 2 - x[1] ** 2 + 3 * x[0] * x[1] - 2 * x[2] ** 2 - 5 * x[5] + 11 * x[6],
    ]


def _hs106_objective(x: Sequence[Number]) -> Number:
    return x[0] + x[1] + x[2]


def _hs106_rows(x: Sequence[Number]) -> list[Number]:
    return [
        -0.0025 * (x[3] + x[5]),
        -0.0025 * (x[4] + x[6] - x[3]),
        -0.01 * (x[7] - x[4]),
        x[0] * x[5] - 833.33252 * x[3] - 100 * x[0] + 83333.333,
        x[1] * x[6] - 1250 * x[4] - x[1] * x[3] + 1250 * x[3],
        x[2] * x[7] - 1250000 - x[2] * x[4] + 2500 * x[4],
    ]


def _entry(
    formula: Formula,
    kind: Kind,
    optimum: float,
    solution: tuple[float, ...] | None,
    note: str = "",
    outcome: Outcome = Outcome.SOLVED,
) -> Entry:
    return Entry(
        name=formula.name,
        kind=kind,
        build=formula.problem,
        optimum=optimum,
        solution=solution,
        source=_BOOK,
        note=note,
        outcome=outcome,
    )


ENTRIES: tuple[Entry, ...] = (
    _entry(
        Formula("hs6", _hs6_objective, (-1.2, 1.0), _hs6_rows, cl=0.0, cu=0.0),
        Kind.NONLINEAR,
        0.0,
        (1.0, 1.0),
    ),
    _entry(
        Formula("hs10", _hs10_objective, (-10.0, 10.0), _hs10_rows, cl=0.0),
        Kind.NONLINEAR,
        -1.0,
        (0.0, 1.0),
    ),
    _entry(
        Formula("hs13", _hs13_objective, (-2.0, -2.0), _hs13_rows, cl=0.0, lb=0.0),
        Kind.NONLINEAR,
        1.0,
        (1.0, 0.0),
        note="no constraint qualification holds at the solution: no multipliers exist there",
        outcome=Outcome.DEGENERATE,
    ),
    _entry(
        Formula(
            "hs14",
            _hs14_objective,
            (2.0, 2.0),
            _hs14_rows,
            cl=(0.0, -1.0),
            cu=(INF, -1.0),
            linear=(False, True),
        ),
        Kind.NONLINEAR,
        9 - 23 * sqrt(7) / 8,
        (0.5 * (sqrt(7) - 1), 0.25 * (sqrt(7) + 1)),
    ),
    _entry(
        Formula(
            "hs21",
            _hs21_objective,
            (-1.0, -1.0),
            _hs21_rows,
            cl=10.0,
            lb=(2.0, -50.0),
            ub=50.0,
            linear=(True,),
        ),
        Kind.LINEAR,
        -99.96,
        (2.0, 0.0),
    ),
    _entry(
        Formula("hs26", _hs26_objective, (-2.6, 2.0, 2.0), _hs26_rows, cl=0.0, cu=0.0),
        Kind.NONLINEAR,
        0.0,
        (1.0, 1.0, 1.0),
        note="the Hessian on the tangent space is singular at the solution",
    ),
    _entry(
        Formula(
            "hs28",
            _hs28_objective,
            (-4.0, 1.0, 1.0),
            _hs28_rows,
            cl=1.0,
            cu=1.0,
            linear=(True,),
        ),
        Kind.LINEAR,
        0.0,
        (0.5, -0.5, 0.5),
    ),
    _entry(
        Formula(
            "hs35",
            _hs35_objective,
            (0.5, 0.5, 0.5),
            _hs35_rows,
            cl=-3.0,
            lb=0.0,
            linear=(True,),
        ),
        Kind.LINEAR,
        1 / 9,
        (4 / 3, 7 / 9, 4 / 9),
    ),
    _entry(
        Formula("hs39", _hs39_objective, (2.0,) * 4, _hs39_rows, cl=0.0, cu=0.0),
        Kind.NONLINEAR,
        -1.0,
        (1.0, 1.0, 0.0, 0.0),
    ),
    _entry(
        Formula("hs40", _hs40_objective, (0.8,) * 4, _hs40_rows, cl=0.0, cu=0.0),
        Kind.NONLINEAR,
        -0.25,
        (2 ** (-1 / 3), 2 ** (-1 / 2), 2 ** (-11 / 12), 2 ** (-1 / 4)),
    ),
    _entry(
        Formula("hs43", _hs43_objective, (0.0,) * 4, _hs43_rows, cl=0.0),
        Kind.NONLINEAR,
        -44.0,
        (0.0, 1.0, 2.0, -1.0),
    ),
    _entry(
        Formula(
            "hs48",
            _hs48_objective,
            (3.0, 5.0, -3.0, 2.0, -2.0),
            _hs48_rows,
            cl=(5.0, -3.0),
            cu=(5.0, -3.0),
            linear=(True, True),
        ),
        Kind.LINEAR,
        0.0,
        (1.0,) * 5,
    ),
    _entry(
        Formula(
            "hs63",
            _hs63_objective,
            (2.0,) * 3,
            _hs63_rows,
            cl=(56.0, 0.0),
            cu=(56.0, 0.0),
            lb=0.0,
            linear=(True, False),
        ),
        Kind.NONLINEAR,
        961.7151721,
        None,
    ),
    _entry(
        Formula(
            "hs71",
            _hs71_objective,
            (1.0, 5.0, 5.0, 1.0),
            _hs71_rows,
            cl=0.0,
            cu=(INF, 0.0),
            lb=1.0,
            ub=5.0,
        ),
        Kind.NONLINEAR,
        17.0140173,
        None,
    ),
    _entry(
        Formula(
            "hs76",
            _hs76_objective,
            (0.5,) * 4,
            _hs76_rows,
            cl=(-5.0, -4.0, 1.5),
            lb=0.0,
            linear=(True,) * 3,
        ),
        Kind.LINEAR,
        -4.681818181,
        None,
    ),
    _entry(
        Formula(
            "hs100",
            _hs100_objective,
            (1.0, 2.0, 0.0, 4.0, 0.0, 1.0, 1.0),
            _hs100_rows,
            cl=0.0,
        ),
        Kind.NONLINEAR,
        680.6300573,
        None,
    ),
    _entry(
        Formula(
            "hs106",
            _hs106_objective,
            (5000.0, 5000.0, 5000.0, 200.0, 350.0, 150.0, 225.0, 425.0),
            _hs106_rows,
            cl=(-1.0, -1.0, -1.0, 0.0, 0.0, 0.0),
            lb=(100.0, 1000.0, 1000.0) + (10.0,) * 5,
            ub=(10000.0,) * 3 + (1000.0,) * 5,
            linear=(True, True, True, False, False, False),
        ),
        Kind.NONLINEAR,
        7049.24802,
        None,
        note="badly scaled rows; the book prints 7049.330923, later solvers 7049.24802",
    ),
)

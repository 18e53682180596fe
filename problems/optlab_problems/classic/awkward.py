"""Problems on which a solver must not go wrong: no solution, or one that is hard to step to.

Sources: the Maratos example as in [NW06, example 15.4]; ``isolated`` from [BCN10]; the others are
the smallest instances of their kind.
"""

from __future__ import annotations

from collections.abc import Sequence

from optlab_problems.classic._entry import Entry, Kind, Outcome
from optlab_problems.classic._formula import Formula, Number


def _maratos(x: Sequence[Number]) -> Number:
    return 2 * (x[0] ** 2 + x[1] ** 2 - 1) - x[0]


def _unit_circle(x: Sequence[Number]) -> list[Number]:
    return [x[0] ** 2 + x[1] ** 2 - 1]


def _sum_of_two(x: Sequence[Number]) -> Number:
    return x[0] + x[1]


def _isolated_rows(x: Sequence[Number]) -> list[Number]:
    return [
        x[0] ** 2 - x[1] + 1,
        x[0] ** 2 + x[1] + 1,
        x[1] ** 2 - x[0] + 1,
        x[1] ** 2 + x[0] + 1,
    ]


def _line_off_circle(x: Sequence[Number]) -> list[Number]:
    return [x[0] ** 2 + x[1] ** 2, x[0] + x[1]]


def _squares(x: Sequence[Number]) -> Number:
    return x[0] ** 2 + x[1] ** 2


def _sum_row(x: Sequence[Number]) -> list[Number]:
    return [x[0] + x[1]]


def _parabola_minus_line(x: Sequence[Number]) -> Number:
    return x[1] ** 2 - x[0]


def _saddle(x: Sequence[Number]) -> Number:
    return x[0] * x[1]


ENTRIES: tuple[Entry, ...] = (
    Entry(
        "maratos",
        Kind.NONLINEAR,
        Formula("maratos", _maratos, (0.8, 0.6), _unit_circle, cl=0.0, cu=0.0).problem,
        optimum=-1.0,
        solution=(1.0, 0.0),
        source="NW06",
        note="full Newton steps raise both the objective and the violation (Maratos effect)",
    ),
    Entry(
        "isolated",
        Kind.NONLINEAR,
        Formula("isolated", _sum_of_two, (3.0, 2.0), _isolated_rows, cu=0.0).problem,
        optimum=None,
        solution=(0.0, 0.0),
        source="BCN10",
        note="infeasible; the violation has the strict isolated minimizer (0, 0)",
        outcome=Outcome.INFEASIBLE,
    ),
    Entry(
        "line-off-circle",
        Kind.NONLINEAR,
        Formula(
            "line-off-circle",
            _sum_of_two,
            (0.5, -0.5),
            _line_off_circle,
            cl=(1.0, 3.0),
            cu=(1.0, 3.0),
            linear=(False, True),
        ).problem,
        optimum=None,
        source="own",
        note="infeasible: a line that misses the unit circle",
        outcome=Outcome.INFEASIBLE,
    ),
    Entry(
        "empty-polyhedron",
        Kind.LINEAR,
        Formula(
            "empty-polyhedron", _squares, (0.5, 0.5), _sum_row, cl=3.0, lb=0.0, ub=1.0,
            linear=(True,),
        ).problem,
        optimum=None,
        source="own",
        note="infeasible: x1 + x2 >= 3 on the unit square",
        outcome=Outcome.INFEASIBLE,
    ),
    Entry(
        "unbounded-ray",
        Kind.BOUNDS,
        Formula("unbounded-ray", _parabola_minus_line, (1.0, 1.0), lb=0.0).problem,
        optimum=None,
        source="own",
        note="unbounded below along the first axis",
        outcome=Outcome.UNBOUNDED,
    ),
    Entry(
        "unbounded-saddle",
        Kind.LINEAR,
        Formula(
            "unbounded-saddle", _saddle, (1.0, -1.0), _sum_row, cl=0.0, cu=0.0, linear=(True,)
        ).problem,
        optimum=None,
        source="own",
        note="unbounded below along x1 = -x2, where the objective is -x1²",
        outcome=Outcome.UNBOUNDED,
    ),
)  # fmt: skip

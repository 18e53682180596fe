"""Unconstrained problems of Moré, Garbow and Hillstrom [MGH81]; all are sums of squares."""

from __future__ import annotations

from collections.abc import Sequence

from optlab_problems.classic._entry import Entry, Kind
from optlab_problems.classic._formula import Formula, Number

_BEALE_DATA = (1.5, 2.25, 2.625)  # [MGH81] (5)


def _rosenbrock(x: Sequence[Number]) -> Number:
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def _wood(x: Sequence[Number]) -> Number:
    first = 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2
    second = 90 * (x[3] - x[2] ** 2) ** 2 + (1 - x[2]) ** 2
    return first + second + 10 * (x[1] + x[3] - 2) ** 2 + 0.1 * (x[1] - x[3]) ** 2


def _powell_singular(x: Sequence[Number]) -> Number:
    squares = (x[0] + 10 * x[1]) ** 2 + 5 * (x[2] - x[3]) ** 2
    return squares + (x[1] - 2 * x[2]) ** 4 + 10 * (x[0] - x[3]) ** 4


def _beale(x: Sequence[Number]) -> Number:
    total: Number = 0.0
    for power, data in enumerate(_BEALE_DATA, start=1):
        total = total + (data - x[0] * (1 - x[1] ** power)) ** 2
    return total


def _brown_badly_scaled(x: Sequence[Number]) -> Number:
    return (x[0] - 1e6) ** 2 + (x[1] - 2e-6) ** 2 + (x[0] * x[1] - 2) ** 2


def _entry(formula: Formula, solution: tuple[float, ...], note: str) -> Entry:
    return Entry(
        name=formula.name,
        kind=Kind.UNCONSTRAINED,
        build=formula.problem,
        optimum=0.0,
        solution=solution,
        source="MGH81",
        note=note,
    )


ENTRIES: tuple[Entry, ...] = (
    _entry(Formula("rosenbrock", _rosenbrock, (-1.2, 1.0)), (1.0, 1.0), "curved valley"),
    _entry(
        Formula("wood", _wood, (-3.0, -1.0, -3.0, -1.0)), (1.0,) * 4, "a saddle on the way down"
    ),
    _entry(
        Formula("powell-singular", _powell_singular, (3.0, -1.0, 0.0, 1.0)),
        (0.0,) * 4,
        "the Hessian is singular at the solution",
    ),
    _entry(
        Formula("beale", _beale, (1.0, 1.0)), (3.0, 0.5), "a flat valley leading to infinity"
    ),
    _entry(
        Formula("brown-badly-scaled", _brown_badly_scaled, (1.0, 1.0)),
        (1e6, 2e-6),
        "variables differ by twelve orders of magnitude",
    ),
)

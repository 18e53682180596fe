"""SIF text written from generated models reads back as the same model."""

from __future__ import annotations

import string
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from optlab import Problem
from optlab.typing import Vector
from optlab_problems import read_sif

STARTS = (1, 4, 14, 24, 39, 49)
"""Columns, from 0, at which the six fields of a fixed-format card begin."""

eighths = st.integers(-80, 80).map(lambda k: k / 8)
"""Numbers whose text is short and exact."""


@dataclass(frozen=True)
class Model:
    """min q'x + ½ x'Qx + Σ w_k (s_k'x − t_k)² over rows and bounds of every type."""

    names: list[str]
    q: Vector
    Q: Vector
    squares: Vector
    weights: Vector
    targets: Vector
    A: Vector
    kinds: list[str]
    right: Vector
    ranges: Vector
    bounds: list[str]
    limits: Vector
    x0: Vector
    free_format: bool


@st.composite
def models(draw: st.DrawFn) -> Model:
    n, m, s = draw(st.integers(1, 5)), draw(st.integers(0, 4)), draw(st.integers(0, 2))
    first, rest = string.ascii_uppercase, string.ascii_uppercase + string.digits + "."
    name = st.builds("{}{}".format, st.sampled_from(first), st.text(rest, max_size=5))
    names = draw(st.lists(name, min_size=n, max_size=n, unique=True))

    def numbers(*shape: int) -> Vector:
        size = int(np.prod(shape))
        return np.reshape(draw(st.lists(eighths, min_size=size, max_size=size)), shape).astype(
            float
        )

    upper = np.triu(numbers(n, n))
    return Model(
        names=names,
        q=numbers(n),
        Q=upper + np.triu(upper, 1).T,
        squares=numbers(s, n),
        weights=np.array(draw(st.lists(st.sampled_from([0.5, 1.0, 4.0]), min_size=s, max_size=s))),
        targets=numbers(s),
        A=numbers(m, n),
        kinds=draw(st.lists(st.sampled_from("ELG"), min_size=m, max_size=m)),
        right=numbers(m),
        ranges=np.array(draw(st.lists(st.sampled_from([0.0, 0.5, 3.0]), min_size=m, max_size=m))),
        bounds=draw(
            st.lists(st.sampled_from(["FR", "LO", "UP", "FX", "MI", "PL", "LOUP", ""]),
                     min_size=n, max_size=n)
        ),
        limits=np.sort(numbers(2, n), axis=0),
        x0=numbers(n),
        free_format=draw(st.booleans()),
    )  # fmt: skip


def text_of(model: Model) -> str:
    """Write the model as a person would; zero coefficients are left out."""
    cards: list[str] = []

    def card(*fields: str) -> None:
        if model.free_format:
            cards.append(" " + " ".join(field or "" for field in fields if field))
            return
        line = ""
        for start, field in zip(STARTS, fields, strict=False):
            line = line.ljust(start) + field if field else line
        cards.append(line)

    def section(name: str) -> None:
        cards.append(name)

    section("FREE FORMAT" if model.free_format else "* fixed format")
    section("NAME          MODEL")
    section("VARIABLES")
    for name in model.names:
        card("  " if not model.free_format else "X", name)
    section("GROUPS")
    card("N", "OBJ")
    for name, value in zip(model.names, model.q, strict=True):
        if value:
            card("N", "OBJ", name, repr(float(value)))
    for k, row in enumerate(model.squares):
        card("N", f"SQ{k}", "'SCALE'", repr(1 / float(model.weights[k])))
        for name, value in zip(model.names, row, strict=True):
            if value:
                card("N", f"SQ{k}", name, repr(float(value)))
    for i, row in enumerate(model.A):
        card(model.kinds[i], f"ROW{i}")
        for name, value in zip(model.names, row, strict=True):
            if value:
                card(model.kinds[i], f"ROW{i}", name, repr(float(value)))
    section("CONSTANTS")
    for group, values in (("SQ", model.targets), ("ROW", model.right)):
        for k, value in enumerate(values):
            if value:
                card("X", "MODEL", f"{group}{k}", repr(float(value)))
    ranged = [i for i, kind in enumerate(model.kinds) if kind != "E" and model.ranges[i]]
    if ranged:
        section("RANGES")
        for i in ranged:
            card("X", "MODEL", f"ROW{i}", repr(float(model.ranges[i])))
    section("BOUNDS")
    for name, kind, (low, high) in zip(model.names, model.bounds, model.limits.T, strict=True):
        for one in {"LOUP": ["LO", "UP"], "": []}.get(kind, [kind]):
            value = (
                "" if one in ("FR", "MI", "PL") else repr(float(high if one == "UP" else low))
            )
            # An upper bound alone would leave 0 below it; the card before it makes that explicit.
            if kind == "UP":
                card("MI", "MODEL", name)
            card(one, "MODEL", name, value)
    section("START POINT")
    for name, value in zip(model.names, model.x0, strict=True):
        card("X", "MODEL", name, repr(float(value)))
    if model.Q.any():
        section("QUADRATIC")
        for i, j in zip(*np.nonzero(np.triu(model.Q)), strict=True):
            card("X", model.names[i], model.names[j], repr(float(model.Q[i, j])))
    if model.squares.size:
        section("GROUP TYPE")
        card("GV", "L2", "ALPHA")
        section("GROUP USES")
        for k in range(len(model.squares)):
            card("T", f"SQ{k}", "L2")
    section("ENDATA")
    if model.squares.size:
        # Expressions stand in fixed columns in either format.
        cards.extend([
            "GROUPS        MODEL",
            "INDIVIDUALS",
            " T  L2",
            " F                      ALPHA * ALPHA",
            " G                      ALPHA + ALPHA",
            " H                      2.0D+0",
            "ENDATA",
        ])  # fmt: skip
    return "\n".join(cards) + "\n"


def expected_bounds(model: Model) -> tuple[Vector, Vector]:
    low, high = model.limits
    kinds = np.array(model.bounds)
    lb = np.select(
        [np.isin(kinds, ["FR", "MI", "UP"]), np.isin(kinds, ["LO", "FX", "LOUP"])],
        [-np.inf, low],
        0.0,
    )
    ub = np.select([kinds == "FX", np.isin(kinds, ["UP", "LOUP"])], [low, high], np.inf)
    return lb, ub


def distances(problem: Problem, x: Vector) -> tuple[Vector, Vector]:
    """Return how far the rows are from their sides; where constants stand does not matter."""
    rows = problem.constraints(x)
    return rows - problem.cl, problem.cu - rows


@given(model=models())
def test_text_reads_back_as_the_model(model: Model, tmp_path_factory: object) -> None:
    text = text_of(model)
    path: Path = tmp_path_factory.getbasetemp() / "model.SIF"  # type: ignore[attr-defined]
    path.write_text(text, encoding="ascii")
    problem = read_sif(path)
    assert problem.variable_names == tuple(model.names), text
    lb, ub = expected_bounds(model)
    np.testing.assert_array_equal(problem.lb, lb, err_msg=text)
    np.testing.assert_array_equal(problem.ub, ub, err_msg=text)
    np.testing.assert_array_equal(problem.x0, model.x0, err_msg=text)
    x = np.linspace(-1.5, 2.0, len(model.names))
    residual = model.squares @ x - model.targets
    objective = model.q @ x + 0.5 * x @ model.Q @ x + model.weights @ residual**2
    gradient = model.q + model.Q @ x + 2 * model.squares.T @ (model.weights * residual)
    np.testing.assert_allclose(problem.objective(x), objective, rtol=1e-12, atol=1e-10)
    np.testing.assert_allclose(problem.gradient(x), gradient, rtol=1e-12, atol=1e-10)
    assert problem.m == len(model.kinds)
    if problem.m:
        value = model.A @ x - model.right
        kinds = np.array(model.kinds)
        reach = np.where(model.ranges > 0, model.ranges, np.inf)
        low = np.select([kinds == "L", kinds == "G"], [value + reach, value], value)
        high = np.select([kinds == "G", kinds == "L"], [reach - value, -value], -value)
        got = distances(problem, x)
        np.testing.assert_allclose(got[0], low, rtol=1e-12, atol=1e-10, err_msg=text)
        np.testing.assert_allclose(got[1], high, rtol=1e-12, atol=1e-10, err_msg=text)

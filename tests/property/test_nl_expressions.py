"""Random models in .nl text: optlab and POUNCE compute the same, and products are those of the Hessian."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nl_files import NlFile

from optlab_problems.nl import read_nl

pounce = pytest.importorskip("pounce")

VARIABLES = 3
DEFINED = 2


def expressions(leaves: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Return expressions that are smooth and finite for variables in (0, 1)."""

    def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        bounded = st.builds(
            "{} {}".format, st.sampled_from(["o41", "o46", "o37", "o49"]), inner
        )
        positive = st.builds("o0 n1.25 o2 {0} {0}".format, bounded)
        return st.one_of(
            st.builds("{} {} {}".format, st.sampled_from(["o0", "o1", "o2"]), inner, inner),
            st.builds("o54 3 {} {} {}".format, inner, inner, inner),
            st.builds("o16 {}".format, inner),
            st.builds("{} {}".format, st.sampled_from(["o43", "o39", "o42"]), positive),
            st.builds("o44 {}".format, bounded),
            st.builds("o3 {} {}".format, inner, positive),
            st.builds("o5 {} n{}".format, bounded, st.sampled_from([2, 3, 4])),
            st.builds("o5 {} {}".format, positive, bounded),
            bounded,
        )

    return st.recursive(leaves, larger, max_leaves=8)


variables = st.integers(0, VARIABLES - 1).map("v{}".format)
numbers = st.integers(-12, 12).map(lambda k: f"n{k / 4}")


@st.composite
def files(draw: st.DrawFn) -> NlFile:
    leaves = st.one_of(variables, variables, numbers)
    first = draw(expressions(leaves))
    second = draw(expressions(st.one_of(leaves, st.just(f"v{VARIABLES}"))))
    shared = st.sampled_from([f"v{VARIABLES + k}" for k in range(DEFINED)])
    every = expressions(st.one_of(leaves, shared))
    return NlFile(
        n=VARIABLES,
        defined=[f"{draw(st.sampled_from(['', '0:2', '1:-1 2:0.5']))} | {first}", second],
        objective=draw(every),
        # POUNCE takes rows without variables for zero.
        rows=[f"o0 o2 v0 v1 {draw(every)}" for _ in range(draw(st.integers(0, 3)))],
        linear={-1: {0: 1.5}},
    )


def close(found: Any, expected: Any) -> None:
    found, expected = np.asarray(found, dtype=float), np.asarray(expected, dtype=float)
    scale = max(1.0, np.abs(expected).max(initial=0.0))
    assert np.abs(found - expected).max(initial=0.0) <= 1e-9 * scale


@settings(max_examples=60)
@given(files(), st.integers(0, 2**31))
def test_values_and_derivatives_agree(file: NlFile, seed: int) -> None:
    other = pounce.parse_nl_text(file.text().decode())
    problem, sparse = read_nl(file.text()), read_nl(file.text(), dense=False)
    rng = np.random.default_rng(seed)
    x, y, v = rng.uniform(0.05, 0.95, VARIABLES), rng.standard_normal(problem.m), rng.random(3)
    close(problem.objective(x), other.objective(x))
    close(problem.gradient(x), other.gradient(x))
    close(problem.constraints(x), other.constraints(x))
    jacobian = np.zeros((problem.m, VARIABLES))
    places = tuple(np.asarray(part, dtype=int) for part in other.jacobian_structure())
    np.add.at(jacobian, places, other.jacobian(x))
    close(problem.jacobian(x), jacobian)
    hessian = np.zeros((VARIABLES, VARIABLES))
    places = tuple(np.asarray(part, dtype=int) for part in other.hessian_structure())
    np.add.at(hessian, places, other.hessian(x, lam=y, obj_factor=0.7))
    hessian = np.tril(hessian) + np.tril(hessian, -1).T
    close(problem.hessian(x, y, 0.7), hessian)
    close(problem.objective.__self__._plan.hprod(x, y, 0.7, v), hessian @ v)  # type: ignore[attr-defined]
    returned: Any = sparse.hessian(x, y, 0.7)
    close(returned.toarray(), hessian)
    returned = sparse.jacobian(x)
    if problem.m:
        close(returned.toarray(), jacobian)


@given(files())
def test_linear_rows_are_linear(file: NlFile) -> None:
    problem = read_nl(file.text())
    if problem.m == 0:
        return
    assert problem.linear is not None
    a, b = (np.asarray(problem.jacobian(np.full(VARIABLES, t))) for t in (0.2, 0.8))
    assert np.array_equal(a[problem.linear], b[problem.linear])

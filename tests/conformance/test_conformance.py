from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optlab
from optlab.core.registry import known_methods
from optlab.testing import BATTERY, CHECKS, Case, check_method

# Ours; the tests of other parts register methods that do wrong on purpose.
METHODS = [
    m.info.name
    for m in known_methods()
    # Methods that prune need a problem with sparsity: tests/conformance/test_sparse.py; the battery has two variables.
    if m.__module__.startswith("optlab.")
    and not m.info.handles_sparsity
    and m.info.max_variables is None
]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("method", METHODS)
def test_method(method: str, check: str) -> None:
    CHECKS[check](method)


@pytest.mark.parametrize("case", BATTERY, ids=lambda case: case.name)
def test_battery_states_true_solutions(case: Case) -> None:
    """The stated solution has no better feasible neighbour, and its value is as stated."""
    problem = case.make()
    x = np.array(case.x)
    assert problem.objective(x) == pytest.approx(case.f)
    rng = np.random.default_rng(7)
    for step in rng.standard_normal((200, problem.n)) * 1e-3:
        y = np.clip(x + step, problem.lb, problem.ub)
        if problem.m and case.rows == "linear":
            y[1] = 1.0 - y[0]
        if problem.m and np.any(np.asarray(problem.constraints(y)) > problem.cu + 1e-12):
            continue
        assert problem.objective(y) >= case.f - 1e-12


def test_the_kit_catches_a_method_that_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    """A method whose answers are moved a little fails, with the name of the check."""
    honest = optlab.api.minimize

    def moved(problem: optlab.Problem, **options: Any) -> optlab.Result:
        result = honest(problem, **options)
        result.x[:] += 1e-2
        return result

    monkeypatch.setattr("optlab.testing.conformance.minimize", moved)
    with pytest.raises(AssertionError, match="solves_its_cases"):
        check_method("npasa")

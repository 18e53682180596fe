"""Pyomo models: solved directly, and through the program as Pyomo runs every AMPL solver."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyomo_models import control, functions, hs71

import optlab
from optlab.errors import OptionError, ProblemError
from optlab_problems.nl import NlError

pyo = pytest.importorskip("pyomo.environ")

HS71_X = [1.0, 4.742999637, 3.821149985, 1.379408293]
HS71_DUALS = {"product": 0.552293661, "squares": -0.161468566}
"""Change of the optimum per unit of the right-hand side."""


def suffixes(model: Any, *names: str, direction: int | None = None) -> None:
    for name in names:
        setattr(model, name, pyo.Suffix(direction=direction or pyo.Suffix.IMPORT))


def test_values_and_multipliers_go_back_into_the_model() -> None:
    model = hs71(pyo)
    suffixes(model, "dual", "rc", "ipopt_zL_out", "ipopt_zU_out", "unrelated")
    model.unrelated[model.product] = 4.0
    result = optlab.minimize(model, tol=1e-9)
    assert result.success
    assert result.problem == "hs71"
    assert [model.x[i].value for i in model.x] == pytest.approx(HS71_X, abs=1e-6)
    assert pyo.value(model.cost) == pytest.approx(result.fun)
    for name, dual in HS71_DUALS.items():
        assert model.dual[getattr(model, name)] == pytest.approx(dual, abs=1e-6)
    assert model.ipopt_zL_out[model.x[1]] == pytest.approx(1.087871, abs=1e-5)
    assert model.ipopt_zU_out[model.x[1]] == 0.0
    assert model.rc[model.x[1]] == model.ipopt_zL_out[model.x[1]]
    assert model.unrelated[model.product] == 4.0


def test_names_are_those_of_the_model() -> None:
    model = hs71(pyo)
    model.x[2].setlb(7.0)
    with pytest.raises(NlError, match=r"lb\[1\] = 7 and ub\[1\] = 5 \(x\[2\]\)"):
        optlab.minimize(model)


def test_exported_duals_are_a_warm_start() -> None:
    model = hs71(pyo)
    suffixes(model, "dual", "ipopt_zL_out", direction=pyo.Suffix.IMPORT_EXPORT)
    first = optlab.minimize(model, tol=1e-8)
    again = optlab.minimize(model, tol=1e-7)
    assert first.iterations > 0
    assert again.iterations == 0
    assert again.success


def test_a_maximum_has_pyomos_signs() -> None:
    model = pyo.ConcreteModel()
    model.x = pyo.Var(bounds=(0, None), initialize=0.5)
    model.o = pyo.Objective(expr=pyo.log(1 + model.x) - 0.1 * model.x, sense=pyo.maximize)
    model.c = pyo.Constraint(expr=model.x <= 3)
    suffixes(model, "dual")
    result = optlab.minimize(model, tol=1e-9)
    assert model.x.value == pytest.approx(3.0)
    # One more unit on the right is worth 1/4 - 0.1.
    assert model.dual[model.c] == pytest.approx(0.15, abs=1e-6)
    assert result.fun == pytest.approx(-pyo.value(model.o))


def test_fixed_and_unused_variables_are_left_alone() -> None:
    model = hs71(pyo)
    model.unused = pyo.Var(initialize=3.0)
    model.x[1].fix(1.5)
    assert optlab.minimize(model).success
    assert (model.x[1].value, model.unused.value) == (1.5, 3.0)
    assert sum(model.x[i].value ** 2 for i in model.x) == pytest.approx(40.0)


def test_several_objectives() -> None:
    model = pyo.ConcreteModel()
    model.x = pyo.Var(initialize=0.0)
    model.first = pyo.Objective(expr=(model.x - 1) ** 2)
    model.second = pyo.Objective(expr=(model.x - 2) ** 2)
    optlab.minimize(model)
    assert model.x.value == pytest.approx(1.0)
    optlab.minimize(model, params={"objno": 2})
    assert model.x.value == pytest.approx(2.0)


def integer(model: Any) -> None:
    model.x[2].domain = pyo.Integers


def empty(model: Any) -> None:
    model.cost.deactivate()
    model.product.deactivate()
    model.squares.deactivate()


def contradiction(model: Any) -> None:
    model.x.fix()
    model.product.deactivate()


@pytest.mark.parametrize(
    ("spoil", "error", "words"),
    [
        (integer, NlError, r"whole values only, the first is x\[2\]"),
        (empty, ProblemError, "no variables"),
        (contradiction, ProblemError, "Pyomo cannot write the model.*squares"),
    ],
)
def test_what_cannot_be_solved_is_refused(
    spoil: Any, error: type[Exception], words: str
) -> None:
    model = hs71(pyo)
    spoil(model)
    with pytest.raises(error, match=words):
        optlab.minimize(model)


def test_other_wrong_calls() -> None:
    with pytest.raises(OptionError, match="'N' is no parameter"):
        optlab.minimize(hs71(pyo), params={"N": 3})
    abstract = pyo.AbstractModel()
    abstract.x = pyo.Var()
    with pytest.raises(ProblemError, match="not constructed"):
        optlab.minimize(abstract)


def test_a_start_where_nothing_is_defined_names_the_place() -> None:
    model = functions(pyo)
    for i in model.x:
        model.x[i].value = -5.0
    with pytest.warns(
        optlab.errors.OptlabWarning, match=r"no finite value: \w+ .* at x\[\d\] = -5"
    ):
        result = optlab.minimize(model)
    assert not result.success
    assert result.stop is optlab.StopReason.EVAL_ERROR


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Put a program ``optlab`` of this checkout on the search path, as installing does."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "optlab"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m optlab "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    root = Path(__file__).parents[3]
    paths = [str(root), str(root / "problems"), str(root / "adapters")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    from pyomo.common.fileutils import Executable

    Executable.rehash()
    return str(script)


def test_solver_factory_finds_the_program(program: str) -> None:
    solver = pyo.SolverFactory("optlab")
    assert solver.available()
    assert solver.executable() == program
    assert ".".join(map(str, solver.version()[:3])) == optlab.__version__
    model = hs71(pyo)
    suffixes(model, "dual", "ipopt_zL_out")
    answer = solver.solve(model, options={"tol": 1e-9})
    pyo.assert_optimal_termination(answer)
    assert [model.x[i].value for i in model.x] == pytest.approx(HS71_X, abs=1e-6)
    for name, dual in HS71_DUALS.items():
        assert model.dual[getattr(model, name)] == pytest.approx(dual, abs=1e-6)
    assert model.ipopt_zL_out[model.x[1]] == pytest.approx(1.087871, abs=1e-5)


def test_a_limit_reaches_pyomo(program: str) -> None:
    assert program
    answer = pyo.SolverFactory("optlab").solve(
        control(pyo), options={"maxit": 0}, load_solutions=False
    )
    assert answer.solver.termination_condition == pyo.TerminationCondition.maxIterations


def test_both_ways_agree(program: str) -> None:
    assert program
    direct, through = control(pyo), control(pyo)
    optlab.minimize(direct, tol=1e-8)
    pyo.SolverFactory("optlab").solve(through, options={"tol": 1e-8})
    found = [[m.u[k].value for k in m.u] for m in (direct, through)]
    assert np.array(found[0]) == pytest.approx(np.array(found[1]), abs=1e-9)

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from toy import Toy

from optlab import Problem
from optlab.core import problem_sources, registry
from optlab.core.method import MethodInfo
from optlab.core.options import build_method, check_capabilities, choose_method
from optlab.errors import CapabilityError, OptionError, UnknownMethodError


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    # A method first imported inside a test would be lost with what the test registered.
    registry.known_methods()
    saved = dict(registry._methods)
    registry.register(Toy.info)(Toy)
    yield
    registry._methods.clear()
    registry._methods.update(saved)


def problem(**more: Any) -> Problem:
    given: dict[str, Any] = {
        "objective": lambda x: float(x @ x),
        "gradient": lambda x: 2.0 * x,
        "x0": np.ones(2),
    }
    return Problem(**(given | more))


ROWS: dict[str, Any] = {
    "constraints": lambda x: x[:1],
    "jacobian": lambda _x: np.array([[1.0, 0.0]]),
    "cl": [0.0],
    "cu": [1.0],
}


def test_the_forms_of_a_method() -> None:
    for given in ("toy", "TOY", Toy, Toy(rate=0.1)):
        method = build_method(given, 1e-4, {"rate": 0.5})
        assert isinstance(method, Toy)
        assert (method.rate, method.tol) == (0.5, 1e-4)


def test_an_instance_keeps_its_own_tolerance() -> None:
    assert build_method(Toy(tol=1e-3)).tol == 1e-3
    assert build_method(Toy(tol=1e-3), 1e-5).tol == 1e-5
    assert build_method("toy", options=Toy(tol=1e-3)).tol == 1e-3
    assert build_method("toy", 1e-5, {"tol": 1e-9}).tol == 1e-9


def test_options_may_be_a_dataclass() -> None:
    @dataclass
    class Mine:
        rate: float = 0.7

    method = build_method("toy", options=Mine())
    assert isinstance(method, Toy)
    assert method.rate == 0.7


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rat": 1.0}, "did you mean rate"),
        ({"rate": "fast"}, "needed is float"),
        ({"rate": True}, "needed is float"),
        ({"fail_at": 1.5}, r"needed is int \| None"),
        ({"claims": 1}, "needed is bool"),
        ({"tol": 0.0}, "positive"),
        ({"tol": float("nan")}, "positive"),
        ({"ctol": -1.0}, "positive"),
        (17, "dict"),
    ],
)
def test_wrong_options_are_refused(options: Any, words: str) -> None:
    with pytest.raises(OptionError, match=words):
        build_method("toy", options=options)


def test_numpy_numbers_are_numbers() -> None:
    build_method("toy", options={"rate": np.float64(0.5), "fail_at": np.int64(3)})
    build_method("toy", options={"rate": 1, "fail_at": None})


def test_unknown_methods() -> None:
    with pytest.raises(UnknownMethodError, match="did you mean npasa") as caught:
        build_method("npasaa")
    assert isinstance(caught.value, LookupError)
    with pytest.raises(UnknownMethodError, match="name"):
        build_method(3)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="Toy"):
        build_method("pasa", options=Toy())


def test_a_name_belongs_to_one_class() -> None:
    with pytest.raises(OptionError, match="taken"):

        @registry.register(MethodInfo("toy"))
        class Other(Toy):
            pass

    registry.register(Toy.info)(Toy)


@pytest.mark.parametrize(
    ("info", "given", "words"),
    [
        (MethodInfo("m"), {"gradient": None}, "gradient="),
        (MethodInfo("m", needs_hessian=True), {}, "hessian="),
        (MethodInfo("m", handles_bounds=False), {"lb": 0.0}, "bounds"),
        (MethodInfo("m"), ROWS, "cannot handle constraints"),
        (
            MethodInfo("m", handles_constraints="linear"),
            ROWS | {"linear": [False]},
            "1 nonlinear",
        ),
        (
            MethodInfo("m", handles_constraints="nonlinear"),
            ROWS | {"jacobian": None},
            "jacobian=",
        ),
    ],
)
def test_what_a_method_cannot_do(info: MethodInfo, given: dict[str, Any], words: str) -> None:
    with pytest.raises(CapabilityError, match=words):
        check_capabilities(info, problem(**given))


def test_what_a_method_can_do() -> None:
    linear = MethodInfo("m", handles_constraints="linear")
    check_capabilities(linear, problem(**ROWS, linear=[True], lb=0.0))
    check_capabilities(linear, problem(**ROWS), rows=False)


def test_auto() -> None:
    assert choose_method(problem()) == "pasa"
    assert choose_method(problem(lb=0.0)) == "pasa"
    assert choose_method(problem(**ROWS, linear=[True])) == "pasa"
    assert choose_method(problem(**ROWS, linear=[False])) == "npasa"
    assert choose_method(problem(**ROWS)) == "npasa"
    with pytest.raises(CapabilityError, match="jac="):
        choose_method(problem(gradient=None))


def test_sources() -> None:
    class Model:
        pass

    source = problem_sources.ProblemSource(
        "model",
        "a model",
        lambda _thing, params: problem(lb=params.get("low", 0.0)),
        accepts=lambda thing: isinstance(thing, Model),
    )
    problem_sources.register_source(source)
    try:
        assert problem_sources.load_problem(Model(), {"low": 0.5}).lb[0] == 0.5
        # This source neither remembers nor writes back.
        assert problem_sources.recall(Model(), problem()) is None
    finally:
        del problem_sources._sources["model"]
    with pytest.raises(UnknownMethodError, match="Model"):
        problem_sources.load_problem(Model())
    with pytest.raises(UnknownMethodError, match=r"\.sif"):
        problem_sources.load_problem("model.xyz")
    with pytest.raises(OptionError, match="files"):
        problem_sources.load_problem(problem(), {"N": 3})

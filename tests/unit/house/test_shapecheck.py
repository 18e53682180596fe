"""The shape checks that the suite runs under do check, and let the right things through."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import shapecheck

SOURCE = """
from __future__ import annotations
from typing import TYPE_CHECKING
import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray
if TYPE_CHECKING:
    from nowhere import Missing

def product(a: Float64[NDArray, "m n"], x: Float64[NDArray, " n"]) -> Float64[NDArray, " m"]:
    return a @ x

def wrong(x: Float64[NDArray, " n"]) -> Float64[NDArray, " n"]:
    return x[1:]

def later(x: Float64[NDArray, " n"]) -> Below:
    return Below()

def unresolved(x: Float64[NDArray, " n"], y: Missing) -> None:
    return None

def hidden(x: Float64[Missing, " n"]) -> None:
    return None

def plain(x: NDArray) -> NDArray:
    return x

class Below:
    def method(self, x: Float64[NDArray, " 2"]) -> float:
        return float(x.sum())
"""


@pytest.fixture
def module(tmp_path: Path) -> Any:
    path = tmp_path / "sample.py"
    path.write_text(SOURCE)
    made = ModuleType("sample")
    shapecheck._Loader("sample", str(path)).exec_module(made)
    return made


def test_right_shapes_pass(module: Any) -> None:
    assert module.product(np.ones((2, 3)), np.ones(3)).shape == (2,)
    assert module.Below().method(np.ones(2)) == 2.0


@pytest.mark.parametrize(
    ("a", "x"),
    [
        (np.ones((2, 3)), np.ones(2)),
        (np.ones((2, 3)), np.ones(3, dtype=np.float32)),
        (np.ones(3), np.ones(3)),
    ],
    ids=["length", "dtype", "dimensions"],
)
def test_wrong_arguments_are_caught(module: Any, a: object, x: object) -> None:
    with pytest.raises(Exception, match="product"):
        module.product(a, x)


def test_a_wrong_result_is_caught(module: Any) -> None:
    with pytest.raises(Exception, match="wrong"):
        module.wrong(np.ones(3))


def test_names_defined_later_or_never_do_no_harm(module: Any) -> None:
    assert isinstance(module.later(np.ones(3)), module.Below)
    assert module.unresolved(np.ones(3), 1) is None
    with pytest.raises(Exception, match="unresolved"):
        module.unresolved(np.ones((3, 3)), 1)
    assert module.hidden(np.ones((3, 3))) is None


def test_functions_without_shapes_are_left_alone(module: Any) -> None:
    assert not hasattr(module.plain, "__wrapped__")
    assert hasattr(module.product, "__wrapped__")

"""The scripts of docs/gallery and docs/zeroth/examples as modules; answers of the gallery, each computed once in a process."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from optlab import PointStatus, Result, StopReason

FOLDER = Path(__file__).parents[2] / "docs" / "gallery"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py"))
EXAMPLES = FOLDER.parent / "zeroth" / "examples"


@functools.cache
def script(name: str) -> Any:
    """Import a script; skip the test where the package that it is written with is missing."""
    for package in ("matplotlib", "cvxpy", "pyomo", "torch"):
        if f"import {package}" in (source := (FOLDER / f"{name}.py").read_text("utf-8")) or (
            f"from {package}" in source
        ):
            pytest.importorskip(package)
    spec = importlib.util.spec_from_file_location(f"gallery_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@functools.cache
def example(name: str) -> Any:
    """Import a script of docs/zeroth/examples, which may import others of that folder."""
    for package in ("matplotlib", "torch"):
        pytest.importorskip(package)
    if str(EXAMPLES) not in sys.path:
        sys.path.append(str(EXAMPLES))
    return importlib.import_module(name)


@functools.cache
def solution(name: str) -> Any:
    """Return what ``solve()`` of a script returns."""
    return script(name).solve()


def assert_certified(result: Result) -> None:
    """Check what every answer of the gallery must say of itself."""
    assert result.success
    assert result.stop is StopReason.CONVERGED
    assert result.point is PointStatus.STATIONARY
    assert result.certificate is not None
    assert result.certificate.primal <= 1e-6
    assert result.certificate.complementarity <= 1e-6 * max(1.0, abs(result.fun))
    assert result.certificate.derivatives == "exact"

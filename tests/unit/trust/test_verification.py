"""What verify confirms is true, and what is not true it does not confirm."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import optlab
from optlab.core.kkt import Certificate
from optlab.errors import OptionError, ParseError
from optlab.trust.report import Report, ReportError, parse_report, read_report, write_report
from optlab.trust.verification import Verification, verify
from optlab_problems import read_sif
from optlab_problems.catalog import load
from optlab_problems.classic import sif_path

HS71 = str(sif_path("HS71"))


def report_of(result: optlab.Result, folder: Path) -> Report:
    write_report(result, folder / "report.json")
    return read_report(folder / "report.json")


@pytest.fixture(scope="module")
def problem() -> optlab.Problem:
    return read_sif(HS71)


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return report_of(optlab.minimize(HS71), tmp_path_factory.mktemp("honest"))


@pytest.mark.parametrize("method", ["npasa", "slsqp", "trust-constr", "ipopt"])
@pytest.mark.parametrize(
    "name",
    ["hs6", "hs13", "hs35", "hs71", "hs106", "brown-badly-scaled", "isolated", "unbounded-ray"],
)
def test_answers_of_every_method_are_confirmed(name: str, method: str, tmp_path: Path) -> None:
    if method == "ipopt":
        pytest.importorskip("cyipopt")
    stated = load(name)
    found = verify(report_of(optlab.minimize(stated, method=method), tmp_path), stated)
    assert found.confirmed, str(found)


def _plainly(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> dict[str, float]:
    """Residuals of HS71 from its formulas: nothing of the library takes part."""
    a, b, c, d = x
    g = np.array([d * (2 * a + b + c), a * d, a * d + 1.0, a * (a + b + c)])
    rows = np.array([a * b * c * d - 25.0, x @ x - 40.0])
    J = np.array([[b * c * d, a * c * d, a * b * d, a * b * c], 2.0 * x])
    L = g + J.T @ y
    low, high = np.array([0.0, 0.0]), np.array([np.inf, 0.0])
    violation = np.maximum(0.0, np.maximum(low - rows, rows - high))
    outside = np.maximum(0.0, np.maximum(1.0 - x, x - 5.0))
    projected = np.clip(np.clip(x, 1.0, 5.0) - L, 1.0, 5.0) - np.clip(x, 1.0, 5.0)
    return {
        "objective": a * d * (a + b + c) + c,
        "primal": max(violation.max(), outside.max()),
        "dual": max(np.abs(projected).max(), np.abs(L + z).max(), y[0], 0.0),
    }


@given(st.lists(st.floats(1.0, 5.0), min_size=4, max_size=4), st.floats(-2.0, 2.0))
def test_recomputed_numbers_are_those_of_the_formulas(
    honest: Report, problem: optlab.Problem, point: list[float], first: float
) -> None:
    y, z = np.array([first, 0.5]), np.zeros(4)
    claim = replace(honest, x=np.array(point), y=y, z=z, success=False)
    numbers = {item.name: item.found for item in verify(claim, problem).comparisons}
    for name, expected in _plainly(claim.x, y, z).items():
        assert numbers[name] == pytest.approx(expected, rel=1e-9, abs=1e-9)


def _wrong_number(name: str, factor: float) -> Any:
    def change(report: Report) -> Report:
        cert = report.certificate
        number = factor * getattr(cert, name) + (1e-5 if factor == 1.0 else 0.0)
        return replace(report, certificate=replace(cert, **{name: number}))

    return change


def _moved(part: str, index: int, size: float) -> Any:
    def change(report: Report) -> Report:
        vector = getattr(report, part).copy()
        vector[index] += size
        return replace(report, **{part: vector})

    return change


LIES = {
    "the point is elsewhere": _moved("x", 1, 1e-3),
    "a multiplier is another": _moved("y", 0, 1e-3),
    "an inactive bound has a multiplier": _moved("z", 2, 1e-3),
    "the objective is lower": lambda r: replace(r, fun=r.fun - 1e-6),
    "the violation is smaller": _wrong_number("primal", 0.01),
    "the violation is larger": _wrong_number("primal", 100.0),
    "stationarity is better": _wrong_number("dual", 0.01),
    "complementarity is worse": _wrong_number("complementarity", 1.0),
    "E1 is smaller": _wrong_number("E1", 0.5),
    "Em1 is larger": _wrong_number("Em1", 1.1),
    "Em0 is larger": _wrong_number("Em0", 1e4),
    "the scale is larger": _wrong_number("scale", 1e3),
    "it is unbounded": lambda r: replace(r, point=optlab.PointStatus.UNBOUNDED_DIRECTION),
    "it is infeasible": lambda r: replace(r, point=optlab.PointStatus.INFEASIBLE_STATIONARY),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_not_confirmed(honest: Report, problem: optlab.Problem, lie: str) -> None:
    """HS71's answer has residuals of about 1e-8, so every change here is far beyond rounding."""
    assert verify(honest, problem).confirmed
    found = verify(LIES[lie](honest), problem)
    assert not found.confirmed
    assert found.objections


def test_a_claim_of_a_point_that_is_not_stationary_is_not_confirmed(
    problem: optlab.Problem, tmp_path: Path
) -> None:
    """All numbers are true; only what they are called is not."""
    early = report_of(optlab.minimize(problem, max_iter=1), tmp_path)
    assert verify(early, problem).confirmed
    assert early.point is not optlab.PointStatus.STATIONARY
    found = verify(replace(early, point=optlab.PointStatus.STATIONARY), problem)
    assert not found.confirmed
    assert all(item.agrees for item in found.comparisons)
    assert "STATIONARY" in found.objections[0]


def test_the_readers_own_tolerance_overrules_that_of_the_report(
    problem: optlab.Problem, tmp_path: Path
) -> None:
    loose = report_of(optlab.minimize(problem, tol=1e-2), tmp_path)
    assert loose.point is optlab.PointStatus.STATIONARY
    assert verify(loose, problem)
    assert not verify(loose, problem, tol=1e-12)
    with pytest.raises(OptionError):
        verify(loose, problem, tol=-1.0)


def _infeasible() -> optlab.Problem:
    return optlab.Problem(
        objective=lambda x: float(x[0]),
        gradient=lambda _: np.array([1.0]),
        hessian=lambda _x, y, _s: np.array([[2.0 * y[0]]]),
        constraints=lambda x: x**2 + 1.0,
        jacobian=lambda x: 2.0 * x[None, :],
        x0=[1.0],
        cl=[0.0],
        cu=[0.0],
    )


def test_infeasible_stationary_points_are_confirmed_and_only_these(tmp_path: Path) -> None:
    stated = _infeasible()
    report = report_of(optlab.minimize(stated), tmp_path)
    assert report.point is optlab.PointStatus.INFEASIBLE_STATIONARY
    assert verify(report, stated)
    assert not verify(replace(report, x=np.array([0.7])), stated)


def test_answers_from_differences_are_confirmed(tmp_path: Path) -> None:
    def bare(**more: Any) -> optlab.Problem:
        return optlab.Problem(
            objective=lambda x: float(np.exp(x[0]) - x[0] + (x[1] - 2.0) ** 2 + x[2]),
            x0=[1.0, 1.0, 1.0],
            lb=[-5.0, -5.0, 1.0],
            ub=[5.0, 5.0, 1.0],
            **more,
        )

    result = optlab.minimize(bare())
    report = report_of(result, tmp_path)
    assert np.isnan(report.z[2])
    assert verify(report, bare()), str(verify(report, bare()))
    exact = bare(gradient=lambda x: np.array([np.exp(x[0]) - 1.0, 2.0 * (x[1] - 2.0), 1.0]))
    assert verify(report, exact), str(verify(report, exact))
    assert not verify(replace(report, x=report.x + 1e-3 * np.eye(3)[1]), exact)


def test_without_multipliers_only_feasibility_is_looked_at(
    honest: Report, problem: optlab.Problem
) -> None:
    bare = replace(
        honest,
        y=np.full(2, np.nan),
        z=np.full(4, np.nan),
        success=False,
        point=optlab.PointStatus.FEASIBLE,
        certificate=Certificate(
            Ec=honest.certificate.Ec, primal=honest.certificate.primal, scale=np.nan
        ),
    )
    assert verify(bare, problem)
    assert not verify(replace(bare, x=np.ones(4)), problem)
    assert not verify(replace(bare, point=optlab.PointStatus.STATIONARY), problem)
    assert not verify(replace(bare, certificate=honest.certificate), problem)


def test_a_point_where_nothing_is_defined_is_not_confirmed(honest: Report) -> None:
    def raising(_: np.ndarray) -> float:
        raise ZeroDivisionError("a\nb")

    broken = read_sif(HS71).replace(objective=raising)
    found = verify(honest, broken)
    assert not found
    assert "ZeroDivisionError: a b" in str(found)
    assert not verify(replace(honest, x=np.full(4, np.nan)), broken)


def test_another_problem_is_told_apart(honest: Report) -> None:
    found = verify(honest, optlab.Problem(objective=lambda x: float(x @ x), x0=np.ones(3)))
    assert not found
    assert "3 variables" in str(found)


# Files ---------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return Path(shutil.copy(HS71, tmp_path / "MODEL.SIF"))


@pytest.fixture
def written(file: Path, tmp_path: Path) -> Path:
    path = tmp_path / "report.json"
    write_report(optlab.minimize(str(file)), path)
    return path


def test_the_file_is_found_by_its_name_or_beside_the_report(
    written: Path, file: Path, tmp_path: Path
) -> None:
    assert verify(written)
    assert verify(written, file)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.move(file, elsewhere / file.name)
    with pytest.raises(FileNotFoundError, match=r"MODEL\.SIF"):
        verify(written)
    shutil.move(written, elsewhere / written.name)
    assert verify(elsewhere / written.name)


def test_a_changed_file_is_said_to_be_changed(written: Path, file: Path) -> None:
    """A comment changes no number, and still it is not the file that was solved."""
    text = file.read_text(encoding="utf-8")
    file.write_text("* another comment\n" + text, encoding="utf-8")
    found = verify(written)
    assert not found
    assert [o for o in found.objections if "has changed" in o]
    assert all(item.agrees for item in found.comparisons)


def test_parameters_of_the_file_are_set_again(tmp_path: Path) -> None:
    file = str(sif_path("CHAINROS"))
    path = tmp_path / "report.json"
    write_report(optlab.minimize(file, params={"N": 50}), path)
    assert read_report(path).n == 50
    assert verify(path)


def test_a_problem_stated_in_python_must_be_given(tmp_path: Path) -> None:
    stated = optlab.Problem(
        objective=lambda x: float(x @ x), gradient=lambda x: 2.0 * x, x0=np.ones(2)
    )
    path = tmp_path / "report.json"
    write_report(optlab.minimize(stated), path)
    with pytest.raises(ReportError, match="Python"):
        verify(path)
    found = verify(path, stated)
    assert isinstance(found, Verification)
    assert found.confirmed
    assert not verify(path, HS71)


def test_a_file_that_no_source_reads_is_refused(written: Path, tmp_path: Path) -> None:
    odd = tmp_path / "model.txt"
    odd.write_text("?", encoding="utf-8")
    with pytest.raises(LookupError):
        verify(written, odd)
    with pytest.raises(ParseError):
        parse_report(b"?", odd)

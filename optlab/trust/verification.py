"""Verify a report: evaluate the problem again at the reported point and compare with what is claimed.

Nothing of the solve takes part: the functions are called directly, without an oracle, a reduction or a
scaling, and of the report only x, y, z and the claims are used. Two computers do not round alike, so numbers
are compared with a relative tolerance of 1e-6 and with what rounding may do to the terms that each of them
is a sum of:

    f                         1e-9 max(1, |f|)
    primal, Ec                r max(1, |x|, |c|)
    dual, complementarity     r max(1, |grad f|, |J|'|y|, |z|) + error of estimated derivatives
    Em1, E1                   sqrt(n + m) times the two lines above
    Em0^2, E0^2               what this means for the square, and r sum mu max(1, |at|)

with r = 1e3 eps, mu the multipliers' sizes and at the x_j and c_i that they belong to. A claim that the recomputed numbers do not bear out is not confirmed; a number that is
better than claimed is one, too, because it belongs to another point.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.core.control import Tolerances
from optlab.core.derivatives import estimate_derivatives
from optlab.core.derivatives.accuracy import derivative_error
from optlab.core.kkt import Certificate, certificate
from optlab.core.plain import plain
from optlab.core.probe import with_linear_rows
from optlab.core.problem_sources import load_problem
from optlab.core.setting import Origin
from optlab.core.status import PointStatus
from optlab.core.verdict import point_status
from optlab.errors import OptionError
from optlab.trust.report import Report, ReportError, read_report

if TYPE_CHECKING:
    from optlab.core.problem import Problem
    from optlab.typing import Vector

__all__ = ["Comparison", "Verification", "verify"]

_EPS = float(np.finfo(np.float64).eps)

RELATIVE = 1e-6
"""Relative difference between a number and its recomputation that is accepted."""

RELATIVE_OBJECTIVE = 1e-9

ROUNDING = 1e3 * _EPS

_PARTS = {
    "E0": "products",
    "E1": "euclidean",
    "Em0": "products",
    "Em1": "euclidean",
    "primal": "primal",
    "Ec": "primal",
    "dual": "dual",
    "complementarity": "dual",
    "scale": "scale",
}
"""Number of the certificate -> what decides how exact it is."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One number of the report beside its recomputation; nan where it is not known."""

    name: str
    claimed: float
    found: float
    agrees: bool


@dataclass(frozen=True, slots=True)
class Verification:
    """What :func:`verify` found."""

    confirmed: bool
    """The file is the same, all numbers agree and the point is what it is said to be."""

    problem: str
    tolerances: Tolerances
    """By which the point is judged."""

    claim: PointStatus
    found: PointStatus
    """What the checker says of the point."""

    comparisons: tuple[Comparison, ...]
    objections: tuple[str, ...]
    """Why it is not confirmed, a sentence each."""

    def __bool__(self) -> bool:
        """Whether the report is confirmed."""
        return self.confirmed

    def __str__(self) -> str:
        """Return a table of the numbers and the verdict."""
        lines = [f"{'':<18}{'claimed':>16}{'recomputed':>16}"]
        for item in self.comparisons:
            numbers = "".join(f"{v:>16.6e}" for v in (item.claimed, item.found))
            lines.append(
                f"{item.name:<18}{numbers}  {'' if item.agrees else 'differs'}".rstrip()
            )
        lines += [
            "",
            f"claimed point  {self.claim.name}",
            f"found point    {self.found.name}",
            f"tolerances     tol = {self.tolerances.tol:g}, ctol = {self.tolerances.ctol:g}",
            "",
        ]
        lines += [f"- {objection}" for objection in self.objections]
        lines.append("confirmed" if self.confirmed else "NOT CONFIRMED")
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """Return the findings as plain values."""
        return {
            "schema": "optlab.verification/1",
            "confirmed": self.confirmed,
            "problem": self.problem,
            "tol": self.tolerances.tol,
            "ctol": self.tolerances.ctol,
            "claim": self.claim.name,
            "found": self.found.name,
            "numbers": {
                item.name: {
                    "claimed": plain(item.claimed),
                    "found": plain(item.found),
                    "agrees": item.agrees,
                }
                for item in self.comparisons
            },
            "objections": list(self.objections),
        }


def verify(
    report: Report | str | Path,
    problem: Problem | str | Path | None = None,
    *,
    tol: float | None = None,
) -> Verification:
    """Recompute the certificate of a report at its point and compare it with the claims.

    Parameters
    ----------
    report
        A report or the name of its file.
    problem
        The problem, or its file; None: the file that the report names, looked for where the report says and
        beside the report.
    tol
        Tolerance to judge the point by, as for ``optlab.minimize``; None: those that the report says were asked
        for.

    Raises
    ------
    ReportError
        When the report cannot be read or names no file.
    FileNotFoundError
        When the problem's file is not there.
    OptlabError
        When the problem cannot be read.
    """
    folder = None if isinstance(report, Report) else Path(report).parent
    read = report if isinstance(report, Report) else read_report(report)
    if tol is not None:
        if not tol > 0.0:
            raise OptionError(f"tol is {tol!r}; a positive number is needed")
        read = replace(read, tolerances=Tolerances(tol, tol))
    objections: list[str] = []
    if problem is None or isinstance(problem, str | Path):
        problem = _load(read, problem, folder, objections)
    if (problem.n, problem.m) != (read.n, read.m):
        objections.append(
            f"the problem has {problem.n} variables and {problem.m} constraints, the report "
            f"{read.n} and {read.m}"
        )
        return _verdict(read, PointStatus.UNKNOWN, (), objections)
    if not np.isfinite(read.x).all():
        objections.append("the report has no point: x has numbers that are not known")
        return _verdict(read, PointStatus.UNKNOWN, (), objections)
    try:
        with np.errstate(all="ignore"):
            found, comparisons = _compare(read, estimate_derivatives(problem), objections)
    except Exception as error:  # noqa: BLE001 - the problem's functions may raise anything
        text = " ".join(str(error).split())
        objections.append(
            f"the problem cannot be evaluated there: {type(error).__name__}: {text}"
        )
        return _verdict(read, PointStatus.UNKNOWN, (), objections)
    return _verdict(read, found, comparisons, objections)


def _verdict(
    report: Report,
    found: PointStatus,
    comparisons: tuple[Comparison, ...],
    objections: list[str],
) -> Verification:
    wrong = [item.name for item in comparisons if not item.agrees]
    if wrong:
        objections = [*objections, f"recomputed otherwise: {', '.join(wrong)}"]
    return Verification(
        not objections,
        report.problem,
        report.tolerances,
        report.point,
        found,
        comparisons,
        tuple(objections),
    )


def _load(
    report: Report, given: str | Path | None, folder: Path | None, objections: list[str]
) -> Problem:
    """Read the problem's file; object when it is not the one that was solved."""
    origin = report.origin
    if given is None and (origin is None or origin.file is None):
        raise ReportError(
            "the report names no problem file, because its problem was stated in Python; pass the file or the "
            "problem"
        )
    path = Path(given) if given is not None else _located(origin, folder)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {str(path)!r}")
    if origin is None or origin.sha256 is None:
        objections.append(
            "the report does not say which file was solved, so this may be another one"
        )
    elif (digest := Origin.of("", path, {}).sha256) != origin.sha256:
        objections.append(
            f"the file has changed since the solve: SHA-256 {digest}, in the report {origin.sha256}"
        )
    return load_problem(str(path), {} if origin is None else origin.params)


def _located(origin: Origin | None, folder: Path | None) -> Path:
    """Return the file of the report: where it says, else relative to the report, else beside it."""
    named = Path("" if origin is None or origin.file is None else origin.file)
    beside = [] if folder is None else [folder / named, folder / named.name]
    return next((p for p in (named, *beside) if p.is_file()), named)


def _compare(
    report: Report, problem: Problem, objections: list[str]
) -> tuple[PointStatus, tuple[Comparison, ...]]:
    """Evaluate the problem at the point; return what the point is, and the numbers."""
    x = report.x
    f = float(problem.objective(x))
    near = abs(report.fun - f) <= RELATIVE_OBJECTIVE * max(1.0, abs(f))
    comparisons = [Comparison("objective", report.fun, f, math.isnan(report.fun) or bool(near))]
    multipliers = _multipliers(report, problem)
    cert = certificate(problem, x, *(multipliers or (None, None)))
    if multipliers is None:
        # Without multipliers only feasibility can be looked at.
        cert = Certificate(Ec=cert.Ec, primal=cert.primal, scale=math.nan)
        multipliers = np.zeros(problem.m), np.zeros(problem.n)
        if math.isfinite(report.certificate.dual):
            objections.append("a dual residual is claimed, but there are no multipliers")
    allowed = _allowed(problem, x, multipliers, report.certificate)
    comparisons += [_comparison(name, report.certificate, cert, allowed) for name in _PARTS]
    status = _status(report, problem, f, cert, allowed)
    if not _bears_out(report, status, cert, allowed):
        objections.append(
            f"the point is said to be {report.point.name}; with tol = {report.tolerances.tol:g} "
            f"and ctol = {report.tolerances.ctol:g} it is {status.name}"
        )
    return status, tuple(comparisons)


def _multipliers(report: Report, problem: Problem) -> tuple[Vector, Vector] | None:
    """Return y and z; None when they are not known.

    Of a variable that cannot move z may be missing, where derivatives were estimated: any value is right,
    and the one that makes the gradient of the Lagrangian vanish is taken.
    """
    y, z = report.y, report.z
    missing = np.isnan(z)
    if np.isnan(y).any() or (missing & (problem.lb != problem.ub)).any():
        return None
    if missing.any():
        d = np.asarray(problem.gradient(report.x), dtype=np.float64)
        d = d + problem.jacobian(report.x).T @ y if problem.m else d
        z = np.where(missing, -d, z)
    return y, z


def _allowed(
    problem: Problem, x: Vector, multipliers: tuple[Vector, Vector], claimed: Certificate
) -> dict[str, float]:
    """Return what rounding and differences may do to the numbers of each kind (module's docstring)."""
    y, z = multipliers
    g = np.asarray(problem.gradient(x), dtype=np.float64)
    c = np.asarray(problem.constraints(x), dtype=np.float64)
    J: Any = problem.jacobian(x)
    terms = np.asarray(abs(J).T @ np.abs(y)) if problem.m else np.zeros(0)
    error = 0.0 if math.isnan(claimed.derivative_error) else claimed.derivative_error
    if problem.derivatives == "estimated":
        error += derivative_error(problem, x, y)
    at = np.maximum(1.0, np.abs(np.concatenate((c, x))))
    mu = np.abs(np.concatenate((y, z)))
    primal, dual = ROUNDING * _largest(1.0, x, c), ROUNDING * _largest(1.0, g, terms, z) + error
    euclidean = math.sqrt(at.size) * (primal + dual)
    products = ROUNDING * float(mu @ at)
    return {
        "primal": math.sqrt(at.size) * primal,
        "dual": dual,
        "euclidean": euclidean,
        "products": products,
        "scale": 0.0,
    }


def _comparison(
    name: str, claimed: Certificate, found: Certificate, allowed: dict[str, float]
) -> Comparison:
    a, b = float(getattr(claimed, name)), float(getattr(found, name))
    part = _PARTS[name]
    if part == "products" and math.isfinite(a):
        slack = 2.0 * allowed["euclidean"] * max(a, b) + allowed["products"]
        agrees = abs(a * a - b * b) <= 2.0 * RELATIVE * a * a + slack
    else:
        agrees = _near(a, b, allowed[part])
    return Comparison(name, a, b, bool(agrees))


def _near(claimed: float, found: float, absolute: float) -> bool:
    """Whether a number agrees; one that is not claimed agrees with anything."""
    if math.isnan(claimed):
        return True
    return abs(claimed - found) <= RELATIVE * abs(claimed) + absolute


def _status(
    report: Report, problem: Problem, f: float, cert: Certificate, allowed: dict[str, float]
) -> PointStatus:
    """Classify the point, giving a claim on the edge of its tolerance the benefit of rounding."""
    wanted = report.tolerances
    wider = Tolerances(
        wanted.tol * (1.0 + RELATIVE) + allowed["dual"] / max(1.0, cert.scale),
        wanted.ctol * (1.0 + RELATIVE) + allowed["primal"],
    )
    if report.point is PointStatus.INFEASIBLE_STATIONARY:
        wider = replace(wider, ctol=wanted.ctol * (1.0 - RELATIVE))
        problem = with_linear_rows(problem)
    unbounded = f if report.point is PointStatus.UNBOUNDED_DIRECTION else None
    return point_status(problem, report.x, cert, wider, unbounded_value=unbounded)


def _bears_out(
    report: Report, status: PointStatus, cert: Certificate, allowed: dict[str, float]
) -> bool:
    """Whether the point is at least what the report says."""
    if report.point is PointStatus.UNKNOWN:
        return True
    if report.point is PointStatus.FEASIBLE:
        limit = report.tolerances.ctol * (1.0 + RELATIVE) + allowed["primal"]
        return cert.primal <= limit
    return status is report.point


def _largest(least: float, *vectors: Vector) -> float:
    return max(least, *(float(np.abs(v).max(initial=0.0)) for v in vectors))

"""CUTEst problems whose data move by 1 %: a series from every problem of a list.

Each problem of a series perturbs the original independently:

    f(D x),  c(D x),   D = diag(1 + d_j),      every coefficient of a variable moves by the same share,
    limits of inequality rows and of variables, each times 1 + d,

with d uniform in [-0.01, 0.01]. Right-hand sides of equations keep their values: moving those of
dependent equations would leave no solution.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

import optlab
from optlab.problems import read_sif

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 0.01


def listed(root: Path, name: str) -> Iterator[tuple[str, optlab.Problem]]:
    """Read the problems of a list such as ``small`` one after the other."""
    for line in (root / "lists" / f"{name}.open.txt").read_text().splitlines():
        words = line.split()
        if words:
            params = dict(word.split("=", 1) for word in words[1:])
            numbers = {k: float(v) if "." in v else int(v) for k, v in params.items()}
            yield words[0], read_sif(root / "files" / f"{words[0]}.SIF", numbers)


def perturbed(problem: optlab.Problem, count: int, seed: int) -> list[optlab.Problem]:
    """Return the problem and ``count`` perturbations of it."""
    rng = np.random.default_rng(seed)
    return [problem, *(_perturbed(problem, rng) for _ in range(count))]


def _moved(low: Any, high: Any, rng: np.random.Generator) -> tuple[Any, Any]:
    """Perturb limits; equal ones stay, and so does a pair that would cross."""
    factors = 1.0 + SIZE * rng.uniform(-1.0, 1.0, (2, low.size))
    with np.errstate(invalid="ignore"):
        new = np.where(np.isfinite(low), low * factors[0], low)
        new_high = np.where(np.isfinite(high), high * factors[1], high)
    stays = (low == high) | (new > new_high)
    return np.where(stays, low, new), np.where(stays, high, new_high)


def _perturbed(p: optlab.Problem, rng: np.random.Generator) -> optlab.Problem:
    lb, ub = _moved(p.lb, p.ub, rng)
    cl, cu = _moved(p.cl, p.cu, rng)
    d = 1.0 + SIZE * rng.uniform(-1.0, 1.0, p.n)
    d[p.lb == p.ub] = 1.0

    def scaled(matrix: Any, *, square: bool) -> Any:
        if isinstance(matrix, np.ndarray):
            return (d[:, None] * matrix if square else matrix) * d
        rows = sp.csr_array(matrix)
        data = rows.data * d[rows.indices]
        if square:
            data = data * np.repeat(d, np.diff(rows.indptr))
        return sp.csr_array((data, rows.indices, rows.indptr), shape=rows.shape)

    rows: dict[str, Any] = {}
    if p.m:
        rows = {
            "constraints": lambda x: p.constraints(x * d),
            "jacobian": lambda x: scaled(p.jacobian(x * d), square=False),
            "cl": cl,
            "cu": cu,
            "linear": p.linear,
        }
    return optlab.Problem(
        objective=lambda x: p.objective(x * d),
        gradient=lambda x: p.gradient(x * d) * d,
        hessian=lambda x, y, s: scaled(p.hessian(x * d, y, s), square=True),
        x0=p.x0,
        lb=lb,
        ub=ub,
        name=p.name,
        **rows,
    )

"""Families of planted problems, and derivatives of their solutions by solving again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from planted import Planted

import optlab
from optlab import Problem, Result
from optlab.core.method import WarmStart
from optlab.typing import Vector


@dataclass(frozen=True)
class Moved:
    """A planted problem whose data move with p in random directions, all of them at once."""

    case: Planted
    dq: Vector
    dA: Vector
    ds: Vector
    db: Vector

    @classmethod
    def of(cls, case: Planted, count: int, seed: int = 1) -> Moved:
        """Draw the directions for ``count`` parameters."""
        m, n = case.A.shape
        rng = np.random.default_rng(seed)
        return cls(
            case,
            rng.standard_normal((n, count)),
            rng.standard_normal((m, n, count)),
            rng.standard_normal((m, count)),
            rng.standard_normal((n, count)),
        )

    def __call__(self, p: Vector) -> Problem:
        """Return the problem at p."""
        c, rows, bounds = self.case, self.ds @ p, self.db @ p
        return replace(
            c,
            q=c.q + self.dq @ p,
            A=c.A + self.dA @ p,
            cl=c.cl + rows,
            cu=c.cu + rows,
            lb=c.lb + bounds,
            ub=c.ub + bounds,
        ).problem(x0=c.x)

    @property
    def solution(self) -> WarmStart:
        """The planted answer at p = 0, exact."""
        return WarmStart(self.case.x, self.case.y, self.case.z)


def parts(result: Result) -> tuple[Vector, Vector, Vector, float]:
    """Return x, y, z, f."""
    return (
        result.x,
        result.multipliers.constraints,
        result.multipliers.bounds,
        result.fun,
    )


def slopes(
    build: Callable[[Any], Problem], p: Vector, direction: Vector, h: float, **options: Any
) -> tuple[Any, ...]:
    """Return central differences of x, y, z, f between two solves."""
    ends = [
        optlab.minimize(build(p + t * direction), **{"tol": 1e-11, **options}) for t in (h, -h)
    ]
    assert all(end.success for end in ends)
    return tuple((a - b) / (2 * h) for a, b in zip(*map(parts, ends), strict=True))


def close(found: Any, wanted: Any, rtol: float) -> None:
    """Compare relative to the largest entry, at least 1."""
    size = 1.0 + float(np.abs(wanted).max(initial=0.0))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=rtol * size)

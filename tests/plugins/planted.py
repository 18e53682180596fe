"""Problems built backwards from a known KKT point, so that the answer is known exactly.

Points, multipliers and roles (active below, active above, equality, inactive) come first; the
linear term of the objective is then chosen so that grad f + J'y + z = 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from optlab import Problem
from optlab.typing import Indices, Vector

BELOW, ABOVE, BETWEEN, EQUAL = range(4)


@dataclass(frozen=True)
class Planted:
    """min ½ x'Qx + q'x  s.t.  cl <= Ax + ½ k |x|² <= cu, lb <= x <= ub, with its solution.

    ``k`` (m,) >= 0 is the curvature of the rows; zero makes a quadratic program. All curved rows
    are bounded above only and have y >= 0, so the problem is convex and its solution unique.
    """

    Q: Vector
    q: Vector
    A: Vector
    k: Vector
    cl: Vector
    cu: Vector
    lb: Vector
    ub: Vector
    x: Vector
    y: Vector
    z: Vector

    def problem(self, x0: Vector | None = None) -> Problem:
        """Return the problem with all derivatives; starts at 0 unless told otherwise."""
        m, n = self.A.shape
        common: dict[str, Any] = {
            "objective": lambda x: float(0.5 * x @ self.Q @ x + self.q @ x),
            "gradient": lambda x: self.Q @ x + self.q,
            "hessian": lambda _x, y, sigma: sigma * self.Q + (self.k @ y) * np.eye(n),
            "x0": np.zeros(n) if x0 is None else x0,
            "lb": self.lb,
            "ub": self.ub,
        }
        if m == 0:
            return Problem(**common)
        return Problem(
            **common,
            constraints=lambda x: self.A @ x + 0.5 * self.k * (x @ x),
            jacobian=lambda x: self.A + np.outer(self.k, x),
            cl=self.cl,
            cu=self.cu,
            linear=self.k == 0.0,
        )

    def value(self) -> float:
        """Return the optimal objective value."""
        return float(0.5 * self.x @ self.Q @ self.x + self.q @ self.x)

    def with_rows_scaled(self, factors: Vector) -> Planted:
        """Multiply each row by a positive factor; x stays the solution."""
        return replace(
            self,
            A=factors[:, None] * self.A,
            k=factors * self.k,
            cl=factors * self.cl,
            cu=factors * self.cu,
            y=self.y / factors,
        )

    def with_variables_permuted(self, order: Indices) -> Planted:
        """Rename the variables: the new variable i is the old variable order[i]."""
        return replace(
            self,
            Q=self.Q[np.ix_(order, order)],
            q=self.q[order],
            A=self.A[:, order],
            lb=self.lb[order],
            ub=self.ub[order],
            x=self.x[order],
            z=self.z[order],
        )

    def translated(self, shift: Vector) -> Planted:
        """Move a quadratic program by ``shift``; its objective changes by a constant only."""
        assert not self.k.any()
        moved = self.A @ shift
        return replace(
            self,
            q=self.q - self.Q @ shift,
            cl=self.cl + moved,
            cu=self.cu + moved,
            lb=self.lb + shift,
            ub=self.ub + shift,
            x=self.x + shift,
        )


@st.composite
def planted(
    draw: st.DrawFn, *, curved: bool = False, min_rows: int = 0, degenerate: bool = False
) -> Planted:
    """Draw a strictly convex problem with a known solution.

    ``curved`` bends some rows. Unless ``degenerate``, at most n constraints are active at the
    solution, so that the multipliers are unique.
    """
    n = draw(st.integers(2, 7))
    m = draw(st.integers(min_rows, 5))
    bound_roles = np.array(draw(st.lists(st.sampled_from([BELOW, ABOVE, BETWEEN, BETWEEN]),
                                         min_size=n, max_size=n)))  # fmt: skip
    row_roles = np.array(
        draw(st.lists(st.integers(BELOW, EQUAL), min_size=m, max_size=m)), dtype=int
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    root = rng.standard_normal((n, n))
    A = rng.standard_normal((m, n))
    x = rng.uniform(-1.0, 1.0, n)
    k = np.zeros(m)
    if curved and m:
        bent = np.arange(m) % 2 == 0
        k[bent] = rng.uniform(0.2, 1.0, int(bent.sum()))
        row_roles[bent & np.isin(row_roles, [BELOW, EQUAL])] = ABOVE
    if not degenerate:
        active = np.append(bound_roles != BETWEEN, row_roles != BETWEEN)
        too_many = active & (np.cumsum(active) > n)
        bound_roles[too_many[:n]], row_roles[too_many[n:]] = BETWEEN, BETWEEN
    y = np.select(
        [row_roles == BELOW, row_roles == ABOVE, row_roles == EQUAL],
        [-rng.uniform(0.1, 2.0, m), rng.uniform(0.1, 2.0, m), rng.standard_normal(m)],
        0.0,
    )
    z = np.select(
        [bound_roles == BELOW, bound_roles == ABOVE],
        [-rng.uniform(0.1, 2.0, n), rng.uniform(0.1, 2.0, n)],
        0.0,
    )
    value = A @ x + 0.5 * k * (x @ x)
    slack_row, slack_bound = rng.uniform(0.2, 2.0, (2, m)), rng.uniform(0.2, 2.0, (2, n))
    cl = np.where(np.isin(row_roles, [BELOW, EQUAL]), value, value - slack_row[0])
    cu = np.where(np.isin(row_roles, [ABOVE, EQUAL]), value, value + slack_row[1])
    Q = root @ root.T / n + 0.5 * np.eye(n)
    jacobian = A + np.outer(k, x)
    return Planted(
        Q=Q,
        q=-(Q @ x + jacobian.T @ y + z),
        A=A,
        k=k,
        cl=np.where(k > 0, -np.inf, cl),
        cu=cu,
        lb=np.where(bound_roles == BELOW, x, x - slack_bound[0]),
        ub=np.where(bound_roles == ABOVE, x, x + slack_bound[1]),
        x=x,
        y=y,
        z=z,
    )

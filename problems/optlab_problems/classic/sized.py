"""Problems of any size, with derivatives as whole-array expressions on fixed patterns.

Below `DENSE_BELOW` variables the matrices are dense arrays, where scipy.sparse costs more than it
saves; above, csr arrays whose pattern never changes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float64
from scipy import sparse

from optlab import Problem
from optlab.errors import ProblemError
from optlab.typing import Matrix, SparseMatrix, Vector
from optlab_problems.classic._entry import Entry, Kind

DENSE_BELOW = 150
"""Number of variables from which matrices are sparse (the library's own crossover, 2026-11)."""


def chained_rosenbrock(
    n: int = 1000, lb: float = -np.inf, ub: float = np.inf, name: str = "chained-rosenbrock"
) -> Problem:
    """Return f(x) = Σᵢ 100 (xᵢ₊₁ − xᵢ²)² + (1 − xᵢ)², i = 1..n−1, from [Toi78].

    The Hessian is tridiagonal. Start: −1.2, 1, −1.2, 1, ...

    Parameters
    ----------
    n
        Number of variables, at least 2.
    lb, ub
        Bounds, the same for every variable.
    name
        Name of the problem.
    """
    _at_least(n, 2, "n")
    hessian = _tridiagonal(n)

    def objective(x: Float64[Vector, " n"]) -> float:
        head, tail = x[:-1], x[1:]
        return float(100 * np.sum((tail - head**2) ** 2) + np.sum((1 - head) ** 2))

    def gradient(x: Float64[Vector, " n"]) -> Float64[Vector, " n"]:
        head = x[:-1]
        residual = x[1:] - head**2
        g = np.zeros(n)
        g[:-1] = -400 * head * residual - 2 * (1 - head)
        g[1:] += 200 * residual
        return g

    def lagrangian_hessian(x: Float64[Vector, " n"], y: Vector, sigma: float) -> Matrix:  # noqa: ARG001 - no rows
        head = x[:-1]
        diagonal = np.zeros(n)
        diagonal[:-1] = 1200 * head**2 - 400 * x[1:] + 2
        diagonal[1:] += 200
        return hessian(sigma * diagonal, sigma * -400 * head)

    start = np.where(np.arange(n) % 2 == 0, -1.2, 1.0)
    return Problem(
        objective=objective,
        gradient=gradient,
        hessian=lagrangian_hessian,
        x0=np.clip(start, lb, ub),
        lb=lb,
        ub=ub,
        name=name,
    )


def bounded_rosenbrock(n: int = 1000) -> Problem:
    """Return the chained Rosenbrock function on [−1.5, 0.9]ⁿ, where bounds cut off its minimizer."""
    return chained_rosenbrock(n, -1.5, 0.9, name="bounded-rosenbrock")


def chained_rosenbrock_rows(n: int = 1000) -> Problem:
    """Return the chained Rosenbrock function with n−2 trigonometric-exponential equalities.

    Problem 5.1 of [LV99]: 3 xₖ₊₁³ + 2 xₖ₊₂ − 5 + sin(xₖ₊₁ − xₖ₊₂) sin(xₖ₊₁ + xₖ₊₂) + 4 xₖ₊₁
    − xₖ exp(xₖ − xₖ₊₁) − 3 = 0, k = 1..n−2, with its objective Σ 100 (xᵢ² − xᵢ₊₁)² + (xᵢ − 1)².
    The rows use sin a sin b = (cos(a−b) − cos(a+b))/2, here sin²(xₖ₊₁) − sin²(xₖ₊₂).
    """
    _at_least(n, 3, "n")
    base = chained_rosenbrock(n)
    m = n - 2
    jacobian_pattern = _three_per_row(m)
    hessian = _tridiagonal(n)

    def rows(x: Float64[Vector, " n"]) -> Float64[Vector, " m"]:
        a, b, c = x[:-2], x[1:-1], x[2:]
        trig = np.sin(b) ** 2 - np.sin(c) ** 2
        values: Vector = 3 * b**3 + 2 * c - 8 + trig + 4 * b - a * np.exp(a - b)
        return values

    def jacobian(x: Float64[Vector, " n"]) -> Matrix:
        a, b, c = x[:-2], x[1:-1], x[2:]
        growth = np.exp(a - b)
        by_a = -(1 + a) * growth
        by_b = 9 * b**2 + np.sin(2 * b) + 4 + a * growth
        return jacobian_pattern(np.stack([by_a, by_b, 2 - np.sin(2 * c)], axis=1))

    def lagrangian_hessian(
        x: Float64[Vector, " n"], y: Float64[Vector, " m"], sigma: float
    ) -> Matrix:
        a, b, c = x[:-2], x[1:-1], x[2:]
        growth = np.exp(a - b)
        head = x[:-1]
        diagonal = np.zeros(n)
        diagonal[:-1] = sigma * (1200 * head**2 - 400 * x[1:] + 2)
        diagonal[1:] += sigma * 200
        diagonal[:-2] -= y * (2 + a) * growth
        diagonal[1:-1] += y * (18 * b + 2 * np.cos(2 * b) - a * growth)
        diagonal[2:] -= y * 2 * np.cos(2 * c)
        off = sigma * -400 * head
        off[:-1] += y * (1 + a) * growth
        return hessian(diagonal, off)

    return base.replace(
        hessian=lagrangian_hessian,
        constraints=rows,
        jacobian=jacobian,
        cl=np.zeros(m),
        cu=np.zeros(m),
        linear=np.zeros(m, dtype=bool),
        name="chained-rosenbrock-rows",
    )


def planted_qp(n: int = 1000) -> Problem:
    """Return a strictly convex quadratic program over a polyhedron with a known solution.

    minimize ½ xᵀQx + qᵀx subject to cl <= Ax <= cu and 0 <= x <= 1, where Q is the
    second-difference matrix plus the identity and row k of A sums the variables of a window of
    six, neighbouring windows overlapping in three. The solution `planted_solution`, its active
    set and its multipliers are chosen first; q = −(Qx* + Aᵀy* + z*) makes them optimal. Of four
    consecutive rows, one is an equality, one is active below, one active above, one inactive.
    """
    _at_least(n, 12, "n")
    solution = planted_solution(n)
    second = sparse.diags_array(
        [np.full(n - 1, -1.0), np.full(n, 3.0), np.full(n - 1, -1.0)], offsets=[-1, 0, 1]
    )
    starts = np.arange(0, n - 5, 3)
    m = starts.size
    columns = (starts[:, None] + np.arange(6)).ravel()
    rows = sparse.csr_array((np.ones(6 * m), columns, np.arange(0, 6 * m + 1, 6)), shape=(m, n))
    value = rows @ solution
    role = np.arange(m) % 4
    cl = np.where(role == 3, value - 1.0, np.where(role == 2, -np.inf, value))
    cu = np.where(role == 3, value + 1.0, np.where(role == 1, np.inf, value))
    y = np.select(
        [role == 0, role == 1, role == 2], [np.sin(1.0 + np.arange(m)), -0.5, 0.5], 0.0
    )
    z = np.select([solution == 0.0, solution == 1.0], [-1.0, 1.0], 0.0)
    linear_term = -(second @ solution + rows.T @ y + z)
    return _quadratic_program(second.tocsr(), linear_term, rows, (cl, cu), "planted-qp")


def planted_solution(n: int) -> Float64[Vector, " n"]:
    """Return the solution of `planted_qp`: every fifth variable at 0, every seventh at 1."""
    index = np.arange(n)
    inner = 0.5 + 0.4 * np.sin(index)
    return np.select([index % 5 == 0, index % 7 == 0], [0.0, 1.0], inner)


def _quadratic_program(
    quadratic: Any,
    linear_term: Float64[Vector, " n"],
    rows: Any,
    sides: tuple[Float64[Vector, " m"], Float64[Vector, " m"]],
    name: str,
) -> Problem:
    """Return min ½ xᵀQx + qᵀx, sides[0] <= Ax <= sides[1], 0 <= x <= 1, from sparse Q and A."""
    m, n = rows.shape
    small = n < DENSE_BELOW
    q_matrix = quadratic.toarray() if small else quadratic
    a_matrix = rows.toarray() if small else rows

    def scaled(x: Vector, y: Vector, sigma: float) -> Matrix:  # noqa: ARG001 - constant matrix
        product: Matrix = sigma * q_matrix
        return product

    return Problem(
        objective=lambda x: float(x @ (0.5 * (q_matrix @ x) + linear_term)),
        gradient=lambda x: q_matrix @ x + linear_term,
        hessian=scaled,
        x0=np.full(n, 0.5),
        lb=0.0,
        ub=1.0,
        constraints=lambda x: a_matrix @ x,
        jacobian=lambda x: a_matrix,  # noqa: ARG005 - constant matrix
        cl=sides[0],
        cu=sides[1],
        linear=np.ones(m, dtype=bool),
        name=name,
    )


def _tridiagonal(n: int) -> Callable[[Vector, Vector], Matrix]:
    """Return a function of (diagonal (n,), off-diagonal (n−1,)) that makes the symmetric matrix.

    The csr pattern is built once; each call only gathers the values into it.
    """
    if n < DENSE_BELOW:
        return lambda diagonal, off: np.diag(diagonal) + np.diag(off, 1) + np.diag(off, -1)
    # Number the values 1.. so that reading the numbers back gives the order of storage.
    numbers = np.arange(1.0, n + 1), np.arange(n + 1.0, 2 * n)
    pattern = sparse.diags_array(
        [numbers[1], numbers[0], numbers[1]], offsets=[-1, 0, 1], shape=(n, n)
    ).tocsr()
    pattern.sort_indices()
    order = pattern.data.astype(np.intp) - 1

    def assemble(diagonal: Float64[Vector, " n"], off: Float64[Vector, " k"]) -> Matrix:
        values = np.concatenate([diagonal, off])[order]
        matrix: Matrix = sparse.csr_array(
            (values, pattern.indices, pattern.indptr), shape=(n, n)
        )
        return matrix

    return assemble


def _three_per_row(m: int) -> Callable[[Vector], Matrix]:
    """Return a function of values (m, 3) that makes the (m, m+2) matrix with row k at k..k+2."""
    n = m + 2
    columns = (np.arange(m)[:, None] + np.arange(3)).ravel()
    starts = np.arange(0, 3 * m + 1, 3)

    def assemble(values: Float64[Vector, "m 3"]) -> Matrix:
        matrix: SparseMatrix = sparse.csr_array((values.ravel(), columns, starts), shape=(m, n))
        return matrix.toarray() if n < DENSE_BELOW else matrix

    return assemble


def _at_least(given: int, least: int, label: str) -> None:
    if given < least:
        raise ProblemError(f"{label} is {given}; this problem needs {label} >= {least}")


ENTRIES: tuple[Entry, ...] = (
    Entry(
        "chained-rosenbrock",
        Kind.UNCONSTRAINED,
        chained_rosenbrock,
        optimum=None,
        source="Toi78",
        note="tridiagonal Hessian; f = 0 at (1, ..., 1), other local minimizers exist for n >= 4",
        sizes={"n": 1000},
    ),
    Entry(
        "bounded-rosenbrock",
        Kind.BOUNDS,
        bounded_rosenbrock,
        optimum=None,
        source="Toi78",
        note="the bounds cut off the unconstrained minimizer",
        sizes={"n": 1000},
    ),
    Entry(
        "planted-qp",
        Kind.LINEAR,
        planted_qp,
        optimum=None,
        source="own",
        note="strictly convex, every kind of row and bound active, solution chosen first",
        sizes={"n": 1000},
    ),
    Entry(
        "chained-rosenbrock-rows",
        Kind.NONLINEAR,
        chained_rosenbrock_rows,
        optimum=None,
        source="LV99",
        note="n - 2 nonlinear equalities; f = 0 at (1, ..., 1), other local minimizers exist",
        sizes={"n": 1000},
    ),
)

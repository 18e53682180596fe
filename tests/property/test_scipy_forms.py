"""The form in which a problem is stated does not matter: SciPy's forms end where the native Problem does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import BFGS, Bounds, LinearConstraint, NonlinearConstraint

import optlab
from optlab import scipy as ours


class Convex:
    """min x'Qx/2 + c'x  s.t.  Ax <= b,  |x - d|^2 <= r,  -2 <= x <= 2, with a point inside all of it."""

    def __init__(self, n: int, m: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        root = rng.normal(size=(n, n))
        self.Q = root @ root.T + 0.1 * np.eye(n)
        self.c = rng.normal(size=n)
        inside = rng.uniform(-1.0, 1.0, n)
        self.A = np.where(rng.random((m, n)) < 0.7, rng.normal(size=(m, n)), 0.0)
        self.b = self.A @ inside + rng.uniform(0.1, 1.0, m)
        self.d = inside + rng.normal(size=n)
        self.r = float(((inside - self.d) ** 2).sum() + 0.5)
        self.x0 = rng.integers(-1, 2, n)

    def f(self, x: Any) -> Any:
        return 0.5 * x @ self.Q @ x + self.c @ x

    def g(self, x: Any) -> Any:
        return self.Q @ x + self.c

    def ball(self, x: Any) -> Any:
        return (x - self.d) @ (x - self.d)

    def native(self) -> optlab.Problem:
        n, m = self.c.size, self.b.size
        return optlab.Problem(
            objective=self.f, gradient=self.g, x0=self.x0, lb=-2.0, ub=2.0,
            hessian=lambda _x, y, sigma: sigma * self.Q + 2.0 * y[m] * np.eye(n),
            constraints=lambda x: np.append(self.A @ x, self.ball(x)),
            jacobian=lambda x: np.vstack((self.A, 2.0 * (x - self.d))),
            cl=np.full(m + 1, -np.inf), cu=np.append(self.b, self.r),
            linear=np.arange(m + 1) < m,
        )  # fmt: skip

    def lines(self, form: str) -> Any:
        if form == "dict":
            return {"type": "ineq", "fun": lambda x: self.b - self.A @ x}
        if form == "dict with jac":
            return {
                "type": "INEQ",
                "fun": lambda x, k: k * (self.b - self.A @ x),
                "jac": lambda _x, k: sp.coo_array(-k * self.A),
                "args": (1.0,),
            }
        A = sp.csc_matrix(self.A) if form == "sparse" else self.A
        return LinearConstraint(A, -np.inf, self.b)

    def circle(self, form: str) -> Any:
        more: dict[str, Any] = {}
        if form in ("exact", "hess by differences"):
            more = {"jac": lambda x: 2.0 * (x - self.d), "hess": "3-point"}
        if form == "exact":
            more["hess"] = lambda x, v: sp.diags_array(np.full(x.size, 2.0 * v[0]))
        if form == "dict":
            return {"type": "ineq", "fun": lambda x: self.r - self.ball(x)}
        return NonlinearConstraint(self.ball, -np.inf, self.r, **more)


@settings(max_examples=40)
@given(
    size=st.tuples(st.integers(1, 5), st.integers(1, 4), st.integers(0, 2**32 - 1)),
    lines=st.sampled_from(["dict", "dict with jac", "sparse", "dense"]),
    circle=st.sampled_from(["exact", "hess by differences", "values", "dict"]),
    jac=st.sampled_from(["given", "pair", "3-point", "cs", "none"]),
    hess=st.sampled_from(["given", "3-point", "BFGS", "none"]),
    box=st.booleans(),
)
def test_all_forms_end_at_the_same_point(
    size: tuple[int, int, int], lines: str, circle: str, jac: str, hess: str, *, box: bool
) -> None:
    convex = Convex(*size)
    n = size[0]
    gradients: dict[str, Any] = {"given": convex.g, "pair": True, "none": None}
    given: dict[str, Any] = {"jac": gradients.get(jac, jac)}
    if hess == "given":
        given["hess"] = lambda _x: sp.csr_array(convex.Q)
    elif hess == "BFGS":
        given["hess"] = BFGS()
    elif hess == "3-point" and jac in ("given", "pair"):
        given["hess"] = hess
    fun = (lambda x: (convex.f(x), convex.g(x))) if jac == "pair" else convex.f
    result = ours.minimize(
        fun, convex.x0, **given, constraints=[convex.lines(lines), convex.circle(circle)],
        bounds=Bounds(-2.0, 2.0) if box else [(-2, 2)] * n,
    )  # fmt: skip
    native = optlab.minimize(convex.native())
    assert native.success
    assert result.success, result.message
    assert result.fun == pytest.approx(native.fun, rel=1e-5, abs=1e-5)
    np.testing.assert_allclose(result.x, native.x, atol=1e-3)
    signs = [-1.0 if lines.startswith("dict") else 1.0, -1.0 if circle == "dict" else 1.0]
    v = np.concatenate([sign * part for sign, part in zip(signs, result.v, strict=True)])
    lagrangian = convex.g(result.x) + result.multipliers.bounds
    lagrangian += np.vstack((convex.A, 2.0 * (result.x - convex.d))).T @ v
    np.testing.assert_allclose(lagrangian, 0.0, atol=1e-4 * (1.0 + np.abs(v).max()))

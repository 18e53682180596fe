"""The black box as a JAX function, against JAX's own differentiation of the same simulator."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
import simulators

from optlab import zo
from optlab.errors import CapabilityError, MissingDependencyError, OptionError, ProblemError
from optlab_adapters.blackbox import Simulator
from optlab_adapters.jax.black_box import jax_black_box

jax = pytest.importorskip("jax")
jnp = pytest.importorskip("jax.numpy")

LOWER, UPPER = [-1.0, 0.0], [2.0, 3.0]


def smooth(z: Any) -> Any:
    a, b = z[..., 0], z[..., 1]
    return jnp.stack([jnp.sin(a) * b, jnp.exp(0.3 * b), a**2 + b**3], axis=-1)


def box(function: Any = simulators.smooth_batch, **options: Any) -> Any:
    return jax_black_box(function, **{"outputs": 3, "lower": LOWER, "upper": UPPER, **options})


@pytest.fixture
def z() -> Any:
    with jax.enable_x64(True):
        u = np.random.default_rng(0).uniform(0.05, 0.95, (4, 2))
        yield jnp.array(np.array(LOWER) + 3.0 * u)


@pytest.mark.parametrize("compiled", [False, True])
def test_values_and_products_under_every_transform(z: Any, compiled: bool) -> None:
    jit: Any = jax.jit if compiled else lambda f: f
    made = box()

    def loss(simulator: Any) -> Any:
        return lambda z: (simulator(z) ** 2).sum()

    np.testing.assert_allclose(jit(made)(z), smooth(z), rtol=1e-14)
    np.testing.assert_allclose(jit(jax.vmap(made))(z), smooth(z), rtol=1e-14)
    transforms: list[Any] = [
        lambda f: jax.grad(loss(f)),
        lambda f: jax.vmap(jax.grad(loss(f))),
        lambda f: jax.vmap(jax.jacrev(f)),
        lambda f: jax.vmap(jax.grad(loss(f)), in_axes=1),
    ]
    for transform in transforms:
        point = z if transform(smooth)(z).shape[0] == 4 else z.T
        expected = transform(smooth)(point)
        np.testing.assert_allclose(jit(transform(made))(point), expected, rtol=1e-4, atol=1e-4)


def test_the_error_falls_with_the_square_of_the_step(z: Any) -> None:
    exact = jax.vmap(jax.jacrev(smooth))(z)
    errors = [
        float(jnp.abs(jax.vmap(jax.jacrev(box(smoothing=h)))(z) - exact).max())
        for h in (1e-2, 1e-3)
    ]
    assert np.log10(errors[0] / errors[1]) == pytest.approx(2.0, abs=0.1)


def test_a_batch_is_one_call(z: Any) -> None:
    calls = []

    def function(points: Any) -> Any:
        calls.append(len(points))
        return simulators.smooth_batch(points)

    jax.block_until_ready(jax.jit(jax.grad(lambda z: box(function)(z).sum()))(z))
    assert calls == [4, 16]


def test_directions_are_the_same_for_the_same_points(z: Any) -> None:
    gradient = jax.grad(lambda z: box(queries=zo.RGE(count=2))(z).sum())
    np.testing.assert_array_equal(gradient(z), gradient(z))


@pytest.mark.parametrize(
    "policy", [{"on_failure": "drop"}, {"on_failure": "penalise", "penalty": 9.0}]
)
def test_failed_samples_have_no_gradient(z: Any, policy: Any) -> None:
    def failing(x: Any) -> Any:
        if x[0] < 0.5:
            raise ArithmeticError("diverged")
        return simulators.smooth(x)

    made = box(Simulator(failing, **policy))
    failed = np.asarray(z[:, 0] < 0.5)
    assert failed.any()
    assert not failed.all()
    y = np.asarray(made(z))
    np.testing.assert_array_equal(y[failed], policy.get("penalty", np.nan))
    gradient = np.asarray(jax.grad(lambda z: jnp.nansum(made(z)))(z))
    exact = np.asarray(jax.grad(lambda z: smooth(z).sum())(z))
    assert (gradient[failed] == 0.0).all()
    np.testing.assert_allclose(gradient[~failed], exact[~failed], rtol=1e-4)


def test_single_precision_is_kept() -> None:
    z = jnp.array([[1.0, 2.0]], dtype=jnp.float32)
    gradient = jax.grad(lambda z: box()(z).sum())(z)
    assert gradient.dtype == jnp.float32
    np.testing.assert_allclose(gradient, jax.grad(lambda z: smooth(z).sum())(z), rtol=1e-4)


def test_what_cannot_be_is_told(z: Any) -> None:
    with pytest.raises(ProblemError, match=r"shape \(4, 3\)"):
        box()(jnp.ones((4, 3)))
    with pytest.raises(OptionError, match="outputs is 0"):
        box(outputs=0)
    with pytest.raises(OptionError, match="the simulator has 2"):
        box(Simulator(simulators.smooth, outputs=2))
    with pytest.raises(CapabilityError, match="first derivatives only"):
        jax.hessian(lambda z: box()(z).sum())(z[0])
    with pytest.raises(TypeError, match="jvp"):
        jax.jvp(box(), (z,), (z,))


def test_without_jax_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jax", None)
    with pytest.raises(MissingDependencyError, match=r"optlab-npasa\[jax\]"):
        box()

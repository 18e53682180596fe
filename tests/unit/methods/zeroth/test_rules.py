"""Every rule against an independent implementation: torch.optim where it has one, the formula where not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optlab.core.sampled import Block
from optlab.errors import OptionError
from optlab.methods.zeroth.rules import (
    SGD,
    AbstractRule,
    Adam,
    AdaMM,
    Momentum,
    Normalized,
    RAdaZO,
    Sign,
    Signal,
    Spectral,
)
from optlab.methods.zeroth.rules.spectral import matrix_sign
from optlab.typing import Vector

RATE, STEPS, N = 0.03, 25, 6
RULES: list[AbstractRule] = [
    SGD(weight_decay=0.1),
    Momentum(weight_decay=0.01),
    Momentum(nesterov=True),
    Adam(),
    Adam(decoupled=True, weight_decay=0.3),
    AdaMM(),
    RAdaZO(),
    Sign(),
    Sign(momentum=0.5),
    Normalized(momentum=0.2),
    Spectral(shapes=((2, 3),)),
]


def curved(x: Vector) -> Vector:
    """Gradient of a function that is neither quadratic nor separable."""
    return np.asarray(np.arange(1, N + 1) * np.sin(x) + x.sum() + 0.3)


def path(rule: AbstractRule, gradient: Callable[[Vector], Vector] = curved) -> Vector:
    x, memory = np.linspace(-1.0, 2.0, N), rule.start(N)
    seen = []
    for _ in range(STEPS):
        g = gradient(x)
        turn = rule.turn(Signal(x=x, gradient=g, slope=float(np.linalg.norm(g))), memory)
        x, memory = x - RATE * turn.direction, turn.memory
        seen.append(x)
    return np.array(seen)


def torch_path(name: str, **options: Any) -> Vector:
    torch = pytest.importorskip("torch")
    x = torch.nn.Parameter(torch.linspace(-1.0, 2.0, N, dtype=torch.float64))
    optimizer = getattr(torch.optim, name)([x], lr=RATE, **options)
    seen = []
    for _ in range(STEPS):
        x.grad = torch.from_numpy(curved(x.detach().numpy()))
        optimizer.step()
        seen.append(x.detach().numpy().copy())
    return np.array(seen)


@pytest.mark.torch
@pytest.mark.parametrize(
    ("rule", "name", "options"),
    [
        (SGD(weight_decay=0.1), "SGD", {"weight_decay": 0.1}),
        (
            Momentum(momentum=0.8, weight_decay=0.05),
            "SGD",
            {"momentum": 0.8, "weight_decay": 0.05},
        ),
        (Momentum(momentum=0.7, nesterov=True), "SGD", {"momentum": 0.7, "nesterov": True}),
        (
            Adam(beta1=0.8, beta2=0.95, weight_decay=0.1),
            "Adam",
            {"betas": (0.8, 0.95), "weight_decay": 0.1},
        ),
        (
            Adam(decoupled=True, weight_decay=0.2, floor=1e-3),
            "AdamW",
            {"weight_decay": 0.2, "eps": 1e-3},
        ),
    ],
    ids=["sgd", "momentum", "nesterov", "adam", "adamw"],
)
def test_torch_takes_the_same_path(
    rule: AbstractRule, name: str, options: dict[str, Any]
) -> None:
    assert path(rule) == pytest.approx(torch_path(name, **options), rel=1e-12, abs=1e-12)


def test_adamm_is_its_formula() -> None:
    beta1, beta2, floor = 0.8, 0.6, 1e-3
    x, m, v, w = np.linspace(-1.0, 2.0, N), np.zeros(N), np.zeros(N), np.zeros(N)
    expected = []
    for _ in range(STEPS):
        g = curved(x)
        for j in range(N):
            m[j] = beta1 * m[j] + (1 - beta1) * g[j]
            v[j] = beta2 * v[j] + (1 - beta2) * g[j] ** 2
            w[j] = max(w[j], v[j])
        x = np.array([x[j] - RATE * m[j] / (w[j] ** 0.5 + floor) for j in range(N)])
        expected.append(x)
    seen = path(AdaMM(beta1=beta1, beta2=beta2, floor=floor))
    assert seen == pytest.approx(np.array(expected), rel=1e-13)


def test_adamm_projects_in_the_norm_of_its_divisor() -> None:
    rule = AdaMM()
    g = np.array([1.0, -4.0, 0.0])
    turn = rule.turn(Signal(x=np.zeros(3), gradient=g), rule.start(3))
    assert turn.metric is not None
    assert turn.metric * turn.direction == pytest.approx((1.0 - rule.beta1) * g)
    assert np.all(turn.metric > 0.0)


def test_radazo_squares_the_average() -> None:
    """With alternating gradients the average is small, and so is its square; Adam's is not."""
    g = np.full(1, 1.0)
    first: list[Any] = []
    second: list[Any] = []
    for rule, steps in ((RAdaZO(beta1=0.5), first), (Adam(beta1=0.5), second)):
        memory = rule.start(1)
        for k in range(40):
            turn = rule.turn(Signal(x=g, gradient=g * (-1.0) ** k), memory)
            memory = turn.memory
            steps.append(memory["second"][0])
    m, v = 0.0, 0.0
    for k in range(40):
        m = 0.5 * m + 0.5 * (-1.0) ** k
        v = 0.999 * v + 0.001 * m * m
    assert first[-1] == pytest.approx(v)
    assert first[-1] < 0.2 * second[-1]


def test_signs() -> None:
    g = np.array([2.0, -1e-9, 0.0])
    signal = Signal(x=np.zeros(3), gradient=g)
    assert Sign().turn(signal, {}).direction.tolist() == [1.0, -1.0, 0.0]
    rule = Sign(momentum=0.5)
    memory = rule.turn(Signal(x=np.zeros(3), gradient=-4.0 * g), rule.start(3)).memory
    assert rule.turn(signal, memory).direction.tolist() == [-1.0, 1.0, 0.0]


def test_the_slope_is_the_length_of_a_normalized_step() -> None:
    g = np.array([3.0, 4.0])
    turn = Normalized().turn(Signal(x=np.zeros(2), gradient=g, slope=10.0), {})
    assert turn.direction == pytest.approx(g / 10.0)
    unknown = Normalized().turn(Signal(x=np.zeros(2), gradient=g), {})
    assert np.linalg.norm(unknown.direction) == pytest.approx(1.0)
    nothing = Normalized().turn(Signal(x=np.zeros(2), gradient=0.0 * g, slope=0.0), {})
    assert not nothing.direction.any()


@given(st.integers(1, 7), st.integers(1, 7), st.integers(0, 2**32 - 1), st.floats(1e-6, 1e6))
def test_matrix_signs_have_the_singular_vectors_and_no_singular_values(
    rows: int, columns: int, seed: int, size: float
) -> None:
    rng = np.random.default_rng(seed)
    k = min(rows, columns)
    u = np.linalg.qr(rng.standard_normal((rows, k)))[0]
    v = np.linalg.qr(rng.standard_normal((columns, k)))[0]
    # Smaller singular values take more than five steps.
    matrix = size * (u * rng.uniform(0.2, 1.0, k)) @ v.T
    core = u.T @ matrix_sign(matrix) @ v
    assert np.diag(core) == pytest.approx(np.ones(k), abs=0.35)
    assert core - np.diag(np.diag(core)) == pytest.approx(np.zeros((k, k)), abs=1e-9)


def test_blocks_are_orthogonalized_one_by_one() -> None:
    rng = np.random.default_rng(3)
    g = rng.standard_normal(23)
    blocks = (Block("W", (4, 5), 0), Block("b", (3,), 20))
    x = np.zeros(23)
    rule = Spectral(momentum=0.0)
    d = rule.turn(Signal(x=x, gradient=g, blocks=blocks), rule.start(23)).direction
    assert d[:20].reshape(4, 5) == pytest.approx(5**0.5 * matrix_sign(g[:20].reshape(4, 5)))
    assert d[20:] == pytest.approx(3**0.5 * g[20:] / np.linalg.norm(g[20:]))
    stated = Spectral(momentum=0.0, shapes=((4, 5), (3,)))
    assert np.array_equal(stated.turn(Signal(x=x, gradient=g), stated.start(23)).direction, d)
    with pytest.raises(OptionError, match="hold 23 variables; 22 are needed"):
        stated.turn(Signal(x=x[1:], gradient=g[1:]), stated.start(22))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_memory_is_never_changed_in_place(rule: AbstractRule) -> None:
    memory = rule.start(N)
    for k in range(3):
        before = {name: array.copy() for name, array in memory.items()}
        for array in memory.values():
            array.flags.writeable = False
        x = np.full(N, k + 0.5)
        x.flags.writeable = False
        g = curved(x)
        g.flags.writeable = False
        first = rule.turn(Signal(x=x, gradient=g, slope=1.0), memory)
        again = rule.turn(Signal(x=x, gradient=g, slope=1.0), memory)
        assert np.array_equal(first.direction, again.direction)
        assert all(np.array_equal(memory[name], before[name]) for name in memory)
        assert set(first.memory) == set(memory)
        memory = first.memory


@pytest.mark.parametrize(
    "rule",
    [Adam(), AdaMM(), RAdaZO(), Sign(momentum=0.5), Normalized(), Spectral(shapes=((2, 3),))],
    ids=lambda rule: type(rule).__name__,
)
def test_the_scale_of_the_function_does_not_matter(rule: AbstractRule) -> None:
    moved = path(rule, lambda x: 1e5 * curved(x))
    assert moved == pytest.approx(path(rule), rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_no_gradient_no_step(rule: AbstractRule) -> None:
    nothing = np.zeros(N)
    turn = rule.turn(Signal(x=nothing, gradient=nothing, slope=0.0), rule.start(N))
    assert not turn.direction.any()


@pytest.mark.parametrize(
    "make",
    [
        lambda: SGD(weight_decay=-1.0),
        lambda: Momentum(momentum=1.0),
        lambda: Momentum(momentum=0.0, nesterov=True),
        lambda: Adam(beta1=1.0),
        lambda: AdaMM(beta2=-0.1),
        lambda: RAdaZO(floor=-1.0),
        lambda: Adam(weight_decay=float("nan")),
        lambda: Sign(momentum=2.0),
        lambda: Normalized(momentum=-0.5),
        lambda: Spectral(iterations=0),
    ],
)
def test_settings_out_of_range_are_refused(make: Callable[[], AbstractRule]) -> None:
    with pytest.raises(OptionError, match="is needed"):
        make()

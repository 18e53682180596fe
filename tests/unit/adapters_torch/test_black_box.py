"""The torch layer against automatic differentiation of the same simulator; failures, misuse, counts."""

from __future__ import annotations

import copy
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import simulators

from optlab import zo
from optlab.errors import (
    BudgetError,
    CapabilityError,
    EvaluationError,
    MissingDependencyError,
    OptionError,
    ProblemError,
)

torch: Any = pytest.importorskip("torch")
adapters: Any = pytest.importorskip("optlab.adapters")
pytestmark = pytest.mark.torch

LOWER, UPPER = np.array([-1.0, 0.0]), np.array([2.0, 3.0])


def smooth(z: Any) -> Any:
    """The simulator of ``simulators.smooth_batch`` in torch."""
    a, b = z[..., 0], z[..., 1]
    return torch.stack([torch.sin(a) * b, torch.exp(0.3 * b), a**2 + b**3], dim=-1)


def box(function: Any = simulators.smooth_batch, **options: Any) -> Any:
    return adapters.BlackBox(function, lower=LOWER, upper=UPPER, **options)


def inside(batch: int = 5, seed: int = 0, margin: float = 0.05) -> Any:
    u = np.random.default_rng(seed).uniform(margin, 1.0 - margin, (batch, 2))
    return torch.from_numpy(LOWER + (UPPER - LOWER) * u).requires_grad_()


def relative_error(made: Any, z: Any, v: Any) -> float:
    (found,) = torch.autograd.grad(made(z), z, v)
    (exact,) = torch.autograd.grad(smooth(z), z, v)
    return float((found - exact).norm() / exact.norm())


# Against automatic differentiation ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "order"),
    [
        (lambda h: zo.CGE(central=True, smoothing=h), 2),
        (lambda h: zo.CGE(smoothing=h), 1),
        (lambda h: zo.RGE(count=2, law="orthogonal", central=True, smoothing=h), 2),
    ],
    ids=["CGE central", "CGE forward", "orthogonal"],
)
def test_the_error_falls_with_the_step_as_theory_says(rule: Any, order: int) -> None:
    z = inside()
    v = torch.randn(5, 3, dtype=torch.double, generator=torch.Generator().manual_seed(1))
    steps = [1e-2, 1e-3]
    errors = [relative_error(box(queries=rule(h)), z, v) for h in steps]
    measured = np.log10(errors[0] / errors[1])
    assert measured == pytest.approx(order, abs=0.1)
    assert errors[1] < (2e-6 if order == 2 else 2e-3)


def test_the_default_is_central_differences_of_a_thousandth_of_the_box() -> None:
    asked = []

    def function(z: Any) -> Any:
        asked.append(z)
        return simulators.smooth_batch(z)

    made = box(function)
    z = inside(1)
    made(z).sum().backward()
    moves = asked[1] - z.detach().numpy()
    h = 1e-3 * (UPPER - LOWER)
    np.testing.assert_allclose(
        moves, [[h[0], 0.0], [-h[0], 0.0], [0.0, h[1]], [0.0, -h[1]]], atol=1e-12
    )
    assert relative_error(box(), z, torch.ones(1, 3, dtype=torch.double)) < 1e-5


def test_gaussian_directions_are_right_on_average() -> None:
    z = inside(1)
    v = torch.ones(1, 3, dtype=torch.double)
    (exact,) = torch.autograd.grad(smooth(z), z, v)
    made = box(queries=zo.RGE(count=8, smoothing=1e-4))
    draws = torch.stack([torch.autograd.grad(made(z), z, v)[0] for _ in range(400)])
    error = draws.std(0) / 400**0.5
    assert float(((draws.mean(0) - exact).abs() / error).max()) < 4.5
    assert float(draws.std(0).min()) > 0.0


def test_gradcheck() -> None:
    assert torch.autograd.gradcheck(box(), (inside(3),), eps=1e-5, atol=1e-3)


def test_single_precision_loses_nothing_in_the_differences() -> None:
    z = inside()
    v = torch.ones(5, 3, dtype=torch.double)
    (exact,) = torch.autograd.grad(smooth(z), z, v)
    small = z.detach().float().requires_grad_()
    made = box(queries=zo.CGE(smoothing=1e-6))
    y = made(small)
    assert y.dtype == torch.float32
    (found,) = torch.autograd.grad(y, small, v.float())
    # Differences of outputs rounded to float32 would be wrong by 1e-7 / 1e-6.
    assert float((found - exact).norm() / exact.norm()) < 1e-5


def test_the_layer_trains_a_network_as_the_differentiable_simulator_does() -> None:
    x = torch.randn(12, 4, dtype=torch.double, generator=torch.Generator().manual_seed(2))
    target = smooth(inside(12, seed=3).detach())

    def losses(simulator: Any, squash: Any) -> list[float]:
        torch.manual_seed(4)
        net = torch.nn.Linear(4, 2, dtype=torch.double)
        optimizer = torch.optim.Adam(net.parameters(), lr=0.05)
        seen = []
        for _ in range(40):
            optimizer.zero_grad()
            loss = (simulator(squash(net(x))) - target).square().mean()
            loss.backward()
            optimizer.step()
            seen.append(loss.item())
        return seen

    made = box()
    estimated, exact = losses(made, made.squash), losses(smooth, made.squash)
    assert exact[-1] < 0.5 * exact[0]
    np.testing.assert_allclose(estimated, exact, rtol=1e-4)


# What is run --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "per_sample"),
    [("cge", 4), (zo.CGE(), 2), (zo.RGE(count=3), 3), (zo.RGE(count=3, central=True), 6)],
)
def test_every_run_is_counted_and_the_forward_is_not_repeated(
    rule: Any, per_sample: int
) -> None:
    calls = []

    def function(z: Any) -> Any:
        calls.append(len(z))
        return simulators.smooth_batch(z)

    made = box(function, queries=rule)
    made(inside(5)).sum().backward()
    # One call for the batch, one for all samples and displacements.
    assert calls == [5, 5 * per_sample]
    assert made.simulator.counts.queries == sum(calls)


def test_no_gradient_no_queries() -> None:
    made = box()
    with torch.no_grad():
        y = made(inside(5))
    assert not y.requires_grad
    made(inside(5).detach())
    assert made.simulator.counts.queries == 10


def test_samples_that_do_not_count_cost_nothing() -> None:
    made = box()
    z = inside(5)
    made(z)[[1, 3]].sum().backward()
    assert made.simulator.counts.queries == 5 + 2 * 4
    assert (z.grad[[0, 2, 4]] == 0.0).all()


def test_no_run_is_made_outside_the_box_and_derivatives_at_its_sides_are_right() -> None:
    asked = []

    def function(z: Any) -> Any:
        asked.append(z)
        return simulators.smooth_batch(z)

    corners = torch.tensor(
        [[a, b] for a in (-1.0, 2.0) for b in (0.0, 3.0)], dtype=torch.double
    ).requires_grad_()
    for rule in ("cge", "rge", zo.CGE()):
        made = box(function, queries=rule, smoothing=None if rule != "cge" else 1e-3)
        made(corners).sum().backward()
    every = np.concatenate(asked)
    assert (every >= LOWER).all()
    assert (every <= UPPER).all()
    assert relative_error(box(), corners, torch.ones(4, 3, dtype=torch.double)) < 5e-3


def test_rounding_beyond_the_box_is_forgiven_and_more_is_not() -> None:
    made = box()
    edge = torch.tensor([[2.0 + 1e-6, 3.0]], requires_grad=True)
    made(edge).sum().backward()
    with pytest.raises(ProblemError, match=r"input 1 of sample 1 is 3\.5.*squash"):
        made(torch.tensor([[0.0, 1.0], [0.0, 3.5]]))


def test_squash_maps_everything_into_the_box() -> None:
    made = box()
    raw = torch.tensor([[-1e3, 0.0], [1e3, 40.0]])
    squashed = made.squash(raw)
    assert squashed.tolist() == [[-1.0, 1.5], [2.0, 3.0]]
    made(squashed)
    with pytest.raises(OptionError, match="finite box"):
        adapters.BlackBox(simulators.smooth_batch, lower=0.0, upper=[1.0, np.inf]).squash(raw)


def test_without_bounds_steps_are_plain() -> None:
    made = adapters.BlackBox(
        simulators.smooth_batch, lower=[-np.inf] * 2, upper=np.inf, smoothing=1e-3
    )
    assert relative_error(made, inside(), torch.ones(5, 3, dtype=torch.double)) < 1e-6


def test_one_sample_more_axes_and_numbers() -> None:
    made = box()
    z = inside(6)
    assert made(z[0]).shape == (3,)
    torch.testing.assert_close(made(z.reshape(2, 3, 2)), made(z).reshape(2, 3, 3))
    number = box(lambda z: z.sum(axis=1))
    assert number(z).shape == (6, 1)
    assert made(z[:0]).shape == (0, 3)


def test_a_simulator_of_one_point_comes_wrapped() -> None:
    z = inside()
    with ThreadPoolExecutor(2) as pool:
        wrapped = box(adapters.Simulator(simulators.smooth, executor=pool, cache=":memory:"))
        torch.testing.assert_close(wrapped(z), box()(z))
        wrapped(z).sum().backward()
    first = z.grad.clone()
    z.grad = None
    box()(z).sum().backward()
    torch.testing.assert_close(z.grad, first)
    assert wrapped.simulator.counts.cache_hits == 5


def test_the_same_seed_gives_the_same_gradients() -> None:
    def gradients(seed: int) -> Any:
        made = box(queries=zo.RGE(count=2), seed=seed)
        z = inside()
        return torch.stack([torch.autograd.grad(made(z).sum(), z)[0] for _ in range(3)])

    first = gradients(1)
    torch.testing.assert_close(gradients(1), first, rtol=0, atol=0)
    resumed = box(queries=zo.RGE(count=2), seed=1)
    resumed.calls = 2
    z = inside()
    torch.testing.assert_close(torch.autograd.grad(resumed(z).sum(), z)[0], first[2])
    assert not torch.equal(gradients(2), first)
    assert not torch.equal(first[0], first[1])


# Failures -----------------------------------------------------------------------------------------


def failing(x: Any) -> Any:
    """Fail where x[0] < 0, give nan where x[1] > 2."""
    if x[0] < 0.0:
        raise ArithmeticError("diverged")
    return simulators.smooth(x) * (np.nan if x[1] > 2.0 else 1.0)


BAD = torch.tensor([[1.0, 1.0], [-0.5, 1.0], [1.0, 2.5], [0.5, 0.5]], dtype=torch.double)


def test_dropped_samples_leave_value_and_gradient_alone() -> None:
    made = box(adapters.Simulator(failing, on_failure="drop"))
    z = BAD.clone().requires_grad_()
    y = made(z)
    assert y.isnan().all(dim=1).tolist() == [False, True, True, False]
    assert made.ok.tolist() == [True, False, False, True]
    kept, target = made.kept(y, torch.ones(4, 3, dtype=torch.double))
    (kept - target).square().mean().backward()
    good = BAD[[0, 3]].clone().requires_grad_()
    (box()(good) - 1.0).square().mean().backward()
    torch.testing.assert_close(z.grad[[0, 3]], good.grad)
    assert (z.grad[[1, 2]] == 0.0).all()


def test_a_loss_over_nan_is_nan_and_its_gradient_is_still_usable() -> None:
    made = box(adapters.Simulator(failing, on_failure="drop"))
    z = BAD.clone().requires_grad_()
    loss = made(z).square().sum()
    assert loss.isnan()
    loss.backward()
    assert z.grad.isfinite().all()
    assert (z.grad[[1, 2]] == 0.0).all()
    assert (z.grad[[0, 3]] != 0.0).all()


def test_nan_from_the_loss_itself_is_not_hidden() -> None:
    z = inside(2)
    (found,) = torch.autograd.grad(
        box()(z), z, torch.tensor([[1.0, 1, 1], [torch.nan, 1, 1]], dtype=torch.double)
    )
    assert found.isnan().tolist() == [[False, False], [True, True]]


def test_penalised_samples_have_the_penalty_as_value_and_no_gradient() -> None:
    made = box(adapters.Simulator(failing, on_failure="penalise", penalty=50.0))
    z = BAD.clone().requires_grad_()
    y = made(z)
    assert y[[1, 2]].tolist() == [[50.0] * 3] * 2
    y.sum().backward()
    assert (z.grad[[1, 2]] == 0.0).all()
    assert (z.grad[[0, 3]] != 0.0).all()


@pytest.mark.parametrize(
    "policy", [{"on_failure": "drop"}, {"on_failure": "penalise", "penalty": 1e9}]
)
def test_half_a_pair_that_fails_leaves_a_one_sided_difference(policy: Any) -> None:
    # Just right of the points that fail: only the run to the left is lost.
    z = torch.tensor([[1e-5, 1.0], [1.0, 1.0]], dtype=torch.double, requires_grad=True)
    made = box(adapters.Simulator(failing, **policy))
    (found,) = torch.autograd.grad(made(z).sum(), z)
    (exact,) = torch.autograd.grad(smooth(z).sum(), z)
    assert made.simulator.counts.failures == 1
    torch.testing.assert_close(found[1], exact[1], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found[0, 1], exact[0, 1], rtol=1e-4, atol=1e-4)
    # Of first order in the step of 3e-3.
    assert 1e-4 < abs(found[0, 0] - exact[0, 0]) < 1e-2


def test_an_input_with_no_usable_displacement_has_no_gradient() -> None:
    def island(x: Any) -> Any:
        if x[0] not in (0.5, 1.0):
            raise ArithmeticError("diverged")
        return simulators.smooth(x)

    z = torch.tensor([[0.5, 1.0]], dtype=torch.double, requires_grad=True)
    (found,) = torch.autograd.grad(
        box(adapters.Simulator(island, on_failure="drop"))(z).sum(), z
    )
    assert found[0, 0] == 0.0
    assert float(found[0, 1]) == pytest.approx(np.sin(0.5) + 0.3 * np.exp(0.3) + 3.0, rel=1e-4)


def test_stop_raises_in_forward_and_backward() -> None:
    with pytest.raises(EvaluationError, match="diverged"):
        box(adapters.Simulator(failing))(BAD)
    z = torch.tensor([[1e-5, 1.0]], dtype=torch.double, requires_grad=True)
    y = box(adapters.Simulator(failing))(z)
    with pytest.raises(EvaluationError, match="diverged"):
        y.sum().backward()


def test_the_budget_ends_the_training_and_the_results_stay() -> None:
    simulator = adapters.Simulator(
        simulators.smooth_batch, batch=True, max_queries=25, cache=":memory:"
    )
    made = box(simulator)
    made(inside()).sum().backward()
    with pytest.raises(BudgetError):
        made(inside(seed=1))
    assert simulator.counts.queries == len(simulator.archive()[0]) == 25
    made(inside()).sum().backward()


def test_nan_from_the_network_is_told() -> None:
    with pytest.raises(ProblemError, match="not finite"):
        box()(torch.tensor([[float("nan"), 1.0]]))


@pytest.mark.parametrize(
    "bad", [torch.zeros(3, 5), torch.tensor(1.0), torch.zeros(3, 2).int(), [1.0]]
)
def test_wrong_inputs_are_told(bad: Any) -> None:
    with pytest.raises(ProblemError, match="is needed"):
        box()(bad)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"lower": [0.0, 3.0], "upper": [1.0, 2.0]}, "no box"),
        ({"lower": [[0.0]], "upper": 1.0}, "no box"),
        ({"lower": [0.0] * 2, "upper": [1.0] * 3}, "no box"),
        ({"queries": "fd"}, "'cge', 'rge'"),
        ({"queries": zo.CGE(), "smoothing": 1e-3}, "belongs to the estimator"),
        ({"smoothing": -1.0}, "smoothing"),
        ({"smoothing": 0.0}, "smoothing"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        adapters.BlackBox(
            simulators.smooth_batch, **{"lower": 0.0, "upper": [1.0, 1.0], **options}
        )


# torch around it ----------------------------------------------------------------------------------


def test_functional_transforms() -> None:
    made, z = box(), inside()
    near = {"rtol": 1e-4, "atol": 1e-4}
    torch.testing.assert_close(torch.func.vmap(made)(z), made(z))
    torch.testing.assert_close(torch.func.vmap(made, in_dims=1, out_dims=1)(z.T), made(z).T)
    torch.testing.assert_close(
        torch.func.vmap(torch.func.jacrev(made))(z),
        torch.func.vmap(torch.func.jacrev(smooth))(z),
        **near,
    )
    torch.testing.assert_close(
        torch.func.grad(lambda z: made(z).square().sum())(z),
        torch.func.grad(lambda z: smooth(z).square().sum())(z),
        **near,
    )


def test_a_double_backward_is_refused_in_words() -> None:
    z = inside()
    (first,) = torch.autograd.grad(box()(z).square().sum(), z, create_graph=True)
    with pytest.raises(CapabilityError, match="first derivatives only"):
        first.sum().backward()
    with pytest.raises(CapabilityError, match="first derivatives only"):
        torch.func.jacrev(torch.func.jacrev(box()))(z[0])


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")
def test_forward_mode_is_refused_in_words() -> None:
    z = inside()
    with pytest.raises(CapabilityError, match="reverse mode"):
        torch.func.jvp(box(), (z,), (z,))
    with pytest.raises(CapabilityError, match="reverse mode"):
        torch.func.hessian(lambda z: box()(z).sum())(z)


def test_copies_and_state() -> None:
    made = box(adapters.Simulator(simulators.smooth, cache=":memory:"))
    net = torch.nn.Sequential(torch.nn.Linear(2, 2), made)
    assert list(net.state_dict()) == ["0.weight", "0.bias"]
    again = copy.deepcopy(made)
    torch.testing.assert_close(again(inside()), made(inside()))
    assert "inputs=2" in repr(made)


def test_kept_needs_a_forward() -> None:
    with pytest.raises(OptionError, match="call the layer first"):
        box().kept(torch.ones(2))


def test_without_torch_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in sys.modules if n.startswith("optlab_adapters.torch")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingDependencyError, match=r"optlab-npasa\[torch\]"):
        _ = adapters.BlackBox
    assert adapters.Simulator is not None

"""The layer solves, differentiates, says what it could not do, and refuses what it cannot."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import optlab
from optlab.errors import (
    CapabilityError,
    MissingDependencyError,
    OptionError,
    OptlabWarning,
    ProblemError,
    SolveError,
)

torch: Any = pytest.importorskip("torch")
adapters: Any = pytest.importorskip("optlab.adapters")
pytestmark = pytest.mark.torch

N, M = 4, 3


def program() -> Any:
    """Return quadratic programs with rows and bounds; the matrix of the rows may be shared."""
    return adapters.TorchFamily(
        objective=lambda x, R, q, G, h: 0.5 * (R.T @ x).square().sum() + 0.5 * x @ x + q @ x,  # noqa: ARG005
        shapes=[(N, N), (N,), (M, N), (M,)],
        x0=np.zeros(N),
        constraints=lambda x, _R, _q, G, h: G @ x - h,
        cu=0.0,
        lb=-0.6,
        linear=[True] * M,
    )


def data(batch: int = 3, seed: int = 0) -> tuple[Any, ...]:
    rng = torch.Generator().manual_seed(seed)
    made = (
        torch.randn(batch, N, N, generator=rng, dtype=torch.double),
        2 * torch.randn(batch, N, generator=rng, dtype=torch.double),
        torch.randn(M, N, generator=rng, dtype=torch.double),
        torch.rand(batch, M, generator=rng, dtype=torch.double),
    )
    return tuple(t.requires_grad_() for t in made)


def box(**options: Any) -> Any:
    """Return the projection on the unit box as a layer."""
    family = adapters.TorchFamily(
        objective=lambda x, p: ((x - p) ** 2).sum(),
        shapes=[(2,)],
        x0=[0.5, 0.5],
        lb=0.0,
        ub=1.0,
    )
    return adapters.SolveLayer(family, **options)


def test_gradcheck_of_a_batch_of_quadratic_programs_with_shared_rows() -> None:
    layer = adapters.SolveLayer(program(), tol=1e-12, multipliers=True, warm_start=False)
    given = data()
    x, y, z = layer(*given)
    assert (tuple(x.shape), tuple(y.shape), tuple(z.shape)) == ((3, N), (3, M), (3, N))
    assert y.count_nonzero() > 0
    assert z.count_nonzero() > 0
    assert not layer.last.issues
    assert torch.autograd.gradcheck(layer, given, eps=1e-6, atol=1e-5, fast_mode=True)


def test_gradcheck_of_a_curved_family_whose_limits_move() -> None:
    family = adapters.TorchFamily(
        objective=lambda x, p: ((x - p[:3]) ** 4).sum() + x @ x * p[3].exp(),
        constraints=lambda x, p: torch.stack([x.prod() * p[0], x.sum() - p[4] * x[0] ** 2]),
        shapes=[(5,)],
        x0=lambda p: p[:3],
        cl=lambda p: torch.stack([p[1] * 0 - torch.inf, p[1]]),
        cu=lambda p: torch.stack([0.1 * p[2] ** 2, p[1]]),
        ub=lambda p: p[4] / 2,
    )
    layer = adapters.SolveLayer(family, tol=1e-12, multipliers=True, warm_start=False)
    p = torch.tensor([[1.0, 0.5, 0.8, 0.1, 0.9], [1.2, 0.4, 0.7, 0.0, 0.8]], dtype=torch.double)
    p.requires_grad_()
    z = layer(p)[2]
    assert z.count_nonzero() > 0
    assert torch.autograd.gradcheck(layer, (p,), eps=1e-6, atol=1e-5)


def test_the_gradient_is_that_of_optlab_sensitivity() -> None:
    layer, given = adapters.SolveLayer(program()), data(1)
    v = torch.arange(1.0, N + 1, dtype=torch.double)
    (layer(*given)[0] @ v).backward()
    flat = torch.cat([t.grad.reshape(-1) for t in given]).numpy()
    values = tuple(t[0] if i != 2 else t for i, t in enumerate(given))
    s = optlab.sensitivity(program(), layer.last.results[0], values)
    np.testing.assert_allclose(flat, s.adjoint(v.numpy()), atol=1e-9)


def test_without_a_batch_axis() -> None:
    layer = box()
    p = torch.tensor([0.25, 3.0], requires_grad=True)
    x = layer(p)
    assert x.shape == (2,)
    assert x.dtype == torch.float32
    x.sum().backward()
    assert p.grad.tolist() == [1.0, 0.0]
    assert len(layer.last.results) == 1


def test_kinks_are_reported_with_their_instance() -> None:
    layer = box()
    p = torch.tensor([[0.5, 0.5], [0.5, 1.0]], dtype=torch.double, requires_grad=True)
    layer(p).sum().backward()
    assert layer.last.weakly_active == {1: ("bound of x[1] at its upper side",)}
    assert set(layer.last.issues) == {1}
    # The side on which the bound stays active.
    assert p.grad.tolist() == [[1.0, 1.0], [1.0, 0.0]]
    with torch.no_grad():
        layer(p)
    assert "solutions" not in vars(layer.last)
    assert set(layer.last.weakly_active) == {1}


def test_a_second_batch_starts_from_the_nearest_of_the_first() -> None:
    layer, given = adapters.SolveLayer(program()), data(4)
    first = layer(*given)
    order = torch.tensor([2, 0, 3, 1])
    again = layer(*(t[order] if i != 2 else t for i, t in enumerate(given)))
    assert [r.iterations for r in layer.last.results] == [0] * 4
    torch.testing.assert_close(again, first[order])
    cold = adapters.SolveLayer(program(), warm_start=False)
    cold(*given)
    cold(*given)
    assert all(r.iterations > 0 for r in cold.last.results)


def test_a_warm_start_that_fails_is_followed_by_a_cold_one() -> None:
    """From the first solution the cubic falls for ever; from the start point it has a minimizer."""
    family = adapters.TorchFamily(
        objective=lambda x, p: (x**3 / 3 - p * x).sum(), shapes=[(1,)], x0=[2.0]
    )
    layer = adapters.SolveLayer(family, max_iter=50)
    assert float(layer(torch.ones(1))) == pytest.approx(1.0)
    result = layer.last.results[0]
    object.__setattr__(result, "x", np.array([-30.0]))
    assert float(layer(torch.full((1,), 4.0))) == pytest.approx(2.0)


def test_failures_name_the_instance() -> None:
    family = adapters.TorchFamily(
        objective=lambda x, _p: x.sum(), shapes=[()], x0=[0.5],
        constraints=lambda x, p: x.square() + p, cl=-np.inf, cu=0.0,
    )  # fmt: skip
    p = torch.tensor([-1.0, 1.0, -4.0], requires_grad=True)
    with pytest.raises(SolveError, match="instance 1 of 3 was not solved"):
        adapters.SolveLayer(family)(p)
    layer = adapters.SolveLayer(family, on_failure="warn")
    with pytest.warns(OptlabWarning, match="instance 1 of 3 was not solved"):
        x = layer(p)
    assert layer.last.failed == (1,)
    x[[0, 2]].sum().backward()
    assert p.grad.tolist() == pytest.approx([0.5, 0.0, 0.25])


def test_a_solution_without_a_derivative_is_refused_or_warned_about() -> None:
    family = adapters.TorchFamily(
        objective=lambda x, p: (x[0] - p) ** 2 + 0.0 * x[1], shapes=[()], x0=[0.0, 3.0]
    )
    p = torch.tensor([1.0], requires_grad=True)
    x = adapters.SolveLayer(family)(p)
    x[0, 0].backward(retain_graph=True)
    assert p.grad.tolist() == [1.0]
    with pytest.raises(SolveError, match=r"instance 0 of 1 has no derivative .* singular"):
        x[0, 1].backward()
    layer = adapters.SolveLayer(family, on_failure="warn")
    p.grad = None
    with pytest.warns(OptlabWarning, match="has no derivative"):
        layer(p)[0, 1].backward()
    assert p.grad.tolist() == [0.0]


def test_second_derivatives_are_refused_in_words() -> None:
    p = torch.tensor([[0.25, 0.5]], requires_grad=True)
    (slope,) = torch.autograd.grad(box()(p).square().sum(), p, create_graph=True)
    assert slope.tolist() == [[0.5, 1.0]]
    with pytest.raises(CapabilityError, match="double backward"):
        slope.sum().backward()


def test_threads_give_the_same_answers() -> None:
    given = data(4)
    alone = adapters.SolveLayer(program())(*given)
    with ThreadPoolExecutor(2) as pool:
        together = adapters.SolveLayer(program(), executor=pool)(*given)
    assert torch.equal(alone, together)


@pytest.mark.slow
def test_processes_give_the_same_answers() -> None:
    from torch_families import simplex

    p = torch.tensor([[0.5, 0.7, 0.1], [2.0, 0.0, 0.0]], dtype=torch.double, requires_grad=True)
    alone = adapters.SolveLayer(simplex())(p)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        layer = adapters.SolveLayer(simplex(), executor=pool)
        layer(p)
        together = layer(p + 0.0)
    assert torch.equal(alone, together)
    together.sum().backward()


def test_it_trains() -> None:
    """Recover the costs from decisions: inverse optimization by gradient descent."""
    family = adapters.TorchFamily(
        objective=lambda x, p: x @ x / 2 - p @ x, shapes=[(3,)], x0=np.full(3, 0.3), lb=0.0,
        constraints=lambda x, _p: x.sum()[None], cl=1.0, cu=1.0, linear=[True],
    )  # fmt: skip
    wanted = torch.tensor([0.6, 0.3, 0.1], dtype=torch.double)
    p = torch.nn.Parameter(torch.tensor([0.1, 0.2, 0.4], dtype=torch.double))
    layer, optimizer = adapters.SolveLayer(family), torch.optim.SGD([p], lr=0.5)
    for _ in range(30):
        optimizer.zero_grad()
        loss = (layer(p) - wanted).square().sum()
        loss.backward()
        optimizer.step()
    assert loss.item() < 1e-10


def test_copies_and_pickles_leave_the_factorizations_behind() -> None:
    from torch_families import simplex

    with ThreadPoolExecutor(1) as pool:
        layer = adapters.SolveLayer(simplex(), executor=pool)
        layer(torch.tensor([0.5, 0.7, 0.1], requires_grad=True))
        for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
            assert twin.last is None
            assert twin.executor is None
            assert twin(torch.tensor([2.0, 0.0, 0.0])).tolist() == pytest.approx(
                [1.0, 0.0, 0.0]
            )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"on_failure": "ignore"}, "'raise' or 'warn'"),
        ({"x0": [0.0]}, "x0 is not an option of a layer"),
        ({"jac": "torch"}, "the family states it"),
    ],
)
def test_options_that_make_no_sense(options: Any, words: str) -> None:
    with pytest.raises(OptionError, match=words):
        box(**options)


def test_a_layer_needs_a_family() -> None:
    with pytest.raises(OptionError, match="a TorchFamily is needed"):
        adapters.SolveLayer(lambda x: x)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((), "0 parameters; its family has 1"),
        ((torch.zeros(3),), r"shape \(3,\); \(2,\) is needed"),
        ((torch.zeros(1, 1, 2),), "leading batch axis"),
        ((torch.zeros(0, 2),), "the batch is empty"),
        ((torch.zeros(2, dtype=torch.int64),), "floating-point"),
        ((np.zeros(2),), "a ndarray"),
        ((torch.tensor([0.0, torch.nan]),), "not finite"),
    ],
)
def test_parameters_that_do_not_fit(given: Any, words: str) -> None:
    with pytest.raises(ProblemError, match=words):
        box()(*given)


def test_batches_of_different_lengths() -> None:
    given = list(data(3))
    given[1] = given[1][:2]
    with pytest.raises(ProblemError, match="parameter 0: 3, parameter 1: 2"):
        adapters.SolveLayer(program())(*given)


def test_without_torch_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("optlab_adapters.torch")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in ("SolveLayer", "TorchFamily"):
        with pytest.raises(MissingDependencyError, match=rf"{name} needs torch.*\[torch\]"):
            getattr(adapters, name)

"""Second-order forward differentiation against derivatives worked by hand."""

from __future__ import annotations

import numpy as np

from optlab_problems.classic._jet import Jet, jet_of, variables


def test_a_worked_example_with_every_operation() -> None:
    # w = (1 - x)³ y / 4 + 2 x - y, at (3, 5): (1-x) = -2
    x, y = variables(np.array([3.0, 5.0]))
    w = (1 - x) ** 3 * y / 4 + 2 * x - y
    assert w.value == -8 * 5 / 4 + 6 - 5
    np.testing.assert_allclose(w.gradient, [-3 * 4 * 5 / 4 + 2, -8 / 4 - 1])
    np.testing.assert_allclose(w.hessian, [[6 * -2 * 5 / 4, -3.0], [-3.0, 0.0]])


def test_powers_one_and_two_at_zero() -> None:
    (x,) = variables(np.zeros(1))
    assert (x**1).gradient[0] == 1.0
    assert (x**1).hessian[0, 0] == 0.0
    assert (x**2).gradient[0] == 0.0
    assert (x**2).hessian[0, 0] == 2.0


def test_operators_with_numbers_on_either_side() -> None:
    (x,) = variables(np.array([2.0]))
    for got, value, slope in (
        (3 - x, 1.0, -1.0),
        (x - 3, -1.0, 1.0),
        (3 + x, 5.0, 1.0),
        (3 * x, 6.0, 3.0),
        (-x, -2.0, -1.0),
    ):
        assert (got.value, got.gradient[0]) == (value, slope)


def test_a_constant_has_no_derivatives() -> None:
    jet = jet_of(4.0, 3)
    assert isinstance(jet, Jet)
    assert jet.value == 4.0
    assert jet.gradient.shape == (3,)
    assert not jet.hessian.any()

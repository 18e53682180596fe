from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from optlab.core.sampled import Block
from optlab.core.sparsity import CollapsedError, Sparsity
from optlab.errors import OptionError, ProblemError

BLOCKS = (
    Block("a", (3, 4), 0),
    Block("bias", (3,), 12, prunable=False),
    Block("b", (2, 3), 15),
)
POINTS = arrays(np.float64, 21, elements=st.sampled_from([-2.0, -1.0, 0.5, 1.0, 3.0]))


@given(POINTS, st.floats(0.2, 1.0), st.sampled_from(["global", "layerwise"]))
def test_the_projection_is_the_nearest_point(x: Any, density: float, scope: Any) -> None:
    sparsity = Sparsity.of(BLOCKS, density, scope)
    try:
        mask = sparsity.keep(x)
    except CollapsedError:
        assert scope == "global"
        return
    assert mask[12:15].all()
    for units, count in sparsity.groups():
        weights = np.concatenate([x[:12], x[15:]])[units]
        kept = np.concatenate([mask[:12], mask[15:]])[units]
        assert kept.sum() == count == max(1, round(density * weights.size))
        # What is left out is nowhere larger than what is kept, so no other choice is nearer.
        assert np.abs(weights[~kept]).max(initial=0.0) <= np.abs(weights[kept]).min()
    assert sparsity.violation(np.where(mask, x, 0.0)) == 0.0


@given(POINTS, st.floats(0.2, 0.9))
def test_a_violation_is_what_would_have_to_become_zero(x: Any, density: float) -> None:
    sparsity = Sparsity.of(BLOCKS, density, "layerwise")
    dropped = ~sparsity.keep(x)
    assert sparsity.violation(x) == np.abs(x[dropped]).max(initial=0.0)


@given(POINTS, POINTS)
def test_what_is_out_stays_out(x: Any, y: Any) -> None:
    sparsity = Sparsity.of(BLOCKS, 0.5, "layerwise")
    first = sparsity.keep(x)
    again = sparsity.keep(y, lambda rho: rho / 2, among=first)
    assert not (again & ~first).any()
    assert again[:12].sum() == 3


def test_channels_are_rows() -> None:
    sparsity = Sparsity.of(BLOCKS, 0.5, "layerwise", "channel")
    x = np.zeros(21)
    x[0:4], x[4:8], x[8:12] = 0.6, [0.0, 0.0, 1.0, 0.0], 0.2
    x[15:18], x[18:21] = 1.0, 2.0
    mask = sparsity.keep(x)
    assert mask[:12].tolist() == [True] * 8 + [False] * 4  # root mean squares 0.6, 0.5, 0.2
    assert mask[15:].tolist() == [False] * 3 + [True] * 3
    assert sparsity.kept(mask) == {"a": pytest.approx(2 / 3), "b": 0.5}
    assert sparsity.share(mask) == pytest.approx(11 / 18)


def test_a_density_for_each_block() -> None:
    sparsity = Sparsity.of(BLOCKS, {"a": 0.25, "b": 1.0})
    mask = sparsity.keep(np.arange(21.0))
    assert np.flatnonzero(mask).tolist() == [9, 10, 11, *range(12, 21)]
    assert sparsity.density == pytest.approx(9 / 18)


def test_a_block_that_loses_everything_is_named() -> None:
    x = np.ones(21)
    x[15:] = 0.1
    with pytest.raises(CollapsedError, match="b would lose all of its 6 weights"):
        Sparsity.of(BLOCKS, 0.5).keep(x)


@pytest.mark.parametrize(
    ("density", "more", "message"),
    [
        (0.0, {}, r"density of a is 0.0; the kept share, a number in (0, 1]"),
        (1.5, {}, "density of a is 1.5"),
        (float("nan"), {}, "density of a is nan"),
        ("few", {}, "density is 'few'"),
        (0.05, {"scope": "layerwise"}, "density 0.05 leaves b nothing of its 6 weights"),
        ({"a": 0.5}, {}, "['b'] do not agree"),
        ({"a": 0.5, "b": 0.5, "bias": 0.5}, {}, "['bias'] do not agree"),
        (0.5, {"scope": "local"}, "scope is 'local'"),
        (0.5, {"unit": "row"}, "unit is 'row'"),
    ],
)
def test_bad_densities(density: Any, more: Any, message: str) -> None:
    with pytest.raises(OptionError, match=re.escape(message)):
        Sparsity.of(BLOCKS, density, **more)


def test_nothing_to_prune() -> None:
    with pytest.raises(ProblemError, match="nothing to prune"):
        Sparsity.of((Block("bias", (3,), 0, prunable=False),), 0.5)

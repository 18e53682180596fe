from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optlab import StopReason
from optlab.core.packing import pack, unpack
from optlab.errors import ResumeError


@dataclass(frozen=True)
class Inner:
    values: Any
    stop: StopReason | None = None


@dataclass(frozen=True)
class Outer:
    k: int
    inner: Inner
    parts: dict[str, Any] = field(default_factory=dict)


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
trees = st.recursive(
    leaves,
    lambda t: st.lists(t, max_size=3).map(tuple) | st.dictionaries(st.text(), t, max_size=3),
    max_leaves=8,
)


def same(a: Any, b: Any) -> bool:
    if isinstance(a, float) and math.isnan(a):
        return isinstance(b, float) and math.isnan(b)
    if isinstance(a, tuple):
        return isinstance(b, tuple) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return type(a) is type(b) and a == b


@given(trees)
def test_plain_values_come_back_through_json(value: Any) -> None:
    arrays: dict[str, Any] = {}
    packed = json.loads(json.dumps(pack(value, arrays), allow_nan=False))
    assert same(unpack(packed, arrays), value)


def test_records_come_back_with_their_arrays() -> None:
    inner = Inner(np.arange(6.0).reshape(2, 3), StopReason.MAX_ITER)
    state = Outer(3, inner, {"m": np.zeros(2), "flag": np.bool_(True), "g": np.float64(0.5)})
    arrays: dict[str, Any] = {}
    packed = json.loads(json.dumps(pack(state, arrays)))
    assert set(arrays) == {"state.inner.values", "state.parts.m"}
    back = unpack(packed, arrays, (Inner, Outer))
    assert (back.k, back.inner.stop) == (3, StopReason.MAX_ITER)
    np.testing.assert_array_equal(back.inner.values, inner.values)
    assert back.parts["flag"] is True
    assert back.parts["g"] == 0.5


def test_only_named_records_come_out() -> None:
    arrays: dict[str, Any] = {}
    packed = pack(Inner(1.0), arrays)
    with pytest.raises(ResumeError, match="cannot be read"):
        unpack(packed, arrays, (Outer,))
    with pytest.raises(ResumeError):
        unpack({"array": "gone"}, {})
    with pytest.raises(ResumeError):
        unpack({"record": "Inner", "fields": {"other": 1}}, {}, (Inner,))


def test_what_cannot_be_stored_is_named() -> None:
    with pytest.raises(TypeError, match=r"state\.inner\.values is a function"):
        pack(Outer(1, Inner(lambda: 0)), {})

"""The reference of the nonmonotone search, by hand."""

from __future__ import annotations

import pytest

from optlab.linesearch import Reference
from optlab.linesearch.nonmonotone import ETA, PATIENCE


def test_the_average_is_zhang_and_hagers() -> None:
    first = Reference.at(10.0)
    assert first.level == 10.0
    second = first.after(4.0)
    assert second.level == pytest.approx((ETA * 10.0 + 4.0) / (ETA + 1.0))
    weight = ETA * (ETA + 1.0) + 1.0
    third = second.after(1.0)
    assert third.level == pytest.approx((ETA * (ETA + 1.0) * second.level + 1.0) / weight)


def test_a_falling_sequence_keeps_its_past() -> None:
    reference = Reference.at(8.0)
    for value in (7.0, 6.0, 5.0, 4.0, 3.0):
        reference = reference.after(value)
    assert reference.since == 0
    assert reference.level > 3.0


def test_a_sequence_that_swings_forgets_it() -> None:
    reference = Reference.at(100.0).after(1.0)
    for k in range(PATIENCE):
        assert reference.level > 2.0
        reference = reference.after(1.5 + 0.1 * (k % 2))
    assert reference.level == 1.5 + 0.1 * ((PATIENCE - 1) % 2)
    assert reference.lowest == 1.0
    # A new lowest value starts the average again.
    assert reference.after(0.5).since == 0

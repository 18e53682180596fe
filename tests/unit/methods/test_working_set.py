from __future__ import annotations

import numpy as np

from optlab.linalg.polyhedron import Polyhedron
from optlab.methods.pasa.working_set import (
    WorkingSet,
    active_at,
    step_to_boundary,
    violated_at,
)

BOX = Polyhedron(None, None, None, np.array([0.0, -1.0, -np.inf]), np.array([2.0, 1.0, np.inf]))
ROWS = Polyhedron(
    np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]]),
    np.array([-np.inf, 1.0]),
    np.array([3.0, 1.0]),
    np.full(3, -10.0),
    np.full(3, 10.0),
)
NOTHING = np.zeros(0)


def none(n: int, rows: int = 0) -> WorkingSet:
    return WorkingSet(np.zeros(n, dtype=np.int8), np.zeros(rows, dtype=np.int8))


def test_sides_of_active_bounds() -> None:
    held = active_at(np.array([0.0, 1.0, 5.0]), NOTHING, BOX)
    assert held.bounds.tolist() == [-1, 1, 0]
    assert held.free.tolist() == [False, False, True]
    assert held.size() == 2


def test_equality_rows_are_always_held() -> None:
    x = np.array([3.0, 0.0, 7.0])
    held = active_at(x, ROWS.rows_times(x), ROWS)
    assert held.rows.tolist() == [1, 2]


def test_add_keeps_what_is_held_and_without_releases() -> None:
    held = WorkingSet(np.array([-1, 0, 0], dtype=np.int8), np.zeros(0, dtype=np.int8))
    more = WorkingSet(np.array([1, 1, 0], dtype=np.int8), np.zeros(0, dtype=np.int8))
    union = held.with_added(more)
    assert union.bounds.tolist() == [-1, 1, 0]
    left = union.without(np.array([True, False, False]), np.zeros(0, dtype=bool))
    assert left.bounds.tolist() == [0, 1, 0]


def test_violations_outside_the_held_set() -> None:
    y = np.array([-0.5, 0.5, 3.0])
    assert violated_at(y, NOTHING, none(3), BOX).bounds.tolist() == [-1, 0, 0]
    held = WorkingSet(np.array([-1, 0, 0], dtype=np.int8), np.zeros(0, dtype=np.int8))
    assert violated_at(y, NOTHING, held, BOX).size() == 0


def test_first_constraint_met_by_hand() -> None:
    # x0 meets 2 at t = 1/2, x1 meets -1 at t = 1: the full step violates x0 only up to t = 1.
    y, d = np.array([1.0, 0.0, 0.0]), np.array([2.0, -1.0, 100.0])
    met = step_to_boundary(y, d, (NOTHING, NOTHING), none(3), BOX)
    assert met.size == 0.5
    assert met.first.bounds.tolist() == [1, 0, 0]
    assert met.beyond.bounds.tolist() == [1, -1, 0]
    assert met.count == 2


def test_ties_are_met_together() -> None:
    y, d = np.array([1.0, 0.0, 0.0]), np.array([1.0, 1.0, 0.0])
    met = step_to_boundary(y, d, (NOTHING, NOTHING), none(3), BOX)
    assert met.first.bounds.tolist() == [1, 1, 0]


def test_a_free_direction_never_blocks() -> None:
    y, d = np.zeros(3), np.array([0.0, 0.0, -1e9])
    met = step_to_boundary(y, d, (NOTHING, NOTHING), none(3), BOX)
    assert met.size == np.inf
    assert met.count == 0


def test_rows_block_and_held_rows_do_not() -> None:
    y, d = np.array([1.0, 0.0, 1.0]), np.array([4.0, 0.0, 0.0])
    rows = (ROWS.rows_times(y), ROWS.rows_times(d))
    met = step_to_boundary(y, d, rows, none(3, 2), ROWS)
    assert met.size == 0.5
    assert met.first.rows.tolist() == [1, 0]
    held = WorkingSet(np.zeros(3, dtype=np.int8), np.array([1, 2], dtype=np.int8))
    assert step_to_boundary(y, d, rows, held, ROWS).size > 1.0

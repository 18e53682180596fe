"""A family whose functions can be imported, for solves in other processes."""

from __future__ import annotations

from typing import Any

from optlab.adapters import TorchFamily


def distance(x: Any, p: Any) -> Any:
    return ((x - p) ** 2).sum()


def simplex() -> Any:
    """Return the projection on {x >= 0, sum x = 1}."""
    return TorchFamily(
        objective=distance, shapes=[(3,)], x0=[0.3, 0.3, 0.3],
        constraints=total, cl=1.0, cu=1.0, lb=0.0, linear=[True],
    )  # fmt: skip


def total(x: Any, _p: Any) -> Any:
    return x.sum()[None]

"""Products of the Hessian with a vector, without the Hessian: one sweep up, one down.

With the tangents t = dv along the direction, d of the weighted adjoints w obeys the rule of the adjoints
themselves, plus what second derivatives add: for an operation v with operands p, q

    dw(p) += slope(v, p) dw(v) + w(v) * sum over q of v''(p, q) t(q)
"""

from __future__ import annotations

import numpy as np

from optlab.typing import Vector
from optlab_problems.expressions.patterns import add_up
from optlab_problems.expressions.sweep import Sweep

__all__ = ["hessian_product"]


def hessian_product(
    sweep: Sweep, weights: Vector, slopes: Vector, second: Vector, direction: Vector
) -> Vector:
    """Return the product of the Hessian of the weighted outputs with a direction, (n,).

    Parameters
    ----------
    sweep
        The operations.
    weights
        Weighted adjoint of every slot.
    slopes, second
        First derivatives of all edges and second derivatives, at the point.
    direction
        (n,) what the Hessian is multiplied by.
    """
    layout = sweep.layout
    tangents = np.zeros(layout.size)
    tangents[: layout.n] = direction
    for group in layout.groups:
        edges = group.edges
        flow = _guarded(slopes[edges], tangents[layout.child[edges]])
        parents = layout.parent[edges] - group.start
        tangents[group.start : group.stop] = add_up(parents, flow, group.count)
    bend = _guarded(weights[sweep.second_parent], second)
    first, other = layout.child[sweep.second_first], layout.child[sweep.second_second]
    mixed = np.where(sweep.second_first != sweep.second_second, bend, 0.0)
    change = add_up(first, _guarded(bend, tangents[other]), layout.size)
    change += add_up(other, _guarded(mixed, tangents[first]), layout.size)
    for group in reversed(layout.groups):
        edges = group.edges
        upper = change[layout.parent[edges]]
        np.add.at(change, layout.child[edges], _guarded(upper, slopes[edges]))
    return change[: layout.n].copy()


def _guarded(factor: Vector, value: Vector) -> Vector:
    """Multiply, with zero for what is not part of the outputs, even where it is infinite."""
    product: Vector = factor * value
    product[factor == 0.0] = 0.0
    return product

"""Outputs of a graph with exact sparse derivatives: output 0 is the objective, the others are rows.

    output r = constant_r + sum of a_rj x_j + sum of coefficient * operation

`Outputs` states them, `Evaluator` computes them. Every operation is computed once at a point, and the
results of the last point are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from optlab.typing import Indices, Mask, Matrix, Vector
from optlab_problems.expressions.adjoints import Adjoints, Seeds
from optlab_problems.expressions.arcs import Arcs
from optlab_problems.expressions.patterns import (
    Pattern,
    RectangularMatrix,
    SymmetricPattern,
    add_up,
)
from optlab_problems.expressions.products import hessian_product
from optlab_problems.expressions.pushes import TooLarge
from optlab_problems.expressions.sweep import Sweep

if TYPE_CHECKING:
    from optlab_problems.expressions.layout import Layout

__all__ = ["Evaluator", "Outputs", "PlanLimits", "Undefined"]

_SILENT = np.errstate(all="ignore")
"""Infinities and NaN are values here; who calls decides what they mean."""


@dataclass(frozen=True, slots=True)
class PlanLimits:
    """Contributions that the plans of derivatives may list; planning takes about 60 bytes each."""

    first: int = 20_000_000
    second: int = 10_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Undefined:
    """An operation that has no finite value or slope at a point where its operands have values."""

    operation: str
    what: str
    """``"value"`` or ``"slope"``."""

    outputs: Indices
    """Outputs that depend on it."""

    inputs: Indices
    """Inputs that it depends on."""


@dataclass(frozen=True, slots=True, eq=False)
class Outputs:
    """The objective and the rows as constants, linear terms and combinations of operations."""

    constants: Vector
    """(1 + m,)"""

    linear_rows: Indices
    linear_columns: Indices
    linear_values: Vector
    """Linear terms, one entry each; entries that share a place are added."""

    seeds: Seeds
    """The operations."""

    @property
    def linear(self) -> Mask:
        """Rows without operations, (m,): affine by their form."""
        mask = np.ones(self.constants.size, dtype=bool)
        mask[self.seeds.rows] = False
        return mask[1:]


class Evaluator:
    """Evaluates outputs and their derivatives.

    Parameters
    ----------
    layout
        The operations.
    outputs
        The objective and the rows.
    dense
        Return ndarrays instead of csr_arrays.
    limits
        Sizes of the plans. When second derivatives need more, only products are available.

    Raises
    ------
    TooLarge
        When first derivatives need more than the limit.
    """

    def __init__(
        self, layout: Layout, outputs: Outputs, *, dense: bool, limits: PlanLimits | None = None
    ) -> None:
        limits = limits or PlanLimits()
        self.layout, self.outputs = layout, outputs
        self._sweep = Sweep(layout)
        self._adjoints = Adjoints(layout, outputs.seeds, limits.first)
        self._plan_first(dense=dense)
        self._plan_second(limits.second, dense=dense)
        self._key = b""
        self._level = -1

    @property
    def has_hessian(self) -> bool:
        """Whether the Hessian is available, and not only its products."""
        return self._arcs is not None

    @_SILENT
    def objective(self, x: Vector) -> float:
        """Return f(x)."""
        return float(self._at(x, 0)[0])

    @_SILENT
    def constraints(self, x: Vector) -> Vector:
        """Return c(x), (m,)."""
        return self._at(x, 0)[1:].copy()

    @_SILENT
    def gradient(self, x: Vector) -> Vector:
        """Return the gradient of f, (n,)."""
        self._at(x, 1)
        adjoints = self._adjoint_values[self._gradient_pairs]
        return self._gradient_constant + add_up(self._gradient_columns, adjoints, self.layout.n)

    @_SILENT
    def jacobian(self, x: Vector) -> Matrix:
        """Return the Jacobian of c, (m, n)."""
        self._at(x, 1)
        data = self._jacobian_constant.copy()
        # No place occurs twice among the pairs.
        data[self._jacobian_slots] += self._adjoint_values[self._jacobian_pairs]
        return self._jacobian_matrix.build(data)

    @_SILENT
    def hessian(self, x: Vector, y: Vector, sigma: float) -> Matrix:
        """Return sigma Hess f + sum y_i Hess c_i, (n, n)."""
        assert self._arcs is not None
        self._at(x, 2)
        entries = self._arcs.evaluate(self._weights(y, sigma), self._slopes, self._second)
        return self._hessian_matrix.build(entries)

    @_SILENT
    def hprod(self, x: Vector, y: Vector, sigma: float, v: Vector) -> Vector:
        """Return the product of the Hessian with v, (n,), without the Hessian."""
        self._at(x, 2)
        weights = self._weights(y, sigma)
        return hessian_product(self._sweep, weights, self._slopes, self._second, v)

    @_SILENT
    def undefined(self, x: Vector) -> Undefined | None:
        """Find an operation without a finite value or slope at x; None when all outputs have both."""
        self._at(x, 1)
        layout, values = self.layout, self._values
        bad = ~np.isfinite(values)
        for group in layout.groups:
            # What is computed from something undefined is not to blame, nor are sums.
            blamed = bad[group.start : group.stop].copy()
            for slots in group.operands:
                blamed &= ~bad[slots] if group.operation != "sum" else False
            for slot in (group.start + np.flatnonzero(blamed)).tolist():
                if found := self._undefined(slot, group.operation, "value"):
                    return found
        steep = np.unique(layout.parent[~np.isfinite(self._slopes)])
        for group in layout.groups:
            for slot in steep[(steep >= group.start) & (steep < group.stop)].tolist():
                if found := self._undefined(slot, group.operation, "slope"):
                    return found
        return None

    def _undefined(self, slot: int, operation: str, what: str) -> Undefined | None:
        """Say what depends on an operation, and what it depends on; None when no output does."""
        pairs, layout = self._adjoints, self.layout
        touched = (pairs.slots == slot) & (self._adjoint_values != 0.0)
        if not touched.any():
            return None
        seen, stack = {slot}, [slot]
        while stack:
            top = stack.pop()
            below = layout.child[layout.edge_start[top] : layout.edge_start[top + 1]].tolist()
            stack += set(below) - seen
            seen.update(below)
        inputs = np.array(sorted(s for s in seen if s < layout.n), dtype=np.intp)
        return Undefined(operation, what, pairs.rows[touched], inputs)

    # --- evaluation -----------------------------------------------------------------------------

    def _at(self, x: Vector, level: int) -> Vector:
        """Bring the results up to a level of derivatives; return the outputs."""
        key = x.tobytes()
        if key != self._key:
            self._key, self._level = b"", -1
        if self._level < 0:
            self._values = self._sweep.values(x)
            self._results = self._output_values(x)
        if self._level < 1 <= level:
            self._slopes = self._sweep.first(self._values)
            self._adjoint_values = self._adjoints.evaluate(self._slopes)
        if self._level < 2 <= level:
            self._second = self._sweep.second(self._values)
        self._key, self._level = key, max(level, self._level)
        return self._results

    def _output_values(self, x: Vector) -> Vector:
        outputs, seeds = self.outputs, self.outputs.seeds
        count = outputs.constants.size
        linear = outputs.linear_values * x[outputs.linear_columns]
        operations = seeds.coefficients * self._values[seeds.slots]
        return (
            outputs.constants
            + add_up(outputs.linear_rows, linear, count)
            + add_up(seeds.rows, operations, count)
        )

    def _weights(self, y: Vector, sigma: float) -> Vector:
        """Return the adjoint of every slot for the weighted sum of all outputs."""
        of_outputs = np.concatenate([[sigma], y])[self._adjoints.rows]
        products = of_outputs * self._adjoint_values
        products[of_outputs == 0.0] = 0.0
        return add_up(self._adjoints.slots, products, self.layout.size)

    # --- preparation ----------------------------------------------------------------------------

    def _plan_first(self, *, dense: bool) -> None:
        outputs, n = self.outputs, self.layout.n
        pairs = np.arange(*self._adjoints.at_inputs.indices(self._adjoints.rows.size))
        rows, columns = self._adjoints.rows[pairs], self._adjoints.slots[pairs]
        of_objective = outputs.linear_rows == 0
        self._gradient_constant = add_up(
            outputs.linear_columns[of_objective], outputs.linear_values[of_objective], n
        )
        self._gradient_pairs = pairs[rows == 0]
        self._gradient_columns = columns[rows == 0]
        linear, moving = ~of_objective, rows > 0
        pattern = Pattern(
            np.concatenate([outputs.linear_rows[linear], rows[moving]]) - 1,
            np.concatenate([outputs.linear_columns[linear], columns[moving]]),
            (outputs.constants.size - 1, n),
        )
        count = int(linear.sum())
        self._jacobian_constant = pattern.sum(
            pattern.slots[:count], outputs.linear_values[linear]
        )
        self._jacobian_slots = pattern.slots[count:]
        self._jacobian_pairs = pairs[moving]
        self._jacobian_matrix = RectangularMatrix(pattern, dense=dense)

    def _plan_second(self, limit: int, *, dense: bool) -> None:
        reached = np.zeros(self.layout.size, dtype=bool)
        reached[self._adjoints.slots] = True
        self._arcs: Arcs | None = None
        try:
            self._arcs = Arcs(self._sweep, reached, limit)
        except TooLarge:
            return
        n = self.layout.n
        lower = Pattern(self._arcs.rows, self._arcs.columns, (n, n))
        self._hessian_matrix = SymmetricPattern(lower, dense=dense)

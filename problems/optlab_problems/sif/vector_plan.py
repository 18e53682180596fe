"""Evaluate a problem type by type: no Python loop over elements, groups or entries.

With t = A x - b + W e(x) the arguments of the groups, g their functions and s their scales:

    grad f = sum of (g'(t) / s) grad t,    H = sum of w [ (g'' / s) grad t grad t' + (g' / s) sum W Hess e ]

where w is sigma for objective groups and y_i for constraint groups.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from optlab.typing import Matrix, Vector
from optlab_problems.expressions.patterns import (
    Pattern,
    RectangularMatrix,
    SymmetricPattern,
    add_up,
)
from optlab_problems.sif.blocks import ElementBlock, GroupBlock
from optlab_problems.sif.functions import Functions
from optlab_problems.sif.group_pairs import count_pairs, list_pairs
from optlab_problems.sif.structure import Structure
from optlab_problems.sif.uses import Layout

__all__ = ["VectorPlan"]

#: Pairs beyond which a dense matrix product is faster than listing them (dense mode only).
_PAIRS_FOR_PRODUCT = 3000

#: Fortran gives Inf and NaN without a word, and so does this: who calls decides what they mean.
_SILENT = np.errstate(all="ignore")


class VectorPlan:
    """Evaluates a problem with arrays; keeps the results at the last point.

    Parameters
    ----------
    structure
        The problem.
    elements, groups
        The two parts with functions.
    dense
        Return ndarrays instead of csr_arrays.
    single
        The Fortran reading of constants without a D exponent.
    pattern_limit
        Entries that a Hessian pattern may have; beyond, `hessian` is not available.
    """

    def __init__(
        self,
        structure: Structure,
        elements: Functions,
        groups: Functions,
        *,
        dense: bool,
        single: bool = False,
        pattern_limit: int = 20_000_000,
    ) -> None:
        s = self.structure = structure
        self.dense = dense
        blocks = [ElementBlock(members, elements, single=single) for members in s.element_sets]
        self.group_blocks = [GroupBlock(m, groups, single=single) for m in s.group_sets]
        self.layout = Layout(s, blocks)
        self.group_count = len(s.group_names)
        self.rows = np.flatnonzero(~s.objective)
        self.objective_groups = np.flatnonzero(s.objective)
        self._prepare_arguments()
        self._prepare_gradients()
        self._prepare_objective()
        self._prepare_jacobian()
        self._prepare_hessian(pattern_limit)
        self._key = b""
        self._level = -1

    # --- public verbs ---------------------------------------------------------------------------

    @_SILENT
    def objective(self, x: Vector) -> float:
        """Return f(x)."""
        self._at(x, 0)
        value = float(self._values[self.objective_groups].sum())
        return (
            value + 0.5 * float(x @ self._quadratic_product(x))
            if self._has_quadratic
            else value
        )

    @_SILENT
    def constraints(self, x: Vector) -> Vector:
        """Return c(x), (m,)."""
        self._at(x, 0)
        return self._values[self.rows]

    @_SILENT
    def gradient(self, x: Vector) -> Vector:
        """Return the gradient of f, (n,)."""
        self._at(x, 1)
        n = self.structure.n
        result = self._objective_constant.copy()
        if self._objective_positions.size:
            data = self.layout.storage[1][self._objective_positions] * self._objective_weights
            result += add_up(self._objective_columns, data, n)
        if self._objective_t.size:
            data = self._t_data[self._objective_t] * self._slopes[self._objective_t_groups]
            result += add_up(self._objective_t_columns, data, n)
        return result + self._quadratic_product(x) if self._has_quadratic else result

    @_SILENT
    def jacobian(self, x: Vector) -> Matrix:
        """Return the Jacobian of c, (m, n)."""
        self._at(x, 1)
        data = self._jacobian_constant.copy()
        if self._jacobian_positions.size:
            values = self.layout.storage[1][self._jacobian_positions] * self._jacobian_weights
            data += add_up(self._jacobian_slots, values, data.size)
        if self._jacobian_t.size:
            values = self._t_data[self._jacobian_t] * self._slopes[self._jacobian_t_groups]
            data[self._jacobian_t_slots] += values
        return self._jacobian_matrix.build(data)

    @property
    def vector_operations(self) -> int:
        """Array operations of one evaluation of everything, about."""
        # Beside the tapes: about ten calls a block and fifty of assembly.
        blocks = self.layout.blocks
        return sum(b.tape.size + 10 for b in blocks) + 15 * len(self.group_blocks) + 50

    @property
    def scalar_operations(self) -> int:
        """Scalar operations of one evaluation of everything, at most about."""
        elements = sum(block.tape.size * block.count for block in self.layout.blocks)
        entries = self._hessian_positions.size + 2 * count_pairs(self._t_pattern)
        return elements + 2 * (entries + self.structure.linear_rows.size)

    @property
    def has_hessian(self) -> bool:
        """Whether the pattern of the Hessian is within its limit."""
        return self._hessian_matrix is not None

    @_SILENT
    def hessian(self, x: Vector, y: Vector, sigma: float) -> Matrix:
        """Return sigma Hess f + sum y_i Hess c_i, (n, n)."""
        assert self._hessian_matrix is not None
        self._at(x, 2)
        weights = self._group_weights(y, sigma)
        data = sigma * self._hessian_quadratic
        if self._hessian_positions.size:
            use = (weights * self._slopes)[
                self.structure.use_groups
            ] * self.structure.use_weights
            values = self.layout.storage[2][self._hessian_positions] * use[self._hessian_uses]
            data += add_up(self._hessian_slots, values, data.size)
        curvature = weights[self._t_groups] * self._curvatures[self._t_groups]
        if self._pairs is not None:
            p = self._pairs
            values = self._t_data[p.first] * self._t_data[p.second] * curvature[p.groups]
            data += add_up(self._pair_slots, values, data.size)
        matrix = self._hessian_matrix.build(data)
        if self._product:
            rows = self._t_dense()
            matrix += rows.T @ (curvature[:, None] * rows)
        return matrix

    @_SILENT
    def hprod(self, x: Vector, y: Vector, sigma: float, v: Vector) -> Vector:
        """Return the product of the Hessian with v, (n,), without forming outer products."""
        self._at(x, 2)
        n, weights = self.structure.n, self._group_weights(y, sigma)
        result = sigma * self._quadratic_product(v)
        use = (weights * self._slopes)[self.structure.use_groups] * self.structure.use_weights
        values = self.layout.storage[2][self._hessian_positions] * use[self._hessian_uses]
        row, column = self._hessian_rows, self._hessian_columns
        result += add_up(row, values * v[column], n)
        off = np.where(row == column, 0.0, values) * v[row]
        result += add_up(column, off, n)
        curvature = weights[self._t_groups] * self._curvatures[self._t_groups]
        t = self._t_pattern
        along = add_up(t.rows, self._t_data * v[t.columns], self._t_groups.size)
        spread = self._t_data * (curvature * along)[t.rows]
        return result + add_up(t.columns, spread, n)

    # --- evaluation -----------------------------------------------------------------------------

    def _at(self, x: Vector, level: int) -> None:
        key = x.tobytes()
        if key != self._key:
            self._key, self._level = b"", -1
        if self._level >= level:
            return
        if self._level < 0:
            self._run_values(x)
        if self._level < 1 <= level:
            self._run_first()
        if level == 2:
            self._run_second()
        self._key, self._level = key, level

    def _run_values(self, x: Vector) -> None:
        s = self.structure
        self._registers = [block.start(x) for block in self.layout.blocks]
        for block, registers in zip(self.layout.blocks, self._registers, strict=True):
            block.run(0, registers)
        arguments = -s.constants
        if s.linear_rows.size:
            data = s.linear_values * x[s.linear_columns]
            arguments += add_up(s.linear_rows, data, self.group_count)
        if s.use_groups.size:
            data = self.layout.storage[0][self.layout.use_elements]
            if self._weighted:
                data = data * s.use_weights
            arguments += add_up(s.use_groups, data, self.group_count)
        values = arguments.copy()
        self._group_registers: list[list[Any]] = []
        for group_block in self.group_blocks:
            registers = group_block.start(arguments)
            values[group_block.groups] = group_block.run(0, registers)
            self._group_registers.append(registers)
        self._values = values * s.inverse_scales if self._scaled else values

    def _run_first(self) -> None:
        for block, registers in zip(self.layout.blocks, self._registers, strict=True):
            block.run(1, registers)
        slopes = self.structure.inverse_scales.copy()
        for group_block, registers in zip(
            self.group_blocks, self._group_registers, strict=True
        ):
            slopes[group_block.groups] *= group_block.run(1, registers)
        self._slopes = slopes
        if self._t_positions.size:
            data = self.layout.storage[1][self._t_positions] * self._t_weights
            self._t_data = self._t_constant + add_up(self._t_slots, data, self._t_constant.size)
        else:
            self._t_data = self._t_constant

    def _run_second(self) -> None:
        for block, registers in zip(self.layout.blocks, self._registers, strict=True):
            block.run(2, registers)
        curvatures = np.zeros(self.group_count)
        for group_block, registers in zip(
            self.group_blocks, self._group_registers, strict=True
        ):
            curvatures[group_block.groups] = group_block.run(2, registers)
        self._curvatures = curvatures * self.structure.inverse_scales

    def _group_weights(self, y: Vector, sigma: float) -> Vector:
        weights = np.full(self.group_count, sigma)
        weights[self.rows] = y
        return weights

    def _quadratic_product(self, v: Vector) -> Vector:
        s = self.structure
        row, column, h = s.quadratic_rows, s.quadratic_columns, s.quadratic_values
        off = np.where(row == column, 0.0, h)
        product = add_up(row, h * v[column], s.n)
        return product + add_up(column, off * v[row], s.n)

    def _t_dense(self) -> Vector:
        matrix = np.zeros((self._t_groups.size, self.structure.n))
        matrix.reshape(-1)[self._t_pattern.flat] = self._t_data
        return matrix

    # --- preparation ----------------------------------------------------------------------------

    def _prepare_arguments(self) -> None:
        s = self.structure
        self._weighted = bool(np.any(s.use_weights != 1.0))
        self._scaled = bool(np.any(s.inverse_scales != 1.0))
        self._has_quadratic = s.quadratic_values.size > 0

    def _prepare_gradients(self) -> None:
        """Patterns of grad t of the nontrivial groups, a row each."""
        s = self.structure
        nontrivial = s.nontrivial
        self._t_groups = np.flatnonzero(nontrivial)
        row_of = np.full(self.group_count, -1, dtype=np.intp)
        row_of[self._t_groups] = np.arange(self._t_groups.size)
        entries = self.layout.gradient_entries(nontrivial[s.use_groups])
        linear = np.flatnonzero(nontrivial[s.linear_rows])
        pattern = Pattern(
            np.concatenate([row_of[s.linear_rows[linear]], row_of[s.use_groups[entries.uses]]]),
            np.concatenate([s.linear_columns[linear], entries.rows]),
            (self._t_groups.size, s.n),
        )
        self._t_pattern = pattern
        self._t_constant = pattern.sum(pattern.slots[: linear.size], s.linear_values[linear])
        self._t_slots = pattern.slots[linear.size :]
        self._t_positions = entries.positions
        self._t_weights = s.use_weights[entries.uses]

    def _prepare_objective(self) -> None:
        s = self.structure
        trivial = s.objective & ~s.nontrivial
        linear = np.flatnonzero(trivial[s.linear_rows])
        values = s.linear_values[linear] * s.inverse_scales[s.linear_rows[linear]]
        self._objective_constant = add_up(s.linear_columns[linear], values, s.n)
        entries = self.layout.gradient_entries(trivial[s.use_groups])
        self._objective_positions = entries.positions
        self._objective_columns = entries.rows
        self._objective_weights = (s.use_weights * s.inverse_scales[s.use_groups])[entries.uses]
        groups = self._t_groups[self._t_pattern.rows]
        self._objective_t = np.flatnonzero(s.objective[groups])
        self._objective_t_groups = groups[self._objective_t]
        self._objective_t_columns = self._t_pattern.columns[self._objective_t]

    def _prepare_jacobian(self) -> None:
        s = self.structure
        row_of = np.full(self.group_count, -1, dtype=np.intp)
        row_of[self.rows] = np.arange(self.rows.size)
        trivial = ~s.objective & ~s.nontrivial
        linear = np.flatnonzero(trivial[s.linear_rows])
        entries = self.layout.gradient_entries(trivial[s.use_groups])
        t_groups = self._t_groups[self._t_pattern.rows]
        self._jacobian_t = np.flatnonzero(~s.objective[t_groups])
        self._jacobian_t_groups = t_groups[self._jacobian_t]
        pattern = Pattern(
            row_of[np.concatenate([
                s.linear_rows[linear], s.use_groups[entries.uses], self._jacobian_t_groups,
            ])],
            np.concatenate([
                s.linear_columns[linear], entries.rows, self._t_pattern.columns[self._jacobian_t],
            ]),
            (self.rows.size, s.n),
        )  # fmt: skip
        values = s.linear_values[linear] * s.inverse_scales[s.linear_rows[linear]]
        self._jacobian_constant = pattern.sum(pattern.slots[: linear.size], values)
        end = linear.size + entries.uses.size
        self._jacobian_slots = pattern.slots[linear.size : end]
        self._jacobian_t_slots = pattern.slots[end:]
        self._jacobian_positions = entries.positions
        self._jacobian_weights = (s.use_weights * s.inverse_scales[s.use_groups])[entries.uses]
        self._jacobian_matrix = RectangularMatrix(pattern, dense=self.dense)

    def _prepare_hessian(self, limit: int) -> None:
        s = self.structure
        entries = self.layout.hessian_entries(np.ones(s.use_groups.size, dtype=bool))
        self._hessian_positions, self._hessian_uses = entries.positions, entries.uses
        self._hessian_rows, self._hessian_columns = entries.rows, entries.columns
        pairs = count_pairs(self._t_pattern)
        self._product = self.dense and pairs > _PAIRS_FOR_PRODUCT
        self._pairs = None
        self._hessian_matrix: SymmetricPattern | None = None
        if not self._product and pairs + entries.rows.size > limit:
            return
        rows, columns = [s.quadratic_rows, entries.rows], [s.quadratic_columns, entries.columns]
        if pairs and not self._product:
            self._pairs = list_pairs(self._t_pattern)
            rows.append(self._pairs.rows)
            columns.append(self._pairs.columns)
        pattern = Pattern(np.concatenate(rows), np.concatenate(columns), (s.n, s.n))
        start = s.quadratic_rows.size
        self._hessian_quadratic = pattern.sum(pattern.slots[:start], s.quadratic_values)
        self._hessian_slots = pattern.slots[start : start + entries.rows.size]
        self._pair_slots = pattern.slots[start + entries.rows.size :]
        self._hessian_matrix = SymmetricPattern(pattern, dense=self.dense)

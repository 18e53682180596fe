"""Jacobians from values of the rows, compressed by colouring.

Nonlinear rows are estimated at every point, with the columns grouped for these rows only. Linear rows are
estimated once, near the start and with steps of the size of x: their differences have no truncation
error, so a long step gives all digits. Which positions may be nonzero is told by the user, or found by
dense differences at two random points near the start (a third when the two disagree).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from optlab.core.derivatives.compression import Groups, Pattern, column_groups, read_pattern
from optlab.core.derivatives.detection import DETECTION_SIZE, SEED, detected_pattern, nonzeros
from optlab.core.derivatives.estimates import (
    AbstractFirstOrder,
    Sample,
    imaginary,
    moved_together,
)
from optlab.core.derivatives.options import Differences, Stencil, stencil
from optlab.errors import EvaluationError, ProblemError
from optlab.typing import Indices, Mask, Matrix, Vector, is_a

if TYPE_CHECKING:
    from optlab.core.problem import Problem

__all__ = ["EstimatedJacobian", "KnownRows"]

_LONG_STEPS = (1.0, 1e-2, 1e-4)
"""Relative steps for linear rows, longest first; the shorter ones where a function cannot be evaluated."""

_ROW_TOLERANCE = 1e-3
"""Relative disagreement of a directional difference with the Jacobian that only an entry outside the
pattern explains."""

_ROUNDING = 1e3
"""Disagreement, in units of noise * |c|, that the noise explains."""


@dataclass(frozen=True, slots=True)
class KnownRows:
    """Rows whose gradients need not be estimated."""

    mask: Mask
    """(m,) true where they are."""

    jacobian: Callable[[Vector], Matrix]
    """Their Jacobian, (k, n), dense or a csr_array with a pattern that seldom changes."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is decided once: positions, groups, the values of linear rows."""

    pattern: Pattern
    groups: Groups
    """Of the rows that are not linear and not known."""

    fixed: Vector
    """(nnz,) entries of the linear rows, 0 elsewhere."""

    known: Pattern | None
    """Positions of the known rows' entries, (m, n)."""

    known_at: Indices
    """The same within the pattern's entries."""


class EstimatedJacobian(AbstractFirstOrder):
    """Jacobian of the rows: one or two evaluations for every group of columns.

    Parameters
    ----------
    plan
        Pattern of the estimated rows, and what was made of it, when these are known.
    known
        Rows that need no estimate.
    """

    __slots__ = ("_known", "_pattern", "_plan")

    def __init__(
        self,
        options: Differences,
        problem: Problem | None = None,
        steps: Vector | float | None = None,
        plan: tuple[Pattern | None, _Plan | None] = (None, None),
        known: KnownRows | None = None,
    ) -> None:
        super().__init__(options, problem, steps)
        self._pattern, self._plan = plan
        self._known = known

    def bound_to(self, problem: Problem) -> Self:
        """Return the same estimate for another problem; what is known of the same rows is kept."""
        old = self.problem
        same = old is not None and old.n == problem.n and old.constraints == problem.constraints
        pattern = self._pattern if same else None
        known = self._known if same or old is None else None
        steps = self._steps_for(problem)
        return type(self)(self.options, problem, steps, (pattern, None), known)

    def with_steps(self, options: Differences, steps: Vector | float) -> EstimatedJacobian:
        """Return the same estimate with another scheme and relative steps."""
        plan = (self._pattern, self._plan)
        return EstimatedJacobian(options, self.problem, steps, plan, self._known)

    @property
    def pattern(self) -> Pattern | None:
        """Positions that may be nonzero; None before the first estimate found them."""
        return self._pattern

    def group_count(self) -> int | None:
        """Return the number of groups, None before the first estimate."""
        return None if self._plan is None else len(self._plan.groups)

    def estimate(self, sample: Sample, x: Vector) -> Any:
        """Estimate the Jacobian at x: an (m, n) array, or csr_array where that is smaller."""
        given: Any = None if self._known is None else self._known.jacobian(x)
        plan = self._plan
        if plan is None or not _same_positions(plan.known, given):
            plan = self._plan = self._make_plan(sample, given)
        if self.options.scheme == "complex-step":
            values = self._complex(sample, x, plan.pattern, plan.groups)
        else:
            values = self._real(sample, x, (plan.pattern, plan.groups), self.real_stencil(x))
        values += plan.fixed
        if given is not None:
            values[plan.known_at] = given.ravel() if is_a(given, np.ndarray) else given.data
        return plan.pattern.matrix(values)

    # Compressed differences ---------------------------------------------------------------------

    def _real(
        self, sample: Sample, x: Vector, compressed: tuple[Pattern, Groups], points: Stencil
    ) -> Vector:
        """Estimate the entries of the groups, (nnz,); the others are 0.

        Rows without such an entry may have any value, also one that is not finite.
        """
        pattern, groups = compressed
        values = np.zeros(pattern.nnz)
        base: Vector | None = None
        for columns, entries in zip(groups.columns, groups.entries, strict=True):
            rows, cols = pattern.rows[entries], pattern.columns[entries]
            if points.base[columns].any():
                base = self._rows(sample, x) if base is None else base
                values[entries] += points.base[cols] * base[rows]
            for offset, weight in zip(points.offsets, points.weights, strict=True):
                if not weight[columns].any():
                    continue
                at = moved_together(x, np.where(weight == 0.0, 0.0, offset), columns)
                values[entries] += weight[cols] * self._rows(sample, at)[rows]
            _check_finite(values[entries], x)
        return values

    def _complex(self, sample: Sample, x: Vector, pattern: Pattern, groups: Groups) -> Vector:
        values = np.zeros(pattern.nnz)
        p = self.home
        step = self.options.relative_step() * np.maximum(1.0, np.abs(x))
        for columns, entries in zip(groups.columns, groups.entries, strict=True):
            free = columns[p.lb[columns] < p.ub[columns]]
            if not free.size:
                continue
            moved = x.astype(np.complex128)
            moved[free] += 1j * step[free]
            change = imaginary("constraints", np.asarray(sample("constraints", moved)), x)
            rows, cols = pattern.rows[entries], pattern.columns[entries]
            movable = p.lb[cols] < p.ub[cols]
            values[entries] = np.where(movable, self._shaped(change)[rows] / step[cols], 0.0)
        return values

    def _rows(self, sample: Sample, x: Vector) -> Vector:
        raw = sample("constraints", x)
        try:
            return self._shaped(np.asarray(raw, dtype=np.float64))
        except (TypeError, ValueError) as error:
            if isinstance(error, ProblemError):
                raise
            raise EvaluationError("constraints", x, error) from error

    def _shaped(self, c: Vector) -> Vector:
        if c.shape != (self.home.m,):
            raise ProblemError(
                f"constraints(x) has shape {c.shape}; shape {(self.home.m,)} is needed"
            )
        return c

    # Once per problem ---------------------------------------------------------------------------

    def _make_plan(self, sample: Sample, given: Any) -> _Plan:
        p = self.home
        linear = np.zeros(p.m, dtype=bool) if p.linear is None else p.linear
        estimated = np.ones(p.m, dtype=bool) if self._known is None else ~self._known.mask
        pattern = self._pattern
        if pattern is None and self.options.jacobian_pattern is not None:
            pattern = read_pattern(
                self.options.jacobian_pattern, (p.m, p.n), "jacobian_pattern"
            )
            start: Vector = np.clip(p.x0, p.lb, p.ub)
            self._refuse_wrong_pattern(sample, start, pattern)
        elif pattern is None and p.m * p.n <= DETECTION_SIZE:
            pattern = Pattern.of(np.repeat(estimated[:, None], p.n, axis=1))
        elif pattern is None:
            pattern = self.detect(sample, p.x0)
        self._pattern = pattern
        known: Pattern | None = None
        known_at: Indices = np.zeros(0, dtype=np.intp)
        if given is not None:
            known = _positions(given, np.flatnonzero(~estimated), (p.m, p.n))
            pattern = pattern.union(known)
            known_at = np.searchsorted(pattern.keys, known.keys)
        fixed = np.zeros(pattern.nnz)
        if (linear & estimated).any():
            fixed = self._linear_entries(sample, pattern, linear & estimated)
        groups = column_groups(pattern, estimated & ~linear)
        return _Plan(pattern, groups, fixed, known, known_at)

    def _linear_entries(self, sample: Sample, pattern: Pattern, linear: Mask) -> Vector:
        """Estimate the entries of the linear rows by long steps from the start."""
        p = self.home
        compressed = (pattern, column_groups(pattern, linear))
        base: Vector = np.clip(p.x0, p.lb, p.ub)
        error: EvaluationError | None = None
        for step in _LONG_STEPS:
            points = stencil(base, p.lb, p.ub, "2-point", step)
            try:
                return self._real(sample, base, compressed, points)
            except EvaluationError as failure:
                error = failure
        assert error is not None
        raise error

    def detect(self, sample: Sample, near: Vector) -> Pattern:
        """Find the positions that are nonzero near a point; see :func:`detected_pattern`."""
        found = detected_pattern(
            partial(self._try, sample), self.home, near, self.options.noise
        )
        return self._without_known(found)

    def _without_known(self, pattern: Pattern) -> Pattern:
        """Return the pattern of the estimated rows: the others are not looked at."""
        if self._known is None:
            return pattern
        kept = ~self._known.mask[pattern.rows]
        return Pattern.from_positions(pattern.rows[kept], pattern.columns[kept], pattern.shape)

    def _try(self, sample: Sample, x: Vector) -> Vector | None:
        try:
            return self._rows(sample, x)
        except EvaluationError:
            return None

    # Is the pattern complete? --------------------------------------------------------------------

    def incomplete_rows(self, sample: Sample, x: Vector, known: Any = None) -> Indices:
        """Compare the Jacobian at x with a difference along a random direction.

        Two evaluations more than the Jacobian. Entries outside the pattern show when they are larger
        than about a thousandth of their row.

        Parameters
        ----------
        known
            The Jacobian at x, when it has been estimated.

        Returns
        -------
        Indices
            Rows that change where the pattern says they cannot.
        """
        p = self.home
        if self._pattern is not None and self._pattern.nnz == p.m * p.n:
            return np.zeros(0, dtype=np.intp)
        points = stencil(x, p.lb, p.ub, "3-point", self.options.noise ** (1.0 / 3.0))
        rng = np.random.default_rng(SEED)
        share = rng.uniform(0.5, 1.0, p.n)
        swap = rng.random(p.n) < 0.5
        first, second = points.offsets
        a = share * np.where(swap, second, first)
        b = share * np.where(swap, first, second)
        ca, cb = self._try(sample, x + a), self._try(sample, x + b)
        if ca is None or cb is None:
            return np.zeros(0, dtype=np.intp)
        J: Any = self.estimate(sample, x) if known is None else known
        allowed = _ROW_TOLERANCE * np.asarray(abs(J) @ np.abs(a - b))
        allowed += _ROUNDING * self.options.noise * (np.abs(ca) + np.abs(cb))
        wrong = np.abs(ca - cb - J @ (a - b)) > allowed
        return np.flatnonzero(wrong if self._known is None else wrong & ~self._known.mask)

    def widened(self, sample: Sample, x: Vector) -> EstimatedJacobian:
        """Return the estimate with the positions that are nonzero near x added."""
        found = self.detect(sample, x)
        wide = found if self._pattern is None else self._pattern.union(found)
        plan = (wide, None)
        return EstimatedJacobian(self.options, self.problem, self.steps, plan, self._known)

    def _refuse_wrong_pattern(self, sample: Sample, x: Vector, pattern: Pattern) -> None:
        """Check a given pattern at the start.

        Raises
        ------
        ProblemError
            Names a row and the columns that are missing.
        """
        probe = EstimatedJacobian(
            self.options,
            self.home.replace(linear=None),
            self.steps,
            (pattern, None),
            self._known,
        )
        try:
            rows = probe.incomplete_rows(sample, x)
        except EvaluationError:
            return
        if not rows.size:
            return
        row = int(rows[0])
        seen = nonzeros(partial(self._try, sample), self.home, x, self.options.noise)
        given = pattern.columns[pattern.rows == row]
        missing = np.setdiff1d(seen.columns[seen.rows == row], given)
        names, labels = self.home.variable_names, self.home.constraint_names
        columns = [str(j) if names is None else f"{j} ({names[j]})" for j in missing[:5]]
        label = "" if labels is None else f" ({labels[row]})"
        raise ProblemError(
            f"jacobian_pattern has no entry in row {row}{label} for column(s) "
            f"{', '.join(columns) or '?'}, and the row depends on them; {rows.size} row(s) like that. "
            "Add the entries, or leave jacobian_pattern out to have the pattern detected"
        )


def _positions(matrix: Any, rows: Indices, shape: tuple[int, int]) -> Pattern:
    """Return where the entries of a matrix are, its rows being these rows of a larger one."""
    if is_a(matrix, np.ndarray):
        columns = np.tile(np.arange(shape[1]), rows.size)
        return Pattern.from_positions(np.repeat(rows, shape[1]), columns, shape)
    return Pattern.from_positions(
        np.repeat(rows, np.diff(matrix.indptr)), matrix.indices, shape
    )


def _same_positions(known: Pattern | None, matrix: Any) -> bool:
    """Whether the entries of the known rows are still where they were."""
    if known is None or is_a(matrix, np.ndarray):
        return True
    return known.nnz == matrix.nnz and np.array_equal(known.columns, matrix.indices)


def _check_finite(values: Vector, x: Vector) -> None:
    if not np.isfinite(values).all():
        raise EvaluationError("constraints", x, "is not finite at a point next to x")

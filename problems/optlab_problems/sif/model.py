"""A decoded file as an object that evaluates itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from optlab.typing import Mask
from optlab_problems.expressions.verbs import Plan, Verbs
from optlab_problems.sif.cards import read_cards
from optlab_problems.sif.decode import decode_data
from optlab_problems.sif.errors import Limits
from optlab_problems.sif.functions import read_functions
from optlab_problems.sif.scalar_plan import ScalarPlan
from optlab_problems.sif.settings import checked_parameters
from optlab_problems.sif.structure import Structure, build_structure
from optlab_problems.sif.unroll import unroll
from optlab_problems.sif.vector_plan import VectorPlan

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["SifModel"]

#: Sizes (n and m) up to which derivatives come as ndarrays: below, a csr_array costs more than zeros.
_DENSE_UP_TO = 150

#: Problems that might need more scalar operations than this are not tried as scalar programs.
_SCALAR_OPERATIONS = 3000
#: An operation on short arrays costs as much as about this many scalar ones (CPython 3.11, NumPy
#: 2.4, November 2026: 0.7 against 0.09 microseconds).
_SCALAR_PER_VECTOR = 8


class SifModel(Verbs):
    """A problem from a SIF file: its arrays, and the five verbs.

    Parameters
    ----------
    path
        The file.
    params
        Values for its ``$-PARAMETER`` names.
    dense
        Return ndarrays (True), csr_arrays (False), or ndarrays up to n = m = 150 (None).
    single
        Read Fortran constants without a D exponent in single precision, as Fortran does.
    limits
        What the file may cost.

    Raises
    ------
    SifError
        With file, line, text and reason.
    OSError
        When the file cannot be read.
    """

    def __init__(
        self,
        path: str | Path,
        params: Mapping[str, Any] | None = None,
        *,
        dense: bool | None = None,
        single: bool = False,
        limits: Limits | None = None,
    ) -> None:
        self._arguments = (path, params, dense, single, limits)
        limits = limits or Limits()
        text = read_cards(path, checked_parameters(path, params), limits)
        draft = decode_data(text, limits)
        self.structure: Structure = build_structure(text.name, text.file, draft)
        self.objective_bounds = tuple(draft.objective_bounds)
        elements = read_functions(text.file, text.elements, limits)
        groups = read_functions(text.file, text.groups, limits)
        m = int((~self.structure.objective).sum())
        if dense is None:
            dense = self.structure.n <= _DENSE_UP_TO and m <= _DENSE_UP_TO
        vector = VectorPlan(
            self.structure, elements, groups, dense=dense, single=single,
            pattern_limit=limits.pattern_entries,
        )  # fmt: skip
        plan: Plan = vector
        if dense and vector.scalar_operations <= _SCALAR_OPERATIONS:
            scalar = ScalarPlan(unroll(self.structure, elements, groups, single=single))
            if scalar.size <= _SCALAR_PER_VECTOR * vector.vector_operations:
                plan = scalar
        super().__init__(plan)

    def __reduce__(self) -> tuple[Any, ...]:
        # A worker process reads the file again: that is cheaper than moving patterns.
        return _again, self._arguments

    @property
    def linear(self) -> Mask:
        """Constraint rows that are affine by their form, (m,)."""
        s = self.structure
        return s.affine[~s.objective]

    @property
    def constraint_names(self) -> tuple[str, ...]:
        """Names of the constraint rows."""
        s = self.structure
        return tuple(n for n, free in zip(s.group_names, s.objective, strict=True) if not free)


def _again(
    path: str | Path,
    params: Mapping[str, Any] | None,
    dense: bool | None,
    single: bool,
    limits: Limits | None,
) -> SifModel:
    return SifModel(path, params, dense=dense, single=single, limits=limits)

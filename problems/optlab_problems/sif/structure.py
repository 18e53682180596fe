"""Turn a `Draft` into arrays: the group partially separable structure of the problem.

    f(x) = sum over N groups of  g(t) / s,     c_i(x) = g(t) / s  for every other group,
    t = a'x - b + sum of weight * element

with g the group function (the identity for trivial groups), a the linear element, b the constant and
s the scale of the group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from optlab.typing import Indices, Mask, Vector
from optlab_problems.expressions.patterns import add_up
from optlab_problems.sif.draft import Draft, ElementType, GroupType
from optlab_problems.sif.draft import Vector as DraftVector
from optlab_problems.sif.errors import SifError

__all__ = ["ElementSet", "GroupSet", "Structure", "build_structure"]

#: Bounds of this size mean none, by the convention of the collection.
INFINITE = 1e20


@dataclass(frozen=True, slots=True)
class ElementSet:
    """All used elements of one type: ``variables`` (slots, k), ``parameters`` (parameters, k)."""

    kind: ElementType
    elements: Indices
    variables: Indices
    parameters: Vector


@dataclass(frozen=True, slots=True)
class GroupSet:
    """All groups of one nontrivial type: ``parameters`` (parameters, k)."""

    kind: GroupType
    groups: Indices
    parameters: Vector


@dataclass(frozen=True, slots=True)
class Structure:
    """The problem as arrays; groups, variables and used elements are numbered from 0."""

    name: str
    variable_names: tuple[str, ...]
    group_names: tuple[str, ...]
    objective: Mask  # (groups,): objective groups
    linear_rows: Indices  # coefficients of the linear elements, sorted by row, then column
    linear_columns: Indices
    linear_values: Vector
    constants: Vector  # (groups,)
    inverse_scales: Vector  # (groups,)
    quadratic_rows: Indices  # h_jk with j >= k, one of each pair
    quadratic_columns: Indices
    quadratic_values: Vector
    element_sets: tuple[ElementSet, ...]
    element_count: int
    group_sets: tuple[GroupSet, ...]
    use_groups: Indices
    use_elements: Indices
    use_weights: Vector
    x0: Vector
    lb: Vector
    ub: Vector
    cl: Vector  # (constraint groups,)
    cu: Vector
    y0: Vector
    integers: tuple[int, ...]
    maximize: bool

    @property
    def n(self) -> int:
        """Number of variables."""
        return len(self.variable_names)

    @property
    def nontrivial(self) -> Mask:
        """Return the groups whose function is not the identity, (groups,)."""
        mask = np.zeros(len(self.group_names), dtype=bool)
        for group_set in self.group_sets:
            mask[group_set.groups] = True
        return mask

    @property
    def affine(self) -> Mask:
        """Return the groups that are affine by their form: trivial, without elements."""
        mask = ~self.nontrivial
        mask[self.use_groups] = False
        return mask


def build_structure(name: str, file: str, draft: Draft) -> Structure:
    """Turn a draft into arrays.

    Parameters
    ----------
    name, file
        Of the problem.
    draft
        What the data part says.

    Raises
    ------
    SifError
        When elements lack types, variables or parameters, or names are missing.
    """
    if not draft.variables:
        raise SifError("the file defines no variables", file)
    count = len(draft.groups)
    use_elements, used = _used(draft)
    rows, columns, values = _linear(draft)
    objective = np.array([kind == "N" for kind in draft.group_kinds], dtype=bool)
    scales = np.ones(count)
    for group, scale in draft.group_scales.items():
        scales[group] = scale
    inverse_scales = 1.0 / scales
    if draft.maximize:
        # The problem that is handed on is always a minimization.
        inverse_scales[objective] *= -1.0
    cl, cu = _row_bounds(draft, ~objective)
    lb, ub = _filled(draft.bounds.lower, draft), _filled(draft.bounds.upper, draft)
    quadratic = np.array([q[:2] for q in draft.quadratic], dtype=np.intp).reshape(-1, 2)
    return Structure(
        name=name,
        variable_names=tuple(draft.variables),
        group_names=tuple(draft.groups),
        objective=objective,
        linear_rows=rows,
        linear_columns=columns,
        linear_values=values,
        constants=_by_group(draft.constants, count),
        inverse_scales=inverse_scales,
        quadratic_rows=quadratic.max(axis=1),
        quadratic_columns=quadratic.min(axis=1),
        quadratic_values=(-1.0 if draft.maximize else 1.0)
        * np.array([q[2] for q in draft.quadratic], dtype=float),
        element_sets=_element_sets(draft, file, used),
        element_count=used.size,
        group_sets=_group_sets(draft, file),
        use_groups=np.array(draft.use_groups, dtype=np.intp),
        use_elements=use_elements,
        use_weights=np.array(draft.use_weights, dtype=float),
        x0=_filled(draft.start, draft),
        lb=np.where(lb <= -INFINITE, -np.inf, lb),
        ub=np.where(ub >= INFINITE, np.inf, ub),
        cl=cl,
        cu=cu,
        y0=_by_group(draft.multipliers, count)[~objective],
        integers=tuple(sorted(draft.integers)),
        maximize=draft.maximize,
    )


def _used(draft: Draft) -> tuple[Indices, Indices]:
    """Return the uses with elements renumbered, and the old numbers of the used elements."""
    old = np.array(draft.use_elements, dtype=np.intp)
    used, new = np.unique(old, return_inverse=True)
    return new.astype(np.intp), used


def _linear(draft: Draft) -> tuple[Indices, Indices, Vector]:
    rows = np.array(draft.term_groups, dtype=np.intp)
    columns = np.array(draft.term_variables, dtype=np.intp)
    values = np.array(draft.term_values, dtype=float)
    for variable, scale in draft.variable_scales.items():
        values[columns == variable] /= scale
    for group, first, factor, second, other in draft.combinations:
        pieces = [(rows == first, factor), (rows == second, other)]
        rows = np.concatenate([rows, *(np.full(m.sum(), group) for m, _ in pieces)])
        columns = np.concatenate([columns, *(columns[m] for m, _ in pieces)])
        values = np.concatenate([values, *(w * values[m] for m, w in pieces)])
    n = len(draft.variables)
    keys, position = np.unique(rows * n + columns, return_inverse=True)
    summed = add_up(position, values, keys.size)
    return keys // n, keys % n, summed


def _by_group(vector: DraftVector, count: int) -> Vector:
    filled = np.full(count, vector.default)
    for group, value in vector.values.items():
        filled[group] = value
    return filled


def _filled(vector: DraftVector, draft: Draft) -> Vector:
    return _by_group(vector, len(draft.variables))


def _row_bounds(draft: Draft, constraints: Mask) -> tuple[Vector, Vector]:
    """Return the bounds of the constraint rows; a range r makes G rows [0, r], L rows [-r, 0]."""
    kinds = np.array(draft.group_kinds, dtype="<U1")
    given = _by_group(draft.ranges, kinds.size)
    ranges = np.where(np.abs(given) >= INFINITE, np.inf, given)
    lower = np.where(kinds == "L", -np.abs(ranges), 0.0)
    upper = np.where(kinds == "G", np.abs(ranges), 0.0)
    # An equality with a range follows MPS files: the sign says on which side the room is.
    finite = (kinds == "E") & np.isfinite(ranges)
    lower[finite] = np.minimum(ranges[finite], 0.0)
    upper[finite] = np.maximum(ranges[finite], 0.0)
    return lower[constraints], upper[constraints]


def _element_sets(draft: Draft, file: str, used: Indices) -> tuple[ElementSet, ...]:
    members: dict[str, list[int]] = {}
    for new, old in enumerate(used.tolist()):
        kind = draft.element_type[old]
        if kind is None:
            raise SifError(f"element {draft.elements[old]!r} has no type", file)
        members.setdefault(kind.name, []).append(new)
    return tuple(
        _element_set(draft, file, draft.element_types[name], used, positions)
        for name, positions in members.items()
    )


def _element_set(
    draft: Draft, file: str, kind: ElementType, used: Indices, positions: list[int]
) -> ElementSet:
    olds = used[positions].tolist()
    # A name may be missing as a variable although a parameter of the same name has a value.
    variables = _given(draft, file, kind, (kind.variables, draft.element_variables), olds)
    parameters = _given(draft, file, kind, (kind.parameters, draft.element_parameters), olds)
    return ElementSet(
        kind,
        np.array(positions, dtype=np.intp),
        np.array(variables, dtype=np.intp).reshape(len(kind.variables), len(olds)),
        np.array(parameters, dtype=float).reshape(len(kind.parameters), len(olds)),
    )


def _given(
    draft: Draft,
    file: str,
    kind: ElementType,
    wanted: tuple[Sequence[str], Sequence[Mapping[str, Any]]],
    elements: list[int],
) -> list[list[Any]]:
    """Return what the elements have under the names of their type, a list per name."""
    names, values = wanted
    for name in names:
        for element in elements:
            if name not in values[element]:
                raise SifError(
                    f"element {draft.elements[element]!r} of type {kind.name!r} is used without a "
                    f"value for {name}",
                    file,
                )
    return [[values[element][name] for element in elements] for name in names]


def _group_sets(draft: Draft, file: str) -> tuple[GroupSet, ...]:
    members: dict[str, list[int]] = {}
    for group in range(len(draft.groups)):
        kind = draft.group_type.get(group, draft.default_group_type)
        if kind is not None:
            members.setdefault(kind.name, []).append(group)
    sets = []
    for name, groups in members.items():
        kind = draft.group_types[name]
        given = [draft.group_parameters.get(g, {}) for g in groups]
        for parameter in kind.parameters:
            for group, values in zip(groups, given, strict=True):
                if parameter not in values:
                    raise SifError(
                        f"group {draft.groups[group]!r} of type {name!r} has no value for "
                        f"{parameter}",
                        file,
                    )
        parameters = [[values[p] for values in given] for p in kind.parameters]
        sets.append(
            GroupSet(
                kind,
                np.array(groups, dtype=np.intp),
                np.array(parameters, dtype=float).reshape(len(kind.parameters), len(groups)),
            )
        )
    return tuple(sets)

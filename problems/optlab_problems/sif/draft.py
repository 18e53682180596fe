"""What the data part of a file says, before it becomes arrays.

The sections append to the lists here; `assemble` turns them into arrays once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from optlab_problems.sif.errors import Limits, fail

__all__ = ["Bounds", "Draft", "ElementType", "GroupType", "Vector"]


@dataclass(slots=True)
class ElementType:
    """Names of one element type: elemental and internal variables, parameters."""

    name: str
    variables: list[str] = field(default_factory=list)
    internals: list[str] = field(default_factory=list)
    parameters: list[str] = field(default_factory=list)


@dataclass(slots=True)
class GroupType:
    """Names of one group type: its variable and its parameters."""

    name: str
    variable: str = ""
    parameters: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Vector:
    """One vector of the file (constants, ranges, ...): a default and explicit values."""

    default: float
    values: dict[int, float] = field(default_factory=dict)
    label: str | None = None

    def selects(self, label: str) -> bool:
        """Tell whether a card belongs to the first vector that the section names."""
        if self.label is None:
            self.label = label
        return label == self.label


@dataclass(slots=True)
class Bounds:
    """Bounds on the variables."""

    lower: Vector = field(default_factory=lambda: Vector(0.0))
    upper: Vector = field(default_factory=lambda: Vector(math.inf))


@dataclass(slots=True)
class Draft:
    """The data part of a file."""

    limits: Limits
    variables: list[str] = field(default_factory=list)
    variable_index: dict[str, int] = field(default_factory=dict)
    variable_scales: dict[int, float] = field(default_factory=dict)
    integers: set[int] = field(default_factory=set)
    groups: list[str] = field(default_factory=list)
    group_index: dict[str, int] = field(default_factory=dict)
    group_kinds: list[str] = field(default_factory=list)
    group_scales: dict[int, float] = field(default_factory=dict)
    #: (group, first group, factor, second group, factor), in the file's order.
    combinations: list[tuple[int, int, float, int, float]] = field(default_factory=list)
    term_groups: list[int] = field(default_factory=list)
    term_variables: list[int] = field(default_factory=list)
    term_values: list[float] = field(default_factory=list)
    quadratic: list[tuple[int, int, float]] = field(default_factory=list)
    constants: Vector = field(default_factory=lambda: Vector(0.0))
    ranges: Vector = field(default_factory=lambda: Vector(math.inf))
    bounds: Bounds = field(default_factory=Bounds)
    start: Vector = field(default_factory=lambda: Vector(0.0))
    multipliers: Vector = field(default_factory=lambda: Vector(0.0))
    objective_bounds: list[float] = field(default_factory=lambda: [-math.inf, math.inf])
    maximize: bool = False
    element_types: dict[str, ElementType] = field(default_factory=dict)
    elements: list[str] = field(default_factory=list)
    element_index: dict[str, int] = field(default_factory=dict)
    element_type: list[ElementType | None] = field(default_factory=list)
    element_variables: list[dict[str, int]] = field(default_factory=list)
    element_parameters: list[dict[str, float]] = field(default_factory=list)
    default_element_type: ElementType | None = None
    group_types: dict[str, GroupType] = field(default_factory=dict)
    group_type: dict[int, GroupType | None] = field(default_factory=dict)
    default_group_type: GroupType | None = None
    group_parameters: dict[int, dict[str, float]] = field(default_factory=dict)
    use_groups: list[int] = field(default_factory=list)
    use_elements: list[int] = field(default_factory=list)
    use_weights: list[float] = field(default_factory=list)

    def variable(self, name: str) -> int:
        """Return the position of a variable that must exist."""
        try:
            return self.variable_index[name]
        except KeyError:
            fail(f"variable {name!r} is not defined")

    def new_variable(self, name: str) -> int:
        """Return the position of a variable, defining it when it is new."""
        found = self.variable_index.get(name)
        if found is None:
            found = self._register(name, self.variables, self.variable_index, "variable")
        return found

    def group(self, name: str) -> int:
        """Return the position of a group that must exist."""
        try:
            return self.group_index[name]
        except KeyError:
            fail(f"group {name!r} is not defined")

    def new_group(self, name: str, kind: str) -> int:
        """Return the position of a group; the first card that names it decides its kind."""
        found = self.group_index.get(name)
        if found is None:
            found = self._register(name, self.groups, self.group_index, "group")
            self.group_kinds.append(kind)
        return found

    def element(self, name: str) -> int:
        """Return the position of an element that must exist."""
        try:
            return self.element_index[name]
        except KeyError:
            fail(f"element {name!r} is not defined")

    def new_element(self, name: str) -> int:
        """Return the position of an element, defining it when it is new."""
        found = self.element_index.get(name)
        if found is None:
            found = self._register(name, self.elements, self.element_index, "element")
            self.element_type.append(self.default_element_type)
            self.element_variables.append({})
            self.element_parameters.append({})
        return found

    def add_term(self, group: int, variable: int, value: float) -> None:
        """Add a linear coefficient; repeated ones are summed."""
        self.term_groups.append(group)
        self.term_variables.append(variable)
        self.term_values.append(value)
        if len(self.term_groups) > self.limits.items:
            fail(f"more than {self.limits.items} linear coefficients")

    def _register(self, name: str, names: list[str], index: dict[str, int], what: str) -> int:
        if not name.strip():
            fail(f"the name of a {what} is blank")
        if len(names) >= self.limits.items:
            fail(f"more than {self.limits.items} {what}s")
        index[name] = position = len(names)
        names.append(name)
        return position

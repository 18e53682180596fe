"""Write a small problem out as one graph of scalar operations.

For a few variables an array of one or two elements costs more to handle than to compute. Here every
element, group and derivative becomes scalar operations of a single graph, with the parameters and
weights of the file folded in, so that equal subexpressions of different elements are computed once.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from optlab_problems.expressions.graph import Graph
from optlab_problems.sif.draft import GroupType
from optlab_problems.sif.errors import fail
from optlab_problems.sif.functions import Functions
from optlab_problems.sif.structure import Structure
from optlab_problems.sif.types import (
    ElementExpressions,
    GroupExpressions,
    element_expressions,
    group_expressions,
)

__all__ = ["Unrolled", "unroll"]

Pair = tuple[int, int]


@dataclass(slots=True)
class Unrolled:
    """Nodes of all values and derivatives of a problem."""

    graph: Graph
    inputs: list[int]
    objective: int = -1
    constraints: list[int] = field(default_factory=list)
    #: variable: node
    gradient: dict[int, int] = field(default_factory=dict)
    #: (row, variable): node
    jacobian: dict[Pair, int] = field(default_factory=dict)
    #: weight (0 is sigma, 1 + i is y_i): (variable, smaller or equal variable): node
    hessian: dict[int, dict[Pair, int]] = field(default_factory=dict)


def unroll(
    structure: Structure, elements: Functions, groups: Functions, *, single: bool
) -> Unrolled:
    """Write a problem out.

    Parameters
    ----------
    structure
        The problem.
    elements, groups
        The two parts with functions.
    single
        The Fortran reading of constants without a D exponent.
    """
    return _Unroller(structure, elements, groups, single=single).run()


class _Unroller:
    def __init__(
        self, structure: Structure, elements: Functions, groups: Functions, *, single: bool
    ) -> None:
        self.s = structure
        self.groups = groups
        self.single = single
        self.graph = graph = Graph(fail=fail)
        self.x = [graph.input(f"x{i}") for i in range(structure.n)]
        self.result = Unrolled(graph, self.x)
        self.expressions: dict[int, ElementExpressions] = {}
        self.variables: dict[int, list[int]] = {}
        for members in structure.element_sets:
            for column, element in enumerate(members.elements.tolist()):
                variables = members.variables[:, column].tolist()
                values = members.parameters[:, column].tolist()
                names = members.kind.parameters
                bound = {n: graph.constant(v) for n, v in zip(names, values, strict=True)}
                self.variables[element] = variables
                self.expressions[element] = element_expressions(
                    graph, members.kind, elements, [self.x[v] for v in variables], bound,
                    single=single,
                )  # fmt: skip

    def run(self) -> Unrolled:
        """Unroll all groups."""
        s, graph, result = self.s, self.graph, self.result
        kinds = {
            group: (members.kind, members.parameters[:, k].tolist())
            for members in s.group_sets
            for k, group in enumerate(members.groups.tolist())
        }
        row = 0
        objective: list[int] = []
        for group in range(len(s.group_names)):
            uses = [
                (int(s.use_elements[u]), float(s.use_weights[u]))
                for u in (s.use_groups == group).nonzero()[0].tolist()
            ]
            argument, slopes = self._argument(group, uses)
            found = self._function(kinds.get(group), argument)
            scale = float(s.inverse_scales[group])
            value = graph.scaled(scale, found.value)
            first = graph.scaled(scale, found.first)
            second = graph.scaled(scale, found.second)
            if s.objective[group]:
                objective.append(value)
                weight = 0
                self._add_first(result.gradient, first, slopes)
            else:
                result.constraints.append(value)
                gradient: dict[int, int] = {}
                self._add_first(gradient, first, slopes)
                result.jacobian.update({(row, v): node for v, node in gradient.items()})
                row += 1
                weight = row
            target = result.hessian.setdefault(weight, {})
            self._add_curvature(target, second, slopes)
            self._add_elements(target, first, uses)
        result.objective = graph.sum([*objective, *self._quadratic()])
        return result

    def _argument(
        self, group: int, uses: list[tuple[int, float]]
    ) -> tuple[int, dict[int, int]]:
        """Return the node of t and those of its gradient by variable."""
        s, graph = self.s, self.graph
        terms: list[int] = []
        slopes: dict[int, int] = {}
        for k in (s.linear_rows == group).nonzero()[0].tolist():
            variable, value = int(s.linear_columns[k]), float(s.linear_values[k])
            terms.append(graph.scaled(value, self.x[variable]))
            self._add(slopes, variable, graph.constant(value))
        for element, weight in uses:
            found = self.expressions[element]
            terms.append(graph.scaled(weight, found.value))
            for slot, node in found.gradient.items():
                variable = self.variables[element][slot]
                self._add(slopes, variable, graph.scaled(weight, node))
        constant = graph.constant(float(s.constants[group]))
        return graph.apply("sub", graph.sum(terms), constant), slopes

    def _function(self, kind: tuple[GroupType, list[float]] | None, t: int) -> GroupExpressions:
        graph = self.graph
        if kind is None:
            return GroupExpressions(t, graph.constant(1.0), graph.constant(0.0))
        names, values = kind[0].parameters, kind[1]
        bound = {name: graph.constant(v) for name, v in zip(names, values, strict=True)}
        return group_expressions(graph, kind[0], self.groups, t, bound, single=self.single)

    def _add(self, target: dict[int, int], key: int, node: int) -> None:
        before = target.get(key)
        target[key] = node if before is None else self.graph.apply("add", before, node)

    def _add_first(self, target: dict[int, int], first: int, slopes: dict[int, int]) -> None:
        for variable, node in slopes.items():
            self._add(target, variable, self.graph.apply("mul", first, node))

    def _add_pair(self, target: dict[Pair, int], i: int, j: int, node: int) -> None:
        key = (max(i, j), min(i, j))
        before = target.get(key)
        target[key] = node if before is None else self.graph.apply("add", before, node)

    def _add_curvature(
        self, target: dict[Pair, int], second: int, slopes: dict[int, int]
    ) -> None:
        graph = self.graph
        if graph.is_zero(second):
            return
        for i, a in slopes.items():
            weighted = graph.apply("mul", second, a)
            for j, b in slopes.items():
                if j <= i:
                    self._add_pair(target, i, j, graph.apply("mul", weighted, b))

    def _add_elements(
        self, target: dict[Pair, int], first: int, uses: list[tuple[int, float]]
    ) -> None:
        graph = self.graph
        for element, weight in uses:
            variables = self.variables[element]
            factor = graph.scaled(weight, first)
            for (a, b), node in self.expressions[element].hessian.items():
                i, j = variables[a], variables[b]
                term = graph.apply("mul", factor, node)
                if a != b and i == j:
                    # Both triangles of the element fall on this diagonal entry.
                    term = graph.apply("add", term, term)
                self._add_pair(target, i, j, term)

    def _quadratic(self) -> list[int]:
        """Add the QUADRATIC section to derivatives and return its terms."""
        s, graph, x, result = self.s, self.graph, self.x, self.result
        terms: list[int] = []
        entries = zip(
            s.quadratic_rows.tolist(), s.quadratic_columns.tolist(), s.quadratic_values.tolist(),
            strict=True,
        )  # fmt: skip
        for i, j, h in entries:
            product = graph.apply("mul", x[i], x[j])
            terms.append(graph.scaled(0.5 * h if i == j else h, product))
            self._add(result.gradient, i, graph.scaled(h, x[j]))
            if i != j:
                self._add(result.gradient, j, graph.scaled(h, x[i]))
            self._add_pair(result.hessian.setdefault(0, {}), i, j, graph.constant(h))
        return terms

"""What an element type or group type computes, as nodes of a graph.

An element is f(u) with u = W v (internal variables u, elemental variables v; W from the R cards). The
file gives df/du and d2f/du2; in elemental variables these are W' df/du and W' (d2f/du2) W.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from optlab_problems.expressions.graph import Graph
from optlab_problems.sif.draft import ElementType, GroupType
from optlab_problems.sif.errors import SifError
from optlab_problems.sif.functions import Functions, Statement, TypeBody
from optlab_problems.sif.lower import Scope

Key = TypeVar("Key", int, tuple[int, int])

__all__ = ["ElementExpressions", "GroupExpressions", "element_expressions", "group_expressions"]


@dataclass(slots=True)
class ElementExpressions:
    """Nodes of an element's value, gradient and Hessian in elemental variables."""

    value: int
    #: slot of the elemental variable: node; zeros are left out.
    gradient: dict[int, int] = field(default_factory=dict)
    #: (slot, smaller or equal slot): node; zeros are left out.
    hessian: dict[tuple[int, int], int] = field(default_factory=dict)


@dataclass(slots=True)
class GroupExpressions:
    """Nodes of a group function, its first and its second derivative."""

    value: int
    first: int
    second: int


def element_expressions(
    graph: Graph,
    kind: ElementType,
    functions: Functions,
    variables: Sequence[int],
    parameters: Mapping[str, int],
    *,
    single: bool = False,
) -> ElementExpressions:
    """Lower the type of an element.

    Parameters
    ----------
    graph
        Where the operations go.
    kind
        Its names.
    functions
        The ELEMENTS part.
    variables
        Nodes of the elemental variables, in the order of ``kind.variables``.
    parameters
        Nodes of the parameters by name.
    single
        The Fortran reading of constants without a D exponent.

    Raises
    ------
    SifError
        When the file does not describe the type, or describes it wrongly.
    """
    body = _body(functions, kind.name, "element")
    transformation = _transformation(functions, kind, body)
    bound = {name: variables[i] for i, name in enumerate(kind.variables)}
    bound.update(parameters)
    for row, name in enumerate(kind.internals):
        terms = (graph.scaled(w, variables[j]) for j, w in transformation[row].items())
        bound[name] = graph.sum(terms)
    derivatives = _collect(graph, functions, body, bound, single=single)
    names = kind.internals or kind.variables
    slots = {name: i for i, name in enumerate(names)}
    gradient, hessian = _by_slot(graph, functions, derivatives, slots)
    if not kind.internals:
        return ElementExpressions(derivatives.value, gradient, hessian)
    return ElementExpressions(
        derivatives.value,
        _pull_back_gradient(graph, gradient, transformation),
        _pull_back_hessian(graph, hessian, transformation),
    )


def group_expressions(
    graph: Graph,
    kind: GroupType,
    functions: Functions,
    argument: int,
    parameters: Mapping[str, int],
    *,
    single: bool = False,
) -> GroupExpressions:
    """Lower the type of a group; the parameters are as for `element_expressions`."""
    body = _body(functions, kind.name, "group")
    bound = {kind.variable: argument, **parameters}
    found = _collect(graph, functions, body, bound, single=single)
    first = second = graph.constant(0.0)
    for statement, node in found.first:
        _refuse_names(functions, statement)
        first = node
    for statement, node in found.second:
        _refuse_names(functions, statement)
        second = node
    return GroupExpressions(found.value, first, second)


@dataclass(slots=True)
class _Collected:
    value: int
    first: list[tuple[Statement, int]] = field(default_factory=list)
    second: list[tuple[Statement, int]] = field(default_factory=list)


def _collect(
    graph: Graph, functions: Functions, body: TypeBody, bound: dict[str, int], *, single: bool
) -> _Collected:
    scope = Scope(graph, functions, bound, single=single)
    found = _Collected(-1)
    for statement in body.statements:
        node = scope.run(statement)
        if statement.code == "F":
            found.value = node
        elif statement.code == "G":
            found.first.append((statement, node))
        elif statement.code == "H":
            found.second.append((statement, node))
    card = body.card
    for missing, letter in ((found.value < 0, "F"), (not found.first, "G")):
        if missing:
            raise SifError(
                f"type {body.name!r} has no {letter} card", functions.file, card.line, card.text
            )
    return found


def _body(functions: Functions, name: str, what: str) -> TypeBody:
    body = functions.bodies.get(name)
    if body is None:
        raise SifError(
            f"{what} type {name!r} is used but its T card is missing", functions.file
        )
    return body


def _transformation(
    functions: Functions, kind: ElementType, body: TypeBody
) -> list[dict[int, float]]:
    """Return W by rows: internal variable -> {elemental variable: coefficient}."""
    rows: list[dict[int, float]] = [{} for _ in kind.internals]
    row_of = {name: i for i, name in enumerate(kind.internals)}
    column_of = {name: j for j, name in enumerate(kind.variables)}
    for internal, elemental, value, card in body.ranges:
        if internal not in row_of or elemental not in column_of:
            unknown = internal if internal not in row_of else elemental
            raise SifError(
                f"R card of type {kind.name!r}: {unknown!r} is not one of its variables",
                functions.file, card.line, card.text,
            )  # fmt: skip
        rows[row_of[internal]][column_of[elemental]] = value
    return rows


def _by_slot(
    graph: Graph, functions: Functions, found: _Collected, slots: dict[str, int]
) -> tuple[dict[int, int], dict[tuple[int, int], int]]:
    gradient: dict[int, int] = {}
    hessian: dict[tuple[int, int], int] = {}
    for statement, node in found.first:
        slot = _slot(functions, statement, statement.first, slots)
        if not graph.is_zero(node):
            gradient[slot] = node
    for statement, node in found.second:
        i = _slot(functions, statement, statement.first, slots)
        j = _slot(functions, statement, statement.second, slots)
        if not graph.is_zero(node):
            hessian[max(i, j), min(i, j)] = node
    return gradient, hessian


def _slot(functions: Functions, statement: Statement, name: str, slots: dict[str, int]) -> int:
    if name not in slots:
        card = statement.card
        raise SifError(
            f"{name or 'a blank name'} is not a variable of this type ({', '.join(slots)})",
            functions.file, card.line, card.text,
        )  # fmt: skip
    return slots[name]


def _refuse_names(functions: Functions, statement: Statement) -> None:
    if statement.first:
        card = statement.card
        raise SifError(
            "a derivative of a group names no variable: a group has only one",
            functions.file, card.line, card.text,
        )  # fmt: skip


def _pull_back_gradient(
    graph: Graph, gradient: dict[int, int], transformation: list[dict[int, float]]
) -> dict[int, int]:
    terms: dict[int, list[int]] = {}
    for i, node in sorted(gradient.items()):
        for j, w in transformation[i].items():
            terms.setdefault(j, []).append(graph.scaled(w, node))
    return _sums(graph, terms)


def _pull_back_hessian(
    graph: Graph,
    hessian: dict[tuple[int, int], int],
    transformation: list[dict[int, float]],
) -> dict[tuple[int, int], int]:
    terms: dict[tuple[int, int], list[int]] = {}
    for (a, b), node in sorted(hessian.items()):
        # The entry stands at (a, b) and, off the diagonal, at (b, a) too.
        for row, column in ((a, b), (b, a))[: 1 if a == b else 2]:
            for j, w in transformation[row].items():
                for k, v in transformation[column].items():
                    if j >= k:
                        terms.setdefault((j, k), []).append(graph.scaled(w * v, node))
    return _sums(graph, terms)


def _sums(graph: Graph, terms: dict[Key, list[int]]) -> dict[Key, int]:
    summed = {key: graph.sum(nodes) for key, nodes in terms.items()}
    return {key: node for key, node in summed.items() if not graph.is_zero(node)}

"""From a smooth CVXPY problem to rows and bounds.

    min f(x)   subject to   lb <= x <= ub,   cl <= c(x) <= cu

x is all variables one after the other, each in Fortran order. A constraint's rows are its ``expr``:
lhs - rhs for ``==`` and ``<=``, the argument for NonNeg, NonPos and Zero, so that with
L = f + y'c (docs/notation.md) the dual value that CVXPY defines is y, and -y for NonNeg.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from optlab.errors import ProblemError
from optlab.typing import Mask, Vector
from optlab_problems.cvxpy.refusals import check_exponent, check_variables, rows_of
from optlab_problems.cvxpy.tree import atoms_of, folded
from optlab_problems.cvxpy.upstream import cvxpy

__all__ = ["Block", "Rows", "to_rows", "user_names"]


@dataclass(frozen=True, slots=True)
class Block:
    """Where a variable's entries, or a constraint's rows, lie."""

    item: Any
    """The CVXPY variable or constraint."""

    label: str
    """Its name, without indices."""

    start: int
    size: int
    shape: tuple[int, ...]
    auxiliary: bool = False
    """Whether CVXPY's smoothing brought it in."""

    @property
    def entries(self) -> slice:
        """The positions."""
        return slice(self.start, self.start + self.size)

    def names(self) -> list[str]:
        """Name every entry; ``x[2]``, ``X[0,1]``, and plain ``x`` for a scalar."""
        if not self.shape:
            return [self.label]
        if len(self.shape) == 1:
            return [f"{self.label}[{i}]" for i in range(self.size)]
        places = np.unravel_index(np.arange(self.size), self.shape, order="F")
        columns = [place.tolist() for place in places]
        return [f"{self.label}[{','.join(map(str, at))}]" for at in zip(*columns, strict=True)]

    def shaped(self, vector: Vector) -> Any:
        """Take this block out of a vector over all blocks, in CVXPY's shape."""
        return np.reshape(vector[self.entries], self.shape, order="F")


@dataclass(frozen=True, slots=True)
class Rows:
    """A smooth CVXPY problem as vectors."""

    smooth: Any
    """The ``cvxpy.Problem`` whose expressions are f and c."""

    variables: tuple[Block, ...]
    constraints: tuple[Block, ...]
    x0: Vector
    lb: Vector
    ub: Vector
    cl: Vector
    cu: Vector
    linear: Mask

    def variable_names(self) -> list[str]:
        """Name the variables."""
        return [name for block in self.variables for name in block.names()]

    def constraint_names(self) -> list[str]:
        """Name the rows."""
        return [name for block in self.constraints for name in block.names()]

    def bounds(self) -> tuple[Vector, Vector]:
        """Read the variables' bounds again, which may depend on parameters."""
        sides = [_bounds(block) for block in self.variables]
        return _joined([low for low, _ in sides]), _joined([high for _, high in sides])


AUXILIARY = "smooth"
"""Start of the names of variables and rows that are not the user's."""


def to_rows(smooth: Any, users: Sequence[Any] = (), theirs: Sequence[Any] = ()) -> Rows:
    """Read the vectors off a smooth problem.

    Parameters
    ----------
    smooth
        What CVXPY's reductions made of the user's problem.
    users
        The user's variables. Variables with none of their ids or names count as auxiliary; when it is
        empty, all count as the user's.
    theirs
        The user's constraints, for their names.

    Raises
    ------
    CapabilityError
        For variables and constraints that have no place in a smooth problem.
    ProblemError
        For a start value that is not finite.
    """
    smooth = folded(smooth)
    variables = smooth.variables()
    check_variables(variables)
    for atom in (a for part in (smooth.objective, *smooth.constraints) for a in atoms_of(part)):
        check_exponent("the problem", atom)
    of_users = {v.id for v in users} | {v.name() for v in users}
    blocks = _blocks(variables, lambda v: v.name(), of_users)
    labels = {c.id: c.label or f"c{k}" for k, c in enumerate(theirs)}
    rows = [(c, *rows_of(c)) for c in smooth.constraints]
    row_blocks = _blocks([c for c, _, _ in rows], lambda c: labels.get(c.id, ""), set(labels))
    sides = [_bounds(block) for block in blocks]
    sizes = [block.size for block in row_blocks]
    return Rows(
        smooth=smooth,
        variables=blocks,
        constraints=row_blocks,
        x0=_joined([_start(block) for block in blocks]),
        lb=_joined([low for low, _ in sides]),
        ub=_joined([high for _, high in sides]),
        cl=np.repeat([low for _, low, _ in rows], sizes).astype(np.float64),
        cu=np.repeat([high for _, _, high in rows], sizes).astype(np.float64),
        linear=np.repeat([bool(c.expr.is_affine()) for c, _, _ in rows], sizes).astype(bool),
    )


def _blocks(items: Sequence[Any], name: Any, known: set[Any]) -> tuple[Block, ...]:
    """Lay items out one after the other, with names that do not repeat."""
    blocks: list[Block] = []
    used: Counter[str] = Counter()
    start = extra = 0
    for item in items:
        label = name(item)
        auxiliary = bool(known) and item.id not in known and label not in known
        if auxiliary:
            extra += 1
            label = f"{AUXILIARY}{extra}"
        label = label or f"c{len(blocks)}"
        used[label] += 1
        if used[label] > 1:
            label = f"{label}#{used[label]}"
        blocks.append(Block(item, label, start, item.size, tuple(item.shape), auxiliary))
        start += item.size
    return tuple(blocks)


def _joined(parts: Sequence[Vector]) -> Vector:
    """Concatenate, also nothing."""
    return np.concatenate(parts) if parts else np.zeros(0)


def _flat(value: Any, block: Block) -> Vector:
    """Bring a value that broadcasts to the block into a vector."""
    dense = (
        value.toarray() if hasattr(value, "toarray") else np.asarray(value, dtype=np.float64)
    )
    return np.broadcast_to(dense, block.shape).flatten(order="F").astype(np.float64)


def _bounds(block: Block) -> tuple[Vector, Vector]:
    """Read a variable's bounds; those that are expressions, which CVXPY 1.9 drops here, by their value."""
    low, high = (_flat(side, block) for side in block.item.get_bounds())
    given = block.item.attributes["bounds"]
    for k, side in enumerate(given or ()):
        if isinstance(side, cvxpy().Expression):
            value = _flat(side.value, block)
            low, high = (
                (np.maximum(low, value), high) if k == 0 else (low, np.minimum(high, value))
            )
    return low, high


def _start(block: Block) -> Vector:
    """Read a variable's start value; CVXPY leaves none where it rebuilt a symmetric variable."""
    value = block.item.value
    if value is None:
        low, high = _bounds(block)
        return np.clip(np.zeros(block.size), low, high)
    start = _flat(value, block)
    bad = np.flatnonzero(~np.isfinite(start))
    if bad.size:
        raise ProblemError(
            f"the start value of {block.names()[bad[0]]} is {start[bad[0]]}; set .value to finite numbers"
        )
    return start


def user_names(rows: Rows, parts: Mapping[int, Any]) -> list[str]:
    """Name the user's variables behind expressions, through the rows that define auxiliary ones.

    Parameters
    ----------
    rows
        The smooth problem.
    parts
        Variables to start from, by id.
    """
    hidden = {block.item.id for block in rows.variables if block.auxiliary}
    reached = dict(parts)
    todo = list(parts.values())
    while todo:
        variable = todo.pop()
        if variable.id not in hidden:
            continue
        for constraint in rows.smooth.constraints:
            found = {v.id: v for v in constraint.variables()}
            if variable.id in found:
                new = {key: v for key, v in found.items() if key not in reached}
                reached.update(new)
                todo.extend(new.values())
    return sorted(
        b.label for b in rows.variables if b.item.id in reached and b.item.id not in hidden
    )

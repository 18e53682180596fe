"""Cardinality constraints: how many variables may differ from zero.

    ||x_G||_0 <= k_G   for every group G of variables

A group is a block of variables, such as the weight matrix of a layer (``scope="layerwise"``), or all prunable blocks
together (``scope="global"``). What is counted are *units*: single variables, or rows of a block, which are the output
channels of a layer. The *density* of a group is the share of its units that may differ from zero.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from optlab.core.sampled import Block
from optlab.errors import OptionError, ProblemError
from optlab.typing import is_a

if TYPE_CHECKING:
    from optlab.typing import Indices, Mask, Vector

__all__ = ["CollapsedError", "Sparsity"]


class CollapsedError(ProblemError):
    """A block would lose all its variables."""


@dataclass(frozen=True, slots=True)
class Sparsity:
    """At most round(density * size) units of a group may differ from zero.

    Parameters
    ----------
    blocks : tuple of Block
        Runs of variables; those that are not prunable are free.
    densities : tuple of float
        Kept share of each prunable block, in (0, 1], in order; all the same for ``scope="global"``.
    scope : {"global", "layerwise"}
        Whether all prunable blocks are one group, or each is its own.
    unit : {"weight", "channel"}
        What is counted: variables, or rows of blocks (first axis).

    Raises
    ------
    ProblemError
        When no block is prunable.
    OptionError
        When a density is out of range, or leaves a block nothing.

    Examples
    --------
    >>> import numpy as np
    >>> s = Sparsity.of((Block("w", (2, 3), 0), Block("b", (2,), 6, prunable=False)), 0.5)
    >>> s.keep(np.array([1.0, -5.0, 0.1, 3.0, 2.0, 0.2, 9.0, 9.0])).astype(int)
    array([0, 1, 0, 1, 1, 0, 1, 1])
    """

    blocks: tuple[Block, ...]
    densities: tuple[float, ...]
    scope: Literal["global", "layerwise"] = "global"
    unit: Literal["weight", "channel"] = "weight"

    def __post_init__(self) -> None:
        for name, allowed in (
            ("scope", ("global", "layerwise")),
            ("unit", ("weight", "channel")),
        ):
            if getattr(self, name) not in allowed:
                raise OptionError(
                    f"{name} is {getattr(self, name)!r}; one of {allowed} is needed"
                )
        if not self.prunable:
            raise ProblemError(
                "there is nothing to prune: no block of variables is a matrix or a kernel of a layer"
            )
        for block, density in zip(self.prunable, self.densities, strict=True):
            if not (is_a(density, float, int) and 0.0 < density <= 1.0):
                raise OptionError(
                    f"density of {block.name} is {density!r}; the kept share, a number in (0, 1], is needed"
                )
            if self.scope == "layerwise" and round(density * self._units_of(block)) < 1:
                raise OptionError(
                    f"density {density:g} leaves {block.name} nothing of its {self._units_of(block)} "
                    f"{self.unit}s; at least {0.5 / self._units_of(block):.1g} is needed"
                )

    @classmethod
    def of(
        cls,
        blocks: tuple[Block, ...],
        density: float | Mapping[str, float],
        scope: Literal["global", "layerwise"] = "global",
        unit: Literal["weight", "channel"] = "weight",
    ) -> Sparsity:
        """State a constraint with one density, or with one for every prunable block by name.

        Raises
        ------
        OptionError
            When a block has no density, or a name is not that of a prunable block.
        """
        prunable = [block for block in blocks if block.prunable]
        if not is_a(density, Mapping):
            return cls(blocks, (float_of(density),) * len(prunable), scope, unit)
        given: Any = density
        names = [block.name for block in prunable]
        wrong = sorted(set(given) ^ set(names))
        if wrong:
            raise OptionError(
                f"densities are given for {sorted(given)}, the prunable blocks are {names}; {wrong} do not agree"
            )
        return cls(blocks, tuple(float_of(given[name]) for name in names), "layerwise", unit)

    @property
    def n(self) -> int:
        """Number of variables."""
        return self.blocks[-1].stop

    @property
    def prunable(self) -> tuple[Block, ...]:
        """The blocks that are counted."""
        return tuple(block for block in self.blocks if block.prunable)

    @property
    def density(self) -> float:
        """Kept share of all prunable variables together."""
        sizes = [block.size for block in self.prunable]
        return float(np.dot(sizes, self.densities) / sum(sizes))

    def _units_of(self, block: Block) -> int:
        return block.size if self.unit == "weight" else block.shape[0]

    def magnitudes(self, x: Vector) -> Vector:
        """Return |x_i| of every unit, block by block; of a row the root mean square."""
        parts: list[Vector] = []
        for block in self.prunable:
            part = np.abs(x[block.start : block.stop])
            if self.unit == "channel":
                part = np.sqrt(np.mean(part.reshape(block.shape[0], -1) ** 2, axis=1))
            parts.append(part)
        return np.concatenate(parts)

    def groups(
        self, thinned: Callable[[float], float] = lambda d: d
    ) -> list[tuple[slice, int]]:
        """Return the units of each group and how many of them may be kept.

        Parameters
        ----------
        thinned
            Density in force for a final one; schedules go from 1 to it.
        """
        sizes = [self._units_of(block) for block in self.prunable]
        if self.scope == "global":
            total = sum(sizes)
            return [(slice(0, total), max(1, round(thinned(self.densities[0]) * total)))]
        ends = np.cumsum(sizes)
        return [
            (slice(int(end) - size, int(end)), max(1, round(thinned(density) * size)))
            for size, end, density in zip(sizes, ends, self.densities, strict=True)
        ]

    def keep(
        self,
        x: Vector,
        thinned: Callable[[float], float] = lambda d: d,
        *,
        among: Mask | None = None,
    ) -> Mask:
        """Return which variables the projection onto the constraint keeps: those of the largest units of each group.

        Parameters
        ----------
        x
            (n,) weights, or scores.
        thinned
            As for :meth:`groups`.
        among
            (n,) variables that may be kept; None: all.

        Raises
        ------
        CollapsedError
            When a block would keep nothing; names it.
        """
        size = self.magnitudes(x)
        if among is not None:
            # Units that are out already come last, whatever their magnitude.
            size = np.where(self.magnitudes(among.astype(np.float64)) > 0.0, size, -1.0)
        kept = np.zeros(size.size, dtype=bool)
        for units, count in self.groups(thinned):
            first = _largest(size[units], count)
            kept[units.start + first] = True
        if among is not None:
            kept &= size >= 0.0
        return self._spread(kept)

    def _spread(self, kept: Mask) -> Mask:
        """Return the mask of variables, (n,), for one of units; a block that keeps nothing is an error."""
        for block, units in zip(self.prunable, self._ranges(), strict=True):
            if not kept[units].any():
                raise CollapsedError(
                    f"{block.name} would lose all of its {self._units_of(block)} {self.unit}s; use a higher density "
                    "or scope='layerwise', which keeps a share of every block"
                )
        return self.spread(kept.astype(np.float64), 1.0) > 0.0

    def _ranges(self) -> list[slice]:
        """Return where the units of each prunable block are."""
        ends = np.cumsum([0, *(self._units_of(block) for block in self.prunable)])
        return [slice(int(a), int(b)) for a, b in itertools.pairwise(ends)]

    def unit_sizes(self) -> Vector:
        """Return the number of variables of every unit."""
        parts = [
            np.full(self._units_of(block), block.size / self._units_of(block))
            for block in self.prunable
        ]
        return np.concatenate(parts)

    def spread(self, values: Vector, rest: float) -> Vector:
        """Return the value of its unit for every variable, (n,); ``rest`` for those that are in none."""
        found = np.full(self.n, rest)
        for block, units in zip(self.prunable, self._ranges(), strict=True):
            part = values[units]
            found[block.start : block.stop] = np.repeat(part, block.size // part.size)
        return found

    def gathered(self, x: Vector) -> Vector:
        """Return the sum of x, (n,), over the variables of every unit: the adjoint of :meth:`spread`."""
        parts = [
            x[block.start : block.stop].reshape(self._units_of(block), -1).sum(axis=1)
            for block in self.prunable
        ]
        return np.concatenate(parts)

    def violation(self, x: Vector) -> float:
        """Return the largest magnitude that would have to become zero; 0 where the constraint holds."""
        size = self.magnitudes(x)
        worst = 0.0
        for units, count in self.groups():
            part = np.sort(size[units])[::-1]
            worst = max(worst, float(part[count]) if count < part.size else 0.0)
        return worst

    def share(self, mask: Mask) -> float:
        """Return the share of the prunable variables that a mask, (n,), keeps."""
        sizes = [block.size for block in self.prunable]
        return float(np.dot(sizes, list(self.kept(mask).values())) / sum(sizes))

    def kept(self, mask: Mask) -> dict[str, float]:
        """Return the share of variables that a mask, (n,), keeps of each prunable block, by name."""
        return {
            block.name: float(mask[block.start : block.stop].mean()) for block in self.prunable
        }


def float_of(density: Any) -> float:
    """Return a density as a number.

    Raises
    ------
    OptionError
        When it is none.
    """
    try:
        return float(density)
    except (TypeError, ValueError):
        raise OptionError(
            f"density is {density!r}; the kept share, a number in (0, 1], is needed"
        ) from None


def _largest(size: Vector, count: int) -> Indices:
    """Return where the ``count`` largest are; of equal ones the first."""
    if count >= size.size:
        return np.arange(size.size)
    # Everything above the threshold, and as many of those at it as there is room for.
    threshold = np.partition(size, size.size - count)[size.size - count]
    above = np.flatnonzero(size > threshold)
    return np.concatenate([above, np.flatnonzero(size == threshold)[: count - above.size]])

"""Lay out elements one type after the other, and list what every use of an element contributes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optlab.typing import Indices, Mask, Vector
from optlab_problems.sif.blocks import ElementBlock
from optlab_problems.sif.structure import Structure

__all__ = ["Entries", "Layout"]


@dataclass(frozen=True, slots=True)
class Entries:
    """Contributions of uses: where the number stands, the use, and the variables it belongs to."""

    positions: Indices
    uses: Indices
    rows: Indices
    columns: Indices


class Layout:
    """Storage of element values, gradients and Hessians, type after type.

    Parameters
    ----------
    structure
        The problem.
    blocks
        One block per element set, in the same order.
    """

    def __init__(self, structure: Structure, blocks: list[ElementBlock]) -> None:
        counts = [block.count for block in blocks]
        self.blocks = blocks
        self.offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.intp)
        place = np.empty(structure.element_count, dtype=np.intp)
        for start, members in zip(self.offsets[:-1], structure.element_sets, strict=True):
            place[members.elements] = start + np.arange(members.elements.size)
        #: position of the element of every use
        self.use_elements = place[structure.use_elements]
        self.storage: list[Vector] = []
        self.starts: list[Indices] = []
        for stage in range(3):
            sizes = [block.rows[stage].values.size for block in blocks]
            starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.intp)
            storage = np.empty(int(starts[-1]))
            for block, start, size in zip(blocks, starts[:-1], sizes, strict=True):
                block.bind(stage, storage[start : start + size])
            self.storage.append(storage)
            self.starts.append(starts[:-1])
        self._set_of_use = np.searchsorted(self.offsets, self.use_elements, side="right") - 1

    def gradient_entries(self, chosen: Mask) -> Entries:
        """List the gradient contributions of the chosen uses; rows and columns are the variable."""
        pieces = []
        for k, block in enumerate(self.blocks):
            uses, local = self._uses(k, chosen)
            if uses.size and block.gradient_slots:
                rows = np.arange(len(block.gradient_slots))[:, None]
                variables = block.variables[np.array(block.gradient_slots)[:, None], local]
                positions = self.starts[1][k] + rows * block.count + local
                pieces.append((positions, np.broadcast_to(uses, positions.shape), variables))
        joined = _join(pieces, 3)
        return Entries(joined[0], joined[1], joined[2], joined[2])

    def hessian_entries(self, chosen: Mask) -> Entries:
        """List the Hessian contributions of the chosen uses, row >= column.

        An off-diagonal entry of two elemental variables that are the same problem variable stands
        twice, for it belongs to the diagonal from both triangles.
        """
        pieces = []
        for k, block in enumerate(self.blocks):
            uses, local = self._uses(k, chosen)
            for row, (i, j) in enumerate(block.hessian_slots if uses.size else []):
                first, second = block.variables[i, local], block.variables[j, local]
                positions = self.starts[2][k] + row * block.count + local
                larger, smaller = np.maximum(first, second), np.minimum(first, second)
                pieces.append((positions, uses, larger, smaller))
                twice = (first == second) if i != j else np.zeros(local.size, dtype=bool)
                if twice.any():
                    pieces.append(
                        (positions[twice], uses[twice], larger[twice], smaller[twice])
                    )
        return Entries(*_join(pieces, 4))

    def _uses(self, k: int, chosen: Mask) -> tuple[Indices, Indices]:
        uses = np.flatnonzero((self._set_of_use == k) & chosen)
        return uses, self.use_elements[uses] - self.offsets[k]


def _join(pieces: Sequence[tuple[Indices, ...]], width: int) -> list[Indices]:
    if not pieces:
        return [np.empty(0, dtype=np.intp) for _ in range(width)]
    return [np.concatenate([np.ravel(p[c]) for p in pieces]) for c in range(width)]

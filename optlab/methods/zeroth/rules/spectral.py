"""Descent in the spectral norm, for variables that are matrices.

    d = sqrt(max(r, c)) msign(m),     msign(U S V') = U V'

for every block of shape (r, c) of an average m of gradients: all its singular values count the same, and the entries
of d have mean square 1 as those of the sign rule have. A vector is a matrix of one row. msign comes from five
Newton-Schulz steps, which need products only and leave singular values between 0.7 and 1.2 [JJB24]; on gradients from
function values: [ZOM26].
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from optlab.core.sampled import Block
from optlab.errors import OptionError
from optlab.methods.zeroth.rules.base import AbstractRule, Memory, Signal, Turn, need
from optlab.typing import Vector

__all__ = ["Spectral", "matrix_sign"]

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic iteration, chosen by [JJB24] for the steepest slope at 0."""


@dataclass(frozen=True, kw_only=True)
class Spectral(AbstractRule):
    """Orthogonalized momentum.

    Raises
    ------
    OptionError
        When a setting is out of its range, or (by ``turn``) shapes do not make up all variables.
    """

    momentum: float = 0.9
    """m_k = momentum m_{k-1} + g_k."""

    nesterov: bool = False
    shapes: tuple[tuple[int, ...], ...] = ()
    """Shapes of the blocks, in order; empty: those of the problem, or else one vector. More than two sides: the first
    against all others, as for kernels of a convolution."""

    iterations: int = 5

    def __post_init__(self) -> None:
        need("momentum", self.momentum, 0.0, 1.0)
        need("iterations", self.iterations, 1, 100, ends="[]")

    def start(self, n: int) -> Memory:
        """Start with an empty sum."""
        return {"sum": np.zeros(n)}

    def turn(self, signal: Signal, memory: Memory) -> Turn:
        """Orthogonalize every block of the sum."""
        m = self.momentum * memory["sum"] + signal.gradient
        ahead = signal.gradient + self.momentum * m if self.nesterov else m
        direction = np.empty_like(ahead)
        for block in self._blocks(signal, ahead.size):
            matrix = ahead[block.start : block.stop].reshape(_two_sides(block.shape))
            scale = math.sqrt(max(matrix.shape))
            direction[block.start : block.stop] = (
                scale * matrix_sign(matrix, self.iterations)
            ).ravel()
        return Turn(direction=direction, memory={"sum": m})

    def _blocks(self, signal: Signal, n: int) -> tuple[Block, ...]:
        """Return blocks that cover all variables."""
        if not self.shapes:
            return signal.blocks or (Block("x", (n,), 0),)
        blocks: list[Block] = []
        for shape in self.shapes:
            start = blocks[-1].stop if blocks else 0
            blocks.append(Block(f"block {len(blocks)}", tuple(shape), start))
        if blocks[-1].stop != n:
            raise OptionError(
                f"the shapes {self.shapes} hold {blocks[-1].stop} variables; {n} are needed"
            )
        return tuple(blocks)


def _two_sides(shape: tuple[int, ...]) -> tuple[int, int]:
    if len(shape) < 2:
        return (1, math.prod(shape))
    return (shape[0], math.prod(shape[1:]))


def matrix_sign(matrix: Vector, iterations: int = 5) -> Vector:
    """Return about U V' of the singular value decomposition U S V' of a matrix, shape (r, c).

    Parameters
    ----------
    matrix
        (r, c); zeros give zeros.
    iterations
        Newton-Schulz steps.
    """
    size = float(np.linalg.norm(matrix))
    if size == 0.0:
        return np.zeros_like(matrix)
    if 1 in matrix.shape:
        return matrix / size  # one singular value: exact
    wide = matrix.shape[0] <= matrix.shape[1]
    x = (matrix if wide else matrix.T) / size
    a, b, c = _COEFFICIENTS
    for _ in range(iterations):
        gram = x @ x.T
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return x if wide else x.T

"""Ternary weights: a mask, signs and gains, given or found in an array."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optlab.errors import ProblemError
from optlab.kernels.ternary import WORD, TernaryMatrix, pack_bits

__all__ = ["TernaryWeight", "as_array"]


def as_array(values: Any) -> NDArray[Any]:
    """Return a NumPy array of anything that is one, tensors included."""
    detached = values.detach().cpu().numpy() if hasattr(values, "detach") else values
    return np.asarray(detached)


@dataclass(frozen=True, eq=False)
class TernaryWeight:
    """Weights gain M S of one layer.

    Parameters
    ----------
    mask : (rows, ...) bool, or numbers that are zero where a weight is pruned
        In the shape of the layer's weight; rows are output channels.
    signs : (rows, ...) numbers
        Only their signs count, and only where the mask is not zero; there they may not be 0.
    gain : float or (rows,)
        One for the layer, or one for every output channel.

    Raises
    ------
    ProblemError
        When the shapes differ, a kept sign is 0 or a gain is not finite.
    """

    mask: Any
    signs: Any
    gain: Any = 1.0

    def __post_init__(self) -> None:
        mask, signs = as_array(self.mask) != 0, np.sign(as_array(self.signs))
        gain = as_array(self.gain).astype(np.float32)
        if mask.ndim < 2 or signs.shape != mask.shape:
            raise ProblemError(
                f"the mask has shape {mask.shape} and the signs {signs.shape}; both need the shape of the layer's weight"
            )
        if gain.size not in {1, mask.shape[0]} or not np.isfinite(gain).all():
            raise ProblemError(
                f"the gain has {gain.size} entries, or not finite ones; one number, or one for each of the "
                f"{mask.shape[0]} output channels, is needed"
            )
        if not np.isin(signs[mask], (-1, 1)).all():
            raise ProblemError(
                "a sign that the mask keeps is 0 or nan; set the mask to 0 there"
            )
        object.__setattr__(self, "mask", mask)
        object.__setattr__(self, "signs", signs)
        object.__setattr__(self, "gain", np.broadcast_to(gain.ravel(), mask.shape[:1]).copy())

    @classmethod
    def find(cls, weight: Any, tolerance: float = 1e-5) -> TernaryWeight | None:
        """Return the ternary form of an array; None where a row has two magnitudes.

        Entries below tolerance times the largest of their row are zero. The others are the row's gain, their mean
        magnitude, when none is further from it than tolerance times it.
        """
        dense = as_array(weight).astype(np.float64)
        rows = np.abs(dense.reshape(dense.shape[0], -1))
        largest = rows.max(axis=1, initial=0.0)
        kept = rows > tolerance * largest[:, None]
        gain = np.where(kept, rows, 0.0).sum(axis=1) / np.maximum(kept.sum(axis=1), 1)
        apart = np.where(kept, np.abs(rows - gain[:, None]), 0.0)
        if not (np.isfinite(rows).all() and (apart <= tolerance * gain[:, None]).all()):
            return None
        return cls(kept.reshape(dense.shape), dense, gain)

    def dense(self) -> NDArray[np.float32]:
        """Return the weights as float32."""
        shape = (-1, *[1] * (self.mask.ndim - 1))
        product: NDArray[np.float32] = np.where(
            self.mask, self.gain.reshape(shape) * self.signs, 0.0
        ).astype(np.float32)
        return product

    def pixelwise(self) -> TernaryWeight:
        """Return the weights of a convolution in the column order of :attr:`Layer.pixelwise`."""
        return TernaryWeight(_pixelwise(self.mask), _pixelwise(self.signs), self.gain)

    def matrix(self, bias: NDArray[np.float32]) -> TernaryMatrix:
        """Return the planes of the weights, a row for every output channel."""
        kept = self.mask.reshape(self.mask.shape[0], -1)
        positive = self.signs.reshape(kept.shape) > 0
        return TernaryMatrix(
            pack_bits(kept & positive),
            pack_bits(kept & ~positive),
            self.gain,
            bias,
            kept.shape[1],
        )


def _pixelwise(values: NDArray[Any]) -> NDArray[Any]:
    rows, channels, *kernel = values.shape
    return values.reshape(rows, channels // WORD, WORD, *kernel).transpose(0, 1, 3, 4, 2)

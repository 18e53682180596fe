"""How like the images of an augmentation a batch of images is, by their spectra.

The definition is our own: [DBBK21] says that gates go by spectral similarity, and leaves the measure to its code. With P_r(x)
the mean power of image x on ring r of frequency (:func:`optlab.adapters.robustness.radial`), r = 0 to R - 1,

    s_r(x)  = log max(P_r(x), 1 / (12 * 255^2))
    d_r^2   = mean over augmentations k of the variance of s_r over the reference images of k      (pooled)
    S(x)    = s(x) / d

and the distance of a batch B to augmentation k, whose reference images are A_k, is one of

    means          (1/R) sum_r (mean of S_r over B  -  mean of S_r over A_k)^2
    neighbours     mean over x in B of the mean over its j nearest a in A_k of ||S(x) - S(a)|| / sqrt(R)

The floor under the power is that of rounding to 8 bits (uniform errors of width 1/255), so that images without contrast have
finite spectra.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from optlab.typing import Vector
from optlab_adapters.robustness import psd, radial

__all__ = ["References", "log_rings"]

ROUNDING = 1.0 / (12.0 * 255.0**2)
"""Variance of the errors of rounding to 8 bits, for pixels in [0, 1]."""


def log_rings(images: NDArray[np.floating]) -> Vector:
    """Return s(x), (N, R), of images in [0, 1], (N, channels, height, width)."""
    power = psd(np.moveaxis(images, 1, -1), per_image=True)
    return np.asarray(np.log(np.maximum(radial(power), ROUNDING)))


@dataclass(frozen=True)
class References:
    """The spectra of augmentations.

    Attributes
    ----------
    names : tuple of str
        K augmentations.
    unit : Vector
        d, (R,).
    spectra : tuple of Vector
        S of the reference images of each augmentation, (number, R).
    """

    names: tuple[str, ...]
    unit: Vector
    spectra: tuple[Vector, ...]

    @staticmethod
    def of(images: Mapping[str, NDArray[np.floating]]) -> References:
        """Measure reference images, at least two of every augmentation, all of one size."""
        raw = [log_rings(some) for some in images.values()]
        unit = np.sqrt(np.mean([s.var(axis=0) for s in raw], axis=0))
        # A ring that never varies cannot be measured by its deviation.
        unit = np.where(unit > 0.0, unit, 1.0)
        return References(tuple(images), unit, tuple(s / unit for s in raw))

    @property
    def means(self) -> Vector:
        """Means over the reference images, (K, R)."""
        return np.stack([s.mean(axis=0) for s in self.spectra])

    def spectrum(self, images: NDArray[np.floating]) -> Vector:
        """Return S(x), (N, R)."""
        return log_rings(images) / self.unit

    def distances(self, batch: Vector) -> Vector:
        """Return the distance of a batch, S of shape (N, R), to every augmentation by means, (K,)."""
        gaps = batch.mean(axis=0) - self.means
        return np.asarray((gaps**2).mean(axis=1))

    def neighbour_distances(self, batch: Vector, neighbours: int) -> Vector:
        """Return the distance of a batch, S of shape (N, R), to every augmentation by nearest neighbours, (K,)."""
        nearest = [
            KDTree(s).query(batch, k=np.arange(1, min(neighbours, len(s)) + 1))[0]
            for s in self.spectra
        ]
        return np.asarray([d.mean() for d in nearest]) / math.sqrt(self.unit.size)

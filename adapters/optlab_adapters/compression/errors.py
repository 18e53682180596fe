"""Spectra of a codec's errors on images x and damaged images c(x) [NIC23].

D = psd(C(x) - x)          in distribution
G = psd(C(c(x)) - c(x))    generalization: what the codec does to the damaged image
R = psd(C(c(x)) - x)       robustness: how far that is from the image before the damage
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from optlab.errors import OptionError, ProblemError
from optlab.typing import Vector
from optlab_adapters.robustness.spectra import psd

__all__ = ["GROUPS", "Compat", "error_spectrum", "group_of"]

Compat = Literal["ood_nic"]

GROUPS = {
    "low": ("snow", "frost", "fog", "brightness", "contrast"),
    "medium": (
        "motion_blur", "zoom_blur", "defocus_blur", "glass_blur", "elastic_transform", "jpeg_compression", "pixelate",
    ),
    "high": ("gaussian_noise", "shot_noise", "impulse_noise"),
}  # fmt: skip
"""Corruptions by the frequencies of their energy, as [NIC23] groups them."""

_LUMA = np.array([0.299, 0.587, 0.114])


def group_of(corruption: str) -> str:
    """Return low, medium or high, or ``other`` for a corruption that [NIC23] does not group."""
    return next((group for group, names in GROUPS.items() if corruption in names), "other")


def error_spectrum(
    decoded: NDArray[Any],
    reference: NDArray[Any],
    *,
    compat: Compat | None = None,
    standard: NDArray[Any] | None = None,
) -> Vector:
    """Return the spectrum of the differences of two sets of images, averaged over the images.

    Parameters
    ----------
    decoded, reference
        uint8, shape (N, H, W) or (N, H, W, 3).
    compat
        None: the power |F|^2 / (H W) of the differences of values in [0, 1], averaged over channels. ``"ood_nic"``: as the program
        of [NIC23] computes it, |F|, not squared and not divided, of the luma of images that are standardised channel by channel,
        the difference rounded to whole numbers, so that differences of less than half a deviation vanish.
    standard
        Images whose channel means and deviations standardise; None: the reference.

    Returns
    -------
    Vector
        Shape (H, W), frequency 0 in the middle.

    Raises
    ------
    ProblemError
        When the shapes differ.
    OptionError
        When ``compat`` is none.
    """
    if decoded.shape != reference.shape:
        raise ProblemError(
            f"the images have shapes {decoded.shape} and {reference.shape}; one shape is needed"
        )
    if compat is None:
        return psd((decoded.astype(np.float64) - reference) / 255)
    if compat != "ood_nic":
        raise OptionError(f"compat is {compat!r}; None or 'ood_nic' is needed")
    base = reference if standard is None else standard
    deviation = np.maximum(base.std(axis=(0, 1, 2), dtype=np.float64), 1e-12)
    # The mean cancels in the difference.
    difference = (decoded.astype(np.float64) - reference) / deviation
    grey = difference @ _LUMA if difference.ndim == 4 else difference
    spectrum = np.abs(np.fft.fft2(np.round(grey)))
    middle: Vector = np.fft.fftshift(spectrum.mean(axis=0))
    return middle

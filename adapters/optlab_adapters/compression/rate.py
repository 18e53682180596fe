"""Rate control: the finest setting of a codec that keeps to a rate.

    min distortion(q)   subject to   rate(q) <= b,    q between the coarsest and the finest setting

Distortion falls and rate rises with q, so the solution is where the rate meets b, and one variable is all there is: optlab's
bounded Brent method minimizes |log2 (rate(q) / b)|. Between whole settings the rate is interpolated, which makes the
function of q continuous; the answer is the finest setting seen that keeps to b.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import optlab
from optlab.errors import CapabilityError, OptionError
from optlab_adapters.compression.codec import (
    Bytes,
    Codec,
    VariableRate,
    as_image,
    bits_per_pixel,
)

__all__ = ["Controlled", "rate_control"]


@dataclass(frozen=True)
class Controlled:
    """A codec at the setting that keeps an image to a rate.

    Attributes
    ----------
    codec : Codec
        At that setting.
    setting : float
    stream : bytes
        The encoded image.
    bpp : float
        Its bits per pixel.
    encodings : int
        How often the image was encoded for it.
    """

    codec: Codec
    setting: float
    stream: bytes
    bpp: float
    encodings: int


class _Rates:
    """Encodings of one image by setting, each made once."""

    def __init__(self, codec: VariableRate, image: Bytes) -> None:
        self.codec, self.image = codec, image
        self.streams: dict[float, bytes] = {}

    def at(self, setting: float) -> float:
        """Return the rate at a setting that the codec has."""
        if setting not in self.streams:
            self.streams[setting] = self.codec.at(setting).encode(self.image)
        return bits_per_pixel(self.streams[setting], self.image)

    def between(self, setting: float) -> float:
        """Return the rate at any number."""
        if not self.codec.whole:
            return self.at(setting)
        below = math.floor(setting)
        part = setting - below
        return (1 - part) * self.at(below) + (part * self.at(below + 1) if part else 0)


def rate_control(
    codec: VariableRate,
    image: Bytes,
    bpp: float,
    *,
    accuracy: float = 1e-3,
    nearest: bool = False,
) -> Controlled:
    """Find the finest setting whose stream of an image has at most ``bpp`` bits per pixel.

    Parameters
    ----------
    codec
        Its own setting does not matter.
    image
        uint8, shape (H, W) or (H, W, 3).
    bpp
        Bits per pixel; when even the finest setting takes fewer, that is the answer.
    accuracy
        Of a setting that is no whole number, relative to the distance of coarsest and finest.
    nearest
        Answer the coarsest setting when that takes more than ``bpp``, instead of an error.

    Raises
    ------
    CapabilityError
        When the codec has no settings.
    OptionError
        When ``bpp`` is no positive number, or below what the coarsest setting takes.
    ProblemError
        For an image that is none.
    """
    if not isinstance(codec, VariableRate):
        raise CapabilityError(
            f"{type(codec).__name__} has one rate only; rate control needs a codec with span, whole and at()"
        )
    if not (bpp > 0 and math.isfinite(bpp)):
        raise OptionError(f"bpp is {bpp!r}; a positive number of bits per pixel is needed")
    given = as_image(image)
    rates = _Rates(codec, given)
    low, high = codec.span
    least = rates.at(low)
    if least > bpp and not nearest:
        raise OptionError(
            f"{codec.name} takes at least {least:.3g} bits per pixel for this image of "
            f"{given.shape[0]} x {given.shape[1]} pixels; bpp={bpp:g} cannot be reached"
        )
    if least <= bpp < rates.at(high):
        distance = optlab.Problem(
            objective=lambda x: abs(math.log2(rates.between(float(x[0])) / bpp)),
            x0=[(low + high) / 2],
            lb=low,
            ub=high,
        )
        optlab.minimize(
            distance,
            method="bounded",
            options={"accuracy": accuracy if not codec.whole else 0.1 / (high - low)},
        )
    best = max((q for q in rates.streams if rates.at(q) <= bpp), default=low)
    return Controlled(
        codec.at(best), best, rates.streams[best], rates.at(best), len(rates.streams)
    )

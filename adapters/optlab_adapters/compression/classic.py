"""JPEG, JPEG 2000, WebP and AVIF, as Pillow writes them."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from optlab.errors import MissingDependencyError, OptionError, ParseError
from optlab_adapters.compression.codec import Bytes, as_image

__all__ = ["Avif", "Jpeg", "Jpeg2000", "WebP"]


@dataclass(frozen=True)
class _AbstractClassic(ABC):
    """A format that Pillow reads and writes."""

    form: ClassVar[str]
    feature: ClassVar[str]
    """What Pillow calls the library behind it."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What tables call it."""

    @abstractmethod
    def _options(self, image: Bytes) -> dict[str, Any]:
        """Return what Pillow is told."""

    def encode(self, image: Bytes) -> bytes:
        """Return the file's bytes.

        Raises
        ------
        ProblemError
            When the image is not uint8, grey or colour.
        MissingDependencyError
            Without Pillow, or without the format in it.
        """
        given = as_image(image)
        file = io.BytesIO()
        _pillow(self).fromarray(given).save(file, self.form, **self._options(given))
        return file.getvalue()

    def decode(self, stream: bytes) -> Bytes:
        """Return the image of a file.

        Raises
        ------
        ParseError
            When the bytes are damaged or of another format.
        """
        pillow = _pillow(self)
        try:
            with pillow.open(io.BytesIO(stream), formats=[self.form]) as found:
                found.load()
                image = found if found.mode in ("L", "RGB") else found.convert("RGB")
                pixels: Bytes = np.array(image, dtype=np.uint8)
        # Pillow's decoders raise all of these for damaged files.
        except (
            OSError,
            ValueError,
            SyntaxError,
            EOFError,
            IndexError,
            pillow.DecompressionBombError,
        ) as error:
            raise ParseError(
                f"these {len(stream)} bytes are no whole {self.form} file: {error}"
            ) from error
        return pixels


@dataclass(frozen=True)
class _AbstractQuality(_AbstractClassic):
    quality: int = 75
    """0 or 1 to 100, as Pillow has it."""

    span: ClassVar[tuple[float, float]] = (0, 100)
    whole: ClassVar[bool] = True

    def __post_init__(self) -> None:
        low, high = self.span
        if not low <= self.quality <= high:
            raise OptionError(f"quality is {self.quality}; {low:g} to {high:g} is needed")

    @property
    def name(self) -> str:
        """What tables call it."""
        return self.form

    def at(self, setting: float) -> Self:
        """Return the codec at another quality."""
        return replace(self, quality=round(setting))

    def _options(self, image: Bytes) -> dict[str, Any]:  # noqa: ARG002
        return {"quality": self.quality}


@dataclass(frozen=True)
class Jpeg(_AbstractQuality):
    """JPEG with the standard's Huffman tables; colour at half resolution up to quality 90, as usual.

    Tables made for the image are a few percent shorter, but Pillow fails to write them for noise at high quality.
    """

    form: ClassVar[str] = "JPEG"
    feature: ClassVar[str] = "jpg"
    span: ClassVar[tuple[float, float]] = (1, 100)

    def _options(self, image: Bytes) -> dict[str, Any]:
        subsampling = {} if image.ndim == 2 else {"subsampling": 2 if self.quality <= 90 else 0}
        return {"quality": self.quality, **subsampling}


@dataclass(frozen=True)
class _AbstractMarked(_AbstractQuality):
    """A format of colour images: a byte before the file says which images were grey."""

    def encode(self, image: Bytes) -> bytes:
        """Return the file's bytes; errors as for every format."""
        return _grey_mark(as_image(image)) + super().encode(image)

    def decode(self, stream: bytes) -> Bytes:
        """Return the image of a file; errors as for every format."""
        return _unmark(stream, super().decode(stream[1:]))


@dataclass(frozen=True)
class WebP(_AbstractMarked):
    """Lossy WebP. A grey image comes back grey, as the luma of what the format stores."""

    form: ClassVar[str] = "WEBP"
    feature: ClassVar[str] = "webp"


@dataclass(frozen=True)
class Avif(_AbstractMarked):
    """AVIF. A grey image comes back grey, as the luma of what the format stores."""

    form: ClassVar[str] = "AVIF"
    feature: ClassVar[str] = "avif"
    speed: int = 8
    """0, slow and small, to 10."""

    def _options(self, image: Bytes) -> dict[str, Any]:  # noqa: ARG002
        # One thread: bytes then do not depend on the machine.
        return {"quality": self.quality, "speed": self.speed, "max_threads": 1}


@dataclass(frozen=True)
class Jpeg2000(_AbstractClassic):
    """JPEG 2000 with the irreversible (9-7) wavelet."""

    form: ClassVar[str] = "JPEG2000"
    feature: ClassVar[str] = "jpg_2000"
    span: ClassVar[tuple[float, float]] = (-8.0, 4.0)
    whole: ClassVar[bool] = False

    log2_rate: float = 0.0
    """Logarithm to base 2 of the rate that the encoder is told, in bits per pixel; it keeps to that roughly."""

    def __post_init__(self) -> None:
        if not np.isfinite(self.log2_rate):
            raise OptionError(f"log2_rate is {self.log2_rate}; a finite number is needed")

    @property
    def name(self) -> str:
        """What tables call it."""
        return "JPEG 2000"

    def at(self, setting: float) -> Jpeg2000:
        """Return the codec at another rate."""
        return replace(self, log2_rate=float(setting))

    def _options(self, image: Bytes) -> dict[str, Any]:
        raw_bits = 8 * (1 if image.ndim == 2 else 3)
        # The library takes ratios of 1 and less as "without loss".
        ratio = max(1.0001, raw_bits / 2**self.log2_rate)
        # Every halving needs pixels to halve.
        halvings = min(6, max(1, int(np.log2(min(image.shape[:2]))) + 1))
        return {
            "quality_mode": "rates",
            "quality_layers": [ratio],
            "irreversible": True,
            "num_resolutions": halvings,
            "no_jp2": True,
        }


def _grey_mark(image: Bytes) -> bytes:
    return b"G" if image.ndim == 2 else b"C"


def _unmark(stream: bytes, pixels: Bytes) -> Bytes:
    if stream[:1] not in (b"G", b"C"):
        raise ParseError(f"the stream starts with {stream[:1]!r}; b'G' or b'C' is needed")
    if stream[:1] == b"C" or pixels.ndim == 2:
        return pixels
    luma: Bytes = np.rint(pixels @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
    return luma


def _pillow(codec: _AbstractClassic) -> Any:
    try:
        from PIL import Image, features  # noqa: PLC0415
    except ImportError as error:
        raise MissingDependencyError("Pillow", "images", codec.name) from error
    if not features.check(codec.feature):
        raise MissingDependencyError(f"Pillow with {codec.form}", "images", codec.name)
    return Image

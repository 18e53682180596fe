"""Images in files: which are read, and why others are not."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from optlab_adapters.robustness.pillow import pillow

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["UnreadableImageError", "image_files", "read_image"]

_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".gif"}

_DEEP = ("I", "I;16", "I;16B", "I;16L", "F")
"""Pillow's modes of more than eight bits."""


class UnreadableImageError(Exception):
    """An image is not used; the message says why. Private: it becomes a line of the manifest."""


def image_files(folder: Path) -> Iterator[Path]:
    """Go through the files of images in a folder and its subfolders, in the order of their names."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in _SUFFIXES and path.is_file():
            yield path


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read an image as uint8, shape (H, W) if it is grey, else (H, W, 3); other colours are converted.

    Raises
    ------
    UnreadableImageError
        When it is broken, animated, larger than Pillow's limit, or has more than eight bits.
    """
    library = pillow("reading images")
    try:
        with warnings.catch_warnings():
            # Pillow only warns between its limit and twice its limit.
            warnings.simplefilter("error", library.DecompressionBombWarning)
            with library.open(path) as image:
                return _pixels(image)
    except (library.DecompressionBombWarning, library.DecompressionBombError) as error:
        raise UnreadableImageError(f"too many pixels: {error}") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise UnreadableImageError(f"broken: {error}") from error


def _pixels(image: Any) -> NDArray[np.uint8]:
    if getattr(image, "n_frames", 1) > 1:
        raise UnreadableImageError(f"animated: {image.n_frames} frames")
    if image.mode in _DEEP:
        raise UnreadableImageError(f"more than eight bits: mode {image.mode}")
    return np.array(image if image.mode in ("L", "RGB") else image.convert("RGB"))

"""Pillow, imported when it is needed."""

from __future__ import annotations

from typing import Any

from optlab.errors import MissingDependencyError

__all__ = ["pillow"]


def pillow(purpose: str) -> Any:
    """Return the module ``PIL.Image``.

    Raises
    ------
    MissingDependencyError
        When it is not installed; the message starts with the purpose.
    """
    try:
        from PIL import Image  # noqa: PLC0415
    except ImportError as error:
        raise MissingDependencyError("Pillow", "images", purpose) from error
    return Image

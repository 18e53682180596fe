"""A folder of images, corrupted: OUT/corruption/severity/the same names, as PNG.

The manifest, ``OUT/manifest.jsonl``, has the settings in its first line, then a line for every file that is finished or skipped. A run
that stopped goes on where it was. An image's randomness follows from its name, so it does not depend on its neighbours.
"""

from __future__ import annotations

import hashlib
import io
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from optlab.errors import OptionError, ResumeError
from optlab_adapters.robustness.files import UnreadableImageError, image_files, read_image
from optlab_adapters.robustness.pillow import pillow

if TYPE_CHECKING:
    from optlab_adapters.robustness.suite import CorruptionSuite

__all__ = ["DatasetReport", "corrupt_dataset"]

Progress = Callable[[int, int], None]
"""Called with the numbers of images that are done and that there are."""


@dataclass(frozen=True)
class DatasetReport:
    """What a run did.

    Attributes
    ----------
    written, kept : int
        Files written now, and found finished.
    skipped : dict
        Images that were not used, by name, and why.
    """

    written: int
    kept: int
    skipped: dict[str, str]


def corrupt_dataset(
    folder: str | Path,
    out: str | Path,
    suite: CorruptionSuite,
    progress: Progress | None = None,
) -> DatasetReport:
    """Write every image of a folder under every corruption of a suite.

    Parameters
    ----------
    folder
        Images, in subfolders or not.
    out
        Folder to write to. Files that an earlier run with the same suite finished are kept.
    suite
        Corruptions, severities, scale and seed.
    progress
        Called after each image with the numbers done and in all.

    Raises
    ------
    OptionError
        When there are no images, or ``out`` lies in ``folder``.
    ResumeError
        When ``out`` was written by a suite of another scale or seed, or has a manifest that cannot be read.
    OSError
        When a file cannot be written, on a full disk for instance. Finished files stay, and no half-written one has a final name.
    """
    source, target = Path(folder).resolve(), Path(out).resolve()
    if target.is_relative_to(source):
        raise OptionError(
            f"{out} lies in {folder}, so a second run would read what the first wrote"
        )
    files = list(image_files(source)) if source.is_dir() else []
    if not files:
        raise OptionError(
            f"{folder} has no images; a folder with PNG, JPEG or other images is needed"
        )
    target.mkdir(parents=True, exist_ok=True)
    manifest = _Manifest(target, suite)
    written = kept = 0
    skipped: dict[str, str] = {}
    for done, path in enumerate(files, start=1):
        name = path.relative_to(source).as_posix()
        try:
            image = read_image(path)
        except UnreadableImageError as reason:
            skipped[name] = str(reason)
            manifest.add({"source": name, "skipped": str(reason)})
        else:
            fresh = _corrupt(image, name, suite, manifest)
            written, kept = written + fresh, kept + len(suite) - fresh
        if progress is not None:
            progress(done, len(files))
    return DatasetReport(written, kept, skipped)


def _corrupt(
    image: NDArray[np.uint8], name: str, suite: CorruptionSuite, manifest: _Manifest
) -> int:
    """Write one image under every corruption that is not finished; return how many."""
    content = hashlib.sha256(image.tobytes()).hexdigest()
    start = zlib.crc32(name.encode())
    written = 0
    for corruption, severity in suite:
        # The whole name stays, so that a.png and a.jpg do not meet.
        place = f"{corruption}/{severity}/{name}.png"
        if manifest.finished(place, content):
            continue
        made = suite.apply(image[None], corruption, severity, start)[0]
        data = _png(made)
        _write(manifest.folder / place, data)
        digest = hashlib.sha256(data).hexdigest()
        manifest.add({"source": name, "content": content, "file": place, "sha256": digest})
        written += 1
    return written


def _png(image: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    pillow("writing images").fromarray(image).save(file, "PNG")
    return file.getvalue()


def _write(path: Path, data: bytes) -> None:
    """Write a file under another name first, so that its own name never stands for half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


class _Manifest:
    """The lines of finished files, read once and appended to."""

    def __init__(self, folder: Path, suite: CorruptionSuite) -> None:
        self.folder = folder
        self._path = folder / "manifest.jsonl"
        settings = {"scale": suite.scale, "seed": int(suite.seed)}
        lines = self._read()
        if not lines:
            self.add(settings)
        elif lines[0] != settings:
            raise ResumeError(
                f"{folder} was written with {lines[0]}, not {settings}; use the same or another folder"
            )
        self._finished = {line["file"]: line for line in lines if "file" in line}
        self._skipped = {line["source"]: line for line in lines if "skipped" in line}

    def _read(self) -> list[dict[str, Any]]:
        if not self._path.exists():
            return []
        text = self._path.read_text(encoding="utf-8")
        whole, newline, cut = text.rpartition("\n")
        if cut:
            # A run that was killed while it wrote its last line.
            _write(self._path, (whole + newline).encode())
        try:
            return [json.loads(line) for line in whole.splitlines()]
        except ValueError as error:
            raise ResumeError(
                f"{self._path} cannot be read: {error}; remove it to write everything again"
            ) from error

    def finished(self, place: str, content: str) -> bool:
        """Return whether a file was made from this content and is as it was written."""
        line, path = self._finished.get(place), self.folder / place
        if line is None or line["content"] != content or not path.exists():
            return False
        return bool(line["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest())

    def add(self, line: dict[str, Any]) -> None:
        """Append a line, unless it says again that an image is skipped."""
        if "skipped" in line and self._skipped.get(line["source"]) == line:
            return
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

"""Well-known problems, written from their published formulas, with exact derivatives.

`optlab_problems.catalog` lists and loads them; `sif_path` names the SIF files shipped beside them.
"""

from __future__ import annotations

from pathlib import Path

from optlab.errors import ProblemError
from optlab_problems.classic.sized import (
    bounded_rosenbrock,
    chained_rosenbrock,
    chained_rosenbrock_rows,
    planted_qp,
    planted_solution,
)

__all__ = [
    "bounded_rosenbrock",
    "chained_rosenbrock",
    "chained_rosenbrock_rows",
    "planted_qp",
    "planted_solution",
    "sif_names",
    "sif_path",
]

_SIF_FOLDER = Path(__file__).parent / "sif"


def sif_names() -> list[str]:
    """Return the names of the SIF files that come with the package."""
    return sorted(path.stem for path in _SIF_FOLDER.glob("*.SIF"))


def sif_path(name: str) -> Path:
    """Return where the packaged SIF file ``name`` (such as ``"HS71"``) lies.

    Raises
    ------
    ProblemError
        When there is no such file.
    """
    path = _SIF_FOLDER / f"{name.upper()}.SIF"
    if not path.is_file():
        raise ProblemError(
            f"no packaged SIF file {name!r}; there are {', '.join(sif_names())}. Give a path for "
            "files of your own"
        )
    return path

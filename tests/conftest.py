"""Set the suite up before anything imports optlab."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest
import shapecheck

# SSIDS needs it, and it counts only before the first library starts OpenMP.
os.environ.setdefault("OMP_CANCELLATION", "true")

if os.environ.get("OPTLAB_SHAPES", "1") != "0":
    shapecheck.install()

# The same examples on every run, so that a red run can be repeated; HYPOTHESIS_PROFILE=search looks
# for new ones.
hypothesis.settings.register_profile(
    "suite", deadline=None, derandomize=True, max_examples=25, database=None
)
hypothesis.settings.register_profile("search", deadline=None, max_examples=500)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))

ROOT = Path(__file__).parent.parent

# Plugins are imported by name; collecting them for doctests would import them a second time. The fuzzers
# are programs (make fuzz).
collect_ignore = ["plugins", "fuzz"]


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the folder that holds pyproject.toml."""
    return ROOT


@pytest.fixture(scope="session")
def sif_folder() -> Path:
    """Return the folder of the CUTEst collection; skip where there is none."""
    folder = Path(os.environ.get("OPTLAB_SIF_DIR", ROOT.parent / "shared" / "sif" / "files"))
    if not folder.is_dir():
        pytest.skip(f"no SIF collection at {folder}; set OPTLAB_SIF_DIR")
    return folder

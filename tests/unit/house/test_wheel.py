"""The wheel holds what users need, and works in an environment that has nothing else."""

from __future__ import annotations

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    # --no-build-isolation: hatchling is pinned in this environment, and no network is needed.
    options = ["--no-deps", "--no-build-isolation", "--no-cache-dir", "-q", "-w", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(ROOT)], check=True)
    (built,) = folder.glob("*.whl")
    return built


def test_packages_types_and_data_are_in_it_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = next(n for n in names if n.endswith(".dist-info/METADATA"))
        text = archive.read(metadata).decode()
        entry_points = archive.read(
            next(n for n in names if n.endswith("entry_points.txt"))
        ).decode()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "optlab",
        "optlab_problems",
        "optlab_adapters",
    }
    for needed in (
        "optlab/py.typed",
        "optlab_problems/py.typed",
        "optlab_adapters/py.typed",
        "optlab_problems/classic/sif/HS71.SIF",
        "optlab_problems/sif/__init__.py",
        "optlab/methods/npasa/npasa.py",
    ):
        assert needed in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert "License-Expression: BSD-3-Clause" in text
    assert "optlab = optlab.cli:main" in entry_points
    sources = {
        str(path.relative_to(root))
        for root in (ROOT, ROOT / "problems", ROOT / "adapters")
        for package in ("optlab", "optlab_problems", "optlab_adapters")
        for path in (root / package).rglob("*.py")
    }
    assert sources <= set(names)


@pytest.mark.slow
def test_a_new_environment_solves_a_packaged_file(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=True)
    python = str(tmp_path / "env" / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "-q", str(wheel)], check=True)
    code = "from optlab_problems.classic import sif_path; import sys; sys.stdout.write(str(sif_path('HS71')))"
    run = [python, "-I", "-c", code]
    path = subprocess.run(run, check=True, capture_output=True, text=True, cwd=tmp_path).stdout
    assert path.startswith(str(tmp_path))
    command = [str(tmp_path / "env" / "bin" / "optlab"), "solve", path]
    solved = subprocess.run(
        command, check=True, capture_output=True, text=True, cwd=tmp_path, env={}
    )
    assert "17.0140" in solved.stdout
    assert "STATIONARY" in solved.stdout

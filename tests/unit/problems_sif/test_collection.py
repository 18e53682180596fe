"""The CUTEst collection, where it is: all files decode, a sample equals CUTEst's own values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from optlab_problems import SifError, read_sif

pytestmark = pytest.mark.shared_data

#: Every kind of structure once, small enough for a second: the benchmark checks all of them.
SAMPLE = [
    "HS71", "HS99EXP", "HS62", "BATCH", "CATENARY", "LEAKNET", "AVION2", "DISCS", "HIMMELBJ",
    "CRAGGLVY", "LUKVLE8", "DEGTRID2", "STREGNE", "TAX13322", "HUBFIT", "GPP", "HS102",
    "CmRELOAD", "READING4", "MSQRTALS",
]  # fmt: skip


def test_nearly_all_files_decode(sif_folder: Path) -> None:
    refused = []
    files = sorted(sif_folder.glob("*.SIF"))
    for path in files:
        try:
            problem = read_sif(path)
        except SifError:
            refused.append(path.name)
            continue
        assert problem.gradient(problem.x0).shape == (problem.n,)
    assert len(refused) <= 0.01 * len(files), refused


def test_sample_equals_the_reference(sif_folder: Path) -> None:
    reference = sif_folder.parent / "reference.json"
    if not reference.exists():
        pytest.skip(f"no reference values at {reference}")
    entries = [e for e in json.loads(reference.read_text()) if e["spec"] in SAMPLE]
    assert len(entries) >= 10
    for entry in entries:
        problem = read_sif(sif_folder / f"{entry['spec']}.SIF", fortran_single=True)
        assert (problem.n, problem.m) == (entry["n"], entry["m"])
        moved = problem.x0 + 0.1 * np.sin(np.arange(1, problem.n + 1)) * (
            1 + np.abs(problem.x0)
        )
        points = [problem.x0, np.clip(moved, problem.lb, problem.ub)]
        for x, expected in zip(points, entry["points"], strict=True):
            found = norms(problem, x)
            for key in found.keys() & expected.keys():
                assert found[key] == pytest.approx(expected[key], rel=1e-8, abs=1e-8), entry[
                    "spec"
                ]


def norms(problem: Any, x: Any) -> dict[str, float]:
    y = np.cos(np.arange(1, problem.m + 1))

    def norm(matrix: Any) -> float:
        return float(np.linalg.norm(matrix.data if sparse.issparse(matrix) else matrix))

    found = {
        "f": problem.objective(x),
        "grad_norm": norm(problem.gradient(x)),
        "lag_hess_fro": norm(problem.hessian(x, y, 1.0)),
    }
    if problem.m:
        found |= {"c_norm": norm(problem.constraints(x)), "jac_fro": norm(problem.jacobian(x))}
    return found

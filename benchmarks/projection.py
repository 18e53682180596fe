"""Projection onto polyhedra: cold and warm, against general QP solvers, in one run.

    python benchmarks/projection.py [--json out.json] [--repeats 3]

CPU seconds of one thread (set OPENBLAS_NUM_THREADS=1). ``cold`` makes the projector and projects;
``warm`` projects a point that moved by 1e-6 of its length. Peers: Clarabel (interior point, sparse) and
SciPy's SLSQP (dense, small sizes only), where installed. The ratio is the peer's time over the cold time.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.optimize import LinearConstraint, minimize

from optlab.linalg.polyhedron import Polyhedron
from optlab.linalg.projection import Projector


def slab(n: int, m: int, density: float, width: float) -> tuple[Polyhedron, np.ndarray]:
    """Box and slabs around a random point, and a point outside; width 0 makes equality rows."""
    rng = np.random.default_rng(n + m)
    A = sp.csr_array(sp.random_array((m, n), density=density, rng=rng))
    inside = rng.random(n)
    value = A @ inside
    rows = A.toarray() if n * m <= 2500 else A
    p = Polyhedron(rows, value - width, value + width, np.zeros(n), np.ones(n))
    return p, inside + rng.standard_normal(n)


def transport(k: int) -> tuple[Polyhedron, np.ndarray]:
    """Doubly stochastic matrices of order k: 2k dependent equality rows."""
    identity, ones = sp.eye_array(k), np.ones((1, k))
    A = sp.csr_array(sp.vstack([sp.kron(identity, ones), sp.kron(ones, identity)]))
    b = np.ones(2 * k)
    return Polyhedron(A, b, b, np.zeros(k * k)), np.random.default_rng(k).random(k * k)


def cone(n: int, m: int) -> tuple[Polyhedron, np.ndarray]:
    """Many badly scaled halfspaces through one point: a degenerate vertex."""
    rng = np.random.default_rng(n + m)
    A = rng.standard_normal((m, n)) * 10.0 ** rng.uniform(-2, 2, (m, 1))
    inside = rng.standard_normal(n)
    return Polyhedron(A, None, A @ inside), 1e2 * rng.standard_normal(n)


CASES: dict[str, tuple[Callable[..., tuple[Polyhedron, np.ndarray]], tuple[Any, ...]]] = {
    "slabs 10x5": (slab, (10, 5, 0.6, 0.1)),
    "equalities 30x10": (slab, (30, 10, 0.5, 0.0)),
    "slabs 500x100": (slab, (500, 100, 0.01, 0.1)),
    "equalities 500x100": (slab, (500, 100, 0.02, 0.0)),
    "slabs 5000x1000": (slab, (5000, 1000, 0.002, 0.1)),
    "transport 30x30": (transport, (30,)),
    "transport 100x100": (transport, (100,)),
    "cone 10x200": (cone, (10, 200)),
}


def clarabel_projection(p: Polyhedron, y: np.ndarray) -> np.ndarray:
    """Project with Clarabel at its usual accuracy."""
    import clarabel  # noqa: PLC0415 - optional peer

    blocks, sides, cones = [], [], []
    for M, low, high in (
        (sp.csr_array(p.A), p.bl, p.bu),
        (sp.eye_array(p.n).tocsr(), p.lo, p.hi),
    ):
        equal = low == high
        up, down = np.isfinite(high) & ~equal, np.isfinite(low) & ~equal
        blocks.append((M[equal], M[up], -M[down]))
        sides.append((high[equal], high[up], -low[down]))
    matrices = [b[i] for i in range(3) for b in blocks]
    rhs = np.concatenate([s[i] for i in range(3) for s in sides])
    equalities = sum(s[0].size for s in sides)
    if equalities:
        cones.append(clarabel.ZeroConeT(equalities))
    cones.append(clarabel.NonnegativeConeT(rhs.size - equalities))
    options = clarabel.DefaultSettings()
    options.verbose = False
    options.max_threads = 1
    solver = clarabel.DefaultSolver(
        sp.eye(p.n, format="csc"), -y, sp.csc_matrix(sp.vstack(matrices)), rhs, cones, options
    )
    return np.array(solver.solve().x)


def slsqp_projection(p: Polyhedron, y: np.ndarray) -> np.ndarray:
    """Project with SciPy's SLSQP."""
    rows = LinearConstraint(p.A if isinstance(p.A, np.ndarray) else p.A.toarray(), p.bl, p.bu)
    result = minimize(
        lambda x: 0.5 * (x - y) @ (x - y), np.clip(y, p.lo, p.hi), jac=lambda x: x - y,
        method="SLSQP", bounds=list(zip(p.lo, p.hi, strict=True)), constraints=[rows],
        options={"maxiter": 500, "ftol": 1e-12},
    )  # fmt: skip
    return np.asarray(result.x)


def cpu(call: Callable[[], Any], repeats: int) -> float:
    """Return the least CPU time of some calls, in seconds."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return min(times)


def run_case(name: str, repeats: int) -> dict[str, Any]:
    """Time one polyhedron; differences are maximum norms."""
    make, arguments = CASES[name]
    p, y = make(*arguments)
    projector = Projector(p)
    result = projector.project(y)
    moved = y + 1e-6 * np.random.default_rng(0).standard_normal(y.size)
    again = projector.project(moved)
    row = {
        "case": name, "status": result.status.value, "solves": result.iterations,
        "violation": p.violation(result.x), "cold": cpu(lambda: Projector(p).project(y), repeats),
        "warm_solves": again.iterations, "warm": cpu(lambda: projector.project(moved), repeats),
    }  # fmt: skip
    peers = {"clarabel": clarabel_projection} if find_spec("clarabel") else {}
    if p.n <= 50:
        peers["slsqp"] = slsqp_projection
    for peer, solve in peers.items():
        x = solve(p, y)
        row[f"{peer}_ratio"] = cpu(lambda s=solve: s(p, y), repeats) / row["cold"]
        row[f"{peer}_difference"] = float(np.abs(x - result.x).max())
        row[f"{peer}_violation"] = p.violation(x)
    return row


def main() -> None:
    """Run, print, and write the JSON file if asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    rows = [run_case(name, arguments.repeats) for name in CASES]
    header = ("case", "status", "solves", "violation", "cold", "warm_solves", "warm",
              "clarabel_ratio", "clarabel_violation", "slsqp_ratio")  # fmt: skip
    print("  ".join(key.rjust(18) for key in header))
    for row in rows:
        cells = [row.get(key, "-") for key in header]
        print(
            "  ".join((f"{c:.3g}" if isinstance(c, float) else str(c)).rjust(18) for c in cells)
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()

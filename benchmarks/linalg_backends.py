"""Factorization backends and KKT paths against each other, in one run.

    python benchmarks/linalg_backends.py [--json out.json] [--repeats 5]

CPU seconds of one thread (set OPENBLAS_NUM_THREADS=1), the least of some repeats, on KKT matrices of
discretised problems:

* control: a linear-quadratic control problem in time, banded;
* pde: minimise |u - target|^2 + alpha |f|^2 subject to -Laplace u = f on a square;
* nlp: the control problem with no curvature in a third of its variables and no regularisation, where
  factorizations without pivoting must climb the ladder of ``optlab.linalg.kkt_sparse``.

The last table times ``KKTSystem`` on small dense faces, where the cost is the calls, not the arithmetic.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from optlab.linalg.factorization import analyze, available_backends
from optlab.linalg.kkt_pattern import KKTPattern
from optlab.linalg.kkt_sparse import SparseKKT
from optlab.linalg.kkt_system import KKTSystem

#: Order above which the dense backend is left out: it would take minutes.
DENSE_MAX = 2500


def control(n: int) -> tuple[sp.csr_array, sp.csr_array]:
    """x_{t+1} = x_t + h (v_t), v_{t+1} = v_t + h u_t; n steps, 3 n variables, 2 n rows."""
    h = 1.0 / n
    shift = sp.diags_array([-np.ones(n - 1), np.ones(n)], offsets=[-1, 0])
    lagged = sp.diags_array([np.ones(n - 1)], offsets=[-1], shape=(n, n))
    J = sp.block_array([[shift, -h * lagged, None], [None, shift, -h * sp.eye_array(n)]])
    return sp.csr_array(sp.diags_array(np.repeat([1.0, 0.1, 0.01], n))), sp.csr_array(J)


def pde(k: int) -> tuple[sp.csr_array, sp.csr_array]:
    """Control of Poisson's equation on a k by k grid."""
    n = k * k
    line = sp.diags_array(
        [-np.ones(k - 1), 2.0 * np.ones(k), -np.ones(k - 1)], offsets=[-1, 0, 1]
    )
    laplace = sp.kron(line, sp.eye_array(k)) + sp.kron(sp.eye_array(k), line)
    J = sp.hstack([laplace, -sp.eye_array(n)])
    return sp.csr_array(sp.diags_array(np.repeat([1.0, 1e-2], n))), sp.csr_array(J)


def flat(n: int) -> tuple[sp.csr_array, sp.csr_array]:
    """Return the control problem without curvature in the velocities."""
    W, J = control(n)
    W.data[n : 2 * n] = 0.0
    return W, J


def cpu(call: Callable[[], Any], repeats: int) -> float:
    """Return the least CPU time of some calls, in seconds."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return min(times)


def backends(repeats: int) -> list[dict[str, Any]]:
    """Time analysis, factorization and solve of every backend on quasi-definite matrices."""
    rows = []
    cases = {"control": control(3000), "pde": pde(50), "control small": control(300)}
    for case, (W, J) in cases.items():
        n, m = W.shape[0], J.shape[0]
        pattern = KKTPattern(W, J, sp.csr_array((0, n)))
        alive = np.ones(n + m, dtype=bool)
        values = pattern.assemble(W.data, J.data, 1e-8, np.full(m, 1e-8), alive)
        b = pattern.symmetric(values.data) @ np.ones(n + m)
        for name in available_backends():
            if name == "dense" and n + m > DENSE_MAX:
                continue
            symbolic = analyze(pattern.lower, name)
            factor = symbolic.factorize(values.data)
            x = factor.solve(b)
            residual = np.abs(pattern.symmetric(values.data) @ x - b).max() / np.abs(b).max()
            rows.append({
                "case": case, "order": n + m, "backend": name,
                "analysis": cpu(partial(analyze, pattern.lower, name), repeats),
                "factorize": cpu(partial(symbolic.factorize, values.data), repeats),
                "solve": cpu(partial(factor.solve, b), repeats),
                "inertia": factor.inertia == (n, m, 0), "residual": float(residual),
            })  # fmt: skip
    return rows


def faces(repeats: int) -> list[dict[str, Any]]:
    """Time the whole sparse path: assemble, factor, check, refined solve, with changing faces."""
    rows = []
    cases = {"control": control(3000), "pde": pde(50), "nlp": flat(3000)}
    for case, (W, J) in cases.items():
        n, m = W.shape[0], J.shape[0]
        system = SparseKKT(n, m, None)
        free = np.random.default_rng(0).random(n) < 0.95
        # Without control there is nothing to choose: the last block stays free.
        free[-n // 3 :] = True
        free[: 2 * n // 3] = True
        args = (W, J, 0.0, free, np.zeros(0, dtype=bool), 0.0)
        factor = system.factorize(*args)
        rhs = np.ones(n)
        factor.solve(rhs)
        rows.append({
            "case": case, "order": n + m,
            "factorize": cpu(partial(system.factorize, *args), repeats),
            "solve": cpu(partial(factor.solve, rhs), repeats),
            "residual": factor.residual, "inertia": factor.inertia_ok,
            "backend": factor.diagnostics["backend"],
            "primal_regularisation": factor.diagnostics["primal_regularisation"],
        })  # fmt: skip
    return rows


def small(repeats: int) -> list[dict[str, Any]]:
    """Time the dense path, in microseconds a call."""
    rows = []
    rng = np.random.default_rng(0)
    for n, mh, ml in ((6, 2, 2), (10, 3, 2), (20, 5, 5), (60, 20, 20), (150, 50, 50)):
        J, A = rng.standard_normal((mh, n)), rng.standard_normal((ml, n))
        W = 2.0 * np.eye(n)
        system = KKTSystem(n, mh, A, W, J)
        free = np.ones(n, dtype=bool)
        free[0] = False
        args = (W, J, 0.0, free, np.ones(ml, dtype=bool))
        factor, rhs = system.factorize(*args), rng.standard_normal(n)
        rows.append({
            "order": n + mh + ml,
            "factorize_us": 1e6 * cpu(partial(system.factorize, *args), 20 * repeats),
            "solve_us": 1e6 * cpu(partial(factor.solve, rhs), 20 * repeats),
        })  # fmt: skip
    return rows


def table(title: str, rows: list[dict[str, Any]]) -> None:
    """Print rows with their keys as columns."""
    keys = list(rows[0])
    cells = [[_cell(row[key]) for key in keys] for row in rows]
    widths = [max(len(k), *(len(line[i]) for line in cells)) for i, k in enumerate(keys)]
    print(f"\n{title}")
    for line in (keys, *cells):
        print("  ".join(text.rjust(width) for text, width in zip(line, widths, strict=True)))


def _cell(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def main() -> None:
    """Run, print, and write the JSON file if asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    results = {
        "backends": backends(arguments.repeats),
        "faces": faces(arguments.repeats),
        "small": small(arguments.repeats),
    }
    for title, rows in results.items():
        table(title, rows)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1, default=bool) + "\n")


if __name__ == "__main__":
    main()

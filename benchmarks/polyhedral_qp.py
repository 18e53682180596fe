"""Convex QPs with 2 000 variables and some hundred rows: PASA's CPU time against IPOPT, optimum by Clarabel.

    python benchmarks/polyhedral_qp.py [--json polyhedral_qp.json] [--methods pasa ipopt clarabel]

    minimize 1/2 x'H x + q'x   subject to   bl <= A x <= bu,   0 <= x <= 1,       x0 = 0

A has sparse normal rows, two-sided around A x at a random interior x; q is normal with deviation 3. H is
B'B plus a positive diagonal spread over orders of magnitude, or that diagonal alone; the seeds are fixed.
CPU time of this process on one BLAS thread (set OPENBLAS_NUM_THREADS=1 and OMP_NUM_THREADS=1), median of three, the
problem's functions excluded, after two small problems that load every library. Clarabel is given the
matrices and judges the optimum; IPOPT and Clarabel are optional. Exit status 1: an answer is not
stationary or differs from Clarabel's by more than 1e-6, or a ratio to IPOPT exceeds 0.3.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np
import scipy.sparse as sp

import optlab

METHODS = {"pasa": None, "ipopt": "cyipopt", "clarabel": "clarabel"}
"""Methods and the package that each needs."""

GOAL = 0.3
SAME = 1e-6
REPEATS = 3


@dataclass(frozen=True)
class Case:
    """One family of QPs."""

    name: str
    rows: int
    density: float
    diagonal: bool = False
    seeds: tuple[int, ...] = (1, 2, 3)


CASES = (
    Case("500 rows, 0.02", 500, 0.02),
    Case("500 rows, 0.1", 500, 0.1),
    Case("500 rows, 0.3", 500, 0.3),
    Case("500 rows, 0.1, diagonal", 500, 0.1, diagonal=True),
    Case("200 rows, dense", 200, 1.0),
)


@dataclass(frozen=True)
class QP:
    """The data of one problem."""

    H: Any
    q: np.ndarray
    A: Any
    bl: np.ndarray
    bu: np.ndarray

    def problem(self) -> optlab.Problem:
        """Return it with functions that multiply by the matrices."""
        H, q, A = self.H, self.q, self.A
        return optlab.Problem(
            objective=lambda x: float(0.5 * x @ (H @ x) + q @ x),
            gradient=lambda x: H @ x + q,
            hessian=lambda _x, _y, sigma: sigma * H,
            constraints=lambda x: A @ x,
            jacobian=lambda _x: A,
            x0=np.zeros(q.size),
            lb=0.0,
            ub=1.0,
            cl=self.bl,
            cu=self.bu,
            linear=np.ones(self.bl.size, dtype=bool),
        )


def generate(case: Case, seed: int, n: int = 2000) -> QP:
    """Draw one problem of a family."""
    rng = np.random.default_rng(seed)
    normal = rng.standard_normal
    A = sp.csr_array(
        sp.random_array((case.rows, n), density=case.density, rng=rng, data_sampler=normal)
    )
    inside = rng.uniform(0.05, 0.95, n)
    value = A @ inside
    bl = value - rng.exponential(1.0, case.rows)
    bu = value + rng.exponential(1.0, case.rows)
    H = sp.diags_array(10.0 ** rng.uniform(-2.0, 1.0, n))
    if not case.diagonal:
        B = sp.random_array((n // 2, n), density=2.0 / n, rng=rng, data_sampler=normal)
        H = H + B.T @ B
    return QP(sp.csr_array(H), 3.0 * normal(n), A, bl, bu)


def by_clarabel(qp: QP) -> tuple[float, float]:
    """Return CPU seconds and the objective of Clarabel."""
    import clarabel  # noqa: PLC0415 - optional peer

    n = qp.q.size
    eye = sp.eye_array(n)
    G = sp.csc_array(sp.vstack([qp.A, -qp.A, eye, -eye]))
    h = np.concatenate((qp.bu, -qp.bl, np.ones(n), np.zeros(n)))
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.max_threads = 1
    settings.tol_gap_rel = settings.tol_gap_abs = settings.tol_feas = 1e-10
    begin = time.process_time()
    cones = [clarabel.NonnegativeConeT(h.size)]
    upper = sp.csc_array(sp.triu(qp.H))
    solver = clarabel.DefaultSolver(
        sp.csc_matrix(upper), qp.q, sp.csc_matrix(G), h, cones, settings
    )
    solution = solver.solve()
    return time.process_time() - begin, float(solution.obj_val)


def by_optlab(qp: QP, method: str) -> tuple[float, Any]:
    """Return CPU seconds without the problem's functions, and the result."""
    problem = qp.problem()
    begin = time.process_time()
    result = optlab.minimize(problem, method=method)
    return time.process_time() - begin - result.callback_time, result


def measure(case: Case, seed: int, method: str, n: int = 2000) -> dict[str, Any]:
    """Solve one problem three times."""
    qp = generate(case, seed, n)
    record: dict[str, Any] = {"case": case.name, "seed": seed, "method": method}
    runs = [
        by_clarabel(qp) if method == "clarabel" else by_optlab(qp, method)
        for _ in range(REPEATS)
    ]
    record["cpu"] = median(cpu for cpu, _ in runs)
    last: Any = runs[-1][1]
    if method == "clarabel":
        return record | {"f": last}
    return record | {
        "f": last.fun,
        "point": last.point.name,
        "E1": last.certificate.E1,
        "iterations": last.iterations,
        "evaluations": dict(last.evaluations),
    }


def compare(records: list[dict[str, Any]]) -> bool:
    """Add the difference to Clarabel's objective and the ratio to IPOPT's time; False: a goal is missed."""
    good = True
    for record in records:
        peers = {
            r["method"]: r
            for r in records
            if (r["case"], r["seed"]) == (record["case"], record["seed"])
        }
        if "clarabel" in peers:
            best = peers["clarabel"]["f"]
            record["gap"] = abs(record["f"] - best) / max(1.0, abs(best))
        if record["method"] == "pasa":
            good &= record["point"] == "STATIONARY" and record.get("gap", 0.0) <= SAME
            if "ipopt" in peers:
                record["ratio"] = record["cpu"] / peers["ipopt"]["cpu"]
                good &= record["ratio"] <= GOAL
    return good


def main() -> int:
    """Run every case, seed and method; print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    methods = []
    for method in args.methods:
        package = METHODS[method]
        if package is None or find_spec(package) is not None:
            methods.append(method)
        else:
            print(f"{method}: not available")
    for method in methods:
        # The second is large enough for the sparse factorizations of the real ones.
        measure(Case("warm-up", 20, 0.2), 0, method, n=60)
        measure(Case("warm-up", 300, 0.1), 0, method, n=600)
    records = []
    print(
        f"{'case':<24} {'seed':>4} {'method':<9} {'f':>18} {'point':<11} {'gap':>8} {'it':>3} "
        f"{'CPU s':>7} {'ratio':>6}"
    )
    good = True
    for case in CASES:
        for seed in case.seeds:
            group = [measure(case, seed, method) for method in methods]
            good &= compare(group)
            for r in group:
                print(
                    f"{r['case']:<24} {r['seed']:>4} {r['method']:<9} {r['f']:>18.10g} "
                    f"{r.get('point', ''):<11} {r.get('gap', float('nan')):>8.1e} "
                    f"{r.get('iterations', 0):>3} {r['cpu']:>7.3f} "
                    f"{r.get('ratio', float('nan')):>6.3f}",
                    flush=True,
                )
            records += group
    for case in CASES:
        ratios = [r["ratio"] for r in records if r["case"] == case.name and "ratio" in r]
        if ratios:
            print(f"{case.name:<24} pasa/ipopt, median of seeds: {median(ratios):.3f}")
    if args.json:
        args.json.write_text(json.dumps(records, indent=1))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

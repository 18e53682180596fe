"""Solve a discretised optimal control problem with 100 000 variables and 50 000 rows; compare with IPOPT.

    python benchmarks/large_control.py --n 1000 10000 100000 --json large_control.json --plot large_control.png

Predator and prey with two harvests (after S. Sager, Numerical Methods for Mixed-Integer Optimal Control
Problems, 2005, there with one), 0 <= t <= 12:

    minimize   int (a - 1)^2 + (b - 1)^2 + 0.05 (u^2 + v^2) dt
    subject to a' =  a - a b - 0.4 a u,   b' = -b + a b - 0.2 b v,   a(0) = 0.5, b(0) = 0.7
               0 <= u, v <= 0.8,   a, b >= 0

by the trapezoidal rule. A quarter of n is the number of steps; the controls at the ends of the steps, the
states after them. Each run has a process of its own: CPU time and the growth of its resident memory above
that of an interpreter with the same libraries, the problem included. Then the state at t = 0 moves by 1 %,
and the problem is solved again from the answer (making the problem is part of that time). The judge of both is optlab's
checker. IPOPT is optional and runs with two tolerances on complementarity, see PLAIN.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing as mp
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

METHODS = ("npasa", "ipopt", "ipopt-plain")
PLAIN = {"peer_options": {"compl_inf_tol": 1e-8}}
"""Options of ipopt-plain: complementarity as IPOPT's own tol of 1e-8 implies it; ``ipopt`` is asked for
what the checker measures, a product of 1e-12."""

HORIZON = 12.0
START = (0.5, 0.7)
RATES = (0.4, 0.2)
MOVED = (0.505, 0.693)
"""State at t = 0 of the re-solve: START, moved by 1 %."""

WEIGHT = 0.05
HIGHEST = 0.8


class Harvest:
    """The problem's functions: stage k holds (u, v, a, b) at t_k+1; all in fixed sparse patterns."""

    def __init__(self, steps: int, start: tuple[float, float] = START) -> None:
        import scipy.sparse as sp  # noqa: PLC0415

        self.sp = sp
        self.start = start
        self.steps = steps
        self.n, self.m = 4 * steps, 2 * steps
        self.h = HORIZON / steps
        k = 4 * np.arange(steps)
        a, b = k + 2, k + 3
        # Row 2k is a's equation: it holds u, a, b of both ends of the step; row 2k + 1 holds v.
        cols = np.stack(
            (a - 4, b - 4, k - 4, k, a, b, a - 4, b - 4, k - 3, k + 1, a, b), axis=1
        )
        rows = np.repeat(np.stack((k // 2, k // 2 + 1), axis=1), 6, axis=1)
        self.known = (cols >= 0).ravel()
        self.jacobian_pattern = self._pattern(
            rows.ravel()[self.known], cols.ravel()[self.known], (self.m, self.n)
        )
        # The Hessian has in every stage (u,u) (u,a) (v,v) (v,b) (a,u) (a,a) (a,b) (b,v) (b,a) (b,b).
        i = k[:, None] + np.array([0, 0, 1, 1, 2, 2, 2, 3, 3, 3])
        j = k[:, None] + np.array([0, 2, 1, 3, 0, 2, 3, 1, 2, 3])
        self.hessian_pattern = self._pattern(i.ravel(), j.ravel(), (self.n, self.n))

    def _pattern(self, rows: Any, cols: Any, shape: tuple[int, int]) -> Any:
        """Return order, indices and indptr of a canonical CSR matrix."""
        order = np.lexsort((cols, rows))
        counts = np.bincount(rows, minlength=shape[0])
        indptr = np.concatenate(([0], np.cumsum(counts))).astype(np.int32)
        return order, cols[order].astype(np.int32), indptr

    def stages(self, x: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return u, v, a, b at t_0 .. t_N; the controls of t_0 are those of t_1."""
        z = x.reshape(self.steps, 4)
        first = np.array([[z[0, 0], z[0, 1], *self.start]])
        u, v, a, b = np.concatenate((first, z)).T
        return u, v, a, b

    def objective(self, x: np.ndarray) -> float:
        """Evaluate the tracking and control cost by the rectangle rule."""
        z = x.reshape(self.steps, 4)
        cost = WEIGHT * np.sum(z[:, :2] ** 2) + np.sum((z[:, 2:] - 1.0) ** 2)
        return float(self.h * cost)

    def gradient(self, x: np.ndarray) -> np.ndarray:
        """Evaluate its gradient."""
        g = x.reshape(self.steps, 4).copy()
        g[:, :2] *= 2.0 * WEIGHT * self.h
        g[:, 2:] = 2.0 * self.h * (g[:, 2:] - 1.0)
        return g.ravel()

    def constraints(self, x: np.ndarray) -> np.ndarray:
        """Evaluate the trapezoidal rule's residuals."""
        u, v, a, b = self.stages(x)
        fa, fb = a * (1.0 - b - RATES[0] * u), b * (a - 1.0 - RATES[1] * v)
        out = np.empty((self.steps, 2))
        out[:, 0] = np.diff(a) - 0.5 * self.h * (fa[1:] + fa[:-1])
        out[:, 1] = np.diff(b) - 0.5 * self.h * (fb[1:] + fb[:-1])
        return out.ravel()

    def jacobian(self, x: np.ndarray) -> Any:
        """Evaluate their Jacobian."""
        u, v, a, b = self.stages(x)
        half = 0.5 * self.h
        aa, ab, au = 1.0 - b - RATES[0] * u, -a, -RATES[0] * a
        bb, ba, bv = a - 1.0 - RATES[1] * v, b, -RATES[1] * b
        block = np.empty((self.steps, 12))
        for at, (slope, own) in enumerate(((aa, 1.0), (ab, 0.0), (au, 0.0))):
            block[:, at] = -own - half * slope[:-1]
        for at, (slope, own) in enumerate(((au, 0.0), (aa, 1.0), (ab, 0.0)), start=3):
            block[:, at] = own - half * slope[1:]
        for at, (slope, own) in enumerate(((ba, 0.0), (bb, 1.0), (bv, 0.0)), start=6):
            block[:, at] = -own - half * slope[:-1]
        for at, (slope, own) in enumerate(((bv, 0.0), (ba, 0.0), (bb, 1.0)), start=9):
            block[:, at] = own - half * slope[1:]
        # The controls of t_0 are those of t_1.
        block[0, 3] += block[0, 2]
        block[0, 9] += block[0, 8]
        order, indices, indptr = self.jacobian_pattern
        data = block.ravel()[self.known][order]
        return self.sp.csr_array((data, indices, indptr), shape=(self.m, self.n))

    def hessian(self, x: np.ndarray, y: np.ndarray, sigma: float) -> Any:  # noqa: ARG002
        """Evaluate sigma Hess f + sum y_i Hess c_i."""
        half = 0.5 * self.h
        pa, pb = y[0::2], y[1::2]
        # Stage k is the later end of step k and the earlier end of step k + 1.
        wa = -half * (pa + np.append(pa[1:], 0.0))
        wb = -half * (pb + np.append(pb[1:], 0.0))
        entries = np.zeros((self.steps, 10))
        entries[:, 0] = entries[:, 2] = 2.0 * sigma * WEIGHT * self.h
        entries[:, 5] = entries[:, 9] = 2.0 * sigma * self.h
        entries[:, 1] = entries[:, 4] = -RATES[0] * wa
        entries[:, 3] = entries[:, 7] = -RATES[1] * wb
        entries[:, 6] = entries[:, 8] = wb - wa
        order, indices, indptr = self.hessian_pattern
        data = entries.ravel()[order]
        return self.sp.csr_array((data, indices, indptr), shape=(self.n, self.n))


def harvest(steps: int, start: tuple[float, float] = START) -> Any:
    """Return the problem with 4 * steps variables and 2 * steps rows, from a state at t = 0."""
    import optlab  # noqa: PLC0415

    f = Harvest(steps, start)
    zeros = np.zeros(f.m)
    return optlab.Problem(
        objective=f.objective, gradient=f.gradient, hessian=f.hessian, constraints=f.constraints,
        jacobian=f.jacobian, x0=np.tile([0.0, 0.0, 1.0, 1.0], steps), lb=0.0,
        ub=np.tile([HIGHEST, HIGHEST, np.inf, np.inf], steps), cl=zeros, cu=zeros,
        linear=np.zeros(f.m, dtype=bool), name=f"harvest-{f.n}",
    )  # fmt: skip


def peak() -> float:
    """Return the largest resident memory of this process so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


def solve(n: int, method: str, out: Any) -> None:
    """Solve one size and send its record; the libraries are loaded by a tiny solve before."""
    import optlab  # noqa: PLC0415

    method, _, plain = method.partition("-")
    options = PLAIN if plain else None
    optlab.minimize(harvest(20), method=method, options=options)
    before = peak()
    problem = harvest(n // 4)
    begin = time.process_time()
    result = optlab.minimize(problem, method=method, options=options)
    cpu = time.process_time() - begin
    cert = result.certificate
    memory = peak() - before
    begin = time.process_time()
    again = optlab.minimize(
        harvest(n // 4, MOVED), method=method, options=options, warm_start=result
    )
    cpu_again = time.process_time() - begin
    out.send(
        {
            "n": problem.n,
            "m": problem.m,
            "method": f"{method}-{plain}" if plain else method,
            "f": result.fun,
            "point": result.point.name,
            "primal": cert.primal,
            "dual": cert.dual,
            "complementarity": cert.complementarity,
            "iterations": result.iterations,
            "evaluations": dict(result.evaluations),
            "cpu": cpu,
            "cpu_callbacks": result.callback_time,
            "memory_MB": memory,
            "warm": {
                "point": again.point.name,
                "iterations": again.iterations,
                "f": again.fun,
                "cpu": cpu_again,
                "cpu_callbacks": again.callback_time,
            },
        }
    )


def measure(n: int, method: str) -> dict[str, Any] | None:
    """Run one solve in a process of its own; None when the method is not there or it died."""
    context = mp.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=solve, args=(n, method, sender))
    process.start()
    sender.close()
    try:
        record: dict[str, Any] = receiver.recv()
    except EOFError:
        record = {}
    process.join()
    return record or None


def draw(records: list[dict[str, Any]], path: Path) -> None:
    """Plot CPU time and memory against n."""
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for method in METHODS:
        rows = [r for r in records if r["method"] == method]
        n = [r["n"] for r in rows]
        axes[0].loglog(n, [alone(r) for r in rows], "o-", label=method)
        axes[1].loglog(n, [max(r["memory_MB"], 1.0) for r in rows], "o-", label=method)
    axes[0].set(xlabel="variables", ylabel="CPU s without callbacks")
    axes[1].set(xlabel="variables", ylabel="memory of the solve, MB")
    axes[0].legend()
    figure.savefig(path, dpi=120)


def main() -> int:
    """Run every size and method; exit 1 when npasa does not solve one or is slower than 3x ipopt."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    args = parser.parse_args()
    records = []
    print(
        f"{'n':>7} {'m':>6} {'method':<11} {'f':>14} {'point':<11} {'iter':>4} {'CPU s':>7} "
        f"{'callb.':>7} {'MB':>6} | warm {'point':<11} {'iter':>4} {'CPU s':>7}"
    )
    for n in args.n:
        for method in args.methods:
            r = measure(n, method)
            if r is None:
                print(f"{n:>7} {'':>6} {method:<11} not available")
                continue
            records.append(r)
            print(
                f"{r['n']:>7} {r['m']:>6} {method:<11} {r['f']:>14.9g} {r['point']:<11} "
                f"{r['iterations']:>4} {r['cpu']:>7.2f} {r['cpu_callbacks']:>7.2f} "
                f"{r['memory_MB']:>6.0f} |      {r['warm']['point']:<11} "
                f"{r['warm']['iterations']:>4} {r['warm']['cpu']:>7.2f}",
                flush=True,
            )
    if args.json:
        args.json.write_text(json.dumps(records, indent=1))
    if args.plot:
        draw(records, args.plot)
    return 0 if acceptable(records) else 1


def acceptable(records: list[dict[str, Any]]) -> bool:
    """Whether npasa solved every size, at the largest within three times ipopt's time."""
    mine = [r for r in records if r["method"] == "npasa"]
    theirs = [r for r in records if r["method"] != "npasa"]
    if not all(r["point"] == "STATIONARY" for r in mine):
        return False
    n = max((r["n"] for r in mine), default=0)
    own = min((alone(r) for r in mine if r["n"] == n), default=0.0)
    peer = min((alone(r) for r in theirs if r["n"] == n), default=float("inf"))
    return bool(own <= 3.0 * peer)


def alone(record: dict[str, Any]) -> float:
    """Return CPU seconds without the problem's functions."""
    return float(record["cpu"] - record["cpu_callbacks"])


if __name__ == "__main__":
    sys.exit(main())

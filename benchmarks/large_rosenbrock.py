"""Solve the chained Rosenbrock function with bounds at n = 100 000 and measure peak memory.

    python benchmarks/large_rosenbrock.py --n 1000 10000 100000 --json out.json

    min sum 100 (x_{i+1} - x_i^2)^2 + (1 - x_i)^2,   -1.5 <= x <= 0.5,   start -1.2, 1, -1.2, 1, ...

Each size runs in a process of its own; its peak resident memory includes Python and the libraries
(``n = 1000`` shows how much that is). Memory O(nnz) shows as a constant number of bytes a variable.
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

METHODS = ("pasa", "npasa")


def solve(n: int, method: str, out: Any) -> None:
    """Solve one size and send its record."""
    import optlab  # noqa: PLC0415
    from optlab_problems.classic import chained_rosenbrock  # noqa: PLC0415

    begin = time.process_time()
    result = optlab.minimize(chained_rosenbrock(n, lb=-1.5, ub=0.5), method=method)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
    out.send(
        {
            "n": n,
            "method": method,
            "f": result.fun,
            "E1": result.certificate.E1,
            "stop": result.stop.name,
            "point": result.point.name,
            "iterations": result.iterations,
            "cpu": time.process_time() - begin,
            "peak_MB": peak,
        }
    )


def main() -> int:
    """Run every size and method; exit 1 when one is not solved or needs 1 GB."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    context = mp.get_context("spawn")
    records = []
    for n in args.n:
        for method in METHODS:
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(target=solve, args=(n, method, sender))
            process.start()
            sender.close()
            r = receiver.recv()
            process.join()
            records.append(r)
            print(
                f"n={r['n']:<7} {r['method']:<6} f={r['f']:<14.8g} E1={r['E1']:<8.1e} "
                f"iterations={r['iterations']:<4} cpu={r['cpu']:<7.2f} peak={r['peak_MB']:.0f} MB "
                f"{r['stop']}/{r['point']}",
                flush=True,
            )
    if args.json:
        args.json.write_text(json.dumps(records, indent=1))
    good = all(r["point"] == "STATIONARY" and r["peak_MB"] < 1000.0 for r in records)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

r"""Solve benchmark lists of SIF problems and judge every answer by the shared KKT checker.

    python benchmarks/solve_lists.py --collection DIR --list small.open.txt --time-limit 20 \
        --method npasa --json out.json

A line of a list is a problem and the parameters to set (``CVXQP1 N=1000``). Every problem runs in a
process of its own with a limit on wall time; a crash or a time-out is a recorded outcome. "Solved"
means that the checker, given only the returned point and multipliers and the user's own problem,
finds violation, stationarity and complementarity at most ``--tol`` (stationarity and complementarity
relative to the multiplier scale, as documented in docs/notation.md). The absolute E_1 is printed
beside it.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing as mp
import sys
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from optlab.core.derivatives import Differences

FORK = mp.get_context("fork")


@dataclass
class Job:
    """One problem of a list."""

    name: str
    params: dict[str, float]

    @property
    def spec(self) -> str:
        """The line of the list."""
        return " ".join([self.name, *(f"{k}={v:g}" for k, v in self.params.items())])


def read_list(path: Path) -> list[Job]:
    """Read ``NAME KEY=VALUE ...`` lines; '#' starts a comment."""
    jobs = []
    for line in path.read_text().splitlines():
        words = line.split("#")[0].split()
        if words:
            params = dict(w.split("=", 1) for w in words[1:])
            jobs.append(Job(words[0], {k: float(v) for k, v in params.items()}))
    return jobs


def solve(job: Job, args: argparse.Namespace, out: Any) -> None:
    """Solve one problem and send its record; runs in its own process."""
    import optlab  # noqa: PLC0415
    from optlab.problems import read_sif  # noqa: PLC0415

    record: dict[str, Any] = {}
    try:
        params = {k: int(v) if v == int(v) else v for k, v in job.params.items()}
        problem = read_sif(args.collection / f"{job.name}.SIF", params=params)
        record |= {"n": problem.n, "m": problem.m}
        posed = without(problem, args.derivatives)
        begin, cpu = time.perf_counter(), time.process_time()
        result = optlab.minimize(
            posed,
            method=args.method,
            tol=args.tol,
            max_time=args.time_limit,
            options=dict(o.split("=", 1) for o in args.option) or None,
        )
        cert = result.certificate
        if posed is not problem:
            # Judged with all that is known of the problem, whatever the solver was told.
            multipliers = (result.multipliers.constraints, result.multipliers.bounds)
            known = (v if np.isfinite(v).all() else None for v in multipliers)
            cert = optlab.error_estimators(problem, result.x, *known)
        scale = cert.scale
        worst = max(cert.primal, cert.dual / scale, cert.complementarity / scale)
        record |= {
            "wall": time.perf_counter() - begin,
            "cpu": time.process_time() - cpu,
            "f": result.fun,
            "stop": result.stop.name,
            "point": result.point.name,
            "E1": cert.E1,
            "primal": cert.primal,
            "dual": cert.dual,
            "complementarity": cert.complementarity,
            "scale": scale,
            "error": worst,
            "solved": bool(worst <= args.tol),
            "claimed": result.point.name == "STATIONARY",
            "iterations": result.iterations,
            **{f"n_{k}": v for k, v in result.evaluations.items()},
        }
    except Exception as error:  # noqa: BLE001 - a crash is an outcome
        record |= {"stop": f"{type(error).__name__}: {error}"[:200], "solved": False}
    out.send(record)


def without(problem: Any, derivatives: str) -> Any:
    """Take away the derivatives that the run must do without; the Jacobian's pattern stays known."""
    if derivatives == "exact":
        return problem
    bare = problem.replace(hessian=None, hprod=None)
    if derivatives == "gradients":
        return bare
    scheme = "3-point" if derivatives == "functions" else derivatives
    pattern = problem.jacobian(problem.x0) if problem.m else None
    if isinstance(pattern, np.ndarray):  # its zeros are those of one point
        pattern = None
    wanted = Differences(scheme=scheme, jacobian_pattern=pattern)
    return bare.replace(gradient=wanted, jacobian=wanted if problem.m else None)


def sweep(jobs: list[Job], args: argparse.Namespace) -> list[dict[str, Any]]:
    """Run the jobs, ``args.jobs`` at a time; kill what is past its limit."""
    waiting, running, records = deque(enumerate(jobs)), [], {}
    while waiting or running:
        while waiting and len(running) < args.jobs:
            index, job = waiting.popleft()
            receiver, sender = FORK.Pipe(duplex=False)
            process = FORK.Process(target=solve, args=(job, args, sender))
            process.start()
            sender.close()
            running.append((index, job, process, receiver, time.perf_counter()))
        for entry in list(running):
            index, job, process, receiver, begin = entry
            late = time.perf_counter() - begin > 1.5 * args.time_limit + 10.0
            if process.is_alive() and not late and not receiver.poll(0.02):
                continue
            try:
                record = receiver.recv() if receiver.poll(0.0) else None
            except EOFError:
                record = None
            if record is None:
                record = {"stop": "KILLED" if late else "CRASHED", "solved": False}
            if process.is_alive():
                process.join(1.0)
                process.kill()
            process.join()
            running.remove(entry)
            records[index] = {"spec": job.spec} | record
            show(records[index])
    return [records[i] for i in range(len(jobs))]


def show(r: dict[str, Any]) -> None:
    """Print one row of the table."""
    mark = "ok " if r["solved"] else "-- "
    if "f" not in r:
        print(f"{mark}{r['spec']:<28} {r['stop']}", flush=True)
        return
    print(
        f"{mark}{r['spec']:<28} n={r['n']:<5} m={r['m']:<5} f={r['f']:<14.7g} E1={r['E1']:<8.1e} "
        f"err={r['error']:<8.1e} it={r['iterations']:<5} nf={r['n_objective']:<6} "
        f"nH={r['n_hessian']:<5} cpu={r['cpu']:<7.2f} {r['stop']}/{r['point']}",
        flush=True,
    )


def main() -> int:
    """Read the arguments, sweep, print the counts, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--collection", type=Path, required=True, help="folder of SIF files")
    parser.add_argument("--list", type=Path, required=True, help="file with one problem a line")
    parser.add_argument("--method", default="npasa")
    parser.add_argument("--tol", type=float, default=1e-6)
    parser.add_argument(
        "--time-limit", type=float, default=20.0, help="seconds of wall time each"
    )
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=[], help="names of problems to run")
    parser.add_argument("--option", action="append", default=[], help="method option K=V")
    parser.add_argument(
        "--derivatives",
        choices=("exact", "gradients", "functions", "2-point", "3-point"),
        default="exact",
        help="what the solver gets: all, no Hessian, or function values only (and a scheme)",
    )
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    jobs = [j for j in read_list(args.list) if not args.only or j.name in args.only]
    records = sweep(jobs, args)
    solved = sum(r["solved"] for r in records)
    wrong = [r["spec"] for r in records if r.get("claimed") and not r["solved"]]
    print(f"\n{solved} of {len(records)} solved; wrong claims: {wrong or 'none'}")
    if args.json:
        args.json.write_text(json.dumps({"list": args.list.name, "records": records}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())

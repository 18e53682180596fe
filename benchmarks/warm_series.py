"""Warm-started series of problems: NPASA against IPOPT with IPOPT's own warm-start options.

    python benchmarks/warm_series.py --sif ../shared/sif --json warm_series.json --plot warm_series.png

Series: a stirred tank under receding-horizon control (50 re-solves from the shifted horizon), optimal power
flow with 9 and 14 buses over a day of loads (48), and every problem of the CUTEst lists under 1 %
perturbation of its data (``--count`` each; left out without ``--sif``).

Every method gets the same problems, the same first result and the same functions, and the judge of all is
optlab's checker at 1e-6. IPOPT runs with ``warm_start_init_point`` and bound pushes of 1e-9 from several
values of ``mu_init``, through ``optlab.minimize`` and, for its least possible CPU time, straight through
cyipopt, each with the complementarity that its own tol of 1e-8 implies and with the one that implies the
checker's (``sharp``); and once, straight, with ``warm_start_init_point`` and its defaults otherwise. Objectives are compared with those of IPOPT's best run where the checker confirms
that: most re-solves certified, then fewest iterations.

Columns: certified re-solves; iterations and CPU milliseconds per re-solve, the latter without and with the
time in the problem's functions (``callbacks``); factorizations (Hessians); gradients; the largest
difference of the objective relative to 1 + |f| (nan where IPOPT has no certified answer).
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import series_problems as models
import series_sif
from series_methods import (
    FIRST_LIMIT,
    HEADER,
    Setting,
    Tally,
    Transform,
    run,
    run_adapter,
    run_direct,
)

import optlab
from optlab.core.result import Result
from optlab.series import Shift

BARRIERS = (1e-4, 1e-6, 1e-8)
"""mu_init of IPOPT's runs; its adapter's own default is 1e-6."""

LONG = 1.0
"""CPU seconds of a series above which it is not repeated."""

PLAIN = "plain"
"""IPOPT with ``warm_start_init_point`` and nothing else of its warm-start options."""

PRODUCTS = {"": 1e-8, " sharp": 1e-12}
"""compl_inf_tol of IPOPT's runs: what its own tol implies, and what implies the checker's 1e-6."""


# The series --------------------------------------------------------------------------------------


def reactor(resolves: int, seed: int = 1) -> tuple[list[optlab.Problem], Transform]:
    """Close the loop once, with a disturbed plant and two changes of the target; keep the problems."""
    rng = np.random.default_rng(seed)
    model = models.Reactor()
    state, problems = np.array([0.3, 0.75]), []
    solution: Result | None = None
    shift = Shift(x=3, y=2)
    for k in range(resolves + 1):
        target = models.steady(0.25 if k < 15 else 0.12 if k < 35 else 0.3)
        feed = models.T_FEED * (1.0 + 0.003 * rng.standard_normal())
        x0 = None if solution is None else shift.moved(solution.x, 3)
        problem = model.problem(state, target, feed, x0)
        solution = optlab.minimize(problem, method="npasa", tol=1e-8).raise_if_failed()
        problems.append(problem)
        disturbance = 1.0 + 0.002 * rng.standard_normal(2)
        state = model.plant(state, solution.x[0], feed) * disturbance
    return problems, shift


def power_flow(
    buses: int, resolves: int, seed: int = 2
) -> tuple[list[optlab.Problem], Transform]:
    """Let the loads follow a day, with 1 % noise at every bus."""
    rng = np.random.default_rng(seed)
    network = models.network(buses)
    day = 0.85 + 0.15 * np.sin(2.0 * np.pi * (np.arange(resolves + 1) / resolves - 0.3))
    noise = 1.0 + 0.01 * rng.standard_normal((resolves + 1, buses))
    return [network.problem(a * b) for a, b in zip(day, noise, strict=True)], _same


def _same(result: Any, problem: Any) -> Any:
    del problem
    return result


# Runs --------------------------------------------------------------------------------------------


def first_result(problem: optlab.Problem) -> Result | None:
    """Return a certified answer to the first problem, from whichever method has one."""
    for method in ("npasa", "ipopt"):
        result = optlab.minimize(problem, method=method, max_time=FIRST_LIMIT, seed=0)
        if result.success:
            return result
    return None


def compete(
    name: str, problems: list[optlab.Problem], transform: Transform, repeats: int
) -> list[Tally]:
    """Run all methods; of several runs keep the fastest, they differ in nothing else."""
    first = first_result(problems[0])
    if first is None:
        print(f"{name:<10} left out: no method solves its first problem")
        return []

    def fastest(once: Any) -> Tally:
        best: Tally = once()
        for _ in range(repeats - 1):
            if sum(best.cpu) > LONG:
                break
            best = min(best, once(), key=Tally.own_ms)
        return best

    tallies = [fastest(lambda: run(name, problems, first, transform, "npasa", method="npasa"))]
    for barrier in BARRIERS:
        for label, product in PRODUCTS.items():
            setting = Setting(f"mu={barrier:.0e}{label}", barrier, product)
            tallies += [
                fastest(partial(runner, name, problems, first, transform, setting))
                for runner in (run_adapter, run_direct)
            ]
    plain = Setting(PLAIN, None, PRODUCTS[" sharp"])
    tallies.append(fastest(partial(run_direct, name, problems, first, transform, plain)))
    known = best_peer(tallies, "ipopt")
    for tally in tallies:
        tally.compare(known)
        print(tally.line(), flush=True)
    return tallies


def best_peer(tallies: list[Tally], prefix: str) -> Tally:
    """Return the peer's best run: most certified, then fewest iterations."""
    peers = [t for t in tallies if t.method.startswith(prefix)]
    return min(peers, key=lambda t: (-sum(t.certified), float(np.mean(t.iterations))))


def summarise(groups: list[list[Tally]]) -> list[str]:
    """Compare NPASA with IPOPT at its default and at its best mu_init, series by series and over all."""
    lines = []
    default = "ipopt mu=1e-06 sharp"
    for title, pick in (
        ("its adapter's defaults", lambda g: next(t for t in g if t.method == default)),
        ("mu_init 1e-4", lambda g: best_peer(g, "ipopt mu=1e-04")),
        ("mu_init 1e-6", lambda g: best_peer(g, "ipopt mu=1e-06")),
        ("its best mu_init", lambda g: best_peer(g, "ipopt")),
        ("warm_start_init_point alone", lambda g: best_peer(g, f"direct {PLAIN}")),
        ("its best mu_init, direct", lambda g: best_peer(g, "direct mu")),
    ):
        pairs = [(g[0], pick(g)) for g in groups]
        iterations = [
            np.mean(a.iterations) / max(np.mean(b.iterations), 1e-9)
            for a, b in pairs
            if sum(b.iterations)
        ]
        cpu = [a.own_ms() / b.own_ms() for a, b in pairs]
        certified = [(sum(a.certified), sum(b.certified), len(a.certified)) for a, b in pairs]
        mine, theirs, total = np.sum(certified, axis=0)
        same = sum(a.worst_f <= 1e-6 for a, _ in pairs)
        known = sum(a.worst_f == a.worst_f for a, _ in pairs)
        lines.append(
            f"against ipopt at {title}: certified {mine} / {theirs} of {total}; iterations ratio "
            f"median {np.median(iterations):.2f}; CPU ratio geometric mean "
            f"{np.exp(np.mean(np.log(cpu))):.2f}, below 1 in {sum(c < 1 for c in cpu)} of "
            f"{len(cpu)} series; same objective to 1e-6 in {same} of {known}"
        )
    return lines


def draw(groups: list[list[Tally]], path: Path) -> None:
    """Plot iterations along the named series and the ratios of all."""
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    named = groups[:3]
    figure, axes = plt.subplots(1, len(named) + 1, figsize=(13, 3.4), layout="constrained")
    for axis, group in zip(axes, named, strict=False):
        for tally in (group[0], best_peer(group, "ipopt")):
            axis.step(range(1, len(tally.iterations) + 1), tally.iterations, label=tally.method)
        axis.set(title=group[0].series, xlabel="re-solve", ylabel="iterations", ylim=(0, None))
        axis.legend()
    for prefix, colour in (("ipopt", "C1"), ("direct mu", "C2")):
        cpu = [(g[0].own_ms(), best_peer(g, prefix).own_ms()) for g in groups]
        axes[-1].loglog(*zip(*cpu, strict=True), ".", color=colour, label=prefix)
    low, high = axes[-1].get_xlim()
    axes[-1].loglog([low, high], [low, high], "k:", linewidth=1)
    axes[-1].set(xlabel="npasa, CPU ms per re-solve", ylabel="ipopt at its best mu_init")
    axes[-1].legend()
    figure.savefig(path, dpi=120)


def save(groups: list[list[Tally]], summary: list[str], path: Path) -> None:
    """Write what there is so far."""
    records = [asdict(tally) for group in groups for tally in group]
    path.write_text(json.dumps({"summary": summary, "runs": records}, indent=1))


def main() -> int:
    """Run all series; exit 1 when a re-solve of NPASA is not certified."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--resolves", type=int, default=50)
    parser.add_argument("--sif", type=Path, help="folder with files/ and lists/ of CUTEst")
    parser.add_argument("--lists", nargs="+", default=["small", "medium"])
    parser.add_argument("--count", type=int, default=5, help="perturbations of each problem")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    args = parser.parse_args()
    print(HEADER)
    groups = [
        compete("reactor", *reactor(args.resolves), args.repeats),
        compete("opf9", *power_flow(9, args.resolves - 2), args.repeats),
        compete("opf14", *power_flow(14, args.resolves - 2), args.repeats),
    ]
    if args.sif is None:
        print("CUTEst left out: --sif is not given")
    else:
        for name in args.lists:
            for label, problem in series_sif.listed(args.sif, name):
                problems = series_sif.perturbed(problem, args.count, seed=3)
                groups.append(compete(label, problems, _same, args.repeats))
                if args.json:
                    save(groups, [], args.json)
    groups = [group for group in groups if group]
    summary = summarise(groups)
    print("\n".join(summary))
    if args.json:
        save(groups, summary, args.json)
    if args.plot:
        draw(groups, args.plot)
    return 0 if all(all(group[0].certified) for group in groups) else 1


if __name__ == "__main__":
    sys.exit(main())

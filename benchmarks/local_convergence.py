"""Show NPASA's local convergence: E_1 from iterate to iterate, and which phase made it.

    python benchmarks/local_convergence.py --json out.json --plot out.svg

Problems with a nonlinear constraint, LICQ and second-order sufficiency at the solution (the packaged
collection; no other files needed). NPASA is asked for far more than its default accuracy, so that the
tail of the sequence shows. For each run: the ratios log E_1(k+1) / log E_1(k) of the last sweeps of
phase two, which tend to 2 under the theory of [DH21b], down to the level where rounding takes over.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

import optlab
from optlab_problems import catalog

PROBLEMS = ("hs39", "hs40", "hs43", "hs63", "hs71", "hs100", "hs106", "maratos")
ENTRY = 1e-1
"""Ratios are taken from the first E_1 below this: before, log E_1 says nothing."""

ROUNDING = 1e-13
"""E_1 relative to the multipliers below which rounding decides."""


def trace(name: str) -> dict[str, Any]:
    """Solve one problem; return E_1, the phases and the ratios of the tail."""
    rows: list[tuple[str, float]] = []
    scale = [1.0]

    def watch(_k: int, progress: Any) -> None:
        extras = progress.extras
        rows.append((extras["phase"], math.hypot(extras["Em1"], extras["Ec"])))
        scale[0] = max(1.0, float(abs(progress.y).max()))

    result = optlab.minimize(
        catalog.load(name), method="npasa", tol=1e-12, max_iter=60, observers=[watch]
    )
    floor = ROUNDING * scale[0]
    errors = [e for _, e in rows]
    # The sequence ends where it first reaches the level of rounding: what follows is noise.
    best = next((k for k, e in enumerate(errors) if e <= 10.0 * floor), len(errors) - 1)
    ratios = [
        math.log(max(errors[k + 1], floor)) / math.log(errors[k])
        for k in range(best)
        if floor < errors[k] < ENTRY and rows[k + 1][0] == "two"
    ]
    last = max((k for k in range(best + 1) if rows[k][0] != "two"), default=0)
    return {
        "problem": name,
        "phases": [p for p, _ in rows[: best + 1]],
        "E1": errors[: best + 1],
        "ratios": ratios,
        "final_sweeps": best - last,
        "point": result.point.name,
    }


def plot(records: list[dict[str, Any]], path: Path) -> None:
    """Draw log10 E_1 against the iteration; phase-two iterates are filled."""
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("Agg")
    import matplotlib.pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(figsize=(7.0, 4.5), layout="constrained")
    for r in records:
        errors = [max(e, 1e-17) for e in r["E1"]]
        at = [k - len(errors) + 1 for k in range(len(errors))]
        (line,) = axes.semilogy(at, errors, "-", linewidth=1.2, label=r["problem"])
        two = [k for k, p in enumerate(r["phases"]) if p == "two"]
        one = [k for k, p in enumerate(r["phases"]) if p != "two"]
        color = line.get_color()
        axes.plot([at[k] for k in two], [errors[k] for k in two], "o", color=color, ms=5)
        axes.plot([at[k] for k in one], [errors[k] for k in one], "o", color=color, mfc="white")
    axes.set_xlim(-8.5, 0.5)
    axes.set_xlabel("major iteration, counted from the last")
    axes.set_ylabel("$E_1$ (method's scale)")
    axes.set_title("NPASA: phase two (filled) converges quadratically")
    axes.grid(visible=True, alpha=0.3)
    axes.legend(ncols=2, fontsize=8)
    figure.savefig(path, dpi=140)


def main() -> int:
    """Run all; exit 1 when fewer than six problems end with a quadratic tail."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    args = parser.parse_args()
    records = [trace(name) for name in PROBLEMS]
    quadratic = 0
    for r in records:
        tail = r["ratios"][-2:]
        good = bool(tail) and max(tail) >= 1.6 and r["final_sweeps"] >= 2
        quadratic += good
        ratios = " ".join(f"{q:.2f}" for q in r["ratios"][-4:])
        errors = " ".join(f"{e:.0e}" for e in r["E1"][-5:])
        mark = "ok" if good else "--"
        print(f"{mark} {r['problem']:<8} ratios {ratios:<20} E1 {errors}  {r['point']}")
    print(f"\n{quadratic} of {len(records)} with a quadratic tail in phase two alone")
    if args.json:
        args.json.write_text(json.dumps(records, indent=1))
    if args.plot:
        plot(records, args.plot)
    return 0 if quadratic >= 6 else 1


if __name__ == "__main__":
    sys.exit(main())

"""Effective robustness of 447 published networks: lines, intervals, means by kind, and whether a metric foretells it.

    python benchmarks/robustness/effective.py robustnets.json --json effective.json --plot effective.png

The file is the table of the RobustNets models [FBDKB22], metric_and_OOD_var_dict.json in their repository. Asked: on CIFAR-10.1 an R^2
of 0.972; on CIFAR-10-C, against the line of the networks that were trained on clean images, means of +8.1 points for training with
Gaussian noise and +11.9 for AugMix.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optlab_adapters.robustness import EffectiveRobustness, effective_robustness

KINDS = ("clean", "gaussian", "augmix")
SHIFTS = {"CIFAR-10.1": "cifar10.1_acc", "CIFAR-10-C": "cifar10c_acc"}
METRICS = (
    "jacobian_norm",
    "high_freq_fracs_within",
    "high_freq_fracs_between",
    "high_freq_fracs_amp",
    "high_freq_fracs_phase",
    "consistent_distances_amp",
    "consistent_distances_phase",
)


def column(table: Mapping[str, Mapping[str, float]], name: str) -> NDArray[np.float64]:
    """Return a number of every network."""
    return np.array([values[name] for values in table.values()])


def kinds(table: Mapping[str, Any]) -> NDArray[np.str_]:
    """Return how every network was trained; names are ARCHITECTURE_AUGMENTATION_METHOD_SCOPE_SPARSITY."""
    return np.array([name.split("_")[1] for name in table])


def fits(
    table: Mapping[str, Mapping[str, float]],
) -> dict[tuple[str, str], EffectiveRobustness]:
    """Fit each shift with the line of all networks, and with that of those trained on clean images."""
    usual, clean = column(table, "cifar10_acc") / 100, kinds(table) == "clean"
    return {
        (shift, who): effective_robustness(usual, column(table, name) / 100, mask)
        for shift, name in SHIFTS.items()
        for who, mask in (("all", None), ("clean", clean))
    }


def summary(
    made: EffectiveRobustness, table: Mapping[str, Mapping[str, float]]
) -> dict[str, Any]:
    """Return line, means by kind of training in points, and the squared correlation of every metric."""
    kind = kinds(table)
    names = list(table)
    return {
        "slope": made.slope,
        "intercept": made.intercept,
        "r2": made.r2,
        "intervals": {n: made.interval(n).tolist() for n in ("slope", "intercept", "r2")},
        "mean": {k: float(100 * made.robustness[kind == k].mean()) for k in KINDS},
        "best": names[int(made.robustness.argmax())],
        "worst": names[int(made.robustness.argmin())],
        "metrics": {
            m: float(np.corrcoef(column(table, m), made.robustness)[0, 1] ** 2) for m in METRICS
        },
    }


def report(found: Mapping[tuple[str, str], dict[str, Any]]) -> bool:
    """Print what was found; return whether it is what was asked for."""
    for (shift, who), made in found.items():
        low, high = made["intervals"]["r2"]
        means = ", ".join(f"{kind} {value:+.2f}" for kind, value in made["mean"].items())
        best = max(made["metrics"], key=made["metrics"].__getitem__)
        print(
            f"{shift}, line of {who}: slope {made['slope']:.3f}, intercept {made['intercept']:.3f}"
        )
        print(
            f"  R^2 {made['r2']:.3f} [{low:.3f}, {high:.3f}]; mean effective robustness {means}"
        )
        print(f"  best {made['best']}, worst {made['worst']}")
        print(f"  metric that foretells most: {best}, R^2 {made['metrics'][best]:.3f}")
    mean = found["CIFAR-10-C", "clean"]["mean"]
    return (
        round(found["CIFAR-10.1", "all"]["r2"], 3) == 0.972
        and round(mean["gaussian"], 1) == 8.1
        and round(mean["augmix"], 1) == 11.9
    )


def plot(
    table: Mapping[str, Mapping[str, float]],
    made: Mapping[tuple[str, str], EffectiveRobustness],
    path: Path,
) -> None:
    """Draw both shifts with the line of the networks trained on clean images."""
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("Agg")
    import matplotlib.pyplot as plt  # noqa: PLC0415

    figure, every = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    kind = kinds(table)
    for axis, shift in zip(every, SHIFTS, strict=True):
        fit = made[shift, "clean"]
        for k, marker in zip(KINDS, "o^s", strict=True):
            of = kind == k
            axis.plot(100 * fit.acc_id[of], 100 * fit.acc_ood[of], marker, ms=3, label=k)
        across = np.linspace(fit.acc_id.min(), fit.acc_id.max(), 100)
        axis.plot(100 * across, 100 * fit.foretold(across), "k-", label="line of clean")
        axis.set_title(f"{shift}: R^2 of the line {fit.r2:.3f}")
        axis.set_xscale("function", functions=_LOGIT)
        axis.set_yscale("function", functions=_LOGIT)
        axis.set_xlabel("CIFAR-10 accuracy, percent (logit scale)")
        axis.set_ylabel(f"{shift} accuracy, percent")
    every[0].legend()
    figure.savefig(path, dpi=120)


def _logit(percent: Any) -> Any:
    part = np.clip(np.asarray(percent) / 100, 1e-4, 1 - 1e-4)
    return np.log(part / (1 - part))


_LOGIT = (_logit, lambda value: 100 / (1 + np.exp(-np.asarray(value))))


def main() -> int:
    """Fit, print, check."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    given = parser.parse_args()
    table = json.loads(given.table.read_text())
    start = time.process_time()
    made = fits(table)
    seconds = time.process_time() - start
    found = {key: summary(fit, table) for key, fit in made.items()}
    met = report(found)
    print(f"four fits, each with 1,000 draws: {seconds:.2f} CPU s; as asked: {met}")
    if given.json is not None:
        values = {f"{shift}, line of {who}": value for (shift, who), value in found.items()}
        given.json.write_text(json.dumps({"seconds": seconds, "lines": values}, indent=1))
    if given.plot is not None:
        plot(table, made, given.plot)
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())

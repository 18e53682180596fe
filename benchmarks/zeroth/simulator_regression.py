"""Few samples and a simulator: regression through the simulator against regression on the data alone.

    data only   descriptors (8) -> MLP 8-32-32-32 -> curve (32 points)
    coupled     descriptors (8) -> MLP 8-32-32-3 -> inputs of the simulator -> simulator -> curve

The simulator (docs/zeroth/examples/scattering.py) is a black box to the coupled models: CGE runs it 6 times per sample and
step for the gradient, RGE 3 times. "Autodiff" differentiates the same simulator, which a user's simulator does not allow. The
wrong simulators take the polydispersity for 0.2 or know nothing of it, and a truth with more bend leaves the network more to
learn before the simulator: they show where coupling stops paying. Measured is the error of noise-free
curves of 1,000 new samples. Every model gets the same steps, the same optimizer and the same early stopping on a quarter of
its samples.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch

from optlab import zo
from optlab.adapters import BlackBox

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs" / "zeroth" / "examples"))

import scattering

STEPS = 800
RATE = 5e-3
NOISE = 0.02
TESTS = 1000
SIZES = (16, 32, 64, 128)
FEW = (16, 32)
"""Sample sizes at which everything is run; the others show the trend."""

DIRECTIONS = 3

BEND = 0.2
OTHER_BENDS = (0.0, 0.5)
"""Of the truth, 1 being about as much as its linear part."""

MODELS = {
    "data only": SIZES,
    "coupled, CGE": SIZES,
    "coupled, RGE": FEW,
    "coupled, autodiff": FEW,
    "p taken for 0.2, CGE": SIZES,
    "equal spheres, CGE": FEW,
}
"""Model -> numbers of samples."""

WRONG = {
    "p taken for 0.2, CGE": scattering.curves_of_one_width,
    "equal spheres, CGE": scattering.curves_of_equal_spheres,
}


class Differentiable(torch.nn.Module):
    """The simulator in torch."""

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Return the curves."""
        return scattering.curves(z, torch)  # type: ignore[no-any-return]


class Coupled(torch.nn.Module):
    """A network that ends in the box of a simulator, and the simulator."""

    def __init__(self, simulator: torch.nn.Module, lower: Any, upper: Any) -> None:
        super().__init__()
        self.network, self.simulator = mlp(len(lower)), simulator
        self.lower, self.width = torch.as_tensor(lower), torch.as_tensor(upper - lower)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the curves."""
        return self.simulator(self.lower + self.width * torch.sigmoid(self.network(x)))  # type: ignore[no-any-return]


class Plain(torch.nn.Module):
    """A network that predicts the curve; it starts from the mean curve of its samples."""

    def __init__(self, mean: torch.Tensor) -> None:
        super().__init__()
        self.network, self.mean = mlp(mean.numel()), mean

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the curves."""
        return self.mean + self.network(x)


def mlp(outputs: int) -> torch.nn.Module:
    """Return 8-32-32-outputs with tanh."""
    layers = [
        torch.nn.Linear(8, 32), torch.nn.Tanh(), torch.nn.Linear(32, 32), torch.nn.Tanh(),
        torch.nn.Linear(32, outputs),
    ]  # fmt: skip
    return torch.nn.Sequential(*layers)


def model_of(name: str, mean: torch.Tensor, seed: int) -> tuple[torch.nn.Module, Any]:
    """Return a model, and the black box in it if there is one."""
    torch.manual_seed(seed)
    lower, upper = scattering.LOWER, scattering.UPPER
    if name == "data only":
        return Plain(mean), None
    if name == "coupled, autodiff":
        return Coupled(Differentiable(), lower, upper), None
    if name in WRONG:
        lower, upper = lower[[0, 2]], upper[[0, 2]]
        box = BlackBox(WRONG[name], lower=lower, upper=upper)
    elif name == "coupled, CGE":
        box = BlackBox(scattering.curves, lower=lower, upper=upper)
    else:
        rule = zo.RGE(count=DIRECTIONS, smoothing=1e-3)
        box = BlackBox(scattering.curves, lower=lower, upper=upper, queries=rule, seed=seed)
    return Coupled(box, lower, upper), box


def data(count: int, seed: int, bend: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return descriptors, noise-free curves and measured curves."""
    rng = np.random.default_rng([seed, count])
    x = rng.uniform(-1.0, 1.0, (count, 8))
    y = scattering.curves(scattering.inputs_of(x, bend))
    noisy = y + NOISE * rng.standard_normal(y.shape)
    return torch.from_numpy(x), torch.from_numpy(y), torch.from_numpy(noisy)


def trained(name: str, count: int, seed: int, bend: float = BEND) -> dict[str, Any]:
    """Train a model and measure it."""
    begin = time.process_time()
    x, _, y = data(count, seed, bend)
    held = count // 4
    model, box = model_of(name, y[held:].mean(0), seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
    best, state = float("inf"), model.state_dict()
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = (model(x[held:]) - y[held:]).square().mean()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            checked = float((model(x[:held]) - y[:held]).square().mean())
        if checked < best:
            best = checked
            state = {k: v.clone() for k, v in model.state_dict().items()}
    runs = box.simulator.counts.queries if box is not None else 0
    model.load_state_dict(state)
    new, exact, _ = data(TESTS, 10_000 + seed, bend)
    with torch.no_grad():
        rmse = float((model(new) - exact).square().mean().sqrt())
    seconds = time.process_time() - begin
    return {
        "model": name, "samples": count, "bend": bend, "seed": seed, "rmse": rmse, "runs": runs,
        "cpu_seconds": seconds,
    }  # fmt: skip


def cases() -> list[tuple[str, int, float]]:
    """Return what is run for every seed: model, samples, bend."""
    main = [(name, count, BEND) for name, sizes in MODELS.items() for count in sizes]
    more = [
        (name, count, bend)
        for bend in OTHER_BENDS
        for name in ("data only", "coupled, CGE")
        for count in FEW
    ]
    return main + more


def summary(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return mean errors over the seeds, and their ratios to data only and to autodiff."""
    rows = []
    for name, count, bend in cases():
        mine = _picked(runs, name, count, bend)
        plain = _picked(runs, "data only", count, bend)
        exact = _picked(runs, "coupled, autodiff", count, bend)
        errors = np.array([r["rmse"] for r in mine])
        row = {
            "model": name, "samples": count, "bend": bend,
            "rmse": float(errors.mean()),
            "spread": float(errors.std(ddof=1)) if len(errors) > 1 else 0.0,
            "to_data_only": float(errors.mean() / np.mean([r["rmse"] for r in plain])),
            "runs": mine[0]["runs"],
            "cpu_seconds": float(np.mean([r["cpu_seconds"] for r in mine])),
        }  # fmt: skip
        if exact and name.startswith("coupled"):
            row["to_autodiff"] = float(errors.mean() / np.mean([r["rmse"] for r in exact]))
        rows.append(row)
    return rows


def _picked(
    runs: list[dict[str, Any]], name: str, count: int, bend: float
) -> list[dict[str, Any]]:
    case = (name, count, bend)
    return [r for r in runs if (r["model"], r["samples"], r["bend"]) == case]


def show(rows: list[dict[str, Any]]) -> None:
    """Print the table."""
    print(
        "bend  samples  model                  RMSE               /data only  /autodiff    runs  CPU s"
    )
    for row in sorted(rows, key=lambda r: (r["bend"] != BEND, r["bend"], r["samples"])):
        exact = f"{row['to_autodiff']:10.4f}" if "to_autodiff" in row else " " * 10
        print(
            f"{row['bend']:4.1f}  {row['samples']:7d}  {row['model']:21s}  {row['rmse']:.4f} +- {row['spread']:.4f}"
            f"  {row['to_data_only']:10.3f}  {exact}  {row['runs']:6d}  {row['cpu_seconds']:5.1f}"
        )


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw the errors over the number of samples."""
    mpl.use("Agg")
    plt = __import__("matplotlib.pyplot").pyplot
    with plt.style.context(ROOT / "docs" / "gallery" / "gallery.mplstyle"):
        figure, axes = plt.subplots(figsize=(6.4, 4.0), layout="constrained")
        for name, marker in zip(MODELS, "osv^DP", strict=True):
            mine = [r for r in rows if r["model"] == name and r["bend"] == BEND]
            axes.errorbar(
                [r["samples"] for r in mine],
                [r["rmse"] for r in mine],
                [r["spread"] for r in mine],
                marker=marker,
                capsize=3,
                label=name,
            )
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xlabel("samples")
        axes.set_ylabel("RMSE of log10 I(q), new samples")
        axes.legend()
        figure.savefig(path)


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    given = parser.parse_args()
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    runs = [
        trained(name, count, seed, bend)
        for name, count, bend in cases()
        for seed in range(given.seeds)
    ]
    rows = summary(runs)
    show(rows)
    if given.json:
        facts = {
            "steps": STEPS,
            "rate": RATE,
            "noise": NOISE,
            "tests": TESTS,
            "rows": rows,
            "runs": runs,
        }
        given.json.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    if given.plot:
        draw(rows, given.plot)


if __name__ == "__main__":
    main()

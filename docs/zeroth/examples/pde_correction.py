"""A network learns, inside a solver's loop, to correct a coarse grid.

    min over w   mean over k = 1 .. 8 of |u_k - v_k|^2,     u_{k+1} = S(u_k) + C_w(S(u_k))

S is one step of a coarse solver of the viscous Burgers equation (32 cells), v_k the solution on 128 cells, C_w a
convolutional network of 253 weights. Four ways to get w:

    offline                C_w learns the errors of single steps from stored pairs (v_k, v_{k+1}); S does not move
    cge in the loop        roll-outs of 8 steps, values only: S is a black box. Adam on coordinate-wise differences,
                           254 values a step; starts from the offline weights
    zo in the loop         the same start and number of values, the default method
    cge from scratch       as the second, from random weights and with a larger rate
    backprop in the loop   exact gradients through S, which a solver in use seldom gives; as many steps of Adam at the same
                           rate as the second takes, from the same start

Measured is the mean absolute error over simulations of 32 steps from initial conditions that no training saw.

Source: K. Um, R. Brand, Y. Fei, P. Holl, N. Thuerey, Solver-in-the-loop, NeurIPS 2020; by values only in A. Chen et al.,
DeepZero, ICLR 2024, on another flow.

What one learns: a sampled objective of one's own, which evaluates many weight vectors together and gives exact gradients as
well; methods with and without gradients behind the same call.
"""

from __future__ import annotations

import time
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import burgers
import numpy as np
import torch
from matplotlib import style
from matplotlib.figure import Figure
from publish import STYLE, Answer, markdown, publish

import optlab
from optlab.core.sampled import AbstractSampled
from optlab.core.shifts import AbstractShifts

UNCORRECTED, OFFLINE, BACKPROP = "uncorrected", "offline", "backprop in the loop"
CGE, ZO, SCRATCH = "cge in the loop", "zo in the loop", "cge from scratch"


@dataclass(frozen=True)
class Settings:
    """What a run costs and how it is measured."""

    simulations: int = 64
    """For training, and as many others for the measurement."""

    steps: int = 32
    """Of a simulation."""

    horizon: int = 8
    """Steps of a roll-out."""

    batch: int = 16
    """Roll-outs of a minibatch."""

    pairs: int = 1500
    """Steps of the training offline."""

    queries: int = 40_000
    """Values of the loss that a method without gradients may ask for."""


class RollOuts(AbstractSampled):
    """The loss of a roll-out, averaged over roll-outs, relative to that of doing nothing."""

    has_gradient = True

    def __init__(self, states: np.ndarray, horizon: int, batch: int, seed: int) -> None:
        self.states, self.horizon, self.batch, self.seed = states, horizon, batch, seed
        self.starts = (len(states) - horizon) * states.shape[1]
        self.steps_per_epoch = max(1, self.starts // batch)
        self.scale = 1.0
        self.scale = float(self.losses(None, self.windows(None))[0])

    def windows(self, key: int | None) -> np.ndarray:
        """Return consecutive states of a sample, all if ``key`` is None, (horizon + 1, roll-outs, cells)."""
        chosen = np.arange(self.starts)
        if key is not None:
            epoch, place = divmod(key, self.steps_per_epoch)
            np.random.default_rng([self.seed, epoch]).shuffle(chosen)
            chosen = chosen[place * self.batch : (place + 1) * self.batch]
        when, which = np.divmod(chosen, self.states.shape[1])
        return self.states[when + np.arange(self.horizon + 1)[:, None], which]

    def losses(self, weights: Any, windows: Any) -> Any:
        """Return the losses (k,) of weights (k, n)."""
        start, *truth = windows
        k = 1 if weights is None else len(weights)
        rolled = burgers.roll_out(start[None][np.zeros(k, int)], self.horizon, weights)
        errors = [((u - v) ** 2).mean((-1, -2)) for u, v in zip(rolled, truth, strict=True)]
        return sum(errors) / (self.horizon * self.scale)

    def values(
        self,
        x: np.ndarray,
        shifts: AbstractShifts,
        key: int | None,
        executor: Executor | None,  # noqa: ARG002 - arrays are fast enough
    ) -> np.ndarray:
        """Return the losses at x + shifts, a few weight vectors at a time, in single precision."""
        windows = self.windows(key).astype(np.float32)
        few = max(1, 512 // windows.shape[1])
        with np.errstate(all="ignore"):  # Roll-outs may blow up; inf and nan are answers.
            parts = [
                self.losses(shifts.points(x, j, j + few).astype(np.float32), windows)
                for j in range(0, len(shifts), few)
            ]
        return np.concatenate(parts).astype(np.float64)

    def gradient(self, x: np.ndarray, key: int | None) -> tuple[float, np.ndarray]:
        """Return loss and gradient, back through the solver."""
        weights = torch.tensor(x[None], requires_grad=True)
        loss = self.losses(weights, torch.from_numpy(self.windows(key))).sum()
        loss.backward()
        assert weights.grad is not None
        return float(loss.detach()), weights.grad[0].numpy()

    def problem(self, x0: np.ndarray) -> optlab.Problem:
        """Return what ``minimize`` takes."""
        return optlab.Problem(
            objective=lambda x: float(self.losses(x[None], self.windows(None))[0]),
            gradient=lambda x: self.gradient(x, None)[1],
            x0=x0,
            sampled=self,
            name="roll-outs",
        )


def errors(weights: np.ndarray | None, truth: np.ndarray) -> list[float]:
    """Return the mean absolute error after every step of simulations from the first states."""
    given = None if weights is None else weights[None]
    rolled = burgers.roll_out(truth[:1], len(truth) - 1, given)
    return [float(abs(u[0] - v).mean()) for u, v in zip(rolled, truth[1:], strict=True)]


def build(seed: int = 0, settings: Settings = Settings()) -> dict[str, Any]:
    """Return the losses of single steps and of roll-outs, initial weights, and simulations for the measurement."""
    s, rng = settings, np.random.default_rng([2020, seed])
    states = burgers.simulations(s.simulations, s.steps, rng)
    return {
        "pairs": RollOuts(states, 1, s.batch * s.horizon, seed),
        "loop": RollOuts(states, s.horizon, s.batch, seed),
        "x0": burgers.initial_weights(rng),
        "truth": burgers.simulations(s.simulations, s.steps, rng),
    }


def solve(seed: int = 0, settings: Settings = Settings()) -> Answer:
    """Train in the four ways; return errors, costs and one simulation of each."""
    torch.set_num_threads(1)
    s, parts = settings, build(seed, settings)
    truth, loop, x0 = parts["truth"], parts["loop"], parts["x0"]
    weights: dict[str, np.ndarray | None] = {UNCORRECTED: None}
    cost = {UNCORRECTED: {"queries": 0, "gradients": 0, "cpu_seconds": 0.0}}

    def train(name: str, problem: optlab.Problem, method: str, **limits: Any) -> np.ndarray:
        begun = time.process_time()
        result = optlab.minimize(problem, method=method, seed=seed, **limits)
        weights[name] = result.x
        cost[name] = {
            "queries": int(result.evaluations["objective"]),
            "gradients": int(result.evaluations["gradient"]),
            "cpu_seconds": round(time.process_time() - begun, 1),
        }
        return result.x

    cosine = {"schedule": optlab.zo.Cosine()}
    values = {"estimator": optlab.zo.CGE(smoothing=1e-3), "max_eval": s.queries, **cosine}
    steps = s.queries // (burgers.WEIGHTS + 1)
    pairs = parts["pairs"].problem(x0)
    offline = train(OFFLINE, pairs, "adam", max_iter=s.pairs, learning_rate=0.01, **cosine)
    looped, fresh = loop.problem(offline), loop.problem(x0)
    train(CGE, looped, "zo-adam", learning_rate=0.003, **values)
    train(ZO, looped, "zo", max_eval=s.queries)
    train(SCRATCH, fresh, "zo-adam", learning_rate=0.03, **values)
    train(BACKPROP, looped, "adam", max_iter=steps, learning_rate=0.003, **cosine)
    curves = {name: errors(w, truth) for name, w in weights.items()}
    shown = {
        name: burgers.roll_out(truth[:1, :1], s.steps, None if w is None else w[None])[
            -1
        ].ravel()
        for name, w in weights.items()
    }
    return {
        "seed": seed,
        "weights": burgers.WEIGHTS,
        "settings": s.__dict__,
        "mean_absolute_error": {name: float(np.mean(curve)) for name, curve in curves.items()},
        "in_a_roll_out": {
            name: float(np.mean(curve[: s.horizon])) for name, curve in curves.items()
        },
        "by_step": curves,
        "cost": cost,
        "truth": truth[-1, 0].round(5).tolist(),
        "shown": {name: u.round(5).tolist() for name, u in shown.items()},
    }


def table(answer: Answer) -> str:
    """Return the errors and what they cost."""
    base = answer["mean_absolute_error"][UNCORRECTED]
    rows = []
    for name, error in answer["mean_absolute_error"].items():
        cost = answer["cost"][name]
        short = answer["in_a_roll_out"][name]
        costs = (cost["queries"], cost["gradients"], f"{cost['cpu_seconds']:.0f}")
        rows.append((name, f"{error:.5f}", f"{error / base:.3f}", f"{short:.5f}", *costs))
    head = (
        "way",
        "error, 32 steps",
        "of uncorrected",
        "8 steps",
        "values",
        "gradients",
        "CPU s",
    )
    return markdown(head, rows)


def plot(answer: Answer, path: Path) -> None:
    """Draw the errors over time and the end of one simulation."""
    time_ = burgers.STEP * np.arange(1, answer["settings"]["steps"] + 1)
    x = (np.arange(burgers.COARSE) + 0.5) * burgers.LENGTH / burgers.COARSE
    with style.context(STYLE):
        left, right = (figure := Figure(figsize=(9.0, 3.8))).subplots(1, 2)
        for name, curve in answer["by_step"].items():
            left.semilogy(time_, curve, label=name)
        left.set(xlabel="time", ylabel="mean absolute error")
        left.legend()
        left.set_title("64 simulations that no training saw")
        right.plot(x, answer["truth"], "k", linewidth=4, alpha=0.25, label="fine grid")
        for name in (UNCORRECTED, OFFLINE, CGE):
            right.plot(x, answer["shown"][name], ".-", label=name)
        right.set(xlabel="x", ylabel="u", xlim=(0, burgers.LENGTH))
        right.legend()
        right.set_title(f"One of them at time {time_[-1]:g}")
        figure.savefig(path)


def main() -> None:
    """Solve, report, draw."""
    publish("pde_correction", solve(), table, plot)


if __name__ == "__main__":
    main()

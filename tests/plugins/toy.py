"""A method small enough to know exactly what it does: projected gradient with a fixed step."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.core.method import AbstractMethod, MethodInfo, WarmStart
from optlab.core.progress import Column, Progress
from optlab.core.status import StopReason

if TYPE_CHECKING:
    from optlab.core.oracle import Oracle
    from optlab.typing import Vector


@dataclass(frozen=True)
class ToyState:
    """Where the toy stands."""

    x: Vector
    f: float
    g: Vector
    error: float
    tol: float
    step: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Toy(AbstractMethod[ToyState]):
    """x <- P[lb, ub](x - rate * grad f); rows are evaluated and otherwise ignored."""

    rate: float = 0.1
    fail_at: int | None = None
    """Step that raises LinAlgError, to see what the driver makes of it."""

    claims: bool = False
    """Claim convergence at once, whatever the residuals are."""

    can_tighten: bool = False
    columns = (Column("error", "err", "{:>9.2e}"),)
    info = MethodInfo("toy", handles_constraints="nonlinear")
    seen: list[Any] = field(default_factory=list, compare=False)

    def init(
        self,
        oracle: Oracle,
        x0: Vector,
        rng: np.random.Generator,
        *,
        warm: WarmStart | None = None,
    ) -> ToyState:
        self.seen.append((x0.copy(), warm, rng.standard_normal()))
        return self._at(oracle, np.clip(x0, oracle.lb, oracle.ub), self.tol)

    def step(self, oracle: Oracle, state: ToyState) -> ToyState:
        if self.fail_at is not None and oracle.counts["objective"] > self.fail_at:
            message = "singular"
            raise np.linalg.LinAlgError(message)
        x = np.clip(state.x - self.rate * state.g, oracle.lb, oracle.ub)
        new = self._at(oracle, x, state.tol)
        return replace(new, step=float(np.linalg.norm(x - state.x)))

    def progress(self, state: ToyState) -> Progress:
        return Progress(
            x=state.x,
            f=state.f,
            primal=0.0,
            dual=state.error,
            step=state.step,
            extras={"error": state.error},
        )

    def stop(self, state: ToyState) -> StopReason | None:
        done = state.error <= state.tol or (self.claims and state.tol == self.tol)
        return StopReason.CONVERGED if done else None

    def tighten(self, state: ToyState, factor: float) -> ToyState | None:
        return replace(state, tol=state.tol / factor) if self.can_tighten else None

    def memory(self, state: ToyState) -> dict[str, Any]:
        return {"error": state.error}

    @staticmethod
    def _at(oracle: Oracle, x: Vector, tol: float) -> ToyState:
        f, g = oracle.objective(x), oracle.gradient(x)
        oracle.constraints(x)
        error = float(np.abs(np.clip(x - g, oracle.lb, oracle.ub) - x).max())
        return ToyState(x, f, g, error, tol)

"""The interface that IPOPT and POUNCE have in common: callbacks as methods of one object."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.core.method import WarmStart
from optlab.core.progress import Column, Progress
from optlab.core.status import StopReason
from optlab.errors import EvaluationError, OptionError
from optlab.methods.external.base import (
    NO_LIMIT,
    AbstractPeer,
    Guard,
    PeerState,
    Stopped,
    finished,
    violation,
)
from optlab.methods.external.interior_callbacks import Callbacks, SecondOrderCallbacks
from optlab.methods.external.structure import hessian_structure, jacobian_structure

if TYPE_CHECKING:
    from optlab.core.method import Watch
    from optlab.core.oracle import Oracle
    from optlab.typing import Vector

__all__ = ["AbstractInteriorPeer"]

_STOPS = {
    0: StopReason.CONVERGED,
    # "Acceptable" is a test, too, with wider numbers; whether the point is good the checker says.
    1: StopReason.CONVERGED,
    2: StopReason.STALLED,
    3: StopReason.SMALL_STEP,
    4: StopReason.STALLED,
    5: StopReason.USER,
    6: StopReason.CONVERGED,
    -1: StopReason.MAX_ITER,
    -2: StopReason.STALLED,
    -4: StopReason.MAX_TIME,
    -5: StopReason.MAX_TIME,
}
"""Return code of IPOPT -> reason; every other code is a numerical failure."""

_SHORTEST = 1e-3
"""Smallest limit on time that is handed on, in seconds; zero is refused."""

_DIVERGING, _INVALID_OPTION, _INVALID_NUMBER = 4, -12, -13


@dataclass(frozen=True, kw_only=True)
class AbstractInteriorPeer(AbstractPeer):
    """An interior-point peer with IPOPT's options, callbacks and return codes."""

    columns = (
        Column("barrier", "barrier"),
        Column("trials", "trials", "{:>6d}"),
    )

    hessian: str = "auto"
    """``"exact"``, ``"limited-memory"``, or ``"auto"``: exact where the problem has it."""

    tol_factor: float = 1e-2
    """The peer's own ``tol`` is this times ``tol``: 1e-2 makes its default of 1e-8 out of ours of 1e-6."""

    tightens: bool = True
    """Whether the peer goes on, warm, when the checker refuses its end. It measures complementarity
    as a product, multiplier times gap, and the checker as the smaller of the two: a product of
    ``tol**2`` then implies ``tol``."""

    bound_relax: float = 0.0
    """How far bounds and rows are widened, relative (``bound_relax_factor``; the peers' default is
    1e-8, which lets functions be evaluated outside their domain)."""

    warm_barrier: float = 1e-8
    """Barrier parameter that a warm start begins with."""

    warm_push: float = 1e-9
    """How far a warm start may be moved away from bounds, absolute and relative."""

    pattern_points: int = 1
    """Points at which sparse patterns are taken; more than the start point only for problems whose
    functions drop zeros."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.hessian not in {"auto", "exact", "limited-memory"}:
            raise OptionError(
                f"hessian is {self.hessian!r}; 'auto', 'exact' or 'limited-memory' is needed"
            )
        if self.pattern_points < 1:
            raise OptionError(
                f"pattern_points is {self.pattern_points}; at least 1, the start, is needed"
            )

    @abstractmethod
    def make(self, callbacks: Any, oracle: Oracle, sides: tuple[Vector, ...]) -> Any:
        """Make the peer's problem object; ``sides`` are lb, ub, cl, cu."""

    @abstractmethod
    def refusal(self) -> Callable[[], BaseException]:
        """Return what makes the exception that the peer takes for a failed evaluation."""

    def solve(self, oracle: Oracle, state: PeerState, watch: Watch) -> PeerState:
        """Hand the problem over, run, and bring the end back."""
        guard = Guard(self.refusal())
        callbacks = self._callbacks(oracle, guard, state.x)
        sides = [
            np.clip(side, -NO_LIMIT, NO_LIMIT)
            for side in (oracle.lb, oracle.ub, oracle.cl, oracle.cu)
        ]
        observer = _Observer(oracle, guard, watch, callbacks, shown=state.rounds > 0)
        callbacks.intermediate = observer
        peer = self.make(callbacks, oracle, tuple(sides))
        observer.peer = peer
        exact = isinstance(callbacks, SecondOrderCallbacks)
        for name, value in self._settings(watch, state, exact=exact).items():
            self._set(peer, name, value)
        x, info = _run(peer, guard, state)
        return self._ending(oracle, guard, state, x, info, observer)

    def _callbacks(self, oracle: Oracle, guard: Guard, x0: Vector) -> Any:
        """Take the patterns; choose between first and second derivatives."""
        if self.hessian == "exact" and not oracle.has_hessian:
            raise OptionError(
                "hessian='exact' is asked for and the problem has none; pass hessian=... to "
                "optlab.Problem or choose 'limited-memory'"
            )
        points = _points(oracle, x0, self.pattern_points)
        jacobian = jacobian_structure(oracle, points)
        if self.hessian == "limited-memory" or not oracle.has_hessian:
            return Callbacks(oracle, guard, jacobian)
        return SecondOrderCallbacks(oracle, guard, jacobian, hessian_structure(oracle, points))

    def _settings(self, watch: Watch, state: PeerState, *, exact: bool) -> dict[str, Any]:
        """Return the peer's options: silence, limits, tolerances, warm start.

        At first the tests are the peer's own, scaled ones; in a second round those of the checker.
        """
        wanted = self.tolerances()
        settings: dict[str, Any] = {
            "print_level": 0,
            "sb": "yes",
            "tol": self.tol_factor * wanted.tol,
            "constr_viol_tol": wanted.ctol,
            "bound_relax_factor": self.bound_relax,
            "max_iter": watch.max_iter,
            "hessian_approximation": "exact" if exact else "limited-memory",
        }
        if watch.max_time < math.inf:
            settings["max_wall_time"] = max(watch.max_time, _SHORTEST)
        if state.rounds:
            settings |= {
                "dual_inf_tol": wanted.tol,
                "compl_inf_tol": wanted.tol**2,
                "acceptable_tol": wanted.tol,
                "acceptable_dual_inf_tol": wanted.tol,
                "acceptable_constr_viol_tol": wanted.ctol,
                "acceptable_compl_inf_tol": self.tol_factor * wanted.tol,
            }
        if _known(state):
            settings["warm_start_init_point"] = "yes"
            settings["mu_init"] = (
                self.warm_barrier if not state.rounds else state.memory["barrier"]
            )
            for name in ("bound_push", "bound_frac", "slack_bound_push", "slack_bound_frac"):
                settings[f"warm_start_{name}"] = self.warm_push
            settings["warm_start_mult_bound_push"] = self.warm_push
        return {**settings, **self.peer_options}

    def tighten(self, state: PeerState, factor: float) -> PeerState | None:  # noqa: ARG002
        """Go on from the end, once, with unscaled tests and complementarity down to ``tol**2``."""
        if not self.tightens or state.rounds:
            return None
        warm = WarmStart(state.x, state.y, state.z)
        return replace(state, warm=warm, rounds=1, stop=None)

    def _set(self, peer: Any, name: str, value: Any) -> None:
        try:
            peer.add_option(name, value)
        except (TypeError, ValueError, RuntimeError) as error:
            raise OptionError(f"{self.info.name} refuses {name}={value!r}: {error}") from error

    def _ending(
        self,
        oracle: Oracle,
        guard: Guard,
        state: PeerState,
        x: Any,
        info: Any,
        observer: _Observer,
    ) -> PeerState:
        """Translate what the peer returned; raise what had to end it."""
        guard.release()
        code = int(info["status"])
        message = info["status_msg"]
        words = message.decode() if isinstance(message, bytes) else str(message)
        if code == _INVALID_OPTION:
            raise OptionError(f"{self.info.name} refuses an option: {words}")
        if guard.last is not None and code not in _STOPS:
            raise guard.last
        x = np.array(x, dtype=np.float64)
        at = oracle.known(x)
        if at is None and code in _STOPS:
            f, c = float(info["obj_val"]), np.asarray(info["g"])
        else:  # without a proper end they are not to be trusted
            at = oracle.point(x)
            f, c = at.f, at.c
        return finished(
            state,
            _STOPS.get(code, StopReason.NUMERICAL_ERROR),
            words,
            x=x,
            f=f,
            primal=violation(oracle, x, c),
            y=np.array(info["mult_g"], dtype=np.float64),
            z=np.asarray(info["mult_x_U"]) - np.asarray(info["mult_x_L"]),
            memory={"barrier": observer.barrier},
            unbounded=code == _DIVERGING,
        )


class _Observer:
    """The peer's callback after every iteration."""

    def __init__(
        self,
        oracle: Oracle,
        guard: Guard,
        watch: Watch,
        callbacks: Callbacks,
        *,
        shown: bool,
    ) -> None:
        self._shown = shown
        self._oracle = oracle
        self._guard = guard
        self._watch = watch
        self._callbacks = callbacks
        self._x: Vector | None = None
        self.barrier = np.nan
        self.peer: Any = None

    def __call__(
        self,
        alg_mod: int,
        iter_count: int,
        obj_value: float,
        inf_pr: float,
        inf_du: float,
        mu: float,
        *rest: Any,
    ) -> bool:
        del alg_mod
        self.barrier = mu
        if self._shown and iter_count == 0:
            return self._guard.failure is None
        return self._guard.show(
            self._watch, lambda: self._progress(obj_value, inf_pr, inf_du, int(rest[-1]))
        )

    def _progress(self, f: float, primal: float, dual: float, trials: int) -> Progress:
        x, y, z = self._iterate()
        known = self._oracle.known(x)
        step = 0.0 if self._x is None else float(np.linalg.norm(x - self._x))
        self._x = x
        return Progress(
            x=x,
            f=f if known is None else known.f,
            primal=primal,
            dual=dual,
            step=step,
            y=y,
            z=z,
            extras={"barrier": self.barrier, "trials": trials},
        )

    def _iterate(self) -> tuple[Vector, Vector | None, Vector | None]:
        """Return point and multipliers; POUNCE does not tell, but has just asked for derivatives."""
        ask = getattr(self.peer, "get_current_iterate", None)
        now = None if ask is None else ask()
        if now is not None:
            y = np.array(now["mult_g"], dtype=np.float64)
            z = np.asarray(now["mult_x_U"]) - np.asarray(now["mult_x_L"])
            return np.array(now["x"], dtype=np.float64), y, z
        if self._callbacks.x is None:
            raise Stopped
        return self._callbacks.x, None, None


def _known(state: PeerState) -> bool:
    return state.warm is not None and state.warm.y is not None and state.warm.z is not None


def _run(peer: Any, guard: Guard, state: PeerState) -> tuple[Any, Any]:
    """Run the peer, from multipliers where there are some."""
    warm = state.warm
    seeds: dict[str, Vector] = {}
    if _known(state) and warm is not None and warm.y is not None and warm.z is not None:
        seeds = {
            "lagrange": warm.y,
            "zl": np.maximum(-warm.z, 0.0),
            "zu": np.maximum(warm.z, 0.0),
        }
    try:
        return peer.solve(state.x.copy(), **seeds)  # type: ignore[no-any-return]
    except BaseException as error:
        # The peer may pass the refusal on; what was refused for is worth more.
        guard.release()
        if guard.last is not None:
            raise guard.last from None
        if isinstance(error, RuntimeError) and "option" in str(error).lower():
            raise OptionError(f"an option is refused: {error}") from error
        raise


def _points(oracle: Oracle, x0: Vector, count: int) -> list[Vector]:
    """Return the start point inside the bounds and others near it."""
    rng = np.random.default_rng(count)
    inside: Vector = np.clip(x0, oracle.lb, oracle.ub)
    points = [inside]
    for _ in range(count - 1):
        step = rng.uniform(-1e-2, 1e-2, oracle.n) * (1.0 + np.abs(inside))
        point: Vector = np.clip(inside + step, oracle.lb, oracle.ub)
        try:
            oracle.constraints(point)
        except EvaluationError:
            continue
        points.append(point)
    return points

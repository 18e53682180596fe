"""What the runs of this package have in common: their length, their scene, what they show and keep.

A run ends by the limits of the driver, by ``max_epochs``, or by what a step has found. Of all that limits it, the method
knows the number of steps that is left to it, its horizon, which schedules need.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from optlab.core.method import AbstractMethod
from optlab.core.progress import Column, Progress
from optlab.core.status import StopReason
from optlab.errors import OptionError
from optlab.methods.zeroth.domain import Domain
from optlab.methods.zeroth.state import AbstractState, Scene, natural_scale

if TYPE_CHECKING:
    from optlab.core.control import Limits
    from optlab.core.oracle import Oracle
    from optlab.typing import Vector

__all__ = ["AbstractEpochs", "AbstractRun", "need_positive"]

S = TypeVar("S")
R = TypeVar("R", bound=AbstractState)

STEPS = 100_000
"""Steps of a run that nothing limits."""

UNLIMITED = 10**9
"""Steps of a run that ends by its epochs."""


def need_positive(method: AbstractMethod[Any], *names: str) -> None:
    """Refuse options that are neither None nor positive and finite.

    Raises
    ------
    OptionError
        For the first one.
    """
    for name in names:
        value = getattr(method, name)
        if value is not None and not 0.0 < value < math.inf:
            raise OptionError(f"{name} is {value!r}; a positive number or None is needed")


@dataclass(frozen=True, kw_only=True)
class AbstractEpochs(AbstractMethod[S]):
    """A method whose run may be as long as so many passes through samples."""

    max_epochs: float | None = None
    """Passes through the samples after which the run ends; None: no limit."""

    columns: ClassVar[tuple[Column, ...]] = (
        Column("gnorm", "|g|"),
        Column("gnorm_se", "+-", "{:>8.1e}"),
        Column("rate", "rate", "{:>8.1e}"),
    )

    @property
    def default_max_iter(self) -> int:  # type: ignore[override]
        """Limit on iterations when the caller gives none; epochs are a limit, too."""
        return STEPS if self.max_epochs is None else UNLIMITED

    def __post_init__(self) -> None:
        super().__post_init__()
        need_positive(self, "max_epochs")

    def last_step(self, steps_per_epoch: int) -> int | None:
        """Return the number of steps in ``max_epochs``; None: no limit."""
        if self.max_epochs is None:
            return None
        return math.ceil(self.max_epochs * steps_per_epoch)

    def horizon(self, limits: Limits, last: int | None, per_step: int) -> int | None:
        """Return the number of steps that all limits together allow, None when nobody has set one.

        Parameters
        ----------
        limits
            Of the run.
        last
            What :meth:`last_step` says.
        per_step
            Evaluations of the objective in a step; 0: not known.
        """
        known = [] if last is None else [last]
        if limits.max_iter is not None and limits.max_iter != self.default_max_iter:
            known.append(limits.max_iter)
        if limits.max_eval is not None and per_step > 0:
            known.append(limits.max_eval // per_step)
        return min(known, default=None)


@dataclass(frozen=True, kw_only=True)
class AbstractRun(AbstractEpochs[R]):
    """A method that moves a point in the natural scale of its variables, within bounds and linear rows."""

    scale: Vector | None = None
    """(n,) natural size of a step in each variable, or a number; None: a tenth of the distance of its bounds, else the
    power of ten of a start value of 10 and more, else 1 (and 1 for learning tasks without bounds)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scale is not None:
            scale = np.array(self.scale, dtype=np.float64)
            if not np.all((scale > 0.0) & (scale < np.inf)):
                raise OptionError("scale must be positive and finite in every variable")
            object.__setattr__(self, "scale", scale)

    @abstractmethod
    def queries_per_step(self, scene: Scene) -> int:
        """Return the evaluations of the objective in an ordinary step, for the horizon; 0: not known."""

    def scene(self, oracle: Oracle, seed: int) -> Scene:
        """Gather what stays the same during a run; evaluates nothing but linear rows.

        Raises
        ------
        OptionError
            When an option does not fit the problem.
        """
        sampled = oracle.problem.sampled
        if self.max_epochs is not None and sampled is None:
            raise OptionError(
                "max_epochs is for objectives that are averages over samples; give max_iter or max_eval"
            )
        epoch = 1 if sampled is None else max(1, sampled.steps_per_epoch)
        scene = Scene(
            seed=seed,
            domain=Domain.of(oracle),
            scale=self._scale(oracle),
            horizon=None,
            evaluations=oracle.limits.max_eval,
            last_step=self.last_step(epoch),
            steps_per_epoch=epoch,
            sampled=sampled is not None,
            noisy=self._is_noisy(oracle),
            blocks=() if sampled is None else sampled.blocks,
        )
        return replace(scene, horizon=self._horizon(oracle.limits, scene))

    def _scale(self, oracle: Oracle) -> Vector:
        if self.scale is None:
            return natural_scale(oracle, sampled=oracle.problem.sampled is not None)
        if self.scale.shape not in ((), (oracle.n,)):
            raise OptionError(
                f"scale has shape {self.scale.shape}; ({oracle.n},) or one number is needed"
            )
        return np.array(np.broadcast_to(self.scale, oracle.n))

    def _is_noisy(self, oracle: Oracle) -> bool:
        return oracle.problem.noisy

    def _horizon(self, limits: Limits, scene: Scene) -> int | None:
        return self.horizon(limits, scene.last_step, self.queries_per_step(scene))

    def progress(self, state: R) -> Progress:
        """Report a point and what is known of it; it is feasible by construction."""
        shown = state.shown
        return Progress(
            x=shown.x,
            f=shown.f,
            primal=0.0,
            dual=None,
            step=shown.step,
            extras={"gnorm": shown.gnorm, "gnorm_se": shown.gnorm_se, "rate": state.rate},
        )

    def stop(self, state: R) -> StopReason | None:
        """End when a step has found a reason, or after the epochs asked for."""
        last = state.scene.last_step
        if state.ended is None and last is not None and state.k >= last:
            return StopReason.MAX_ITER
        return state.ended

    def memory(self, state: R) -> dict[str, Any]:
        """Return the last estimate of the gradient's norm, its standard error, and the evaluations."""
        return {
            "estimated_gradient_norm": state.shown.gnorm,
            "standard_error": state.shown.gnorm_se,
            "queries": state.queries,
            "steps": state.k,
        }

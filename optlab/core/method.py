"""The contract between the driver and a method.

The driver owns the loop; a method supplies four pure verbs (``init``, ``step``, ``progress``,
``stop``) and, where it wants, its reductions (``prepare``). A method never prints, never reads the
clock and never counts evaluations.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeAlias, TypeVar

from optlab.core.control import Tolerances
from optlab.core.packages import is_installed
from optlab.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from optlab.core.oracle import Oracle
    from optlab.core.problem import Problem
    from optlab.core.progress import Column, Progress
    from optlab.core.reduction import Inverse
    from optlab.core.status import StopReason
    from optlab.typing import Vector

__all__ = [
    "AbstractExternalMethod",
    "AbstractMethod",
    "ConstraintKind",
    "MethodInfo",
    "WarmStart",
    "Watch",
]

S = TypeVar("S")

ConstraintKind: TypeAlias = Literal["none", "linear", "nonlinear"]


@dataclass(frozen=True, slots=True)
class MethodInfo:
    """Capability record of a method: drives ``"auto"``, the checks, the docs and the test kit."""

    name: str
    """What the user writes."""

    summary: str = ""
    """One line for tables."""

    needs_gradient: bool = True
    """Gradient, and Jacobian where there are rows."""

    needs_hessian: bool = False
    """Hessian or Hessian-vector products are a must, not merely used."""

    handles_bounds: bool = True

    handles_constraints: ConstraintKind = "none"
    """The most general rows it can handle."""

    max_variables: int | None = None
    """Most variables that it can handle; None: any number."""

    handles_sparsity: bool = False
    """Whether it keeps to a cardinality constraint (:mod:`optlab.core.sparsity`), and needs one."""

    stochastic: bool = False
    """Whether the result depends on the seed."""

    batch: bool = False
    """Whether it evaluates many points at once (and can use an executor)."""

    reference: str = ""
    """Key of the paper in docs/refs.bib."""

    external: bool = False
    """Whether another project's solver does the work: a peer, with a loop of its own."""

    requires: str = ""
    """Import name of an optional package that it needs; empty: none."""

    in_place: bool = False
    """Whether it changes the variables where they are (:mod:`optlab.core.in_place`), for tasks too large to copy."""

    @property
    def installed(self) -> bool:
        """Whether the optional package is there; looks for it without importing it."""
        return is_installed(self.requires)


@dataclass(frozen=True, slots=True)
class WarmStart:
    """What a previous solve knows, in the space of the method that receives it."""

    x: Vector
    """(n,) start point."""

    y: Vector | None = None
    """(m,) multipliers of the rows, or None."""

    z: Vector | None = None
    """(n,) multipliers of the bounds, or None."""

    extras: dict[str, Any] = field(default_factory=dict[str, Any])
    """What the method put into ``Result.extras`` (a penalty, an active set)."""


@dataclass(frozen=True, kw_only=True)
class AbstractMethod(ABC, Generic[S]):
    """Base of every method; a subclass is a frozen dataclass whose fields are its options.

    ``S`` is the method's state, a frozen record; the driver never looks inside.
    """

    tol: float = 1e-6
    """Tolerance on stationarity and complementarity."""

    ctol: float | None = None
    """Tolerance on feasibility, absolute; None means ``tol``."""

    info: ClassVar[MethodInfo]
    """Set by :func:`optlab.core.registry.register`."""

    columns: ClassVar[tuple[Column, ...]] = ()
    """The method's own columns in the iteration table."""

    default_max_iter: ClassVar[int] = 10_000
    """Limit on iterations when the caller gives none."""

    records: ClassVar[tuple[type, ...]] = ()
    """The dataclasses that a state is made of, when it may be stored (:mod:`optlab.core.packing`); empty: it may
    not, and the method takes no checkpoints. A resumed run must be the same as an unbroken one, so everything random
    must follow from the state."""

    def __post_init__(self) -> None:
        if not self.tol > 0.0:
            raise OptionError(f"tol is {self.tol!r}; a positive number is needed")
        if self.ctol is not None and not self.ctol > 0.0:
            raise OptionError(f"ctol is {self.ctol!r}; a positive number or None is needed")

    @abstractmethod
    def init(
        self,
        oracle: Oracle,
        x0: Vector,
        rng: np.random.Generator,
        *,
        warm: WarmStart | None = None,
    ) -> S:
        """Make the first state, evaluating the problem at (or near) x0.

        Parameters
        ----------
        oracle
            Door to the problem that ``prepare`` returned.
        x0
            Start point in that problem's variables, shape (n,); ``warm.x`` when warm is given.
        rng
            The only source of randomness.
        warm
            Multipliers and extras of a previous solve.
        """

    @abstractmethod
    def step(self, oracle: Oracle, state: S) -> S:
        """Do one (major) iteration; ``state`` must not change."""

    @abstractmethod
    def progress(self, state: S) -> Progress:
        """Report a state; must not evaluate the problem."""

    @abstractmethod
    def stop(self, state: S) -> StopReason | None:
        """Say whether the method's own tests end the solve; limits are the driver's business."""

    def prepare(self, problem: Problem) -> tuple[Problem, Inverse]:
        """Reduce the problem to the form the method works on; default: as it is.

        Parameters
        ----------
        problem
            The user's problem, its functions counted.

        Returns
        -------
        tuple
            The reduced problem and the map of points and multipliers back.
        """
        from optlab.core.reduction import IDENTITY  # noqa: PLC0415 - it imports this module's users

        return problem, IDENTITY

    def tighten(self, state: S, factor: float) -> S | None:  # noqa: ARG002
        """Continue after the checker refused a CONVERGED state.

        A test in scaled variables can pass while the residuals of the user's problem are too large.

        Parameters
        ----------
        state
            The state that claimed convergence.
        factor
            Largest ratio of a residual of the user's problem to its tolerance, > 1.

        Returns
        -------
        S or None
            A state whose ``stop`` asks for residuals about ``factor`` times smaller, or None when
            the method cannot do better; default None.
        """
        return None

    def memory(self, state: S) -> dict[str, Any]:  # noqa: ARG002
        """Return what a later warm start may use; goes to ``Result.extras``. Default: nothing."""
        return {}

    def tolerances(self) -> Tolerances:
        """Return the tolerances of the final check."""
        return Tolerances(self.tol, self.tol if self.ctol is None else self.ctol)


@dataclass(frozen=True, slots=True)
class Watch:
    """How a solver with a loop of its own lets the driver watch it."""

    show: Callable[[Progress], None]
    """To be called with every iterate, the first one of all included. Raises what must end the solve: a
    limit is reached, or an observer or the user asks for a stop."""

    max_iter: int
    """Iterations after the first iterate that the solver may do."""

    max_time: float = math.inf
    """Seconds of wall time left. The oracle and ``show`` watch the clock; this is for a solver that may
    be long without calling them."""


@dataclass(frozen=True, kw_only=True)
class AbstractExternalMethod(AbstractMethod[S]):
    """A solver that will not give its loop away: another project's program behind our contract.

    The driver calls ``init`` and then ``solve``, once unless ``tighten`` returns a state. Limits and stop requests reach the solver as
    exceptions of the oracle's verbs and of ``watch.show``; whatever it does in between, ``solve``
    must end soon after one of them and raise it. Iterations are the iterates shown, less one.
    """

    @abstractmethod
    def solve(self, oracle: Oracle, state: S, watch: Watch) -> S:
        """Run the solver to its end.

        Parameters
        ----------
        oracle
            Its verbs are the only functions that the solver may call.
        state
            What ``init`` or ``tighten`` made.
        watch
            Where iterates are shown.

        Returns
        -------
        S
            The last iterate, and why the solver ended.
        """

    def step(self, oracle: Oracle, state: S) -> S:
        """Run to the end unwatched; the driver calls ``solve`` instead."""
        return self.solve(oracle, state, Watch(lambda _: None, self.default_max_iter))

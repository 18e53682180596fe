"""PASA: a polyhedral active set algorithm for smooth objectives.

    minimize f(x)   subject to   lo <= x <= hi,   bl <= A x <= bu

Bounds alone and no constraints at all are special cases that never factorize A. With a Hessian the
face phase takes Newton steps with inertia control, with Hessian-vector products truncated ones, and
without second derivatives it uses a damped limited-memory BFGS model. Every iterate after the first projection is feasible. The algorithm itself is in
:mod:`optlab.methods.pasa.kernel`, shared with phase one of NPASA.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from optlab.core.method import AbstractMethod, MethodInfo, WarmStart
from optlab.core.progress import Column, Progress
from optlab.core.reduction import Chain, FixedVariables, GradientScaling, Presolve
from optlab.core.registry import register
from optlab.core.status import StopReason
from optlab.errors import CapabilityError
from optlab.linalg.kkt_system import KKTSystem
from optlab.linalg.projection import Projector
from optlab.linalg.structure import Structure
from optlab.linesearch import LineSearchOptions
from optlab.methods.pasa.convexify import Convexifier
from optlab.methods.pasa.face import FaceSolver
from optlab.methods.pasa.iterate import KernelState, Phase
from optlab.methods.pasa.kernel import Kernel
from optlab.methods.pasa.krylov_face import KrylovFaceSolver
from optlab.methods.pasa.objective import Curvature, OracleObjective
from optlab.methods.standard_form import StandardForm

if TYPE_CHECKING:
    from optlab.core.oracle import Oracle
    from optlab.core.problem import Problem
    from optlab.core.reduction import Inverse
    from optlab.typing import Vector

__all__ = ["PASA"]


@dataclass(frozen=True, slots=True)
class State:
    """PASA's iterate with the machinery bound to the problem."""

    kernel: Kernel
    form: StandardForm
    at: KernelState
    tol: float
    converged: bool = False


@register(
    MethodInfo(
        name="pasa",
        summary="polyhedral active set: gradient projection and Newton on the face",
        handles_constraints="linear",
        reference="PASA16",
    )
)
@dataclass(frozen=True, kw_only=True)
class PASA(AbstractMethod[State]):
    """PASA; the fields are its options."""

    face_changes: int = 200
    """Factorizations in one model minimisation."""

    scaling: float = 100.0
    """Largest gradient (max-norm, at the start) of the objective and of each row after scaling."""

    pairs: int = 11
    """Pairs of the quasi-Newton model used when the problem has no Hessian."""

    products: int = 200
    """Hessian-vector products in one Newton direction, for problems with products only."""

    presolve: bool = True
    """Whether to remove linear rows that are not needed before anything else."""

    columns: ClassVar[tuple[Column, ...]] = (
        Column("phase", "phase", "{:>7}"),
        Column("Em1", "E_m1", "{:>8.1e}"),
        Column("active", "active", "{:>6d}"),
        Column("trials", "trials", "{:>6d}"),
        Column("sigma", "sigma", "{:>8.1e}"),
    )

    def prepare(self, problem: Problem) -> tuple[Problem, Inverse]:
        """Presolve, remove fixed variables and scale by gradients at the start."""
        first = (Presolve(),) if self.presolve else ()
        scaled = GradientScaling(largest=self.scaling)
        return Chain((*first, FixedVariables(), scaled)).apply(problem)

    def init(
        self,
        oracle: Oracle,
        x0: Vector,
        rng: np.random.Generator,  # noqa: ARG002
        *,
        warm: WarmStart | None = None,
    ) -> State:
        """Project the start on the polyhedron."""
        form = StandardForm.of(oracle)
        if form.mh:
            msg = (
                f"method 'pasa' takes linear constraints only; {form.mh} of {oracle.m} rows are "
                "nonlinear. Use method='npasa'."
            )
            raise CapabilityError(msg)
        polyhedron = form.polyhedron
        projector = Projector(polyhedron, oracle.account)
        products = not oracle.problem.has_hessian and oracle.problem.has_hprod
        faces: FaceSolver | KrylovFaceSolver
        if products:
            faces = KrylovFaceSolver(polyhedron, projector, self.face_changes, self.products)
        else:
            structure = None if warm is None else warm.extras.get("structure")
            known = structure if isinstance(structure, Structure) else None
            kkt = KKTSystem(form.n, 0, polyhedron.A, structure=known)
            kkt.account = oracle.account
            faces = FaceSolver(polyhedron, Convexifier(polyhedron, kkt), self.face_changes)
        objective = OracleObjective(oracle, Curvature.of(oracle, self.pairs), products)
        kernel = Kernel(objective, polyhedron, projector, faces, LineSearchOptions())
        mu = None if warm is None or warm.y is None else form.split(warm.y)[1]
        return self._judge(State(kernel, form, kernel.start(x0, mu), self.tol))

    def step(self, oracle: Oracle, state: State) -> State:  # noqa: ARG002
        """Take one iteration of the kernel."""
        return self._judge(replace(state, at=state.kernel.step(state.at)))

    def _judge(self, state: State) -> State:
        return replace(state, converged=state.at.error <= state.tol)

    def tighten(self, state: State, factor: float) -> State | None:
        """Go on with a smaller tolerance: the user's residuals are ``factor`` times too large."""
        if state.tol < 1e-13:
            return None
        return replace(state, tol=0.5 * state.tol / factor, converged=False)

    def memory(self, state: State) -> dict[str, Any]:
        """Keep the analysed patterns; the active set is in the multipliers."""
        faces = state.kernel.faces
        if isinstance(faces, KrylovFaceSolver):
            return {}
        return {"structure": faces.convexifier.kkt.structure()}

    def progress(self, state: State) -> Progress:
        """Report the iterate; it is feasible by construction."""
        at = state.at
        return Progress(
            x=at.x,
            f=at.value,
            primal=0.0,
            dual=at.error,
            step=at.step_norm,
            y=state.form.multipliers(np.zeros(0), at.row_multipliers),
            z=-at.reduced,
            extras={
                "phase": at.phase.value,
                "Em1": at.error,
                "active": at.held.size(),
                "trials": at.evaluations,
                "sigma": at.sigma,
                "unbounded": at.unbounded,
            },
        )

    def stop(self, state: State) -> StopReason | None:
        """End at the wanted error, or when neither phase finds a lower point."""
        if state.converged:
            return StopReason.CONVERGED
        if state.at.phase is Phase.BLOCKED or state.at.unbounded:
            return StopReason.STALLED
        return None

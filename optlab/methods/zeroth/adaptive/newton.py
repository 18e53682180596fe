"""Quasi-Newton iteration on central differences, for few variables and exact values.

    g_i = (f(x + h e_i) - f(x - h e_i)) / 2h,     c_i = (f(x + h e_i) - 2 f(x) + f(x - h e_i)) / h^2
    B_0 = diag |c|,     B_{k+1} = BFGS(B_k, s, y),     x_{k+1} = the best of  P(x_k - t B_k^{-1} g),  t = 2, 1, 1/2, ...

The diagonal that differences give for nothing makes the first step independent of the units of f and x. Variables held
by a bound that the gradient pushes against are left out of the system [Ber82]. Where no length lowers f, the
differences are taken over a longer distance, as in implicit filtering [Kel11]: what looked like slope was error.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from optlab.core.shifts import DenseShifts
from optlab.core.status import StopReason
from optlab.methods.zeroth.adaptive import descent
from optlab.methods.zeroth.adaptive.pairs import coordinate_pairs, pair_steps, parabolas
from optlab.methods.zeroth.adaptive.state import Newton, Phase, State, Told
from optlab.methods.zeroth.state import Shown

if TYPE_CHECKING:
    from optlab.core.shifts import AbstractShifts
    from optlab.typing import Vector

__all__ = ["gradient_shifts", "gradient_told", "start", "step_shifts", "step_told"]

LENGTHS = (2.0, 1.0, 0.5, 0.2, 0.05)
"""Candidates t of a search."""

SHORTER = 0.02
"""Factor on them when none was good."""

LONGEST_STEP = 10.0
"""Largest change of a variable at t = 1, natural units."""

FINEST, COARSEST, COARSER = 1e-6, 0.1, 10.0
"""Displacements, natural units; and the factor after searches in vain."""

FLATTEST = 1e-8
"""Least curvature in units of the largest, in the first B."""

DAMPING = 0.2
"""Least s'y in units of s'Bs: Powell's [Pow78]."""

CONFIDENCE = 2.0
"""Standard errors added to a norm before it is compared with the tolerance."""


MARGIN = 2.0
"""A value is lower when it is by so many standard deviations."""


def start(m: int, noise: float) -> Newton:
    """Return the memory before the first step in m variables.

    Parameters
    ----------
    noise
        Error of a value in units of the objective: the cube root balances it in central differences.
    """
    nothing = np.zeros(m)
    smoothing = min(max(noise ** (1.0 / 3.0), FINEST), COARSEST)
    return Newton(B=np.zeros((0, 0)), gradient=nothing, s=nothing, smoothing=smoothing)


def gradient_shifts(state: State, memory: Newton) -> AbstractShifts:
    """Ask for two points along every variable, and for the point itself where it is not known."""
    here = 0 if math.isfinite(state.base) else 1
    return coordinate_pairs(state.scene, here, *_steps(state, memory))


def _steps(state: State, memory: Newton) -> tuple[Vector, Vector]:
    scene = state.scene
    return pair_steps(scene, state.x, memory.smoothing * scene.scale[scene.free])


def gradient_told(state: State, memory: Newton, told: Told, tol: float) -> State:
    """Fit a parabola along every variable, update B, solve for the direction."""
    told.need(state.x, 2)
    scene, free = state.scene, state.scene.free
    m, values = free.size, told.values
    base = state.base if math.isfinite(state.base) else float(values[0])
    if not math.isfinite(base):
        told.need(state.x, values.size)
    scale = scene.scale[free]
    a, b = (step / scale for step in _steps(state, memory))
    g, c = parabolas(a, b, values[-2 * m : -m] - base, values[-m:] - base)
    B = _updated(memory, g) if memory.B.size else _diagonal(c)
    x = state.x[free]
    held = ((x <= scene.domain.lb[free]) & (g > 0.0)) | (
        (x >= scene.domain.ub[free]) & (g < 0.0)
    )
    step = np.zeros(m)
    step[~held] = _solved(B[np.ix_(~held, ~held)], g[~held])
    step *= min(1.0, LONGEST_STEP / max(float(np.abs(step).max(initial=0.0)), 1e-300))
    direction = np.zeros(scene.n)
    direction[free] = scale * step
    gradient = np.zeros(scene.n)
    gradient[free] = g / scale
    norm = scene.domain.stationarity(state.x, gradient)
    se = state.noise / memory.smoothing * math.sqrt(float(np.sum(0.5 / scale**2)))
    small = norm + CONFIDENCE * se <= tol
    return replace(
        state,
        base=base,
        shown=Shown(x=state.x, f=base, gnorm=norm, gnorm_se=se, step=state.shown.step),
        direction=direction,
        phase=Phase.STEP,
        newton=replace(memory, B=B, gradient=g),
        ended=StopReason.CONVERGED if small else None,
    )


def _diagonal(c: Vector) -> Vector:
    """Return the first B."""
    size = np.abs(c)
    largest = float(size.max())
    return np.diag(np.maximum(size, FLATTEST * largest) if largest > 0.0 else np.ones(c.size))


def _updated(memory: Newton, g: Vector) -> Vector:
    """Update B by the last step, damped so that it stays positive definite [Pow78]."""
    B, s, y = memory.B, memory.s, g - memory.gradient
    Bs = B @ s
    sBs, sy = float(s @ Bs), float(s @ y)
    if sBs <= 0.0:
        return B
    if sy < DAMPING * sBs:
        share = (1.0 - DAMPING) * sBs / (sBs - sy)
        y = share * y + (1.0 - share) * Bs
    return np.asarray(B - np.outer(Bs, Bs) / sBs + np.outer(y, y) / float(s @ y))


def _solved(B: Vector, g: Vector) -> Vector:
    """Return B^{-1} g, or g over the diagonal where rounding has spoiled B."""
    try:
        step = np.linalg.solve(B, g)
    except np.linalg.LinAlgError:
        step = np.full(g.size, np.nan)
    if np.all(np.isfinite(step)) and float(step @ g) >= 0.0:
        return np.asarray(step)
    return np.asarray(g / np.maximum(np.abs(np.diag(B)), 1e-300))


def step_shifts(state: State, memory: Newton) -> AbstractShifts:
    """Ask for the candidates; where there are rows, also for projected steps against the gradient, which always descend."""
    scene, domain = state.scene, state.scene.domain
    lengths = [memory.reach * t for t in LENGTHS]
    if not domain.has_rows:
        ends = [domain.project(state.x - t * state.direction) for t in lengths]
        return DenseShifts(np.stack(ends) - state.x)
    free = scene.free
    diagonal = np.maximum(np.diag(memory.B), 1e-300)
    weights = scene.scale**-2.0
    weights[free] *= diagonal
    steepest = np.zeros(scene.n)
    steepest[free] = scene.scale[free] * memory.gradient / diagonal
    ends = [
        domain.project(state.x - t * d, weights)
        for d in (state.direction, steepest)
        for t in lengths
    ]
    return DenseShifts(np.stack(ends) - state.x)


def step_told(state: State, memory: Newton, told: Told) -> State:
    """Go to the best candidate; where none is lower look nearer, and then at a coarser gradient."""
    values = np.where(np.isfinite(told.values), told.values, np.inf)
    best = int(values.argmin())
    state = replace(state, k=state.k + 1)
    if values[best] < state.base - MARGIN * state.noise * state.scene.noisy:
        step = told.shifts.rows(best, best + 1)[0]
        x = state.scene.domain.project(state.x + step)
        free = state.scene.free
        s = (x - state.x)[free] / state.scene.scale[free]
        memory = replace(memory, s=s, reach=1.0, vain=0)
        f = float(values[best])
        return replace(
            state,
            x=x,
            shown=replace(state.shown, x=x, f=f, step=float(np.linalg.norm(step))),
            # The lowest of noisy values is too low.
            base=math.nan if state.scene.noisy else f,
            phase=Phase.GRADIENT,
            newton=memory,
        )
    memory = replace(memory, vain=memory.vain + 1)
    if memory.vain % 2:
        return replace(state, newton=replace(memory, reach=SHORTER))
    coarser = memory.smoothing * COARSER
    if state.scene.noisy:
        return _handed_over(state, memory)
    if coarser > COARSEST:
        return replace(state, ended=StopReason.SMALL_STEP)
    memory = replace(memory, B=np.zeros((0, 0)), smoothing=coarser, reach=1.0)
    return replace(state, phase=Phase.GRADIENT, newton=memory)


def _handed_over(state: State, memory: Newton) -> State:
    """Leave to the other way what noise hides from this one, in the metric found so far."""
    free = state.scene.free
    curvature = np.maximum(np.diag(memory.B), 1e-300)
    size = np.sqrt(descent.BENT * state.noise / curvature)
    shape = np.ones(state.scene.n)
    shape[free] = np.clip(size, FINEST, descent.WIDEST)
    other = descent.start(state.scene.n, paired=True, shape=shape)
    return replace(state, phase=Phase.GRADIENT, newton=None, descent=other)

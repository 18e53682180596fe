"""Descent along random directions at the greedy rate, for noise, samples and many variables.

With g, H the gradient and the Hessian matrix of the sample of a step, and d the estimate of g,

    f(x - r d) = f(x) - r g'd + (r^2 / 2) d'H d + ...,     lowest at  r* = E[g'd] / E[d'H d].

For d = (1/q) sum_j (g'u_j) u_j both are known from values: g'd = (1/q) sum_j (g'u_j)^2 needs nothing beyond the estimate, and
the value at one more point x - r d gives d'H d. The rate is the ratio of their discounted sums. It is about
1 / (tr H / q + L), so that it takes over what tuning would find: it follows the units of f and x, the number of directions,
the number of variables that matter, and how the curvature changes along the way.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from optlab.core.shifts import DenseShifts
from optlab.methods.zeroth.adaptive.pairs import ROOM, coordinate_pairs, pair_steps, parabolas
from optlab.methods.zeroth.adaptive.state import Descent, Phase, State, Told
from optlab.methods.zeroth.state import Shown

if TYPE_CHECKING:
    from optlab.core.shifts import AbstractShifts
    from optlab.typing import Vector

__all__ = [
    "gradient_shifts",
    "gradient_told",
    "longest_rate",
    "start",
    "step_shifts",
    "step_told",
]

DIRECTIONS = 24
"""Random directions of a step, q: so many that two further points weigh little, so few that q L < tr H."""

FEW = 64
"""Most variables whose values with errors are asked for along the coordinates, all in every step."""

CAUTION = 0.5
"""Factor on the greedy rate at the beginning; it falls linearly to 0 over the run. A half gives away a quarter of the
decrease expected of a step and halves what chance adds to the variables."""

MEMORY = 0.95
"""Discount per step of what is known of slope and curvature."""

FIRST_STEP = 1e-2
"""Root mean square of the first trial step, natural units."""

JUMP, JUMP_LATER, SETTLED = 10.0, 1.25, 5.0
"""Largest factor on the rate in one step: before and, for values with errors, after so many steps."""

SMOOTHING = 1e-3
"""Largest root mean square of a displacement where values are exact, natural units."""

SHARPNESS, LEAST_SMOOTHING = 0.1, 1e-8
"""Displacements are this share of a step, not below."""

PAIRED_SMOOTHING, WIDEST = 0.1, 1e6
"""First and largest displacement where values have errors, natural units."""

BENT, CHANGE = 32.0, 1.5
"""Where values have errors, second differences are kept at so many standard deviations of one of them; and the largest
factor on a displacement in one step."""

STEPS_FOR_NOISE = 50
"""Steps over which the noise is averaged."""

CLEAR = 6.0
"""A trial step is so long that curvature changes the value by half so many standard deviations."""

ORTHOGONAL = 32
"""Directions are orthogonal in up to so many variables for each; in more, random ones are so nearly."""


def start(n: int, *, paired: bool, shape: Vector | None = None) -> Descent:
    """Return the memory before the first step in n variables.

    Parameters
    ----------
    paired
        Whether values have errors.
    shape
        (n,) displacements that suit them, natural units; None: not known.
    """
    if shape is None:
        smoothing = PAIRED_SMOOTHING if paired else SMOOTHING
        return Descent(smoothing=smoothing, paired=paired, shape=np.ones(n))
    mean = _geometric_mean(shape)
    return Descent(smoothing=mean, paired=paired, shape=shape / mean)


def _geometric_mean(sizes: Vector) -> float:
    return math.exp(float(np.log(sizes).mean()))


def gradient_shifts(state: State, memory: Descent) -> AbstractShifts:
    """Ask for the point itself and for points beside it.

    One for each direction; where values have errors two, and the point itself twice, which tells the noise.
    """
    scene, domain = state.scene, state.scene.domain
    free = scene.free
    if _along_coordinates(state, memory):
        return coordinate_pairs(scene, 2, *_coordinate_steps(state, memory))
    u = _directions(scene.generator(state.k), free.size)
    ahead = np.zeros((len(u), scene.n))
    ahead[:, free] = memory.smoothing * (scene.scale * memory.shape)[free] * u
    here = np.zeros((2 if memory.paired else 1, scene.n))
    rows = [here, ahead, -ahead] if memory.paired else [here, ahead]
    points = state.x + np.concatenate(rows)
    return DenseShifts(np.clip(points, domain.lb, domain.ub, out=points) - state.x)


def _along_coordinates(state: State, memory: Descent) -> bool:
    """Whether the directions are the coordinates: for few variables and values with errors."""
    return memory.paired and state.scene.free.size <= FEW


def _coordinate_steps(state: State, memory: Descent) -> tuple[Vector, Vector]:
    scene = state.scene
    size = memory.smoothing * scene.scale * memory.shape
    return pair_steps(scene, state.x, size[scene.free])


def _directions(rng: np.random.Generator, m: int) -> Vector:
    """Draw q directions in R^m with E[u u'] = I, as rows."""
    q = min(DIRECTIONS, m)
    u = rng.standard_normal((q, m))
    if m > ORTHOGONAL * q:
        return u
    return np.asarray(np.linalg.qr(u.T)[0].T * math.sqrt(m))


class _Estimate(NamedTuple):
    """What values tell of the slope."""

    direction: Vector
    """(n,) d, in the metric of scale and shape."""

    slope: float
    """g'd, less what the errors of values add on average."""

    q: int
    """Directions that count."""

    second: Vector
    """(q,) second differences, nan where bounds cut the pair; empty for one-sided differences."""


def gradient_told(state: State, memory: Descent, told: Told) -> State:
    """Combine differences to the estimate d of the gradient, in the metric of the scale."""
    told.need(state.x, 2)
    here = told.values[: 2 if memory.paired else 1]
    at_point = here[np.isfinite(here)]
    base = float(at_point.mean() if at_point.size else np.nanmean(told.values))
    state = _noise_told(state, here) if memory.paired else state
    if _along_coordinates(state, memory):
        estimate = _from_coordinates(state, memory, told.values[2:] - base)
    elif memory.paired:
        estimate = _from_pairs(state, memory, told.shifts.rows(2), told.values[2:] - base)
    else:
        estimate = _from_single(memory, told.shifts.rows(1), told.values[1:] - base)
    norm, se = _gradient_norm(state, memory, estimate)
    shown = Shown(
        x=state.x, f=_mean(state, base), gnorm=norm, gnorm_se=se, step=state.shown.step
    )
    state = replace(state, base=base, direction=estimate.direction, shown=shown)
    wider = _wider(state, memory, estimate.second) if memory.paired else memory
    length = _rms(state, estimate.direction)
    if length == 0.0:
        return replace(state, k=state.k + 1, descent=wider)
    rate = memory.rate if math.isfinite(memory.rate) else FIRST_STEP / length
    rate = min(rate, longest_rate(state, estimate.direction))
    probe = rate
    if memory.paired and memory.bend > 0.0:
        probe = max(rate, math.sqrt(CLEAR * state.noise * memory.weight / memory.bend))
    wider = replace(wider, rate=rate, probe=probe, steep=estimate.slope)
    return replace(state, phase=Phase.STEP, descent=wider)


def longest_rate(state: State, direction: Vector) -> float:
    """Return the rate at which the step meets a share of the distance of its bounds; inf without bounds."""
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = ROOM * state.scene.domain.width / np.abs(direction)
    return float(np.nanmin(rates[state.scene.free]))


def _from_single(memory: Descent, shifts: Vector, rises: Vector) -> _Estimate:
    """Combine one-sided differences."""
    there = np.isfinite(rises)
    slopes, u = rises[there] / memory.smoothing, shifts[there] / memory.smoothing
    q = max(1, slopes.size)
    return _Estimate(slopes @ u / q, float(slopes @ slopes) / q, q, np.zeros(0))


def _from_pairs(state: State, memory: Descent, shifts: Vector, rises: Vector) -> _Estimate:
    """Combine central differences along random directions."""
    q, h = len(shifts) // 2, memory.smoothing
    cut = np.any(shifts[:q] != -shifts[q:], axis=1)
    second = np.where(cut, np.nan, rises[:q] + rises[q:])
    slopes, u = (rises[:q] - rises[q:]) / (2.0 * h), (shifts[:q] - shifts[q:]) / (2.0 * h)
    there = np.isfinite(slopes)
    slopes, u, q = slopes[there], u[there], max(1, int(there.sum()))
    error = 0.5 * (state.noise / h) ** 2
    return _Estimate(slopes @ u / q, float(slopes @ slopes) / q - error, q, second)


def _from_coordinates(state: State, memory: Descent, rises: Vector) -> _Estimate:
    """Combine parabolas along the coordinates."""
    scene, h = state.scene, memory.smoothing
    m, size = scene.free.size, (scene.scale * memory.shape)[scene.free]
    first, second = (step / size for step in _coordinate_steps(state, memory))
    g, c = parabolas(first, second, rises[:m], rises[m:])
    direction = np.zeros(scene.n)
    direction[scene.free] = size * g
    error = 0.5 * m * (state.noise / h) ** 2
    cut = (first != -second) | ~np.isfinite(rises[:m] + rises[m:])
    return _Estimate(direction, float(g @ g) - error, m, np.where(cut, np.nan, c * first**2))


def _noise_told(state: State, twice: Vector) -> State:
    """Average the noise by two values at one point."""
    square = 0.5 * float(twice[0] - twice[1]) ** 2
    if not math.isfinite(square):
        return state
    share = 1.0 / min(state.k + 2, STEPS_FOR_NOISE)
    return replace(state, noise=math.sqrt(state.noise**2 + share * (square - state.noise**2)))


def _wider(state: State, memory: Descent, second: Vector) -> Descent:
    """Adapt displacements so that second differences stand out of the noise, but not more than that.

    A displacement h_i along coordinate i then has h_i^2 proportional to 1 / H_ii: the metric of a diagonal Newton step.
    """
    bent = np.where(np.isfinite(second), np.abs(second), BENT * state.noise)
    free = state.scene.free
    if second.size < free.size:
        bent = np.full(free.size, bent.mean())
    # The fourth root: half the way to where it should be.
    with np.errstate(divide="ignore"):
        factor = np.clip((BENT * state.noise / bent) ** 0.25, 1.0 / CHANGE, CHANGE)
    factor = np.where(np.isfinite(factor), factor, 1.0)
    scene = state.scene
    room = np.minimum(ROOM * scene.domain.width[free] / scene.scale[free], WIDEST)
    sizes = np.minimum(memory.smoothing * memory.shape[free] * factor, room)
    mean = _geometric_mean(sizes)
    shape = memory.shape.copy()
    shape[free] = sizes / mean
    return replace(memory, smoothing=mean, shape=shape)


def _gradient_norm(state: State, memory: Descent, estimate: _Estimate) -> tuple[float, float]:
    """Return the Euclidean norm of the gradient and its standard error, in the user's variables."""
    free, q = state.scene.free, estimate.q
    m, scale = free.size, (state.scene.scale * memory.shape)[free]
    # A random estimate is longer than the gradient: |d|^2 = (m / q) |g|^2 on average.
    share = min(1.0, q / m)
    norm = math.sqrt(share) * float(np.linalg.norm(estimate.direction[free] / scale**2))
    chance = norm / math.sqrt(2.0 * q) if q < m else 0.0
    error = state.noise / memory.smoothing if memory.paired else 0.0
    return norm, math.hypot(chance, error * math.sqrt(0.5 * float(np.mean(1.0 / scale**2))))


def _mean(state: State, base: float) -> float:
    """Return what to show as the objective."""
    mean = state.shown.f
    if not state.scene.noisy or math.isnan(mean):
        return base
    return mean + (1.0 - MEMORY) * (base - mean)


def _rms(state: State, direction: Vector) -> float:
    """Return the root mean square of a vector in natural units."""
    free = state.scene.free
    return float(np.linalg.norm((direction / state.scene.scale)[free])) / math.sqrt(free.size)


def step_shifts(state: State, memory: Descent) -> AbstractShifts:
    """Ask for the end of a trial step, and for its middle where the bounds bend the way."""
    domain, x = state.scene.domain, state.x
    whole = x - memory.probe * state.direction
    end = domain.project(whole)
    if np.array_equal(end, whole):
        return DenseShifts((end - x)[np.newaxis])
    middle = domain.project(x - 0.5 * memory.probe * state.direction)
    return DenseShifts(np.stack([end - x, middle - x]))


def step_told(state: State, memory: Descent, told: Told) -> State:
    """Learn the curvature along the direction, set the rate, and step."""
    values, r = told.values, memory.probe
    f = float(values[0])
    slope, bend = memory.steep, 2.0 * (f - state.base + r * memory.steep) / r**2
    if values.size > 1:
        half = float(values[1])
        slope = (3.0 * state.base + f - 4.0 * half) / r
        bend = 4.0 * (f + state.base - 2.0 * half) / r**2
    worse = f > state.base + (CLEAR * state.noise if memory.paired else 0.0)
    if not np.all(np.isfinite(values)) or (worse and bend <= 0.0):
        # Too far for a parabola.
        memory = replace(memory, rate=r / JUMP, slope=0.0, bend=0.0, weight=0.0)
        return replace(state, k=state.k + 1, phase=Phase.GRADIENT, descent=memory)
    memory = _learn(memory, slope, bend)
    rate = memory.rate
    if worse:
        rate = min(rate, max(slope, 0.0) / bend)  # this direction bends more than others
    step = CAUTION * state.left * rate
    x = state.scene.domain.project(state.x - step * state.direction)
    if not memory.paired:
        share = SHARPNESS * memory.rate * _rms(state, state.direction)
        memory = replace(memory, smoothing=min(max(share, LEAST_SMOOTHING), SMOOTHING))
    shown = replace(state.shown, step=float(np.linalg.norm(x - state.x)))
    return replace(
        state,
        x=x,
        shown=replace(shown, x=x) if state.scene.noisy else shown,
        k=state.k + 1,
        phase=Phase.GRADIENT,
        descent=memory,
    )


def _learn(memory: Descent, slope: float, bend: float) -> Descent:
    """Set the rate to the ratio of the discounted sums; start them anew after a jump."""
    slopes, bends = MEMORY * memory.slope + slope, MEMORY * memory.bend + bend
    weight = MEMORY * memory.weight + 1.0
    jump = JUMP_LATER if memory.paired and weight > SETTLED else JUMP
    wanted = max(slopes, 0.0) / bends if bends > 0.0 else math.inf
    rate = min(max(wanted, memory.rate / jump), memory.rate * jump)
    if rate != wanted and jump == JUMP:
        slopes, bends, weight = 0.0, 0.0, 0.0
    return replace(memory, rate=rate, slope=slopes, bend=bends, weight=weight)

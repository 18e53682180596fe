"""The viscous Burgers equation on a circle, by finite volumes, and a network that corrects a coarse solution.

    u_t + (u^2 / 2)_x = viscosity u_xx   on [0, 2 pi), periodic

Cell averages; the flux of Engquist and Osher, max(u_left, 0)^2 / 2 + min(u_right, 0)^2 / 2, first order; central
differences for the viscosity; Heun's method in time. Whatever the flux, the sum of u is kept.

Only indexing, arithmetic, ``abs`` and ``@`` are used, so the same functions take NumPy arrays and torch tensors. With
tensors they are differentiable; with arrays they are the black box that a solver usually is.
"""

from __future__ import annotations

from typing import Any

import numpy as np

LENGTH = 2.0 * np.pi
COARSE, FINE = 32, 128
"""Cells of the two grids."""

VISCOSITY = 0.02
STEP = 1 / 16
"""Time step of the coarse grid: |u| < 3 hardly crosses a cell of 2 pi / 32 in it."""

FINE_STEPS = 8
"""Steps of the fine grid for one of the coarse."""

MODES = 4
"""Waves of an initial condition."""

LAYERS = ((5, 6), (30, 6), (30, 1))
"""Inputs and outputs of the layers: 5 neighbours of 1, 6 and 6 channels."""

WEIGHTS = sum(i * o + o for i, o in LAYERS)


def change(u: Any, width: float, viscosity: float) -> Any:
    """Return du/dt of the cell averages, (..., cells)."""
    cells = np.arange(u.shape[-1])
    right = u[..., (cells + 1) % cells.size]
    rising, falling = (u + abs(u)) / 2, (right - abs(right)) / 2
    flux = (rising * rising + falling * falling) / 2 - (viscosity / width) * (right - u)
    return (flux[..., cells - 1] - flux) / width


def advance(u: Any, time: float, steps: int = 1, viscosity: float = VISCOSITY) -> Any:
    """Return the cell averages after ``time``, reached in ``steps`` steps of Heun's method."""
    width, step = LENGTH / u.shape[-1], time / steps
    for _ in range(steps):
        ahead = u + step * change(u, width, viscosity)
        u = (u + ahead + step * change(ahead, width, viscosity)) / 2
    return u


def correction(weights: Any, u: Any) -> Any:
    """Return what the network adds to coarse states.

    The network makes a flux at every cell's right border, of which the difference is taken: it can no more create or
    destroy u than the equation can.

    Parameters
    ----------
    weights
        (k, WEIGHTS), k networks at once.
    u
        (k, states, cells)

    Returns
    -------
    array
        (k, states, cells)
    """
    cells = np.arange(u.shape[-1])
    neighbours = (cells[:, None] + np.arange(-2, 3)) % cells.size
    k = weights.shape[0]
    x, start = u[..., None], 0
    for inputs, outputs in LAYERS:
        middle, stop = start + inputs * outputs, start + (inputs + 1) * outputs
        matrix = weights[:, start:middle].reshape(k, inputs, outputs)
        seen = x[..., neighbours, :].reshape(k, -1, inputs)
        x = (seen @ matrix + weights[:, None, middle:stop]).reshape(*u.shape, outputs)
        if outputs > 1:
            x = x / (1 + abs(x))
        start = stop
    flux = x[..., 0]
    return flux[..., cells - 1] - flux


def initial_weights(rng: np.random.Generator) -> np.ndarray:
    """Return weights of a network that hardly corrects anything yet, (WEIGHTS,)."""
    parts = []
    for inputs, outputs in LAYERS:
        spread = inputs**-0.5 * (1.0 if outputs > 1 else 0.1)
        parts += [spread * rng.standard_normal(inputs * outputs), np.zeros(outputs)]
    return np.concatenate(parts)


def roll_out(u: Any, steps: int, weights: Any = None) -> list[Any]:
    """Return the coarse states after 1, ..., ``steps`` steps, corrected after every one if there are weights.

    Parameters
    ----------
    u
        (k, states, cells), or any shape (..., cells) without weights.
    steps
        Of length STEP.
    weights
        (k, WEIGHTS)
    """
    states = []
    for _ in range(steps):
        u = advance(u, STEP)
        if weights is not None:
            u = u + correction(weights, u)
        states.append(u)
    return states


def initial_states(count: int, rng: np.random.Generator) -> np.ndarray:
    """Return random waves of root mean square 1 on the fine grid, moved up or down, (count, FINE)."""
    x = (np.arange(FINE) + 0.5) * LENGTH / FINE
    mode = np.arange(1, MODES + 1)[:, None]
    height = rng.standard_normal((count, MODES, 1)) / mode
    u = np.sum(height * np.sin(mode * x + rng.uniform(0, LENGTH, height.shape)), axis=1)
    u /= np.sqrt(np.mean(u**2, axis=-1, keepdims=True))
    return u + rng.uniform(-0.5, 0.5, (count, 1))


def simulations(count: int, steps: int, rng: np.random.Generator) -> np.ndarray:
    """Return what is taken for true: fine solutions, averaged over coarse cells, (steps + 1, count, COARSE)."""
    u = initial_states(count, rng)
    states = [u]
    for _ in range(steps):
        u = advance(u, STEP, FINE_STEPS)
        states.append(u)
    return np.stack(states).reshape(steps + 1, count, COARSE, -1).mean(axis=-1)

"""Small-angle scattering of spheres in solution: a simulator with three inputs and 32 outputs.

    I(q) = scale * mean over r of (r / R)^6 F(q r)^2 + background,    F(x) = 3 (sin x - x cos x) / x^3

with radii r distributed log-normally around the median R. The relative polydispersity p is their standard deviation over
their mean, so that log r has the variance log(1 + p^2). The mean is a Gauss-Hermite sum, right to 0.01 in log10 I. Inputs
are z = (R in nm, p, log10 of the scale), outputs log10 I at 32 values of q. The form factor is Lord Rayleigh's, Proc. R.
Soc. A 90 (1914) 219.

``xp`` is NumPy or torch: with arrays this is the black box that a simulator usually is, with tensors it can be differentiated,
to compare with.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Q = np.geomspace(0.05, 1.5, 32)
"""Momentum transfer in 1/nm."""

LOWER = np.array([2.0, 0.05, -1.0])
UPPER = np.array([8.0, 0.40, 1.0])
"""Box of the inputs."""

BACKGROUND = 1e-4
"""Relative to the forward scattering of scale 1."""

NODES, WEIGHTS = np.polynomial.hermite.hermgauss(15)


def curves(z: Any, xp: Any = np) -> Any:
    """Return log10 I(q), (k, 32), for inputs (k, 3)."""
    spread = xp.sqrt(xp.log1p(z[:, 1] ** 2))
    return _curves(z[:, 0], spread, z[:, 2], xp)


def curves_of_equal_spheres(z: Any, xp: Any = np) -> Any:
    """Return what a simulator says that knows nothing of polydispersity; inputs (k, 2) are R and log10 of the scale."""
    return _curves(z[:, 0], 0.0 * z[:, 0], z[:, 1], xp)


def curves_of_one_width(z: Any, xp: Any = np) -> Any:
    """Return what a simulator says that takes p for 0.2, whatever it is; inputs as for equal spheres."""
    return _curves(z[:, 0], 0.0 * z[:, 0] + np.sqrt(np.log1p(0.2**2)), z[:, 1], xp)


def inputs_of(x: Any, bend: float = 0.2) -> Any:
    """Return the truth: what eight descriptors of a process, each between -1 and 1, make of the spheres, (k, 3).

    A process near its working point: linear up to a ``bend``, then squeezed into the box. The coefficients were drawn once.
    """
    rng = np.random.default_rng(8)
    linear, bent = rng.standard_normal((2, 8, 3)) / np.sqrt(8.0)
    reached = 1.5 * x @ linear + bend * np.sin(2.0 * x @ bent)
    return LOWER + (UPPER - LOWER) / (1.0 + np.exp(-reached))


def _curves(radius: Any, spread: Any, log_scale: Any, xp: Any) -> Any:
    nodes, weights = xp.asarray(np.sqrt(2.0) * NODES), xp.asarray(WEIGHTS / np.sqrt(np.pi))
    relative = xp.exp(spread[:, None] * nodes)
    x = xp.asarray(Q)[:, None] * (radius[:, None] * relative)[:, None, :]
    amplitude = 3.0 * (xp.sin(x) - x * xp.cos(x)) / x**3
    mean = (weights * relative[:, None, :] ** 6 * amplitude**2).sum(-1)
    return xp.log10(10.0 ** log_scale[:, None] * mean + BACKGROUND)

"""The 53 problems of Moré and Wild [MW09] and their deterministic noise: the half of low_dimension.py that has formulas.

22 nonlinear least-squares functions, f(x) = |F(x)|^2, most of them of Moré, Garbow and Hillstrom [MGH81]; 53 choices
of n, of the number of residuals and of the start (the standard one, or ten times it). The noisy problems are

    f(x) = (1 + 1e-3 phi(x)) |F(x)|^2,   phi = phi0 (4 phi0^2 - 3),
    phi0(x) = 0.9 sin(100 |x|_1) cos(100 |x|_inf) + 0.1 cos(|x|_2).
"""

# ruff: noqa: D103, D401 - the names of the functions are those of the problems

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Vector = Any
NOISE = 1e-3


@dataclass(frozen=True)
class Case:
    """A function to minimise, and where from."""

    name: str
    f: Callable[[Vector], float]
    x0: Vector
    low: float = -np.inf
    high: float = np.inf
    """Bounds of all variables."""

    target: float = np.nan
    """The least value, where it is known."""

    @property
    def n(self) -> int:
        """Number of variables."""
        return len(self.x0)


# Data of the fitting problems -----------------------------------------------------------------------

BARD = np.array([.14, .18, .22, .25, .29, .32, .35, .39, .37, .58, .73, .96, 1.34, 2.1, 4.39])  # fmt: skip
KOWALIK_U = np.array([4, 2, 1, .5, .25, .167, .125, .1, .0833, .0714, .0625])  # fmt: skip
KOWALIK = np.array(
    [.1957, .1947, .1735, .16, .0844, .0627, .0456, .0342, .0323, .0235, .0246]
)  # fmt: skip
MEYER = np.array([
    34780, 28610, 23650, 19630, 16370, 13720, 11540, 9744, 8261, 7030, 6005, 5147, 4427, 3820, 3307, 2872,
])  # fmt: skip
OSBORNE_1 = np.array([
    .844, .908, .932, .936, .925, .908, .881, .85, .818, .784, .751, .718, .685, .658, .628, .603, .58, .558, .538,
    .522, .506, .49, .478, .467, .457, .448, .438, .431, .424, .42, .414, .411, .406,
])  # fmt: skip
OSBORNE_2 = np.array([
    1.366, 1.191, 1.112, 1.013, .991, .885, .831, .847, .786, .725, .746, .679, .608, .655, .616, .606, .602, .626,
    .651, .724, .649, .649, .694, .644, .624, .661, .612, .558, .533, .495, .5, .423, .395, .375, .372, .391, .396,
    .405, .428, .429, .523, .562, .607, .653, .672, .708, .633, .668, .645, .632, .591, .559, .597, .625, .739, .71,
    .729, .72, .636, .581, .428, .292, .162, .098, .054,
])  # fmt: skip


# Residuals F(x) -------------------------------------------------------------------------------------


def linear(m: int) -> Callable[[Vector], Vector]:
    """Full rank."""

    def residuals(x: Vector) -> Vector:
        r = np.full(m, -2.0 * x.sum() / m - 1.0)
        r[: x.size] += x
        return r

    return residuals


def rank_one(m: int) -> Callable[[Vector], Vector]:
    """A linear function of rank 1."""
    i = np.arange(1, m + 1)
    return lambda x: i * (np.arange(1, x.size + 1) @ x) - 1.0


def rank_one_with_zeros(m: int) -> Callable[[Vector], Vector]:
    """The same with zero rows and columns."""
    i = np.append(np.arange(m - 1), 0)
    return lambda x: i * (np.arange(2, x.size) @ x[1:-1]) - 1.0


def rosenbrock(x: Vector) -> Vector:
    return np.array([10.0 * (x[1] - x[0] ** 2), 1.0 - x[0]])


def helical_valley(x: Vector) -> Vector:
    # arctan(x2/x1) on the branch (-1/4, 3/4] turns.
    turns = np.arctan2(x[1], x[0]) / (2.0 * np.pi)
    turns += 1.0 if turns < -0.25 else 0.0
    return np.array([10.0 * (x[2] - 10.0 * turns), 10.0 * (np.hypot(x[0], x[1]) - 1.0), x[2]])


def powell_singular(x: Vector) -> Vector:
    return np.array([
        x[0] + 10.0 * x[1],
        np.sqrt(5.0) * (x[2] - x[3]),
        (x[1] - 2.0 * x[2]) ** 2,
        np.sqrt(10.0) * (x[0] - x[3]) ** 2,
    ])  # fmt: skip


def freudenstein_roth(x: Vector) -> Vector:
    a, b = x
    return np.array([
        a - 13.0 + ((5.0 - b) * b - 2.0) * b,
        a - 29.0 + ((1.0 + b) * b - 14.0) * b,
    ])  # fmt: skip


def bard(x: Vector) -> Vector:
    u = np.arange(1, 16)
    v = 16 - u
    return BARD - (x[0] + u / (v * x[1] + np.minimum(u, v) * x[2]))


def kowalik_osborne(x: Vector) -> Vector:
    u = KOWALIK_U
    return KOWALIK - x[0] * u * (u + x[1]) / (u * (u + x[2]) + x[3])


def meyer(x: Vector) -> Vector:
    return x[0] * np.exp(x[1] / (45.0 + 5.0 * np.arange(1, 17) + x[2])) - MEYER


def watson(x: Vector) -> Vector:
    j = np.arange(x.size)
    t = np.arange(1, 30)[:, None] / 29.0
    slope = (j[1:] * t ** (j[1:] - 1)) @ x[1:]
    return np.append(slope - (t**j @ x) ** 2 - 1.0, [x[0], x[1] - x[0] ** 2 - 1.0])


def box(x: Vector) -> Vector:
    i = np.arange(1, 11)
    t = i / 10.0
    return np.exp(-t * x[0]) - np.exp(-t * x[1]) + (np.exp(-i) - np.exp(-t)) * x[2]


def jennrich_sampson(x: Vector) -> Vector:
    i = np.arange(1, 11)
    return 2.0 + 2.0 * i - np.exp(i * x[0]) - np.exp(i * x[1])


def brown_dennis(x: Vector) -> Vector:
    t = np.arange(1, 21) / 5.0
    return (x[0] + t * x[1] - np.exp(t)) ** 2 + (x[2] + np.sin(t) * x[3] - np.cos(t)) ** 2


def chebyquad(x: Vector) -> Vector:
    """Means of the shifted Chebyshev polynomials 1 to n, less their integrals over [0, 1]."""
    i = np.arange(1, x.size + 1)
    values = np.polynomial.chebyshev.chebvander(2.0 * x - 1.0, x.size)[:, 1:]
    integrals = np.where(i % 2 == 0, -1.0 / np.maximum(i**2 - 1, 1), 0.0)
    return values.mean(axis=0) - integrals


def brown_almost_linear(x: Vector) -> Vector:
    return np.append(x[:-1] + x.sum() - (x.size + 1), np.prod(x) - 1.0)


def osborne_1(x: Vector) -> Vector:
    t = 10.0 * np.arange(33)
    return OSBORNE_1 - (x[0] + x[1] * np.exp(-t * x[3]) + x[2] * np.exp(-t * x[4]))


def osborne_2(x: Vector) -> Vector:
    t = np.arange(65) / 10.0
    bells = np.exp(-x[5:8] * (t[:, None] - x[8:]) ** 2)
    return OSBORNE_2 - (x[0] * np.exp(-x[4] * t) + bells @ x[1:4])


def bdqrtic(x: Vector) -> Vector:
    s = x**2
    quartic = s[:-4] + 2.0 * s[1:-3] + 3.0 * s[2:-2] + 4.0 * s[3:-1] + 5.0 * s[-1]
    return np.append(3.0 - 4.0 * x[:-4], quartic)


def cube(x: Vector) -> Vector:
    return np.append(x[0] - 1.0, 10.0 * (x[1:] - x[:-1] ** 3))


def _wave(v: Vector) -> Vector:
    """Mancino's v (sin^5 log v + cos^5 log v)."""
    return v * (np.sin(np.log(v)) ** 5 + np.cos(np.log(v)) ** 5)


def mancino(x: Vector) -> Vector:
    i = np.arange(1, x.size + 1)
    v = np.sqrt(x[:, None] ** 2 + i[:, None] / i)
    return 1400.0 * x + (i - 50.0) ** 3 + _wave(v).sum(axis=1)


def mancino_start(n: int) -> Vector:
    i = np.arange(1, n + 1)
    return -8.710996e-4 * ((i - 50.0) ** 3 + _wave(np.sqrt(i[:, None] / i)).sum(axis=1))


def heart(x: Vector) -> Vector:
    """The dipole model of the heart with eight variables, in complex numbers z = a + ic, w = t + iu."""
    z = np.array([x[0] + 1j * x[2], x[1] + 1j * x[3]])
    w = np.array([x[4] + 1j * x[6], x[5] + 1j * x[7]])
    first, second, third = (np.sum(z * w**p) for p in (1, 2, 3))
    return np.array([
        x[0] + x[1] + 0.69,
        x[2] + x[3] + 0.044,
        first.real + 1.57,
        first.imag + 1.31,
        second.real + 2.65,
        second.imag - 2.0,
        third.real + 12.6,
        third.imag - 9.48,
    ])  # fmt: skip


# The problems -------------------------------------------------------------------------------------

LINEAR, STEEP, FLAT = linear(45), rank_one(35), rank_one_with_zeros(35)

FUNCTIONS: dict[str, tuple[Callable[[Vector], Vector], Callable[[int], Vector]]] = {
    "linear": (LINEAR, np.ones),
    "rank-one": (STEEP, np.ones),
    "rank-one-zeros": (FLAT, np.ones),
    "rosenbrock": (rosenbrock, lambda _: np.array([-1.2, 1.0])),
    "helical-valley": (helical_valley, lambda _: np.array([-1.0, 0.0, 0.0])),
    "powell-singular": (powell_singular, lambda _: np.array([3.0, -1.0, 0.0, 1.0])),
    "freudenstein-roth": (freudenstein_roth, lambda _: np.array([0.5, -2.0])),
    "bard": (bard, np.ones),
    "kowalik-osborne": (kowalik_osborne, lambda _: np.array([0.25, 0.39, 0.415, 0.39])),
    "meyer": (meyer, lambda _: np.array([0.02, 4000.0, 250.0])),
    "watson": (watson, lambda n: np.full(n, 0.5)),
    "box": (box, lambda _: np.array([0.0, 10.0, 20.0])),
    "jennrich-sampson": (jennrich_sampson, lambda _: np.array([0.3, 0.4])),
    "brown-dennis": (brown_dennis, lambda _: np.array([25.0, 5.0, -5.0, -1.0])),
    "chebyquad": (chebyquad, lambda n: np.arange(1, n + 1) / (n + 1)),
    "brown-almost-linear": (brown_almost_linear, lambda n: np.full(n, 0.5)),
    "osborne-1": (osborne_1, lambda _: np.array([0.5, 1.5, 1.0, 0.01, 0.02])),
    "osborne-2": (
        osborne_2,
        lambda _: np.array([1.3, 0.65, 0.65, 0.7, 0.6, 3.0, 5.0, 7.0, 2.0, 4.5, 5.5]),
    ),
    "bdqrtic": (bdqrtic, np.ones),
    "cube": (cube, lambda n: np.full(n, 0.5)),
    "mancino": (mancino, mancino_start),
    "heart": (heart, lambda _: np.array([-0.3, -0.39, 0.3, -0.344, -1.2, 2.69, 1.59, -1.5])),
}
"""Name -> residuals, and the standard start for n variables."""

TABLE = """
linear 9:0,1|rank-one 7:0,1|rank-one-zeros 7:0,1|rosenbrock 2:0,1|helical-valley 3:0,1|powell-singular 4:0,1
freudenstein-roth 2:0,1|bard 3:0,1|kowalik-osborne 4:0|meyer 3:0|watson 6:0,1 9:0,1 12:0,1|box 3:0
jennrich-sampson 2:0|brown-dennis 4:0,1|chebyquad 6:0 7:0 8:0 9:0 10:0 11:0|brown-almost-linear 10:0|osborne-1 5:0
osborne-2 11:0,1|bdqrtic 8:0 10:0 11:0 12:0|cube 5:0 6:0 8:0|mancino 5:0,1 8:0 10:0 12:0,1|heart 8:0,1
"""
"""Table 4.1 of [MW09]: name, then n : powers of ten on the start."""


def more_wild(*, noisy: bool = False) -> list[Case]:
    """Return the 53 problems."""
    found = []
    for entry in TABLE.strip().replace("\n", "|").split("|"):
        name, *sizes = entry.split()
        residuals, start = FUNCTIONS[name]
        for size in sizes:
            n, _, powers = size.partition(":")
            for power in powers.split(","):
                label = f"{name}-{n}-{power}"
                x0 = 10.0 ** int(power) * start(int(n))
                found.append(Case(label, _objective(residuals, noisy=noisy), x0))
    return found


def _objective(
    residuals: Callable[[Vector], Vector], *, noisy: bool
) -> Callable[[Vector], float]:
    def f(x: Vector) -> float:
        with np.errstate(all="ignore"):
            value = float(np.sum(residuals(np.asarray(x, dtype=float)) ** 2))
        return value * (1.0 + NOISE * phi(x)) if noisy else value

    return f


def phi(x: Vector) -> float:
    """Return the noise of [MW09], between -1 and 1; a function of x."""
    a = np.abs(x)
    wave = 0.9 * np.sin(100.0 * a.sum()) * np.cos(100.0 * a.max())
    z = wave + 0.1 * np.cos(np.linalg.norm(x))
    return float(z * (4.0 * z**2 - 3.0))

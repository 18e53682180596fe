"""Every estimator of gradients in typical settings, with what it estimates: tests run over the table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from optlab import zo
from optlab.core.sampled import Block
from optlab.methods.zeroth.estimators.differences import AbstractDifferences
from optlab.typing import Vector

N = 12
"""Variables; the blocks and bases of the table fit."""

BLOCKS = (Block("weights", (4, 2), 0), Block("bias", (4,), 8))


@dataclass(frozen=True)
class Case:
    """One estimator in N variables."""

    name: str
    estimator: AbstractDifferences
    queries: int
    """For one estimate in N variables."""

    target: Callable[[Vector], Vector] = lambda g: g
    """Gradient -> mean of the estimates of a linear function with it."""

    exact: bool = False
    """Whether the estimate of a linear function has no randomness."""

    def with_smoothing(self, smoothing: float) -> AbstractDifferences:
        """Return the estimator with another smoothing."""
        return replace(self.estimator, smoothing=smoothing)


@cache
def basis() -> Vector:
    return np.random.default_rng(5).standard_normal((N, 3))


def project(columns: Vector) -> Callable[[Vector], Vector]:
    q, _ = np.linalg.qr(columns)
    return lambda g: q @ (q.T @ g)


def first_four(g: Vector) -> Vector:
    return np.where(np.arange(N) < 4, g, 0.0)


def lasting_factor(key: int) -> Callable[[Vector], Vector]:
    """Return the mean of LowRank's estimates with the factor of a key (rank 1)."""
    v = np.random.default_rng(key).standard_normal((1, 2, 1))[0]

    def mean(g: Vector) -> Vector:
        weights = g[:8].reshape(4, 2) @ v @ v.T
        return np.concatenate((weights.ravel(), g[8:]))

    return mean


IMPORTANCE = np.arange(1.0, N + 1.0)

CASES = (
    Case("cge", zo.CGE(), N + 1, exact=True),
    Case("cge-central", zo.CGE(central=True), 2 * N, exact=True),
    Case("cge-chosen", zo.CGE(coordinates=np.arange(4)), 5, first_four, exact=True),
    Case("cge-count", zo.CGE(count=4), 5),
    Case("cge-importance", zo.CGE(count=5, importance=IMPORTANCE, central=True), 10),
    Case("cge-replacement", zo.CGE(count=6, importance=IMPORTANCE, replacement=True), 7),
    Case("cge-scale", zo.CGE(scale=IMPORTANCE), N + 1, exact=True),
    Case("cge-repeats", zo.CGE(repeats=3), 3 * (N + 1), exact=True),
    Case("gaussian", zo.RGE(count=5), 6),
    Case("gaussian-central", zo.RGE(count=5, central=True), 10),
    Case("gaussian-antithetic", zo.RGE(count=5, antithetic=True), 11),
    Case("gaussian-scale", zo.RGE(count=6, scale=1.0 / IMPORTANCE), 7),
    Case("sphere", zo.RGE(count=5, law="sphere"), 6),
    Case("sphere-antithetic", zo.RGE(count=3, law="sphere", antithetic=True), 7),
    Case("rademacher", zo.RGE(count=5, law="rademacher"), 6),
    Case("rademacher-repeats", zo.RGE(count=5, law="rademacher", repeats=2), 12),
    Case("orthogonal", zo.RGE(count=5, law="orthogonal"), 6),
    Case("orthogonal-central", zo.RGE(count=5, law="orthogonal", central=True), 10),
    Case("orthogonal-scale", zo.RGE(count=5, law="orthogonal", scale=IMPORTANCE), 6),
    Case("orthogonal-all", zo.RGE(count=None, law="orthogonal"), N + 1, exact=True),
    Case("orthogonal-more", zo.RGE(count=N + 5, law="orthogonal"), N + 6, exact=True),
    Case("spsa", zo.SPSA(pairs=2), 4),
    Case("subspace-given", zo.Subspace(basis=basis()), 4, project(basis()), exact=True),
    Case("subspace-part", zo.Subspace(basis=basis(), count=2), 3, project(basis())),
    Case(
        "subspace-key",
        zo.Subspace(rank=4, key=9, central=True),
        8,
        project(np.random.default_rng(9).standard_normal((N, 4))),
        exact=True,
    ),
    Case("subspace-drawn", zo.Subspace(rank=3), 4, lambda g: g * 3.0 / N),
    Case("low-rank", zo.LowRank(blocks=BLOCKS, count=5), 6),
    Case("low-rank-central", zo.LowRank(blocks=BLOCKS, count=5, central=True), 10),
    Case("low-rank-key", zo.LowRank(blocks=BLOCKS, count=5, key=3), 6, lasting_factor(3)),
)


def ident(case: Case) -> str:
    return case.name

"""How far from an image a classifier's answer is certain: randomized smoothing.

The smoothed classifier g answers the class c that f finds most often in x + sigma z, z ~ N(0, I). When that happens
with probability at least p > 1/2, g answers c everywhere within the Euclidean distance

    R = sigma Phi^-1(p)

of x. A bound on p that holds with confidence 1 - alpha comes from n samples (Clopper and Pearson): the alpha quantile of
Beta(k, n - k + 1), k being how often c was found.

Source: J. M. Cohen, E. Rosenfeld, J. Z. Kolter, Certified adversarial robustness via randomized smoothing, ICML 2019,
Theorem 1 and the procedure CERTIFY. C. Clopper, E. Pearson, Biometrika 26 (1934).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta, norm

ABSTAINS = -1
"""The class of an image that cannot be decided."""


@dataclass(frozen=True)
class Smoothing:
    """Settings of the certificates."""

    sigma: float
    """Standard deviation of the noise, in units of a pixel's range."""

    choosing: int = 100
    """Samples that choose the class."""

    counting: int = 1000
    """Other samples, that bound its probability."""

    alpha: float = 1e-3
    """Probability that a certificate is wrong."""


def lower_bound(hits: int, trials: int, alpha: float) -> float:
    """Return the bound of Clopper and Pearson: with probability 1 - alpha the chance of a hit is not below it."""
    return float(beta.ppf(alpha, hits, trials - hits + 1)) if hits else 0.0


def radius(probability: float, sigma: float) -> float:
    """Return R for a lower bound of the probability; 0 where it is no majority."""
    return float(sigma * norm.ppf(probability)) if probability > 0.5 else 0.0


def certificate(
    classify: Callable[[np.ndarray], np.ndarray],
    image: np.ndarray,
    smoothing: Smoothing,
    rng: np.random.Generator,
) -> tuple[int, float]:
    """Return the class and the radius within which it is certain.

    Parameters
    ----------
    classify
        Images (k, ...) -> classes (k,).
    image
        One image, without a leading axis.
    smoothing
        Settings.
    rng
        Source of the noise.
    """
    s = smoothing
    noise = rng.standard_normal((s.choosing + s.counting, *image.shape), dtype=np.float32)
    classes = classify(image + np.float32(s.sigma) * noise)
    chosen = int(np.bincount(classes[: s.choosing]).argmax())
    hits = int(np.count_nonzero(classes[s.choosing :] == chosen))
    certain = radius(lower_bound(hits, s.counting, s.alpha), s.sigma)
    return (chosen, certain) if certain > 0.0 else (ABSTAINS, 0.0)


def certified_accuracy(
    certificates: list[tuple[int, float]], labels: np.ndarray, radii: np.ndarray
) -> np.ndarray:
    """Return for every radius the share of images whose class is right and certain that far."""
    right = np.array([answer for answer, _ in certificates]) == labels
    certain = np.array([r for _, r in certificates])
    return np.array([np.mean(right & (certain >= r)) for r in radii])

"""Update rules: from estimated gradients to directions of descent."""

from __future__ import annotations

from optlab.methods.zeroth.rules.adaptive import Adam, AdaMM, RAdaZO
from optlab.methods.zeroth.rules.base import AbstractRule, Memory, Signal, Turn
from optlab.methods.zeroth.rules.descent import SGD, Momentum
from optlab.methods.zeroth.rules.normalized import Normalized
from optlab.methods.zeroth.rules.sign import Sign
from optlab.methods.zeroth.rules.spectral import Spectral

__all__ = [
    "SGD",
    "AbstractRule",
    "AdaMM",
    "Adam",
    "Memory",
    "Momentum",
    "Normalized",
    "RAdaZO",
    "Sign",
    "Signal",
    "Spectral",
    "Turn",
]

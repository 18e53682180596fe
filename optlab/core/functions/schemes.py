"""What SciPy lets users write where a derivative is expected, and what it means here."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import numpy as np

from optlab.core.derivatives.options import ALIASES, Differences, Scheme, differences
from optlab.core.derivatives.providers import is_provider, provider_names
from optlab.errors import ProblemError
from optlab.typing import is_a

__all__ = [
    "NOT_GIVEN",
    "first_order",
    "is_quasi_newton",
    "is_scheme",
    "second_order",
    "with_step",
]

NOT_GIVEN = (None, False)
"""Both mean that a derivative is not given."""

_EPS = float(np.finfo(np.float64).eps)

_STRATEGY = ("initialize", "update", "dot")
"""What SciPy's BFGS() and SR1() have in common."""


def is_scheme(given: Any) -> bool:
    """Whether this names differences."""
    return is_a(given, Differences) or (
        isinstance(given, str) and given in (*get_args(Scheme), *ALIASES)
    )


def is_quasi_newton(given: Any) -> bool:
    """Whether this is one of SciPy's quasi-Newton strategies, such as ``BFGS()``."""
    return not is_a(given, type) and all(hasattr(given, name) for name in _STRATEGY)


def first_order(label: str, given: Any) -> Any:
    """Check what is given for a first derivative: a function, a scheme, a provider, or None.

    Raises
    ------
    ProblemError
        When it is something else.
    """
    if any(given is nothing for nothing in NOT_GIVEN):
        return None
    if is_scheme(given):
        return differences(given)
    if callable(given) or is_provider(given):
        return given
    schemes = ", ".join(repr(s) for s in (*get_args(Scheme), *ALIASES, *provider_names()))
    raise ProblemError(f"{label} is {given!r}; a function, or one of {schemes}, is needed")


def second_order(label: str, given: Any, *, first_is_exact: bool) -> Any:
    """Check what is given for a second derivative: a function, a scheme, or None for quasi-Newton.

    Raises
    ------
    ProblemError
        When it is something else, or differences of a first derivative that is itself one.
    """
    if any(given is nothing for nothing in NOT_GIVEN) or is_quasi_newton(given):
        return None
    if is_scheme(given):
        if not first_is_exact:
            raise ProblemError(
                f"{label} = {given!r} asks for differences of a first derivative that is estimated itself; "
                "pass jac as a function, or leave hess out to have second derivatives learnt"
            )
        return differences(given)
    if callable(given) and not is_a(given, type):
        return given
    raise ProblemError(
        f"{label} is {given!r}; a function, a scheme such as '2-point' or an instance of a quasi-Newton "
        "strategy such as BFGS() is needed"
    )


def with_step(label: str, wanted: Differences, step: Any) -> Differences:
    """Return differences with a relative step of the user's; it stands for the noise that suits it.

    Raises
    ------
    ProblemError
        When the steps differ from variable to variable.
    """
    if step is None:
        return wanted
    if np.size(step) != 1 or not 0.0 < float(np.reshape(step, ())) < 1.0:
        raise ProblemError(
            f"{label} is {step!r}; one number between 0 and 1 is needed. Steps for each variable are chosen "
            "here from the noise of the function: derivatives=optlab.Differences(noise=...)"
        )
    power = 2.0 if wanted.scheme == "2-point" else 3.0
    return replace(wanted, noise=min(max(float(np.reshape(step, ())) ** power, _EPS), 0.1))

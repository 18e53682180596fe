"""Fill in the derivatives that a problem lacks."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from optlab.core.derivatives.options import Differences, differences

if TYPE_CHECKING:
    from optlab.core.problem import Problem

__all__ = ["estimate_derivatives", "wanted_differences"]

_LOG = logging.getLogger("optlab")


def wanted_differences(derivatives: str | Differences) -> Differences | None:
    """Read ``derivatives=`` of the front door; None forbids estimates.

    Raises
    ------
    OptionError
        When it is no scheme.
    """
    if derivatives == "exact":
        return None
    return differences("3-point" if derivatives == "auto" else derivatives)


def estimate_derivatives(problem: Problem, wanted: str | Differences = "3-point") -> Problem:
    """Return the problem with the gradient and the Jacobian that it lacks estimated by differences.

    Parameters
    ----------
    problem
        What it has stays as it is.
    wanted
        A scheme (``"2-point"``, ``"3-point"``, ``"complex-step"``) or
        :class:`~optlab.core.derivatives.Differences`, which may also name a pattern of the Hessian:
        that is then estimated from the gradients, if these are exact.

    Raises
    ------
    OptionError
        When the scheme is unknown or a pattern has the wrong shape.

    Examples
    --------
    >>> from optlab import Problem
    >>> bare = Problem(objective=lambda x: x[0] ** 2 + x[1], x0=[3.0, 0.0])
    >>> estimate_derivatives(bare).gradient(bare.x0).round(6).tolist()
    [6.0, 1.0]
    """
    options = differences(wanted)
    changes: dict[str, Any] = {}
    if not problem.has_gradient:
        changes["gradient"] = options
    if problem.m and not problem.has_jacobian:
        changes["jacobian"] = options
    if options.hessian_pattern is not None and not (
        changes or problem.has_hessian or problem.derivatives == "estimated"
    ):
        changes["hessian"] = options
    if not changes:
        return problem
    _LOG.info("estimated by %s differences: %s", options.scheme, ", ".join(changes))
    return problem.replace(**changes)

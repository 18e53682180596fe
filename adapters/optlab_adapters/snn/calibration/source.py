"""Calibration problems as a problem source: what ``minimize(CalibrationProblem(...))`` calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from optlab.core.problem import Problem
from optlab.errors import OptionError

if TYPE_CHECKING:
    from optlab_adapters.snn.calibration.layer_problem import CalibrationProblem

__all__ = ["load"]


def load(calibration: CalibrationProblem, params: Mapping[str, Any]) -> Problem:
    """State a layer's calibration as a problem.

    Raises
    ------
    OptionError
        When parameters are given.
    """
    if params:
        raise OptionError(
            f"parameters {sorted(params)} are given with a CalibrationProblem; it takes none"
        )
    return calibration.problem()

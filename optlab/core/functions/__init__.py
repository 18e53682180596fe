"""Problems from plain functions, in the forms that ``scipy.optimize.minimize`` takes."""

from __future__ import annotations

from optlab.core.functions.model import Functions, Stated, problem_of_functions

__all__ = ["Functions", "Stated", "problem_of_functions"]

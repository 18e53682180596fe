"""The conformance kit: what every method must do, as functions that anyone can call.

    from optlab.testing import CHECKS, check_method
    check_method("my-method")                       # raises AssertionError that names the check

A method written outside optlab registers itself and calls :func:`check_method` in its own tests; the
project's suite runs the same checks on every registered method.
"""

from __future__ import annotations

from optlab.testing.battery import BATTERY, Case
from optlab.testing.conformance import CHECKS, check_method

__all__ = ["BATTERY", "CHECKS", "Case", "check_method"]

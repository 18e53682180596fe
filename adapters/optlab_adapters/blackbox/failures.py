"""What can go wrong in one run of a simulator."""

from __future__ import annotations

from optlab.errors import OptlabError

__all__ = ["RejectedPoint", "RunError", "RunTimeout"]


class RunError(OptlabError, RuntimeError):
    """A run of a simulator gave no result; trying again may help."""


class RunTimeout(RunError, TimeoutError):
    """A run of a simulator took longer than it may, and was ended."""


class RejectedPoint(RunError):
    """The simulator cannot do this point; trying again is no use.

    A simulator written in Python may raise it, so that no retry is spent on the point.
    """

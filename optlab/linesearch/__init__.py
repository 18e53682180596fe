"""Line searches: the one-dimensional kernels of the methods."""

from __future__ import annotations

from optlab.linesearch.nonmonotone import Reference
from optlab.linesearch.wolfe import LineSearchOptions, LineStep, approximate_wolfe

__all__ = ["LineSearchOptions", "LineStep", "Reference", "approximate_wolfe"]

"""Leave modules alone whose package is not installed: their docstrings cannot be run."""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("torch") else ["optlab_adapters/torch/*"]

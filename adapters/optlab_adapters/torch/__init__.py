"""Exact derivatives by torch: what ``jac="torch"`` means, and problems from torch functions."""

from __future__ import annotations

from optlab_adapters.torch.functions import differentiate, torch_problem

__all__ = ["differentiate", "torch_problem"]

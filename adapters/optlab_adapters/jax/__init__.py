"""Exact derivatives by JAX: what ``jac="jax"`` means, and problems from JAX functions."""

from __future__ import annotations

from optlab_adapters.jax.functions import differentiate, jax_problem

__all__ = ["differentiate", "jax_problem"]

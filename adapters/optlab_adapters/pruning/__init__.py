"""Compact networks: sparse and binary weights, and how they run."""

from __future__ import annotations

from optlab_adapters.pruning.packed import PackedNetwork, TernaryWeight, pack

__all__ = ["PackedNetwork", "TernaryWeight", "pack"]

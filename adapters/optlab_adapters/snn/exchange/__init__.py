"""Spiking networks of and for other tools, in the Neuromorphic Intermediate Representation (NIR).

NIR is a graph of neurons and linear layers in an HDF5 file (Pedersen et al., key ``pedersen2024nir`` in docs/refs.bib). What
of our networks it holds and what it does not: docs/snn/nir.md.
"""

from __future__ import annotations

from optlab_adapters.snn.exchange.files import export_nir, import_nir
from optlab_adapters.snn.exchange.graph import SpikingGraph

__all__ = ["SpikingGraph", "export_nir", "import_nir"]

"""NIR files: nodes to parts and back.

Quantities of NIR have units of time; a step lasts ``dt`` seconds, so R = 1 / dt adds a current as it is. What NIR's neurons
cannot say is in the graph's metadata under ``optlab``: see docs/snn/nir.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.errors import MissingDependencyError, OptionError, ParseError
from optlab_adapters.snn.coding import Coding
from optlab_adapters.snn.exchange.graph import SpikingGraph
from optlab_adapters.snn.exchange.nodes import ints_of, node_of, part_of
from optlab_adapters.snn.exchange.normal import spiking_graph

if TYPE_CHECKING:
    import os

    from optlab_adapters.snn.network import SpikingNetwork

__all__ = ["export_nir", "import_nir"]

STEP = 1e-4
"""Seconds per step, as in snnTorch and SpikingJelly."""

FORM = 1
"""Number of this form of the metadata."""


def export_nir(
    net: SpikingNetwork | SpikingGraph,
    path: str | os.PathLike[str],
    *,
    input_shape: tuple[int, ...] | None = None,
    dt: float = STEP,
) -> SpikingGraph:
    """Write a spiking network to a NIR file; return the graph that the file holds.

    The graph computes what the network does up to rounding: batch normalization is folded, biases are those of one step,
    spikes have height 1. :func:`import_nir` gives back the graph to the bit.

    Parameters
    ----------
    net : SpikingNetwork or SpikingGraph
        From :func:`optlab.adapters.snn.convert`, in floating point, or from :func:`import_nir`, if optlab wrote that file.
    path : path
        Of the HDF5 file to write.
    input_shape : tuple of int or None
        Shape of one input, such as (1, 28, 28). None: that of the last inputs, or from the first layer, if it is Linear.
    dt : float
        Seconds per step.

    Raises
    ------
    MissingDependencyError
        Without the package ``nir``.
    CapabilityError
        When a layer, or the network's arithmetic, has no form in NIR.
    OptionError
        When the shape of the input is needed, or does not fit.
    """
    nir = _nir("export_nir")
    graph = net if isinstance(net, SpikingGraph) else spiking_graph(net, input_shape)
    if graph.coding is None:
        raise OptionError(
            "the graph was read from another tool's file; only networks of optlab are written"
        )
    shapes = graph.shapes()
    nodes = {
        graph.source: nir.Input(np.array(graph.input_shape)),
        graph.sink: nir.Output(np.array(graph.output_shape)),
    }
    for name, part in graph.parts.items():
        given = next(start for start, end in graph.edges if end == name)
        nodes[name] = node_of(nir, part, shapes[given], dt)
    coding = graph.coding
    said = {
        "form": FORM,
        "mode": coding.mode,
        "steps": coding.steps,
        "order": coding.order,
        "input": "x / S at every step",
        "S": coding.levels,
        "dt": dt,
        "reset": "subtract",
        "start": "half a threshold",
    }
    metadata = {"optlab": said}
    nir.write(path, nir.NIRGraph(nodes, list(graph.edges), metadata, type_check=False))
    return graph


def import_nir(path: str | os.PathLike[str], *, dt: float = STEP) -> SpikingGraph:
    """Read a spiking network from a NIR file of optlab or of another tool.

    Parameters
    ----------
    path : path
        Of the file.
    dt : float
        Seconds per step, in which leaky neurons are integrated (Euler). Files of optlab say it themselves.

    Raises
    ------
    MissingDependencyError
        Without the package ``nir``.
    ParseError
        When the file is not a NIR file.
    CapabilityError
        When a node is not supported, or the graph has a cycle.
    ProblemError
        When numbers are not finite or shapes contradict each other.
    """
    nir = _nir("import_nir")
    file = Path(path)
    if not file.is_file():
        raise ParseError("there is no such file", file)
    try:
        read = nir.read(file, type_check=False)
    except Exception as error:
        raise ParseError(f"not a NIR file that can be read: {error!r}", file) from error
    source, sink = (
        _single(kind, [k for k, n in read.nodes.items() if isinstance(n, of)], file)
        for kind, of in (("Input", nir.Input), ("Output", nir.Output))
    )
    said = read.metadata.get("optlab")
    coding = None if said is None else _coding(said, file)
    length = dt if said is None else float(said["dt"])
    parts = {
        name: part_of(name, node, length, coding)
        for name, node in read.nodes.items()
        if name not in {source, sink}
    }
    return SpikingGraph(
        parts,
        read.edges,
        source,
        sink,
        ints_of(read.nodes[source].input_type["input"]),
        ints_of(read.nodes[sink].output_type["output"]),
        coding,
    )


def _nir(purpose: str) -> Any:
    try:
        import nir  # noqa: PLC0415
    except ImportError as error:
        raise MissingDependencyError("nir", "spiking", purpose) from error
    return nir


def _single(kind: str, names: list[str], file: Path) -> str:
    if len(names) != 1:
        raise ParseError(f"has {len(names)} {kind} nodes; one is needed", file)
    return names[0]


def _coding(said: Any, file: Path) -> Coding:
    """Return the coding that optlab wrote."""
    try:
        form, mode, order = int(said["form"]), str(said["mode"]), str(said["order"])
        steps = int(said["steps"])
        float(said["dt"])
    except (KeyError, TypeError, ValueError) as error:
        raise ParseError(
            f"its metadata 'optlab' is damaged: {error!r}; export the network again", file
        ) from error
    if form != FORM:
        raise ParseError(f"its metadata 'optlab' has form {form}; {FORM} is known here", file)
    return Coding(steps, mode, order)  # type: ignore[arg-type]  # Coding checks them.

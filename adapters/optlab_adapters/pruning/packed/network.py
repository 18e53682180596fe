"""The packed network: steps in order, run on NumPy arrays."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from optlab.errors import ProblemError
from optlab.kernels.ternary import TernaryMatrix
from optlab_adapters.pruning.packed.operations import OPERATIONS
from optlab_adapters.pruning.packed.weights import as_array

if TYPE_CHECKING:
    from pathlib import Path

    from optlab_adapters.pruning.packed.layers import Layer

__all__ = ["LAYER", "Memory", "PackedNetwork", "Step"]

LAYER = "layer"
"""Name of the operation that applies a layer; its option ``layer`` says which."""


@dataclass(frozen=True, eq=False)
class Step:
    """One operation.

    Attributes
    ----------
    operation : str
        LAYER or a name in OPERATIONS.
    inputs : tuple of int
        Numbers of values: 0 is the network's input, k what step k - 1 returns.
    path : str
        Where it is in the module, for messages.
    options : dict
        Keyword arguments of the operation.
    """

    operation: str
    inputs: tuple[int, ...]
    path: str
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Memory:
    """Bytes of a packed network beside those of the same network in float32.

    Attributes
    ----------
    weights, kept : int
        Entries of the packed weights, and those of them that are not zero.
    plane_bytes : int
        Their two bit planes; whole words of 64 columns.
    float_bytes : int
        Gains, biases, scales of channels, and weights that are kept dense.
    dense_bytes : int
        The packed weights as float32, with the other floats except gains.
    """

    weights: int
    kept: int
    plane_bytes: int
    float_bytes: int
    dense_bytes: int

    @property
    def weight_ratio(self) -> float:
        """Packed weights as float32 over their bit planes: 16 for columns in multiples of 64."""
        return 4 * self.weights / max(self.plane_bytes, 1)

    @property
    def ratio(self) -> float:
        """The whole network as float32 over the packed one."""
        return self.dense_bytes / max(self.plane_bytes + self.float_bytes, 1)


class PackedNetwork:
    """A network whose weights are bit planes; made by :func:`optlab.adapters.pruning.pack` or :meth:`load`.

    ``net(x)`` takes a NumPy array or a torch tensor of shape (samples, ...), computes in float32 in one thread, and
    returns the same kind. It equals the module that was packed up to the rounding of float32 sums, save that signs of
    numbers within rounding of zero may differ.
    """

    def __init__(self, steps: tuple[Step, ...], layers: dict[str, Layer]) -> None:
        self.steps = steps
        self.layers = layers
        last = {value: k for k, step in enumerate(steps) for value in step.inputs}
        self._unused = [
            [v for v in step.inputs if last[v] == k] for k, step in enumerate(steps)
        ]

    def __call__(self, x: Any) -> Any:
        """Run the network.

        Raises
        ------
        ProblemError
            When the input is not numeric or not finite, or a layer is given a shape that does not fit; names the layer.
        """
        given = as_array(x)
        if given.dtype.kind not in "fiub" or not np.isfinite(given).all():
            raise ProblemError(
                f"the input has type {given.dtype} or entries that are not finite; finite numbers are needed"
            )
        out = self._run(given.astype(np.float32, copy=False))
        # Who has a tensor has torch; without one it is not imported.
        return sys.modules["torch"].from_numpy(out.copy()) if hasattr(x, "detach") else out

    def _run(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        values: dict[int, NDArray[np.float32]] = {0: x}
        for k, step in enumerate(self.steps):
            arguments = [values[v] for v in step.inputs]
            if step.operation == LAYER:
                value = self.layers[step.options["layer"]](*arguments)
            else:
                value = _applied(step, arguments)
            for done in self._unused[k]:
                values.pop(done, None)
            values[k + 1] = value
        return np.array(values[len(self.steps)], dtype=np.float32, order="C")

    def memory(self) -> Memory:
        """Return what the network occupies; shared layers count once."""
        packed = [
            m for layer in self.layers.values() if isinstance(m := layer.matrix, TernaryMatrix)
        ]
        weights = sum(m.gain.size * m.columns for m in packed)
        dense = [
            m
            for layer in self.layers.values()
            if not isinstance(m := layer.matrix, TernaryMatrix)
        ]
        floats = sum(m.bias.size for m in packed) + sum(
            m.weight.size + m.bias.size for m in dense
        )
        floats += sum(
            value.size
            for step in self.steps
            for value in step.options.values()
            if isinstance(value, np.ndarray)
        )
        return Memory(
            weights=weights,
            kept=sum(int(m.kept.sum()) for m in packed),
            plane_bytes=sum(m.positive.nbytes + m.negative.nbytes for m in packed),
            float_bytes=4 * (floats + sum(m.gain.size for m in packed)),
            dense_bytes=4 * (weights + floats),
        )

    def save(self, folder: str | Path) -> None:
        """Write the network into a folder: ``network.json``, and its arrays in the safetensors format.

        Raises
        ------
        MissingDependencyError
            Without safetensors.
        """
        from optlab_adapters.pruning.packed.storage import save  # noqa: PLC0415 - it needs this class

        save(self, folder)

    @classmethod
    def load(cls, folder: str | Path) -> PackedNetwork:
        """Read a network that :meth:`save` wrote; torch and the training code are not needed.

        Raises
        ------
        ParseError
            When there is none, it is damaged, or it is of another layout.
        MissingDependencyError
            Without safetensors.
        """
        from optlab_adapters.pruning.packed.storage import load  # noqa: PLC0415 - it needs this class

        return load(folder)


def _applied(step: Step, arguments: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    try:
        return OPERATIONS[step.operation](*arguments, **step.options)
    except (ValueError, IndexError) as error:
        shapes = ", ".join(str(a.shape) for a in arguments)
        raise ProblemError(
            f"{step.path} ({step.operation}) was given the shape {shapes}, which does not fit: {error}"
        ) from error

"""Networks with ternary weights, executed on bit planes.

The weights of a layer are gain M S with a mask M, signs S and one gain for the layer or for every output channel: two
bits and no multiplication. :func:`pack` makes a :class:`PackedNetwork` of a torch module; running, saving and loading it
needs no torch. Background: Diffenderfer and Kailkhura 2021, key ``DK21`` in docs/refs.bib.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optlab.errors import MissingDependencyError
from optlab_adapters.pruning.packed.network import Memory, PackedNetwork
from optlab_adapters.pruning.packed.weights import TernaryWeight

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Memory", "PackedNetwork", "TernaryWeight", "pack"]


def pack(
    model: Any,
    *,
    weights: Mapping[str, TernaryWeight] | None = None,
    sign_modules: tuple[type, ...] = (),
    keep_dense: bool = False,
    tolerance: float = 1e-5,
) -> PackedNetwork:
    """Return the packed form of a torch module in evaluation mode.

    Parameters
    ----------
    model : torch.nn.Module
        Traceable by torch.fx; made of Linear, Conv2d, batch normalization, ReLU, Hardtanh, torch.sign, SignActivation,
        pooling, flatten, mean and additions. It is not changed.
    weights : mapping of module path to TernaryWeight, or None
        The weights of layers that compute theirs, such as subclasses of Linear with a forward of their own. Those of
        other layers are read from ``module.weight``.
    sign_modules : tuple of types
        Modules that compute sign(x), zero for zero, by an own forward; those with +1 at zero are derived from
        :class:`optlab.adapters.pruning.SignActivation`, which is known.
    keep_dense : bool
        Keep layers whose weights are not ternary as floats, instead of refusing them.
    tolerance : float
        Relative; how far the magnitudes in a row may lie apart, and what counts as zero beside them.

    Raises
    ------
    CapabilityError
        When a layer or an operation has no packed form; names its path.
    ProblemError
        When the weights of a layer are not ternary, a path does not exist, or the module is in training mode.
    MissingDependencyError
        Without torch.
    """
    try:
        from optlab_adapters.pruning.packed.conversion import (  # noqa: PLC0415 - imports torch
            Choices,
            convert,
        )
    except ImportError as error:
        if error.name != "torch":
            raise
        raise MissingDependencyError("torch", "torch", "pack") from error
    return convert(model, Choices(dict(weights or {}), sign_modules, keep_dense, tolerance))

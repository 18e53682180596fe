"""Training under a limit on the number of weights.

    minimize  f(w) = mean over samples of loss(model_w(inputs), targets)    s.t.  ||w_G||_0 <= density * |G|

over the trainable parameters w of a module, for all prunable ones together (``scope="global"``) or layer by layer.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from torch.nn.utils import prune

from optlab.core.sparsity import Sparsity
from optlab.errors import OptionError, ProblemError
from optlab_adapters.pruning.masks import multiply_masks
from optlab_adapters.pruning.packed import PackedNetwork, pack
from optlab_adapters.torch.training import TrainingTask

if TYPE_CHECKING:
    import torch

    from optlab.core.problem import Problem
    from optlab.core.sampled import Block
    from optlab_adapters.torch.training.network import Loss

__all__ = ["PruningTask"]


class PruningTask(TrainingTask):
    """The training of a module of which only some weights may stay, for :func:`optlab.minimize`.

    Methods: ``"magnitude"``, ``"gmp"``, ``"lth"``, ``"lrr"``, ``"edge-popup"``, ``"biprop"``. Weights of convolutions
    and linear layers (tensors of two and more axes) are prunable; biases and normalizations are not, and stay dense. A
    tensor that several modules share is one block.

    Parameters
    ----------
    model, loss, data, **options
        As for :class:`optlab.adapters.TrainingTask`.
    density : float or mapping, optional
        Share of the prunable weights that may stay, in (0, 1); or one for each parameter by name, in (0, 1], which
        makes the scope layerwise.
    sparsity : float, optional
        1 - density; one of the two must be given.
    scope : {"global", "layerwise"}
        Whether the weights of all layers compete, or those of each layer among themselves.
    unit : {"weight", "channel"}
        What stays or goes: weights, or output channels.
    dense : sequence of str
        Names of parameters that are not to be pruned, such as those of a first layer.

    Raises
    ------
    OptionError
        When a density is out of range, leaves a layer nothing, or a name is unknown.
    ProblemError
        When there is nothing to prune.

    Examples
    --------
    >>> import torch
    >>> from optlab.adapters import pruning
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    >>> data = torch.zeros(6, 4), torch.zeros(6, dtype=torch.int64)
    >>> task = pruning.PruningTask(model, torch.nn.functional.cross_entropy, data, sparsity=0.75)
    >>> task.density
    0.25
    """

    def __init__(
        self,
        model: torch.nn.Module,
        loss: Loss,
        data: Any,
        *,
        density: float | Mapping[str, float] | None = None,
        sparsity: float | None = None,
        scope: Literal["global", "layerwise"] = "global",
        unit: Literal["weight", "channel"] = "weight",
        dense: Sequence[str] = (),
        **options: Any,
    ) -> None:
        super().__init__(model, loss, data, **options)
        self.blocks = _left_dense(self.blocks, dense)
        self.sparsity = Sparsity.of(self.blocks, _density(density, sparsity), scope, unit)

    @property
    def density(self) -> float:
        """Share of the prunable weights that may stay."""
        return self.sparsity.density

    def problem(self) -> Problem:
        """State the task as a problem with its sparsity."""
        return super().problem().replace(sparsity=self.sparsity)

    # Masks ------------------------------------------------------------------------------------------

    def masks(self) -> dict[str, torch.Tensor]:
        """Return which weights differ from zero, as bool tensors by the names of the parameters."""
        parameters = dict(self.model.named_parameters())
        return {
            block.name: parameters[block.name].detach() != 0 for block in self.sparsity.prunable
        }

    def kept(self) -> dict[str, float]:
        """Return the share of the weights of each parameter that differ from zero."""
        return {name: float(mask.double().mean()) for name, mask in self.masks().items()}

    def apply_masks(self, masks: Mapping[str, torch.Tensor]) -> None:
        """Set to zero what masks leave out, for instance those of another run.

        Raises
        ------
        ProblemError
            When they are those of another architecture; names the parameter.
        """
        parameters = dict(self.model.named_parameters())
        names = [block.name for block in self.sparsity.prunable]
        for name in names:
            if name not in masks:
                raise ProblemError(
                    f"there is no mask for {name}; masks are there for {sorted(masks)}"
                )
        multiply_masks({name: parameters[name] for name in names}, masks)

    def mark(self) -> None:
        """Put the masks into the model in the way of ``torch.nn.utils.prune``, for programs that read them there.

        A parameter ``weight`` becomes ``weight_orig`` with a buffer ``weight_mask``; the task is not used any more
        after that. ``torch.nn.utils.prune.remove(module, "weight")`` undoes it.
        """
        for name, mask in self.masks().items():
            path, _, leaf = name.rpartition(".")
            module = self.model.get_submodule(path)
            prune.custom_from_mask(module, leaf, mask)  # type: ignore[no-untyped-call]

    # Bits -------------------------------------------------------------------------------------------

    def export_packed(self, *, keep_dense: bool = False) -> PackedNetwork:
        """Return the model as it is, run in evaluation mode on bit planes: for binary weights, such as those of ``biprop``.

        Parameters
        ----------
        keep_dense
            Keep layers whose weights are not binary as floats, for instance those that are not pruned.

        Raises
        ------
        ProblemError
            When the weights of a layer are not binary; names it.
        CapabilityError
            When a layer has no packed form; names it.
        """
        return pack(copy.deepcopy(self.model).eval(), keep_dense=keep_dense)


def _density(density: Any, sparsity: float | None) -> Any:
    """Return the density of the two ways to say it.

    Raises
    ------
    OptionError
        When there are two or none, or it says that there is nothing to do.
    """
    if (density is None) == (sparsity is None):
        raise OptionError(
            f"density is {density!r} and sparsity is {sparsity!r}; one of the two is needed"
        )
    if isinstance(density, Mapping):
        given: Any = density
        if given and all(value == 1 for value in given.values()):
            raise OptionError("all densities are 1; a task without pruning is a TrainingTask")
        return density
    label, value = ("sparsity", sparsity) if density is None else ("density", density)
    if isinstance(value, bool) or not (isinstance(value, int | float) and 0.0 < value < 1.0):
        raise OptionError(
            f"{label} is {value!r}; a number in (0, 1) is needed (a task without pruning is a TrainingTask)"
        )
    return 1.0 - value if density is None else value


def _left_dense(blocks: tuple[Block, ...], dense: Sequence[str]) -> tuple[Block, ...]:
    """Return the blocks, some of them taken from what may be pruned."""
    names = [block.name for block in blocks]
    for name in dense:
        if name not in names:
            raise OptionError(f"dense names {name!r}; the parameters are {names}")
    return tuple(
        replace(block, prunable=block.prunable and block.name not in dense) for block in blocks
    )

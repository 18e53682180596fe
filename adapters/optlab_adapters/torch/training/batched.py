"""Many displaced networks in one forward.

Small networks spend their time on calling operations, not in them. Here every operation is called once for k networks.
Where the displaced layer is one that is known, they differ in one channel of its output
(:mod:`optlab_adapters.torch.training.layered`). Elsewhere the displaced tensor is stacked k times, all other parameters and
the features before its stage are shared: ``torch.func.vmap`` over the values of one tensor. Sums are taken in another
order than one by one, so the values agree with those of the loop to rounding, not to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch.func import functional_call, vmap

from optlab.errors import OptionError
from optlab_adapters.torch.training.layered import Layered, known_input

if TYPE_CHECKING:
    from optlab.typing import Indices, Vector
    from optlab_adapters.torch.training.chain import Pass
    from optlab_adapters.torch.training.parameters import Parameters

__all__ = ["NUMBERS", "Batched", "features", "limit"]

SMALL = 60_000
"""Numbers in the features of a batch from a start to the end, up to which ``vmap`` over the values of a tensor is faster
than one by one: found on networks with dense and convolutional layers on one core, 2026-11-25,
benchmarks/zeroth/throughput.py."""

MEDIUM = 250_000
"""The same where the displaced layer is known. That is faster for more numbers as well, but fewer than four networks
fit into one call then."""

NUMBERS = 1_000_000
"""Numbers in the features of all networks of one call."""


class _Stage(torch.nn.Module):
    """A function that is no module, among modules."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self._function = [function]

    def forward(self, *values: Any, **named: Any) -> Any:
        return self._function[0](*values, **named)


class _Tail(torch.nn.Module):
    """The stages from one on, and the loss."""

    def __init__(self, stages: Sequence[Callable[..., Any]]) -> None:
        super().__init__()
        self.stages = torch.nn.ModuleList(
            s if isinstance(s, torch.nn.Module) else _Stage(s) for s in stages
        )

    def forward(self, judge: Callable[[Any], Any], *values: Any, **named: Any) -> Any:
        value = self.stages[0](*values, **named)
        for stage in self.stages[1:]:
            value = stage(value)
        return judge(value)


class Batched:
    """Evaluates displacements within one tensor, many at a time.

    Parameters
    ----------
    parameters
        Of the module.
    """

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters
        self._layered = Layered(parameters)
        self._tails: dict[int, _Tail] = {}
        self._names: dict[tuple[int, int], list[str]] = {}

    def values(
        self, base: Pass, start: int, tensor: int, places: Indices, points: Vector
    ) -> Vector:
        """Return the losses with one entry of a tensor replaced, shape (k,).

        Parameters
        ----------
        base
            Pass at the point.
        start
            Stage that the tensor is first used in.
        tensor
            Number of the tensor.
        places
            (k,) entries, counted in C order.
        points
            (k,) their values.

        Raises
        ------
        OptionError
            When the network cannot be evaluated so; says why.
        """
        original = self._parameters.tensors[tensor].detach()
        entries = torch.from_numpy(points).to(original.dtype)
        try:
            steps = entries - original.reshape(-1)[torch.from_numpy(places)]
            found = self._layered.values(base, start, tensor, places, steps)
            if found is None:
                found = self._stacked(base, start, tensor, places, entries)
            return found.to(torch.float64).numpy()
        except RuntimeError as error:
            raise OptionError(
                f"the network cannot be evaluated for many points at once ({error}); pass batched=False"
            ) from error

    def _stacked(
        self, base: Pass, start: int, tensor: int, places: Indices, entries: torch.Tensor
    ) -> torch.Tensor:
        """Return the losses of k networks, (k,), that have a tensor of their own each."""
        original = self._parameters.tensors[tensor].detach()
        k = len(places)
        stacked = original.reshape(1, -1).repeat(k, 1)
        stacked[torch.arange(k), torch.from_numpy(places)] = entries
        stacked = stacked.view(k, *original.shape)
        tail = self._tail(base, start)
        names = self._named(tail, start, tensor)
        arguments, keywords = base.given(start)

        def one(value: torch.Tensor) -> torch.Tensor:
            swapped = dict.fromkeys(names, value)
            loss: torch.Tensor = functional_call(
                tail, swapped, (base.judged, *arguments), dict(keywords), tie_weights=False
            )
            return loss.reshape(())

        return vmap(one)(stacked)

    def _tail(self, base: Pass, start: int) -> _Tail:
        if start not in self._tails:
            self._tails[start] = _Tail(base.stages(start))
        return self._tails[start]

    def _named(self, tail: _Tail, start: int, tensor: int) -> list[str]:
        """Return the names of a tensor among the stages; several when it is shared."""
        if (start, tensor) not in self._names:
            wanted = self._parameters.tensors[tensor]
            named = tail.named_parameters(remove_duplicate=False)
            self._names[start, tensor] = [name for name, p in named if p is wanted]
        return self._names[start, tensor]


def limit(base: Pass, start: int) -> int:
    """Return up to how many numbers in the features many points are evaluated in one forward unasked."""
    return SMALL if known_input(base, start) is None else MEDIUM


def features(base: Pass, start: int) -> int:
    """Return the numbers in the features of a batch from a start to the end."""
    sizes = [value.numel() for number, value in base.inputs.items() if number >= start]
    outputs = base.output.numel() if isinstance(base.output, torch.Tensor) else 0
    inputs = sum(t.numel() for t in base.batch.tensors()) if start == 0 else 0
    return sum(sizes) + outputs + inputs

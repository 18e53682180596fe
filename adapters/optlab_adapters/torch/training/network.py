"""A module with its loss as a pure function: same parameters, batch and key, same number.

What could make two evaluations differ is held still while values are computed, and put back afterwards:

* modes: the module is in the mode that the task asks for;
* normalization by batch statistics: the running statistics are neither used nor changed;
* other buffers that a forward writes to (power iterations of spectral normalization, counters) are restored after
  every evaluation;
* dropout and other random numbers: every evaluation starts from the same state of the generator, which follows from
  the seed and the key;
* inputs that a first layer overwrites are given as copies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from optlab.errors import ProblemError
from optlab.typing import is_a

if TYPE_CHECKING:
    from optlab_adapters.torch.training.data import Batch

__all__ = ["Buffers", "Generators", "Network"]

Loss = Callable[[Any, Any], torch.Tensor]
"""``loss(output, target)`` -> scalar tensor, the mean over the samples."""


class Network:
    """A module, its loss, and the mode they are evaluated in.

    Parameters
    ----------
    model : torch.nn.Module
    loss : callable
        ``loss(output, target) -> scalar tensor``.
    training : bool or None
        Mode during evaluations; None leaves every submodule in its own.
    threads : int or None
        Threads of one operation during evaluations; None: what torch has.
    """

    def __init__(
        self, model: torch.nn.Module, loss: Loss, training: bool | None, threads: int | None
    ) -> None:
        self.model, self.loss = model, loss
        self.training, self.threads = training, threads
        self._buffers: Buffers | None = None

    def output(self, batch: Batch) -> Any:
        """Call the model."""
        return self.model(*batch.arguments, **batch.keywords)

    def judged(self, output: Any, batch: Batch) -> torch.Tensor:
        """Return the loss of an output.

        Raises
        ------
        ProblemError
            When it is no tensor with one entry.
        """
        value = self.loss(output, batch.target)
        if not is_a(value, torch.Tensor) or value.numel() != 1:
            what = (
                f"a tensor of shape {tuple(value.shape)}"
                if is_a(value, torch.Tensor)
                else f"a {type(value).__name__}"
            )
            raise ProblemError(
                f"loss returned {what}; a tensor with one entry is needed, such as the mean over the "
                "samples"
            )
        return value

    @contextmanager
    def held_still(self) -> Iterator[None]:
        """Bring the module into the mode of evaluations, and back."""
        with ExitStack() as stack:
            if self.threads is not None and self.threads != (own := torch.get_num_threads()):
                torch.set_num_threads(self.threads)
                stack.callback(torch.set_num_threads, own)
            stack.enter_context(_mode(self.model, self.training))
            stack.enter_context(_no_running_statistics(self.model))
            self._buffers = Buffers(self.model)
            yield

    @property
    def has_buffers(self) -> bool:
        """Whether there is anything that evaluations might write to."""
        return self._buffers is not None and bool(self._buffers)

    def restore(self) -> None:
        """Undo what evaluations have written to buffers since the network is held still."""
        if self._buffers is not None:
            self._buffers.restore()


@contextmanager
def _mode(model: torch.nn.Module, training: bool | None) -> Iterator[None]:
    """Set the mode of all submodules."""
    wrong = [] if training is None else [m for m in model.modules() if m.training != training]
    for module in wrong:
        module.training = bool(training)
    try:
        yield
    finally:
        for module in wrong:
            module.training = not training


@contextmanager
def _no_running_statistics(model: torch.nn.Module) -> Iterator[None]:
    """Let modules that normalize by batch statistics forget them again."""
    tracking = [
        m
        for m in model.modules()
        if isinstance(m, _BatchNorm) and m.training and m.track_running_stats
    ]
    for module in tracking:
        module.track_running_stats = False
    try:
        yield
    finally:
        for module in tracking:
            module.track_running_stats = True


class Buffers:
    """The buffers of a module, to be put back when a forward has written to them."""

    def __init__(self, model: torch.nn.Module) -> None:
        self._kept: list[tuple[dict[str, Any], str, Any, Any, int]] = []
        """Where the buffer is registered, its name, the tensor, its values, its version."""
        seen: set[int] = set()
        for module in model.modules():
            for name, tensor in module._buffers.items():
                if tensor is not None and id(tensor) not in seen:
                    seen.add(id(tensor))
                    self._keep(module._buffers, name, tensor)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._kept)

    def _keep(self, home: dict[str, Any], name: str, tensor: torch.Tensor) -> None:
        self._kept.append((home, name, tensor, tensor.detach().clone(), tensor._version))

    def restore(self) -> None:
        """Undo what was written since this was made."""
        for number, (home, name, tensor, values, version) in enumerate(self._kept):
            if home[name] is not tensor or tensor._version != version:
                home[name] = tensor
                with torch.no_grad():
                    tensor.copy_(values)
                self._kept[number] = (home, name, tensor, values, tensor._version)


class Generators:
    """The states of torch's generators, on the CPU and on the device of the model."""

    def __init__(self, device: torch.device) -> None:
        self._module: Any = (
            None if device.type == "cpu" else torch.get_device_module(device.type)
        )
        self._device = device

    @contextmanager
    def seeded(self, seed: int) -> Iterator[None]:
        """Seed them, and put them back afterwards."""
        before = self.state()
        torch.default_generator.manual_seed(seed)
        if self._module is not None:
            self._module.manual_seed(seed)
        try:
            yield
        finally:
            self.set(before)

    def state(self) -> tuple[torch.Tensor, ...]:
        """Return the states now."""
        here = torch.default_generator.get_state()
        return (
            (here,)
            if self._module is None
            else (here, self._module.get_rng_state(self._device))
        )

    def set(self, state: Sequence[torch.Tensor]) -> None:
        """Return to a state."""
        torch.default_generator.set_state(state[0])
        if self._module is not None:
            self._module.set_rng_state(state[1], self._device)

    def at(self, state: Sequence[torch.Tensor]) -> bool:
        """Whether no random number was drawn since a state."""
        return all(torch.equal(a, b) for a, b in zip(state, self.state(), strict=True))

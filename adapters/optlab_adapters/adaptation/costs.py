"""What adaptation costs: forwards and backwards, CPU time, bytes kept for a backward, memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch

__all__ = ["Costs", "Peak", "SavedBytes", "peak_memory", "saved_activations"]

_CLEAR, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


@dataclass
class Costs:
    """Work so far; counts of whole batches."""

    forwards: int = 0
    backwards: int = 0
    saved_bytes: int = 0
    """Most bytes that one forward kept for its backward; 0 where there was no backward."""

    cpu_seconds: float = 0.0
    """Of this process, in the steps of a stream."""

    def copy(self) -> Costs:
        """Return the same numbers, which do not change any more."""
        return Costs(self.forwards, self.backwards, self.saved_bytes, self.cpu_seconds)


@dataclass
class SavedBytes:
    """Bytes of the tensors that were kept for a backward."""

    total: int = 0
    _seen: set[int] = field(default_factory=set, repr=False)

    def add(self, tensor: torch.Tensor) -> None:
        """Count the memory of a tensor, once however often it is kept."""
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self._seen:
            self._seen.add(storage.data_ptr())
            self.total += storage.nbytes()

    def leave_out(self, model: torch.nn.Module) -> None:
        """Do not count what is there anyway: parameters and buffers."""
        for tensor in (*model.parameters(), *model.buffers()):
            self._seen.add(tensor.untyped_storage().data_ptr())


@contextmanager
def saved_activations(model: torch.nn.Module) -> Iterator[SavedBytes]:
    """Count the bytes that forwards of a model keep for a backward, their parameters apart.

    The number follows from the operations alone, so that it is the same on every run and however busy the machine is.

    Examples
    --------
    >>> import torch
    >>> from optlab.adapters import adaptation
    >>> model = torch.nn.Linear(3, 2)
    >>> with adaptation.saved_activations(model) as saved:
    ...     y = model(torch.ones(5, 3))
    >>> saved.total
    60
    """
    saved = SavedBytes()
    saved.leave_out(model)

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        saved.add(tensor)
        return tensor

    def give(tensor: torch.Tensor) -> torch.Tensor:
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, give):
        yield saved


@dataclass
class Peak:
    """Growth of the memory of the process over what it was, in bytes; None: the system does not tell."""

    bytes: int | None = None


@contextmanager
def peak_memory() -> Iterator[Peak]:
    """Measure the largest resident memory meanwhile (Linux), above that at the start.

    Allocators keep memory for later: the first of several runs shows most. Measure in a process of its own where it matters.
    """
    peak, before = Peak(), None
    try:
        _CLEAR.write_text("5")  # the high-water mark starts again from the memory now
        before = _kilobytes("VmRSS")
    except OSError:
        pass
    yield peak
    if before is not None:
        peak.bytes = max(0, 1024 * (_kilobytes("VmHWM") - before))


def _kilobytes(name: str) -> int:
    for line in _STATUS.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise OSError(f"{_STATUS} has no {name}")

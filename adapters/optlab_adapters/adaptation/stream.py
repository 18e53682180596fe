"""Adaptation to one batch after the other."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from optlab.api import minimize
from optlab_adapters.adaptation.costs import Costs
from optlab_adapters.adaptation.energy import EnergyCounters
from optlab_adapters.adaptation.task import BNAdaptation
from optlab_adapters.torch.modes import evaluating

if TYPE_CHECKING:
    from optlab.core.result import Result

__all__ = ["Adapted", "adapt_stream"]


@dataclass(frozen=True)
class Adapted:
    """A batch of a stream."""

    scores: torch.Tensor
    """(B, K), after the adaptation."""

    result: Result | None
    """Of the solve; None where there was none."""

    costs: Costs
    """Of this batch alone."""

    joules: float | None
    """Energy of the processor meanwhile; None: the machine does not tell."""

    skipped: str = ""
    """Why the batch was not adapted to; its scores are those of the model with its own statistics then."""


def adapt_stream(
    model: torch.nn.Module | BNAdaptation,
    batches: Iterable[Any],
    method: str | None = "adam",
    *,
    episodic: bool = False,
    options: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Iterator[Adapted]:
    """Adapt a network to a stream of batches, and answer each.

    Parameters
    ----------
    model
        A module, which is put back to the bit when the stream ends or is closed; or a :class:`BNAdaptation`, whose batch is
        replaced and which keeps what it has learnt.
    batches
        Inputs, (B, ...) each; may be endless.
    method
        Of :func:`optlab.minimize`; None: new statistics only.
    episodic
        Whether every batch starts from the model as it came, else from where the one before ended.
    options
        Further arguments of :func:`optlab.minimize`. Without any, one step is taken (``max_iter=2``: the second iteration
        evaluates where it led).
    settings
        Of :class:`BNAdaptation`, for a module.

    Yields
    ------
    Adapted
        One for each batch. A batch of one sample is skipped where statistics of the batch are asked for.
    """
    counters = EnergyCounters.find()
    wishes = {"max_iter": 2} if options is None else dict(options)
    task = model if isinstance(model, BNAdaptation) else None
    kept = task is not None
    try:
        for number, batch in enumerate(batches):
            started, energy = time.process_time(), counters.read()
            reason = _unfit(batch, task, settings)
            if reason:
                network = model.model if isinstance(model, BNAdaptation) else model
                scores, result = _unadapted(network, batch), None
                spent = Costs(forwards=1)
            else:
                if task is None:
                    assert not isinstance(model, BNAdaptation)
                    task = BNAdaptation(model, batch, **settings)
                elif number or kept:
                    task.next_batch(batch)
                if episodic:
                    task.reset()
                scores, result, spent = _solved(task, method, wishes)
            spent.cpu_seconds = time.process_time() - started
            yield Adapted(scores, result, spent, counters.joules_since(energy), reason)
    finally:
        if task is not None and not kept:
            task.reset()


def _solved(
    task: BNAdaptation, method: str | None, options: Mapping[str, Any]
) -> tuple[torch.Tensor, Result | None, Costs]:
    """Adapt to the batch of a task; return scores, result and costs."""
    before, task.costs = task.costs, Costs()
    try:
        result = None if method is None else minimize(task, method=method, **options)
        scores = task.predict()
        spent = task.costs.copy()
    finally:
        task.costs = before
    before.forwards += spent.forwards
    before.backwards += spent.backwards
    before.saved_bytes = max(before.saved_bytes, spent.saved_bytes)
    return scores, result, spent


def _unfit(batch: Any, task: BNAdaptation | None, settings: Mapping[str, Any]) -> str:
    """Say why a batch cannot be adapted to; empty: it can."""
    statistics = settings.get("statistics", "batch") if task is None else task.norms.statistics
    if statistics == "batch" and len(batch) == 1:
        return "a batch of one sample has no statistics to normalize by"
    return ""


@torch.no_grad()
def _unadapted(network: torch.nn.Module, batch: Any) -> torch.Tensor:
    first = next(network.parameters())
    with evaluating(network):
        scores: torch.Tensor = network(torch.as_tensor(batch).to(first.device, first.dtype))
    return scores

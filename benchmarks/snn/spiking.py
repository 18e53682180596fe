"""What the benchmarks of spiking networks share: training by ``optlab.minimize``, and what is compared.

The quantized network is compared with the spiking network in its own arithmetic: code by code in every hidden layer, and the
logits. In single precision both round, so a code whose potential lies within rounding of a threshold may differ; such a code is
told from a wrong one by its potential in double precision.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import torch

import optlab
from optlab.adapters import TrainingTask, snn

if TYPE_CHECKING:
    from pathlib import Path

nn = torch.nn
Tensor = torch.Tensor
CHUNK = 250
"""Images simulated at once."""


def trained(task: Any, epochs: float, rate: float, weight_decay: float = 5e-4) -> float:
    """Train with momentum 0.9 and a cosine; the task's model keeps the answer. Return CPU seconds."""
    begin = time.process_time()
    result = optlab.minimize(
        task,
        method="sgd",
        learning_rate=rate,
        rule=optlab.zo.Momentum(momentum=0.9, weight_decay=weight_decay),
        schedule=optlab.zo.Cosine(),
        max_epochs=epochs,
        seed=0,
    )
    if not math.isfinite(result.fun):
        raise SystemExit(f"the training broke off: {result.message}")
    task.model.eval()
    return time.process_time() - begin


def float_task(model: Any, data: tuple[Tensor, Tensor], seed: int) -> Any:
    """State the training of the float network."""
    return TrainingTask(model, nn.functional.cross_entropy, data, batch_size=64, seed=seed)


def spike_task(q: Any, data: tuple[Tensor, Tensor], seed: int, penalty: float = 0.0) -> Any:
    """State the training of a quantized network with c = ``penalty`` on the spikes of an image."""
    loss = nn.functional.cross_entropy
    return snn.SpikeTrainingTask(q, loss, data, batch_size=64, seed=seed, spike_penalty=penalty)


def accuracy(logits: Tensor, labels: Tensor) -> float:
    """Return the share of right answers in percent."""
    return 100.0 * float((logits.argmax(1) == labels).double().mean())


@torch.no_grad()
def run(net: Any, x: Tensor) -> tuple[Tensor, float]:
    """Return the logits of a spiking network and its spikes per neuron over all steps."""
    parts = [net.run(some) for some in x.split(CHUNK)]
    fired = neurons = 0.0
    for _, trace in parts:
        for spikes in trace.spikes.values():
            fired += float(spikes.double().sum())
            neurons += spikes[0].numel()
    return torch.cat([logits for logits, _ in parts]), fired / neurons


@torch.no_grad()
def potentials(q: Any, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the logits of a quantized network, and by layer what is compared with whole numbers."""
    found: dict[str, list[Tensor]] = {}

    def keep(name: str) -> Any:
        return lambda module, inputs, _: found.setdefault(name, []).append(
            module.potential(inputs[0])
        )

    layers = [(n, m) for n, m in q.named_modules() if isinstance(m, snn.QuantizedReLU)]
    hooks = [module.register_forward_hook(keep(name)) for name, module in layers]
    try:
        logits = torch.cat([q(some) for some in x.split(CHUNK)])
    finally:
        for hook in hooks:
            hook.remove()
    return logits, {name: torch.cat(parts) for name, parts in found.items()}


@torch.no_grad()
def compared(q: Any, x: Tensor) -> dict[str, Any]:
    """Compare network and spiking network in single and double precision.

    ``codes`` of all hidden layers together; ``mismatches`` and ``logits`` (largest difference) by precision; ``images`` with a
    mismatch in single precision; ``farthest``: the largest distance from a whole number, in double precision, of the
    potentials where these images have their first mismatch; ``own``: images in which a code of the network itself differs
    between single and double precision.
    """
    row: dict[str, Any] = {"mismatches": {}, "logits": {}}
    levels = next(m.levels for m in q.modules() if isinstance(m, snn.QuantizedReLU))
    exact_q = copy.deepcopy(q).double()
    exact = potentials(exact_q, x.double())
    wholes: dict[str, dict[str, Tensor]] = {}
    for name, model in (("single", q), ("double", exact_q)):
        there = x.to(next(model.parameters()).dtype)
        logits, potential = exact if name == "double" else potentials(model, there)
        wholes[name] = {k: p.floor().clamp(0, levels) for k, p in potential.items()}
        net = snn.convert(model)
        fired = [net.run(some) for some in there.split(CHUNK)]
        codes = {
            k: torch.cat([net.coding.decode(trace.spikes[k]) for _, trace in fired])
            for k in potential
        }
        wrong = {k: codes[k] != wholes[name][k] for k in codes}
        row["mismatches"][name] = sum(int(w.sum()) for w in wrong.values())
        row["logits"][name] = float((torch.cat([out for out, _ in fired]) - logits).abs().max())
        if name == "single":
            row |= {"codes": sum(w.numel() for w in wrong.values())}
            row |= _first(wrong, exact[1])
    own = {k: w != wholes["double"][k] for k, w in wholes["single"].items()}
    row["own"] = _first(own, exact[1])["images"]
    return row


def _first(wrong: dict[str, Tensor], potential: dict[str, Tensor]) -> dict[str, Any]:
    """Find the first layer with a mismatch of every image that has one, and how near to thresholds it lies."""
    seen = torch.zeros(len(next(iter(wrong.values()))), dtype=torch.bool)
    farthest = 0.0
    for name, there in wrong.items():
        images = there.flatten(1).any(1) & ~seen
        if bool(images.any()):
            p = potential[name][images][there[images]]
            farthest = max(farthest, float((p - p.round()).abs().max()))
        seen |= images
    return {"images": int(seen.sum()), "farthest": farthest}


@torch.no_grad()
def integer_mode(q: Any, x: Tensor, labels: Tensor) -> dict[str, Any]:
    """Say whether network and spiking network in whole numbers are equal to the bit."""
    net = snn.convert(q, exact="integer")
    logits = torch.cat([net(some) for some in x.split(CHUNK)])
    wanted = torch.cat([net.quantized_logits(some) for some in x.split(CHUNK)])
    return {"equal": torch.equal(logits, wanted), "accuracy": accuracy(logits, labels)}


def mean(rows: Sequence[dict[str, Any]], key: str) -> float:
    """Return the mean of a column."""
    return sum(float(row[key]) for row in rows) / len(rows)


def printed(head: Iterable[str], lines: Iterable[Iterable[str]]) -> None:
    """Print a table."""
    head = list(head)
    for line in (head, ["---"] * len(head), *lines):
        print(f"| {' | '.join(line)} |", flush=True)


def verdict(words: str, met: bool) -> bool:
    """Print whether something asked for is met."""
    print(f"{words}: {'met' if met else 'NOT met'}", flush=True)
    return met


def saved(path: Path | None, found: dict[str, Any]) -> None:
    """Write the results where a file is asked for."""
    if path is not None:
        path.write_text(json.dumps(found, indent=1))

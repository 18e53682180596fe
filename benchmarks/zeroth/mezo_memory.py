"""Memory of a MeZO step against that of inference, in fresh processes.

    python benchmarks/zeroth/mezo_memory.py --json mezo_memory.json

A network of 50 million parameters (200 MB). Peak memory of a process that evaluates minibatches, and of one that trains by
``mezo`` on them; what a step of backpropagation with momentum takes is printed beside.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from pathlib import Path

WIDTH, LAYERS, BATCH = 3_500, 4, 64


def child(what: str) -> None:
    """Do one thing and print the peak."""
    import torch  # noqa: PLC0415

    import optlab  # noqa: PLC0415
    from optlab.adapters import TrainingTask  # noqa: PLC0415

    torch.set_num_threads(1)
    torch.manual_seed(0)
    nn = torch.nn
    layers: list[nn.Module] = []
    for _ in range(LAYERS):
        layers += [nn.Linear(WIDTH, WIDTH), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Linear(WIDTH, 10))
    inputs, targets = torch.randn(2 * BATCH, WIDTH), torch.randint(0, 10, (2 * BATCH,))
    loss = nn.functional.cross_entropy
    if what == "inference":
        with torch.no_grad():
            for k in range(4):
                some = slice((k % 2) * BATCH, (k % 2 + 1) * BATCH)
                loss(model(inputs[some]), targets[some])
    elif what == "mezo":
        task = TrainingTask(model, loss, (inputs, targets), batch_size=BATCH)
        optlab.minimize(task, method="mezo", max_iter=2, seed=0)
    else:
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
        for k in range(2):
            some = slice(k * BATCH, (k + 1) * BATCH)
            optimizer.zero_grad()
            loss(model(inputs[some]), targets[some]).backward()
            optimizer.step()
    count = sum(p.numel() for p in model.parameters())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
    print(json.dumps({"peak": peak, "parameters": count}))


def main() -> int:
    """Measure, print, check."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child")
    given = parser.parse_args()
    if given.child:
        child(given.child)
        return 0
    found = {}
    for what in ("inference", "mezo", "backpropagation"):
        made = subprocess.run(
            [sys.executable, __file__, "--child", what],
            capture_output=True,
            text=True,
            check=True,
        )
        found[what] = json.loads(made.stdout.splitlines()[-1])
        ratio = found[what]["peak"] / found["inference"]["peak"]
        print(f"{what}: {found[what]['peak']:.0f} MB, {ratio:.3f} of inference", flush=True)
    ratio = found["mezo"]["peak"] / found["inference"]["peak"]
    print(f"MeZO at most 1.05 of inference: {'met' if ratio <= 1.05 else 'NOT met'}")
    if given.json is not None:
        given.json.write_text(json.dumps(found, indent=1))
    return 0 if ratio <= 1.05 else 1


if __name__ == "__main__":
    raise SystemExit(main())

"""Two ranks of torch.distributed that train together, for a test."""

from __future__ import annotations

import socket
from typing import Any

import numpy as np
import torch
from networks import data, loss, mlp

import optlab
from optlab.adapters import TrainingTask


def spawn(folder: str) -> None:
    """Train on two ranks; each leaves its answer in the folder."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    torch.multiprocessing.spawn(  # type: ignore[attr-defined, no-untyped-call]
        run_rank, (port, folder), nprocs=2
    )


def run_rank(rank: int, port: int, folder: str) -> None:
    """Train as one of two."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2
    )
    torch.manual_seed(3)
    t = TrainingTask(
        mlp(6, 4, 3), loss, data(32, 6), batch_size=8, group=torch.distributed.group.WORLD
    )
    given: dict[str, Any] = {"estimator": optlab.zo.CGE(), "learning_rate": 0.1, "max_iter": 5}
    result = optlab.minimize(t, method="zo-sgd", seed=0, **given)
    np.save(f"{folder}/{rank}.npy", result.x)
    torch.distributed.destroy_process_group()

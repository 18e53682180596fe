"""Forward parallelization over the ranks of ``torch.distributed``.

Every rank runs the same method with the same seed on the same model. It evaluates its share of the displacements, and all
gather the values: numbers are all that is exchanged, and every rank makes the same step of them, to the bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from optlab.core.shifts import AbstractShifts
from optlab.errors import OptionError
from optlab.typing import Vector
from optlab_adapters.torch.training.parallel import some_of
from optlab_adapters.torch.training.units import Unit, rows_of, shares

if TYPE_CHECKING:
    from optlab_adapters.torch.training.engine import Engine

__all__ = ["values_of_ranks"]


def values_of_ranks(
    engine: Engine,
    x: Vector,
    shifts: AbstractShifts,
    key: int,
    units: Sequence[Unit],
    group: Any,
) -> Vector:
    """Evaluate the displacements together with the other ranks of a group, (k,).

    Raises
    ------
    OptionError
        When torch.distributed is not there or not initialized.
    """
    distributed = torch.distributed
    if not (distributed.is_available() and distributed.is_initialized()):
        raise OptionError(
            "group is given and torch.distributed is not initialized; call torch.distributed.init_process_group first"
        )
    ranks, rank = distributed.get_world_size(group), distributed.get_rank(group)
    rows = rows_of(shares(units, ranks))
    # Displacements that are none belong to no unit: everybody evaluates the point itself.
    here = np.setdiff1d(np.arange(len(shifts)), np.concatenate(rows))
    found = np.full(len(shifts), np.nan)
    mine = np.concatenate([rows[rank], here])
    values = engine.values(x, some_of(shifts, mine), key) if mine.size else np.zeros(0)
    found[here] = values[rows[rank].size :]
    longest = max(part.size for part in rows)
    sent = torch.full((longest,), float("nan"), dtype=torch.float64)
    sent[: rows[rank].size] = torch.from_numpy(values[: rows[rank].size])
    gathered = [torch.empty_like(sent) for _ in range(ranks)]
    distributed.all_gather(gathered, sent, group=group)
    for part, told in zip(rows, gathered, strict=True):
        found[part] = told[: part.size].numpy()
    return found

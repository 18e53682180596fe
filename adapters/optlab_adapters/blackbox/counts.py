"""What a simulator has cost, and what it may cost."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

from optlab.errors import BudgetError, OptionError
from optlab_adapters.blackbox.attempts import Outcome

__all__ = ["Account", "Counts"]


@dataclass(frozen=True, slots=True)
class Counts:
    """Totals since a simulator was made, in this process."""

    queries: int = 0
    """Points that were run, however often each was tried."""

    cache_hits: int = 0
    """Points that were asked for and found in the cache."""

    failures: int = 0
    """Queries that gave no finite result, after all retries."""

    retries: int = 0
    seconds: float = 0.0
    """Wall time of the runs, added up; more than what passed where they ran at the same time."""


class Account:
    """Counts from several threads, and never admits more queries than the budget."""

    def __init__(self, budget: int | None) -> None:
        if budget is not None and budget < 0:
            raise OptionError(f"max_queries is {budget}; a number >= 0 or None is needed")
        self._budget, self._counts, self._under_way = budget, Counts(), 0
        self._lock = threading.Lock()

    @property
    def counts(self) -> Counts:
        """The totals."""
        with self._lock:
            return self._counts

    def admit(self, k: int) -> None:
        """Reserve k queries.

        Raises
        ------
        BudgetError
            When that many are not left; then none is reserved.
        """
        with self._lock:
            left = k
            if self._budget is not None:
                left = self._budget - self._counts.queries - self._under_way
            if k > left:
                raise BudgetError(
                    f"{k} runs of the simulator are needed and {left} of max_queries={self._budget} are left; nothing was "
                    "run. Allow more, or stop here: what was run so far is in the cache, if there is one"
                )
            self._under_way += k

    def hits(self, k: int) -> None:
        """Count points that the cache knew."""
        with self._lock:
            self._counts = replace(self._counts, cache_hits=self._counts.cache_hits + k)

    def done(self, outcomes: Sequence[Outcome]) -> None:
        """Count queries that were reserved and are done."""
        with self._lock:
            c = self._counts
            self._under_way -= len(outcomes)
            self._counts = Counts(
                queries=c.queries + len(outcomes),
                cache_hits=c.cache_hits,
                failures=c.failures + sum(o.error is not None for o in outcomes),
                retries=c.retries + sum(o.attempts - 1 for o in outcomes),
                seconds=c.seconds + sum(o.seconds for o in outcomes),
            )

    def release(self, k: int) -> None:
        """Give back reserved queries that were not run."""
        with self._lock:
            self._under_way -= k

"""The packaged problems by name.

>>> from optlab_problems import catalog
>>> catalog.load("hs71")
Problem('hs71', n=4, m=2, has: gradient, jacobian, hessian)
>>> catalog.load("planted-qp", n=120).n
120
>>> catalog.names(kind="bounds", outcome="solved")
['bounded-rosenbrock']
"""

from __future__ import annotations

from optlab import Problem
from optlab.errors import ProblemError
from optlab_problems.classic import awkward, hock_schittkowski, sized, unconstrained
from optlab_problems.classic._entry import Entry, Kind, Outcome

__all__ = ["Entry", "Kind", "Outcome", "entries", "entry", "load", "names"]

_BY_NAME: dict[str, Entry] = {
    item.name: item
    for module in (hock_schittkowski, unconstrained, awkward, sized)
    for item in module.ENTRIES
}


def entries() -> tuple[Entry, ...]:
    """Return everything the catalog knows, in catalog order."""
    return tuple(_BY_NAME.values())


def names(kind: str | Kind | None = None, outcome: str | Outcome | None = None) -> list[str]:
    """Return the names of the problems, all or those of one kind and outcome.

    Parameters
    ----------
    kind
        ``"unconstrained"``, ``"bounds"``, ``"linear"``, ``"nonlinear"``; None for all.
    outcome
        ``"solved"``, ``"degenerate"``, ``"infeasible"``, ``"unbounded"``; None for all.

    Raises
    ------
    ValueError
        When ``kind`` or ``outcome`` is not one of these.
    """
    wanted_kind = None if kind is None else Kind(kind)
    wanted_outcome = None if outcome is None else Outcome(outcome)
    return [
        item.name
        for item in _BY_NAME.values()
        if wanted_kind in (None, item.kind) and wanted_outcome in (None, item.outcome)
    ]


def entry(name: str) -> Entry:
    """Return what the catalog knows about one problem.

    Raises
    ------
    ProblemError
        When there is no problem of that name.
    """
    found = _BY_NAME.get(name.lower())
    if found is None:
        raise ProblemError(
            f"no packaged problem {name!r}; optlab_problems.catalog.names() lists them"
        )
    return found


def load(name: str, **sizes: int) -> Problem:
    """Return the problem ``name``, with the given size parameters or the default ones.

    Raises
    ------
    ProblemError
        When there is no such problem, or it has no such size parameter.
    """
    item = entry(name)
    unknown = sorted(set(sizes) - set(item.sizes))
    if unknown:
        has = ", ".join(sorted(item.sizes)) or "none"
        raise ProblemError(
            f"{item.name} has no size parameter {unknown[0]!r}; its size parameters: {has}"
        )
    return item.build(**{**item.sizes, **sizes})

"""Options of the AMPL front: ``key=value`` on the command line and in the variable ``optlab_options``."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from optlab.core.plain import value
from optlab.errors import OptionError

__all__ = ["AmplOptions", "described", "read_options"]


@dataclass(frozen=True, slots=True)
class AmplOptions:
    """What a call asks for; the names are those of `optlab.minimize` where it has them."""

    method: str = "auto"
    tol: float = 1e-6
    max_iter: int | None = None
    max_eval: int | None = None
    max_time: float | None = None
    outlev: int = 1
    objno: int | None = None
    wantsol: int = 0
    warm_start: bool = True
    seed: int | None = None
    others: dict[str, Any] = field(default_factory=dict[str, Any])
    """Options of the method."""


def _switch(text: str) -> bool:
    words = {"yes": True, "no": False, "true": True, "false": False, "1": True, "0": False}
    return words[text.lower()]


_KEYS: dict[str, tuple[str, Callable[[str], Any], str]] = {
    "method": ("method", str, "method, see 'optlab methods' (auto)"),
    "tol": ("tol", float, "tolerance (1e-6)"),
    "max_iter": ("max_iter", int, "limit on iterations (of the method)"),
    "maxit": ("max_iter", int, "the same"),
    "max_eval": ("max_eval", int, "limit on evaluations of the objective (none)"),
    "max_time": ("max_time", float, "limit on wall time, in seconds (none)"),
    "maxtime": ("max_time", float, "the same"),
    "timelimit": ("max_time", float, "the same"),
    "outlev": ("outlev", int, "0: silent, 1: a line per iteration (1)"),
    "objno": ("objno", int, "objective, counted from 1; 0: none (1)"),
    "wantsol": ("wantsol", int, "without -AMPL, sum of 1: write .sol, 2: print variables, 4: print duals, 8: no message (0)"),
    "warm_start": ("warm_start", _switch, "use the multipliers that the model carries (yes)"),
    "seed": ("seed", int, "of the random generator"),
}  # fmt: skip
"""Key -> field, how its value is read, and what it means."""


def described() -> str:
    """Return the list of all options, a line each."""
    width = max(len(key) for key in _KEYS)
    lines = [f"{key:<{width}}  {text}" for key, (_, _, text) in sorted(_KEYS.items())]
    return "\n".join([*lines, "", "Every other KEY=VALUE is an option of the method."])


def read_options(variable: str, words: Iterable[str]) -> AmplOptions:
    """Read the options of the environment, then those of the command line, which win.

    Parameters
    ----------
    variable
        Text of the environment variable ``optlab_options``; values with blanks are quoted.
    words
        Arguments after the stub.

    Raises
    ------
    OptionError
        When a word is not of the form key=value, or a value does not fit its key.
    """
    try:
        given = shlex.split(variable)
    except ValueError as error:
        raise OptionError(f"optlab_options cannot be split into words: {error}") from error
    options = AmplOptions()
    for word in [*_joined(given), *words]:
        key, equals, text = word.partition("=")
        if not equals or not key:
            raise OptionError(
                f"{word!r} is not of the form KEY=VALUE (optlab -= lists the keys)"
            )
        options = _with(options, key.strip(), text.strip())
    return options


def _joined(words: list[str]) -> list[str]:
    """Join ``key = value`` and ``key value``, which AMPL users also write."""
    joined: list[str] = []
    for word in words:
        if word == "=" or (joined and joined[-1].endswith("=")):
            joined[-1:] = ["".join([*joined[-1:], word])]
        elif word.startswith("=") and joined:
            joined[-1] += word
        elif joined and "=" not in joined[-1]:
            joined[-1] += "=" + word
        else:
            joined.append(word)
    return joined


def _with(options: AmplOptions, key: str, text: str) -> AmplOptions:
    known = _KEYS.get(key.lower())
    if known is None:
        return replace(options, others={**options.others, key: value(text)})
    name, read, meaning = known
    try:
        return replace(options, **{name: read(text)})
    except (ValueError, KeyError):
        raise OptionError(f"{key}={text} has a value that does not fit: {meaning}") from None

"""Which problems a sweep runs: lists, whole collections, patterns and classes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from optlab.bench.classes import CLASSES, classification, declared_class
from optlab.bench.plan import ProblemSpec
from optlab.core.problem_sources import known_sources
from optlab.errors import OptionError, ParseError

__all__ = [
    "distinct",
    "facts_key",
    "read_list",
    "select_by_facts",
    "select_problems",
    "whole_collection",
]

Facts = Callable[[list[ProblemSpec]], list[dict[str, Any]]]
"""Finds sizes and classes of problems."""


def read_list(path: Path, collection: Path) -> list[ProblemSpec]:
    """Read a list of problems: lines ``NAME KEY=VALUE ...``, '#' starts a comment.

    NAME is a file of the collection, with or without its ending. A file that is not there is no error
    here: that is the outcome of its runs.

    Raises
    ------
    FileNotFoundError
        There is no list or no collection.
    ParseError
        Names the line.
    """
    _need_folder(collection)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ParseError("is not a text file in UTF-8", path) from error
    specs = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("#")[0].split()
        if words:
            params = dict(_parameter(word, path, number) for word in words[1:])
            if "=" in words[0]:
                raise ParseError(
                    f"{words[0]!r} stands where a problem's name belongs", path, number
                )
            specs.append(ProblemSpec.of(_find(words[0], collection), params))
    if not specs:
        raise ParseError("holds no problem; a line is NAME KEY=VALUE ...", path)
    return specs


def whole_collection(collection: Path) -> list[ProblemSpec]:
    """Return every file of a folder that a problem source reads, at its default parameters."""
    _need_folder(collection)
    endings = _endings()
    files = sorted(f for f in collection.iterdir() if f.name.lower().endswith(endings))
    if not files:
        raise OptionError(
            f"the collection {str(collection)!r} holds no file ending in {', '.join(endings)}"
        )
    return [ProblemSpec.of(file) for file in files]


def distinct(specs: Iterable[ProblemSpec]) -> list[ProblemSpec]:
    """Drop what several lists name, and show the ending of files that share a stem."""
    found = {(spec.file, facts_key(spec)): spec for spec in specs}
    names = Counter(spec.name for spec in found.values())
    return [
        spec
        if names[spec.name] == 1
        else replace(
            spec, name=spec.name.replace(Path(spec.file).stem, Path(spec.file).name, 1)
        )
        for spec in found.values()
    ]


def select_problems(specs: Iterable[ProblemSpec], only: Sequence[str]) -> list[ProblemSpec]:
    """Keep the problems whose name matches one of the patterns; all when there is none.

    Parameters
    ----------
    only
        Patterns such as ``HS*``, compared with the file's stem and with the whole name, case ignored.
    """
    wanted = [pattern.upper() for pattern in only]

    def matches(spec: ProblemSpec) -> bool:
        names = (Path(spec.file).stem.upper(), spec.name.upper())
        return any(fnmatchcase(name, pattern) for name in names for pattern in wanted)

    return [spec for spec in specs if not wanted or matches(spec)]


def select_by_facts(
    specs: list[ProblemSpec], classes: Sequence[str], max_n: int | None, facts: Facts
) -> list[ProblemSpec]:
    """Keep the problems of some classes and of at most some size.

    The class comes from the file's classification where there is one; else, and for sizes, the problem
    has to be read, which ``facts`` does. A problem that cannot be read is kept: its runs say why.

    Raises
    ------
    OptionError
        When a class is not known.
    """
    unknown = sorted(set(classes) - set(CLASSES))
    if unknown:
        raise OptionError(f"there is no class {unknown[0]!r}; there are {', '.join(CLASSES)}")
    kept = specs
    if classes:
        codes = {spec.name: classification(spec.file) for spec in specs}
        silent = [spec for spec in specs if codes[spec.name] is None]
        found = {
            spec.name: str(fact.get("class", classes[0]))
            for spec, fact in zip(silent, facts(silent) if silent else [], strict=True)
        }
        found |= {
            name: declared_class(code) for name, code in codes.items() if code is not None
        }
        kept = [spec for spec in kept if found[spec.name] in classes]
    if max_n is not None:
        sizes = facts(kept)
        kept = [s for s, fact in zip(kept, sizes, strict=True) if fact.get("n", 0) <= max_n]
    return kept


def facts_key(spec: ProblemSpec) -> str:
    """Name a file with its content and parameters, for the table of facts."""
    return json.dumps([spec.digest, spec.params], sort_keys=True)


def _need_folder(collection: Path) -> None:
    if not collection.is_dir():
        raise FileNotFoundError(
            f"there is no folder {str(collection)!r}; --collection names a folder of problem files"
        )


def _endings() -> tuple[str, ...]:
    return tuple(sorted({ending for source in known_sources() for ending in source.suffixes}))


def _find(name: str, collection: Path) -> Path:
    """Find the file of a name; when there is none, the one that one would expect."""
    endings = _endings()
    if name.lower().endswith(endings):
        return collection / name
    for ending in endings:
        for spelled in (ending.upper(), ending):
            file = collection / f"{name}{spelled}"
            if file.is_file():
                return file
    return collection / f"{name}.SIF"


def _parameter(word: str, path: Path, number: int) -> tuple[str, int | float]:
    key, equals, text = word.partition("=")
    if not equals or not key:
        raise ParseError(f"{word!r} is not of the form KEY=VALUE", path, number)
    try:
        given = float(text)
    except ValueError:
        raise ParseError(f"{text!r} in {word!r} is not a number", path, number) from None
    return key, int(given) if given.is_integer() else given

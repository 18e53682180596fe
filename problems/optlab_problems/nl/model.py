"""A .nl file as an object that evaluates itself."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from optlab.core.method import WarmStart
from optlab.core.problem import Problem
from optlab.core.result import Result
from optlab.core.status import StopReason
from optlab.errors import OptlabWarning, ProblemError
from optlab.typing import Mask, Vector
from optlab_problems.expressions.evaluator import Evaluator
from optlab_problems.expressions.pushes import TooLarge
from optlab_problems.expressions.verbs import Verbs
from optlab_problems.nl.content import Content, Objective
from optlab_problems.nl.errors import NlError, NlLimits
from optlab_problems.nl.names import Names, read_names
from optlab_problems.nl.outputs import build_outputs
from optlab_problems.nl.segments import read_content

__all__ = ["NlModel"]

_SHOWN = 4
"""Variables that a message names."""

_DENSE_UP_TO = 150
"""Sizes up to which derivatives come as ndarrays: below, a csr_array costs more than zeros."""


class NlModel(Verbs):
    """A problem from a .nl file: what it states, and the verbs.

    Parameters
    ----------
    given
        The file, or its bytes.
    objno
        Which objective, counted from 1; 0: none; None: the first, where there is one.
    dense
        Return ndarrays (True), csr_arrays (False), or ndarrays up to n = m = 150 (None).
    names
        Of variables and rows; None: those of the .col and .row files.
    limits
        What the file may cost.

    Raises
    ------
    NlError
        The file is wrong, or no problem of continuous variables.
    OSError
        The file cannot be read.
    """

    def __init__(
        self,
        given: str | Path | bytes,
        objno: int | None = None,
        *,
        dense: bool | None = None,
        names: Names | None = None,
        limits: NlLimits | None = None,
    ) -> None:
        self._arguments = (given, objno, dense, names, limits)
        limits = limits or NlLimits()
        self.path = None if isinstance(given, bytes) else Path(given)
        try:
            data = given if isinstance(given, bytes) else _bytes(Path(given), limits)
            found = names or (Names() if self.path is None else read_names(self.path))
            self.content = read_content(data, limits)
            header = self.content.header
            self.variable_names = found.of_variables(header.variables)
            self.row_names = found.of_rows(header.rows)
            _refuse_discrete(self.content, self.variable_names)
            self._check_start()
            objective = _objective(self.content, objno)
            self.maximise = objective is not None and objective.maximise
            layout, outputs = build_outputs(self.content, objective, limits)
            self.linear: Mask = outputs.linear
            self.content.forget_expressions()
            if dense is None:
                dense = max(header.variables, header.rows) <= _DENSE_UP_TO
            self._evaluator = Evaluator(layout, outputs, dense=dense, limits=limits.plans)
        except NlError as error:
            raise NlError(error.message, self.path, error.line, error.offset) from None
        except TooLarge:
            raise NlError(
                f"first derivatives need more than {limits.plans.first} contributions",
                self.path,
            ) from None
        super().__init__(self._evaluator)

    def __reduce__(self) -> tuple[Any, ...]:
        # A worker process reads the file again: that is cheaper than moving plans.
        return _again, self._arguments

    @property
    def sign(self) -> float:
        """What the objective of the file is multiplied by to be minimised: 1 or -1."""
        return -1.0 if self.maximise else 1.0

    @property
    def start(self) -> Vector:
        """The start point, moved into the bounds: variables without a start value have 0."""
        content = self.content
        return np.minimum(np.maximum(content.x0, content.lb), content.ub)

    def problem(self) -> Problem:
        """Return the problem of minimising this model.

        Raises
        ------
        NlError
            When bounds contradict each other.
        """
        content, has_rows = self.content, self.content.header.rows > 0
        try:
            return Problem(
                **self.functions(rows=has_rows),
                x0=self.start,
                lb=content.lb,
                ub=content.ub,
                cl=content.cl if has_rows else None,
                cu=content.cu if has_rows else None,
                linear=self.linear if has_rows else None,
                name="" if self.path is None else self.path.stem,
                variable_names=self.variable_names,
                constraint_names=self.row_names if has_rows else None,
            )
        except ProblemError as error:
            raise NlError(f"the model can be read, but {error}", self.path) from error

    def warm_start(self) -> WarmStart | None:
        """Return the multipliers that the file carries; None when it has none but zeros.

        Rows: the d segment, AMPL's duals. Bounds: suffixes ipopt_zL_in and ipopt_zU_in, or those a
        solver put out. The signs are those of docs/notation.md.
        """
        content = self.content
        y = None
        if content.duals is not None and content.duals.any():
            y = -self.sign * content.duals
        z = None
        for ending in ("in", "out"):
            sides = [content.suffixes.get((0, f"ipopt_z{side}_{ending}")) for side in "LU"]
            if z is None and any(side is not None for side in sides):
                # AMPL's reduced costs: >= 0 at a lower, <= 0 at an upper bound of a minimum.
                z = np.zeros(content.header.variables)
                for side in sides:
                    if side is not None:
                        z -= self.sign * side.dense(z.size)
        known = [vector for vector in (y, z) if vector is not None]
        if not any(vector.any() and np.isfinite(vector).all() for vector in known):
            return None
        return WarmStart(self.start, y, z)

    def undefined(self, x: Vector) -> str | None:
        """Say which operation has no value or slope at x, and where; None when there is none such."""
        with self._lock:
            found = self._evaluator.undefined(x)
        if found is None:
            return None
        first = int(found.outputs[0])
        where = "the objective" if first == 0 else self.row_names[first - 1]
        of = [f"{self.variable_names[j]} = {x[j]:g}" for j in found.inputs[:_SHOWN].tolist()]
        more = ", ..." if found.inputs.size > _SHOWN else ""
        return (
            f"{where} has no finite {found.what}: {found.operation} is not defined or not "
            f"differentiable at {', '.join(of)}{more}"
        )

    def warn_if_undefined(self, result: Result) -> None:
        """Name the operation when a solve ended because a function could not be evaluated."""
        if result.stop is StopReason.EVAL_ERROR:
            undefined = self.undefined(np.array(result.x, dtype=np.float64))
            if undefined is not None:
                warnings.warn(undefined, OptlabWarning, stacklevel=5)

    def _check_start(self) -> None:
        bad = np.flatnonzero(~np.isfinite(self.content.x0))
        if bad.size:
            name = self.variable_names[int(bad[0])]
            raise NlError(f"the start value of {name} is not finite; {bad.size} such value(s)")


def _bytes(path: Path, limits: NlLimits) -> bytes:
    size = path.stat().st_size
    if size > limits.file_bytes:
        raise NlError(f"the file has {size} bytes; at most {limits.file_bytes} are accepted")
    return path.read_bytes()


def _refuse_discrete(content: Content, names: tuple[str, ...]) -> None:
    """Refuse what makes a problem other than one of continuous variables and equations."""
    integers = content.header.integer_variables
    if integers:
        raise NlError(
            f"{len(integers)} variable(s) may take whole values only, the first is "
            f"{names[integers[0]]}; optlab solves problems of continuous variables: relax them in "
            "the model"
        )
    if content.header.logical_rows:
        raise NlError("the model has logical constraints, which optlab does not solve")
    if content.header.complementarities:
        raise NlError("the model has complementarity conditions, which optlab does not solve")
    for name in ("sosno", "sos"):
        suffix = content.suffixes.get((0, name))
        if suffix is not None and suffix.values.any():
            first = names[int(suffix.indices[np.flatnonzero(suffix.values)[0]])]
            raise NlError(
                f"{first} belongs to a special ordered set, which optlab does not solve"
            )


def _objective(content: Content, objno: int | None) -> Objective | None:
    count = len(content.objectives)
    number = min(1, count) if objno is None else objno
    if not 0 <= number <= count:
        raise NlError(
            f"objective {number} does not exist; the file has {count}, counted from 1"
        )
    return None if number == 0 else content.objectives[number - 1]


def _again(
    given: str | Path | bytes,
    objno: int | None,
    dense: bool | None,
    names: Names | None,
    limits: NlLimits | None,
) -> NlModel:
    return NlModel(given, objno, dense=dense, names=names, limits=limits)

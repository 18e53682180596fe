"""Families of problems written in torch: functions of x and parameters, differentiated by torch.

    minimize f(x, p1, p2, ...)   subject to   lb(p) <= x <= ub(p),   cl(p) <= c(x, p1, p2, ...) <= cu(p)

Everything is computed in float64 on the CPU. optlab sees NumPy arrays only. What else the functions use, the
weights of a network for instance, is constant: pass it as a parameter to differentiate with respect to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from optlab.core.problem import Problem
from optlab.errors import ProblemError
from optlab.parametric.family import AbstractFamily
from optlab.parametric.perturbation import Change, Perturbation
from optlab.typing import Vector

__all__ = ["TorchFamily"]

Tensors = tuple[torch.Tensor, ...]

_LIMITS = ("lb", "ub", "cl", "cu")


@dataclass(frozen=True, kw_only=True)
class TorchFamily(AbstractFamily):
    """Problems of one structure, written in torch.

    Raises
    ------
    ProblemError
        When something that should be a function is none, or shapes are not given.

    Examples
    --------
    The projection of p on the simplex:

    >>> import torch
    >>> from optlab.adapters import TorchFamily
    >>> simplex = TorchFamily(
    ...     objective=lambda x, p: ((x - p) ** 2).sum(), shapes=[(3,)], x0=[0.3, 0.3, 0.3],
    ...     constraints=lambda x, p: x.sum()[None], cl=1.0, cu=1.0, lb=0.0)
    >>> simplex.problem([0.5, 0.7, 0.1])
    Problem(n=3, m=1, has: gradient, jacobian, hessian)
    """

    objective: Callable[..., torch.Tensor]
    """``objective(x, *parameters) -> scalar tensor``."""

    shapes: Sequence[Sequence[int]]
    """The shape of each parameter, ``()`` for a number."""

    x0: Any
    """(n,) start point, or a function of the parameters that returns it."""

    constraints: Callable[..., torch.Tensor] | None = None
    """``constraints(x, *parameters) -> (m,)`` tensor."""

    lb: Any = None
    """(n,), a number, or a function of the parameters that returns one of these; and so on."""

    ub: Any = None
    cl: Any = None
    """(m,), a number, or a function of the parameters."""

    cu: Any = None
    linear: Any = None
    """(m,) bool: rows that are affine in x for every p; None: found by probing in every solve."""

    name: str = field(default="")

    def __post_init__(self) -> None:
        """Check what can be checked without values."""
        for label in ("objective", "constraints"):
            function = getattr(self, label)
            if not callable(function) and not (label == "constraints" and function is None):
                raise ProblemError(
                    f"{label} is {function!r}; a function of (x, *parameters) in torch is needed"
                )
        try:
            shapes = tuple(tuple(int(k) for k in shape) for shape in self.shapes)
        except TypeError as error:
            raise ProblemError(
                f"shapes is {self.shapes!r}; a shape for every parameter is needed, such as "
                "[(3,)] for one vector, [(3, 3), ()] for a matrix and a number"
            ) from error
        if not shapes:
            raise ProblemError("shapes is empty; a family needs at least one parameter")
        object.__setattr__(self, "shapes", shapes)

    # The family of optlab.sensitivity -------------------------------------------------------------

    def problem(self, p: Any) -> Problem:
        """Return the problem at p.

        Parameters
        ----------
        p
            A tuple with one array or tensor per parameter, or all their entries in one vector.

        Raises
        ------
        ProblemError
            When p or what a function returns has a wrong shape.
        """
        values = self.parameters(p)
        start = _evaluated(self.x0, values).reshape(-1)
        functions = _Functions(self, values)
        functions.objective(start.numpy())
        rows = self._row_count(start, values)
        limits: dict[str, Any] = {
            label: _evaluated(getattr(self, label), values).numpy()
            for label in _LIMITS
            if getattr(self, label) is not None
        }
        for label in set(limits) & {"cl", "cu"}:
            if limits[label].ndim == 0:
                limits[label] = np.full(rows, limits[label])
        if rows:
            limits.setdefault("cl", np.full(rows, -np.inf))
            limits.setdefault("cu", np.full(rows, np.inf))
        return Problem(
            objective=functions.objective,
            gradient=functions.gradient,
            hessian=functions.hessian,
            constraints=functions.constraints if rows else None,
            jacobian=functions.jacobian if rows else None,
            x0=start.numpy(),
            linear=self.linear,
            name=self.name,
            **limits,
        )

    def perturbation(self, p: Any, x: Vector, y: Vector) -> Perturbation:
        """Return the derivatives of the data with respect to all entries of p, by torch."""
        values = self.parameters(p)
        point, weights = _tensor(x), _tensor(y)

        def data(*parameters: torch.Tensor) -> dict[str, torch.Tensor]:
            slope = torch.func.grad(lambda at: self.lagrangian(at, weights, parameters))(point)
            moved = {"gradient": slope, "objective": self.objective(point, *parameters)}
            if self.constraints is not None:
                moved["constraints"] = self.rows(point, *parameters)
            for label in _LIMITS:
                if callable(limit := getattr(self, label)):
                    size = x.size if label in ("lb", "ub") else y.size
                    moved[label] = limit(*parameters).expand(size)
            return moved

        slopes = torch.func.jacrev(data, argnums=tuple(range(len(values))))(*values)
        columns: dict[str, Any] = {
            key: torch.cat(
                [part.reshape(*_lead(key, part), -1) for part in parts], dim=-1
            ).numpy()
            for key, parts in slopes.items()
        }
        return Perturbation(**columns)

    def pulled_back(self, weights: Change, p: Tensors, x: Vector, y: Vector) -> Tensors:
        """Return the derivative of the weighted data with respect to every parameter.

        One reverse pass: what ``perturbation(...).contracted(weights)`` is, without the matrices.
        """
        with torch.enable_grad():
            values = tuple(v.detach().to("cpu", torch.float64).requires_grad_() for v in p)
            point = _tensor(x).requires_grad_()
            lagrangian = self.lagrangian(point, _tensor(y), values)
            (slope,) = torch.autograd.grad(
                lagrangian, point, create_graph=True, materialize_grads=True
            )
            total = slope @ _tensor(weights.gradient)
            total = total + weights.objective * self.objective(point.detach(), *values)
            total = total + self.rows(point.detach(), *values) @ _tensor(weights.constraints)
            for label in _LIMITS:
                if callable(limit := getattr(self, label)):
                    total = total + (_tensor(getattr(weights, label)) * limit(*values)).sum()
            if not total.requires_grad:
                return tuple(torch.zeros_like(v) for v in values)
            found = torch.autograd.grad(total, values, materialize_grads=True)
        return tuple(g.detach() for g in found)

    def parameters(self, p: Any) -> Tensors:
        """Bring parameters into float64 tensors of the declared shapes.

        Raises
        ------
        ProblemError
            When they do not fit.
        """
        given = p if isinstance(p, tuple) else None
        if given is None:
            flat = _tensor(p).reshape(-1)
            sizes = [int(np.prod(shape)) for shape in self.shapes]
            if flat.numel() != sum(sizes):
                raise ProblemError(
                    f"p has {flat.numel()} entries; the shapes {list(self.shapes)} need {sum(sizes)}: "
                    "give them in one vector, or as a tuple with one array per parameter"
                )
            parts = torch.split(flat, sizes)
            return tuple(
                part.reshape(tuple(shape))
                for part, shape in zip(parts, self.shapes, strict=True)
            )
        if len(given) != len(self.shapes):
            raise ProblemError(
                f"{len(given)} parameters are given; the family has {len(self.shapes)}, of shapes "
                f"{list(self.shapes)}"
            )
        values = tuple(_tensor(v) for v in given)
        for k, (value, shape) in enumerate(zip(values, self.shapes, strict=True)):
            if tuple(value.shape) != tuple(shape):
                raise ProblemError(
                    f"parameter {k} has shape {tuple(value.shape)}; shape {tuple(shape)} is needed"
                )
        return values

    # Pieces -----------------------------------------------------------------------------------------

    def rows(self, x: torch.Tensor, *p: torch.Tensor) -> torch.Tensor:
        """Return c(x, p), (m,), empty where there are no constraints."""
        return x.new_zeros(0) if self.constraints is None else self.constraints(x, *p)

    def lagrangian(
        self, x: torch.Tensor, y: torch.Tensor, p: Tensors, sigma: float = 1.0
    ) -> torch.Tensor:
        """Return sigma f(x, p) + y'c(x, p)."""
        return sigma * self.objective(x, *p) + self.rows(x, *p) @ y

    def _row_count(self, start: torch.Tensor, values: Tensors) -> int:
        rows: Any = self.rows(start, *values)
        if not isinstance(rows, torch.Tensor) or rows.ndim != 1:
            what = tuple(rows.shape) if isinstance(rows, torch.Tensor) else type(rows).__name__
            raise ProblemError(
                f"constraints(x, *parameters) returned {what}; a tensor of shape (m,) is needed. "
                "A single row is value[None]; several are torch.stack or torch.cat"
            )
        return int(rows.numel())


class _Functions:
    """The verbs of the problem at fixed parameters, on NumPy arrays."""

    def __init__(self, family: TorchFamily, values: Tensors) -> None:
        self._family, self._values = family, values

    def objective(self, x: Vector) -> float:
        value: Any = self._family.objective(_tensor(x), *self._values)
        if not isinstance(value, torch.Tensor) or value.numel() != 1:
            what = (
                tuple(value.shape) if isinstance(value, torch.Tensor) else type(value).__name__
            )
            raise ProblemError(
                f"objective(x, *parameters) returned {what}; a tensor with a single number is needed"
            )
        return float(value.detach())

    def gradient(self, x: Vector) -> Vector:
        with torch.enable_grad():
            at = _tensor(x).requires_grad_()
            value = self._family.objective(at, *self._values)
            if not value.requires_grad:
                return np.zeros(x.size)
            (slope,) = torch.autograd.grad(value, at, materialize_grads=True)
        return _numpy(slope)

    def constraints(self, x: Vector) -> Vector:
        return _numpy(self._family.rows(_tensor(x), *self._values))

    def jacobian(self, x: Vector) -> Vector:
        return _numpy(torch.func.jacrev(self._family.rows)(_tensor(x), *self._values))

    def hessian(self, x: Vector, y: Vector, sigma: float) -> Vector:
        weights = _tensor(y)

        def slope(at: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = torch.func.grad(self._family.lagrangian)(
                at, weights, self._values, sigma
            )
            return found

        # Reverse over reverse: more operations have it than forward over reverse.
        return _numpy(torch.func.jacrev(slope)(_tensor(x)))


def _tensor(value: Any) -> torch.Tensor:
    """Copy into a float64 tensor on the CPU, cut off from any graph."""
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", torch.float64, copy=True)
    try:
        return torch.tensor(np.asarray(value, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise ProblemError(
            f"{value!r} cannot be read as an array of numbers: {error}"
        ) from error


def _numpy(value: torch.Tensor) -> Vector:
    array: Vector = value.detach().numpy().astype(np.float64)
    return array


def _evaluated(given: Any, values: Tensors) -> torch.Tensor:
    return _tensor(given(*values) if callable(given) else given)


def _lead(key: str, part: torch.Tensor) -> tuple[int, ...]:
    """Return the axes of the data in a derivative: none for the objective, else one."""
    return () if key == "objective" else (part.shape[0],)

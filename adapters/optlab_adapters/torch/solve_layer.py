"""A torch layer whose forward is a solve and whose backward is the derivative of its solution.

    forward    x(p) = argmin f(x, p)  over the constraints, for every instance of a batch
    backward   p' -> (dx/dp)' v  by one solve with the KKT matrix of the forward's solution

No iteration is differentiated and nothing of it is stored: the derivative is that of the solution
(:mod:`optlab.parametric.face`), exact up to the tolerance of the solve.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from optlab.api import minimize
from optlab.errors import CapabilityError, OptionError, OptlabWarning, ProblemError, SolveError
from optlab.parametric.activity import DEFAULT_ACTIVITY_TOL
from optlab.parametric.point import evaluated
from optlab.parametric.solution import Solution, solution_map
from optlab.parametric.step import CONSISTENT
from optlab_adapters.torch.parametric import Tensors, TorchFamily

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from optlab.core.result import Result
    from optlab.typing import Vector

__all__ = ["Batch", "SolveLayer"]

DEFAULT_TOL = 1e-9
"""Of the solves: derivatives are as accurate as the solutions that they are taken at."""


@dataclass(frozen=True)
class Batch:
    """What the last forward did, instance by instance.

    Without a batch axis there is one instance, number 0.
    """

    family: TorchFamily
    parameters: tuple[Tensors, ...]
    results: tuple[Result, ...]
    tol: float
    """Below which multipliers and gaps count as zero, relative."""

    @property
    def failed(self) -> tuple[int, ...]:
        """Instances that were not solved."""
        return tuple(i for i, result in enumerate(self.results) if not result.success)

    @cached_property
    def solutions(self) -> tuple[Solution | None, ...]:
        """The factored derivative of each solution; None where the solve failed."""
        return tuple(
            solution_map(evaluated(self.family.problem(p), result), self.tol)
            if result.success
            else None
            for p, result in zip(self.parameters, self.results, strict=True)
        )

    @property
    def weakly_active(self) -> dict[int, tuple[str, ...]]:
        """Instances with weakly active constraints, and which: there x(p) has a kink.

        The backward takes these constraints as held.
        """
        return self._where("weakly_active")

    @property
    def issues(self) -> dict[int, tuple[str, ...]]:
        """Instances whose solutions are not differentiable, and why; see docs/sensitivity.md."""
        return self._where("issues")

    def _where(self, what: str) -> dict[int, tuple[str, ...]]:
        found = {
            i: getattr(solution, what)
            for i, solution in enumerate(self.solutions)
            if solution is not None
        }
        return {i: words for i, words in found.items() if words}


class SolveLayer(torch.nn.Module):
    """Solves a problem of a family for every instance of a batch; differentiable.

    Parameters
    ----------
    family : TorchFamily
    multipliers : bool
        Whether to return (x, y, z) in place of x.
    warm_start : bool
        Whether an instance starts from the solution of the previous batch whose parameters are
        nearest; solutions then depend, within the tolerance, on what was solved before.
    executor : Executor or None
        Of ``concurrent.futures``, to solve the instances in parallel. For processes the family's
        functions must be importable.
    on_failure : str
        ``"raise"``: a failed instance raises SolveError. ``"warn"``: it warns; the layer returns the
        best point found, and the instance contributes no gradient.
    activity_tol : float
        Relative size below which a multiplier and a gap count as zero.
    **options
        For :func:`optlab.minimize`: method, tol (1e-9 unless given), options, max_iter, max_time ...

    Attributes
    ----------
    last : Batch or None
        About the last forward: results, failures, weakly active constraints.

    Raises
    ------
    OptionError
        When an option is not known or does not fit.

    Examples
    --------
    >>> import torch
    >>> from optlab.adapters import SolveLayer, TorchFamily
    >>> box = TorchFamily(
    ...     objective=lambda x, p: ((x - p) ** 2).sum(), shapes=[(2,)], x0=[0.0, 0.0], lb=0.0, ub=1.0)
    >>> layer = SolveLayer(box)
    >>> p = torch.tensor([[0.25, 3.0], [-1.0, 0.5]], requires_grad=True)
    >>> x = layer(p)
    >>> x.tolist()
    [[0.25, 1.0], [0.0, 0.5]]
    >>> x.sum().backward()
    >>> p.grad.tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """

    def __init__(
        self,
        family: TorchFamily,
        *,
        multipliers: bool = False,
        warm_start: bool = True,
        executor: Executor | None = None,
        on_failure: str = "raise",
        activity_tol: float = DEFAULT_ACTIVITY_TOL,
        **options: Any,
    ) -> None:
        super().__init__()
        if not isinstance(family, TorchFamily):
            raise OptionError(
                f"family is a {type(family).__name__}; a TorchFamily is needed: functions in torch of x "
                "and the parameters, with the shapes of the parameters"
            )
        if on_failure not in ("raise", "warn"):
            raise OptionError(f"on_failure is {on_failure!r}; 'raise' or 'warn' is needed")
        for name in ("x0", "warm_start", "jac", "hess", "bounds", "derivatives"):
            if name in options:
                raise OptionError(f"{name} is not an option of a layer; the family states it")
        self.family, self.multipliers = family, multipliers
        self.warm_start, self.executor = warm_start, executor
        self.on_failure, self.activity_tol = on_failure, activity_tol
        self.options = {"tol": DEFAULT_TOL, **options}
        self.last: Batch | None = None

    def forward(self, *parameters: torch.Tensor) -> torch.Tensor | Tensors:
        """Solve.

        Parameters
        ----------
        *parameters
            One tensor for each shape of the family, all with it exactly or some with a leading batch
            axis; those without one are shared by all instances.

        Returns
        -------
        tensor or tuple of tensors
            x (n,), or (batch, n) when any parameter has a batch axis; with ``multipliers`` also y and
            z. In the dtype and on the device of the first parameter.

        Raises
        ------
        ProblemError
            When a shape is wrong.
        SolveError
            When an instance fails and ``on_failure`` is ``"raise"``; names its number.
        """
        size = _batch_size(parameters, self.family.shapes)
        solve: Any = _Solve.apply
        wanted = torch.is_grad_enabled() and any(p.requires_grad for p in parameters)
        found = solve(self, 1 if size is None else size, wanted, *parameters)
        outputs = tuple(part[0] for part in found) if size is None else found
        return outputs if self.multipliers else outputs[0]

    def solve_batch(self, instances: Sequence[Tensors]) -> Batch:
        """Solve all instances and keep the record; used by :meth:`forward`.

        Raises
        ------
        SolveError
            See :meth:`forward`.
        """
        starts = self._starts(instances)
        tasks = [
            (self.family, p, start, self.options)
            for p, start in zip(instances, starts, strict=True)
        ]
        run = map if self.executor is None else self.executor.map
        results = tuple(run(_solved, tasks))
        batch = Batch(self.family, tuple(instances), results, self.activity_tol)
        self.last = batch
        for i in batch.failed:
            result = results[i]
            self.complain(
                f"instance {i} of {len(results)} was not solved: {result.message} ({result!r})"
            )
        return batch

    def complain(self, message: str) -> None:
        """Raise or warn, as ``on_failure`` says."""
        if self.on_failure == "raise":
            raise SolveError(
                f"{message}. Relax tol or the limits, or pass on_failure='warn' to go on without "
                "the gradient of this instance"
            )
        warnings.warn(message, OptlabWarning, stacklevel=3)

    def _starts(self, instances: Sequence[Tensors]) -> list[Result | None]:
        """Choose for every instance the nearest solved one of the last batch."""
        last = self.last
        known = [] if last is None else [k for k, r in enumerate(last.results) if r.success]
        if last is None or not known or not self.warm_start:
            return [None] * len(instances)
        there = torch.stack([_flat(last.parameters[k]) for k in known])
        here = torch.stack([_flat(p) for p in instances])
        nearest = torch.cdist(here, there).argmin(dim=1).tolist()
        return [last.results[known[k]] for k in nearest]

    def __getstate__(self) -> dict[str, Any]:
        """Leave the record of the last batch out of copies and pickles: it holds factorizations."""
        return {**self.__dict__, "last": None, "executor": None}


class _Solve(torch.autograd.Function):
    """The forward solves; the backward hands over to :class:`_Adjoint`."""

    @staticmethod
    def forward(
        ctx: Any, layer: SolveLayer, size: int, wanted: bool, *parameters: torch.Tensor
    ) -> Tensors:
        shapes = layer.family.shapes
        instances = [
            layer.family.parameters(
                tuple(
                    p[i] if p.ndim > len(shape) else p
                    for p, shape in zip(parameters, shapes, strict=True)
                )
            )
            for i in range(size)
        ]
        batch = layer.solve_batch(instances)
        if wanted:
            # Factored while the problems are at hand: the backward only solves.
            _ = batch.solutions
        ctx.layer, ctx.batch = layer, batch
        ctx.save_for_backward(*parameters)
        results = batch.results
        outputs = (
            [r.x for r in results],
            [r.multipliers.constraints for r in results],
            [r.multipliers.bounds for r in results],
        )
        like = parameters[0]
        return tuple(
            torch.from_numpy(np.stack(part)).to(like.device, like.dtype) for part in outputs
        )

    @staticmethod
    def backward(ctx: Any, *cotangents: torch.Tensor) -> tuple[Any, ...]:
        adjoint: Any = _Adjoint.apply
        found = adjoint(ctx.layer, ctx.batch, cotangents, *ctx.saved_tensors)
        return (None, None, None, *found)


class _Adjoint(torch.autograd.Function):
    """The derivative of a batch of solutions, applied from the left; refuses to be differentiated."""

    @staticmethod
    def forward(
        _ctx: Any,
        layer: SolveLayer,
        batch: Batch,
        cotangents: Tensors,
        *parameters: torch.Tensor,
    ) -> Tensors:
        grads = tuple(torch.zeros_like(p) for p in parameters)
        vectors = [np.asarray(v.detach().to("cpu", torch.float64)) for v in cotangents]
        for i, solution in enumerate(batch.solutions):
            if solution is None:
                continue
            parts = _one_adjoint(layer, batch, solution, i, [v[i] for v in vectors])
            for total, part, shape in zip(grads, parts, layer.family.shapes, strict=True):
                at = total[i] if total.ndim > len(shape) else total
                at += part.to(total.device, total.dtype)
        return grads

    @staticmethod
    def backward(_ctx: Any, *_cotangents: torch.Tensor) -> Any:
        raise CapabilityError(
            "SolveLayer has first derivatives only: the derivative of a solution was differentiated "
            "again (a double backward, as for a gradient penalty or a Hessian). Detach the first "
            "gradient, or take differences of first derivatives"
        )


def _one_adjoint(
    layer: SolveLayer, batch: Batch, solution: Solution, i: int, vectors: list[Vector]
) -> Tensors:
    """Return the gradients of one instance with respect to its parameters."""
    vx, vy, vz = vectors
    weights, residual = solution.adjoint(vx, vy, vz)
    parameters, point = batch.parameters[i], solution.point
    if residual > CONSISTENT:
        layer.complain(
            f"instance {i} of {len(batch.results)} has no derivative for this gradient: "
            f"{'; '.join(solution.issues)}"
        )
        return tuple(torch.zeros_like(p) for p in parameters)
    return layer.family.pulled_back(weights, parameters, point.x, point.y)


def _solved(task: tuple[TorchFamily, Tensors, Result | None, dict[str, Any]]) -> Result:
    """Solve one instance; when its warm start fails, from the family's own start point."""
    family, parameters, start, options = task
    problem = family.problem(parameters)
    result = minimize(problem, warm_start=start, **options)
    if result.success or start is None:
        return result
    return minimize(problem, **options)


def _batch_size(parameters: Sequence[Any], shapes: Sequence[Sequence[int]]) -> int | None:
    """Return the length of the batch axis, None when there is none."""
    if len(parameters) != len(shapes):
        raise ProblemError(
            f"the layer was called with {len(parameters)} parameters; its family has {len(shapes)}, of "
            f"shapes {list(shapes)}"
        )
    sizes: dict[int, int] = {}
    for k, (value, shape) in enumerate(zip(parameters, shapes, strict=True)):
        if not isinstance(value, torch.Tensor) or not value.is_floating_point():
            raise ProblemError(
                f"parameter {k} is a {type(value).__name__}; a tensor of floating-point numbers is "
                "needed"
            )
        if value.ndim not in (len(shape), len(shape) + 1) or tuple(
            value.shape[value.ndim - len(shape) :]
        ) != tuple(shape):
            raise ProblemError(
                f"parameter {k} has shape {tuple(value.shape)}; {tuple(shape)} is needed, or that with "
                "a leading batch axis"
            )
        if not bool(torch.isfinite(value).all()):
            raise ProblemError(f"parameter {k} has entries that are not finite; give numbers")
        if value.ndim > len(shape):
            sizes[k] = int(value.shape[0])
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"parameter {k}: {size}" for k, size in sizes.items())
        raise ProblemError(
            f"the batch axes have different lengths ({listed}); one length is needed, and a "
            "parameter without a batch axis is shared by all instances"
        )
    size = next(iter(sizes.values()), None)
    if size == 0:
        raise ProblemError("the batch is empty; at least one instance is needed")
    return size


def _flat(parameters: Tensors) -> torch.Tensor:
    return torch.cat([p.reshape(-1) for p in parameters])

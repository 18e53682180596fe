"""A torch layer whose forward runs a simulator, and whose backward estimates the vector-Jacobian product.

    forward    y_b = S(z_b)                                       for every sample b of a batch
    backward   v -> J_S(z_b)'v_b   from runs at displaced points, all samples and displacements at once

A network before the layer is trained by ordinary backpropagation up to z, so that the number of runs grows with the inputs
of the simulator and never with the weights of the network [Tsa22].
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from optlab.errors import CapabilityError, OptionError, ProblemError
from optlab.typing import is_a
from optlab_adapters.blackbox.products import Differentiated, differentiated

if TYPE_CHECKING:
    from optlab_adapters.blackbox.simulator import Simulator

__all__ = ["BlackBox"]


class BlackBox(torch.nn.Module):
    """A simulator as a layer; differentiable by values only.

    Parameters
    ----------
    simulator : Simulator, Command, HttpEndpoint, PythonFunction or callable
        A plain callable works on batches, as layers do: (batch, k) array of float64 -> (batch, out). For a function of one
        point, and for a cache, retries, an executor, a budget or a policy for failures, pass a :class:`Simulator`.
    lower, upper : array_like
        (k,) numbers between which the inputs lie; -inf and inf where there is no limit. No run is ever made outside.
    queries : "cge", "rge" or an estimator of optlab.zo
        How the derivative is estimated. ``"cge"``: central differences in every input, 2k runs per sample.
        ``"rge"``: random directions, for many inputs. Steps are ``smoothing * (upper - lower)`` unless the estimator has
        a ``scale`` of its own.
    smoothing : float or None
        None: 1e-3, or what the estimator has. Noisy simulators need more.
    seed : int
        Of the directions that an estimator draws. The same seed and calls give the same gradients.

    Attributes
    ----------
    ok : tensor of bool or None
        (batch,) of the last forward: which samples were simulated. The outputs of the others are nan, or the penalty, and
        no gradient comes from them.
    calls : int
        Forwards so far; with ``seed`` it decides the directions. Set it to go on as an unbroken run would.

    Raises
    ------
    OptionError
        When an argument makes no sense.

    Examples
    --------
    >>> import torch
    >>> from optlab.adapters import BlackBox
    >>> box = BlackBox(lambda z: z**2, lower=[0.0, 0.0], upper=[10.0, 10.0])
    >>> z = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    >>> y = box(z)
    >>> y.tolist()
    [[1.0, 4.0], [9.0, 16.0]]
    >>> y.sum().backward()
    >>> z.grad.round(decimals=4).tolist()
    [[2.0, 4.0], [6.0, 8.0]]
    >>> box.simulator.counts.queries
    10
    """

    def __init__(
        self,
        simulator: Any,
        *,
        lower: Any,
        upper: Any,
        queries: Any = "cge",
        smoothing: float | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.function: Differentiated = differentiated(
            simulator, lower, upper, queries, smoothing
        )
        self.seed, self.calls = seed, 0
        self.ok: torch.Tensor | None = None

    @property
    def simulator(self) -> Simulator:
        """The simulator, with its counts and its cache."""
        return self.function.simulator

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Run the simulator.

        Parameters
        ----------
        z
            (batch, k), or (k,) for one sample, or more leading axes; inside the box.

        Returns
        -------
        tensor
            (batch, out), or (out,), in the dtype and on the device of ``z``; out is 1 for a simulator that returns a
            number.

        Raises
        ------
        ProblemError
            When the shape is wrong, or a value is not finite or outside the box.
        EvaluationError
            When a run fails and the simulator's policy is to stop, here and in the backward.
        BudgetError
            When the simulator's budget is spent, here and in the backward.
        """
        if not (is_a(z, torch.Tensor) and z.is_floating_point()):
            raise ProblemError(
                f"the black box was given a {type(z).__name__}; a tensor of floating-point numbers is needed"
            )
        self.calls += 1
        forward: Any = _Forward.apply
        y, _ = forward(z, self, self.calls)
        return torch.as_tensor(y)

    def squash(self, raw: torch.Tensor) -> torch.Tensor:
        """Map any numbers (..., k) into the box: lower + (upper - lower) sigmoid(raw).

        Raises
        ------
        OptionError
            When the box is not finite.
        """
        lower, upper = self.function.lower, self.function.upper
        if not np.isfinite(upper - lower).all():
            raise OptionError(
                "squash() needs a finite box; the bounds of this one are not all finite"
            )
        low = torch.as_tensor(lower, dtype=raw.dtype, device=raw.device)
        width = torch.as_tensor(upper - lower, dtype=raw.dtype, device=raw.device)
        return low + width * torch.sigmoid(raw)

    def kept(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the rows of the samples that the last forward simulated, of each tensor.

        ``loss(*box.kept(y, target))`` leaves dropped samples out of value and gradient of a loss.

        Raises
        ------
        OptionError
            When nothing was simulated yet.
        """
        if self.ok is None:
            raise OptionError("kept() is about the last forward; call the layer first")
        return tuple(tensor[self.ok.to(tensor.device)] for tensor in tensors)

    def extra_repr(self) -> str:
        """Show the sizes in the printed form of a network."""
        return f"inputs={self.function.n}, estimator={type(self.function.estimator).__name__}"


class _Forward(torch.autograd.Function):
    """Runs the simulator; the backward hands over to :class:`_Product`."""

    @staticmethod
    def forward(z: torch.Tensor, layer: BlackBox, _call: int) -> tuple[torch.Tensor, ...]:
        function = layer.function
        points = function.inside(_rows(z))
        values = function.simulator.evaluate(points).values
        exact = torch.from_numpy(values).reshape(*z.shape[:-1], values.shape[1])
        layer.ok = exact.isfinite().all(dim=-1)
        settled = torch.from_numpy(function.simulator.settled(values))
        # The second output is for the backward: a difference of values needs all their digits.
        return settled.reshape(exact.shape).to(z.device, z.dtype, copy=True), exact

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        z, ctx.layer, ctx.call = inputs
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(z, output[1])

    @staticmethod
    def backward(ctx: Any, v: torch.Tensor, _exact: Any) -> tuple[Any, ...]:
        product: Any = _Product.apply
        return product(*ctx.saved_tensors, v, ctx.layer, ctx.call), None, None

    @staticmethod
    def vmap(info: Any, in_dims: Any, z: torch.Tensor, layer: BlackBox, call: int) -> Any:
        forward: Any = _Forward.apply
        return forward(_batched(z, in_dims[0], info.batch_size), layer, call), (0, 0)

    @staticmethod
    def jvp(_ctx: Any, *_tangents: Any) -> Any:
        raise CapabilityError(
            "BlackBox has no forward-mode derivative (jvp, jacfwd, hessian); use reverse mode: backward(), torch.func.grad, "
            "vjp or jacrev"
        )


class _Product(torch.autograd.Function):
    """The vector-Jacobian product; refuses to be differentiated."""

    @staticmethod
    def forward(
        z: torch.Tensor, exact: torch.Tensor, v: torch.Tensor, layer: BlackBox, call: int
    ) -> torch.Tensor:
        function = layer.function
        rng = np.random.default_rng([layer.seed, call])
        found = function.product(function.inside(_rows(z)), _rows(exact), _rows(v), rng)
        return torch.from_numpy(found).reshape(z.shape).to(z.device, z.dtype)

    @staticmethod
    def setup_context(_ctx: Any, _inputs: Any, _output: Any) -> None:
        """Keep nothing: there is no backward."""

    @staticmethod
    def backward(_ctx: Any, *_cotangents: Any) -> Any:
        raise CapabilityError(
            "BlackBox has first derivatives only: its estimated derivative was differentiated again (a double backward, as "
            "for a gradient penalty or a Hessian). Detach the first gradient, or make the penalty part of the simulator"
        )

    @staticmethod
    def vmap(info: Any, in_dims: Any, *arguments: Any) -> Any:
        *tensors, layer, call = arguments
        batched = [
            _batched(t, dim, info.batch_size)
            for t, dim in zip(tensors, in_dims[:3], strict=True)
        ]
        product: Any = _Product.apply
        return product(*batched, layer, call), 0


def _rows(tensor: torch.Tensor) -> Any:
    """Return a tensor (..., n) as an array (rows, n) of float64."""
    flat = tensor.detach().reshape(-1, tensor.shape[-1] if tensor.ndim else 1)
    return flat.to("cpu", torch.float64).numpy().copy()


def _batched(tensor: torch.Tensor, dim: int | None, size: int) -> torch.Tensor:
    """Bring the axis of a vmap to the front; repeat what has none."""
    if dim is None:
        return tensor.expand(size, *tensor.shape)
    return tensor.movedim(dim, 0)

"""Batch normalization by other statistics than those of training.

With mu_s, v_s the statistics that a layer brings along and mu_b, v_b mean and (biased) variance of what it is given,

    mu = (1 - alpha) mu_s + alpha mu_b,    v = (1 - alpha) v_s + alpha v_b,    y = gamma (x - mu) / sqrt(v + eps) + beta

alpha = 1 are the statistics of the batch (BN-Norm), alpha in between those of [SREB20]. In a moving average the mixture takes
the place of mu_s, v_s after every batch, as in [YXL23]. Gradients pass through mu_b and v_b.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal

import torch
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from optlab.errors import OptionError, ProblemError

__all__ = ["Norms", "Statistics"]

Statistics = Literal["batch", "alpha", "ema"]
_Pair = tuple[torch.Tensor, torch.Tensor]


class Norms:
    """The batch normalizations of a model.

    A layer that the model calls several times is one layer: every call has the statistics of its own input, and the moving
    average takes in the mean of them.

    Parameters
    ----------
    model
    statistics
        ``"batch"``, ``"alpha"`` or ``"ema"``.
    alpha
        Weight of the batch in a mixture.

    Raises
    ------
    ProblemError
        When there is no batch normalization, or one has no statistics to be mixed with.
    OptionError
        When statistics or alpha is none.
    """

    def __init__(self, model: torch.nn.Module, statistics: Statistics, alpha: float) -> None:
        if statistics not in ("batch", "alpha", "ema"):
            raise OptionError(
                f"statistics is {statistics!r}; 'batch', 'alpha' or 'ema' is needed"
            )
        if not 0.0 <= alpha <= 1.0:
            raise OptionError(f"alpha is {alpha!r}; a number from 0 to 1 is needed")
        self.layers = {n: m for n, m in model.named_modules() if isinstance(m, _BatchNorm)}
        if not self.layers:
            raise ProblemError(
                f"{type(model).__name__} has no batch normalization, which is what is adapted; a model with BatchNorm1d, 2d or "
                "3d layers is needed (are they folded into the convolutions?)"
            )
        self.statistics, self.alpha = statistics, alpha
        self._state: dict[_BatchNorm, _Pair] = {}
        self._seen: dict[_BatchNorm, list[_Pair]] = {}
        for name, layer in self.layers.items():
            if statistics != "batch":
                self._state[layer] = _own_statistics(name, layer)
        self._source = dict(self._state)

    def affine(self) -> list[torch.nn.Parameter]:
        """Return the scales and offsets of all layers."""
        every: list[torch.nn.Parameter | None] = []
        for layer in self.layers.values():
            every += [layer.weight, layer.bias]
        return [p for p in every if p is not None]

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Let the layers normalize so; they are as they were afterwards, their running statistics unchanged."""
        self._seen = {}
        before = {layer: vars(layer).get("forward") for layer in self.layers.values()}
        for name, layer in self.layers.items():
            layer.forward = partial(self._normalized, name, layer)  # type: ignore[method-assign]
        try:
            yield
        finally:
            for layer, forward in before.items():
                del layer.forward
                if forward is not None:
                    layer.forward = forward  # type: ignore[method-assign]

    def advance(self) -> None:
        """Take the statistics of the last forward into the moving average."""
        if self.statistics != "ema":
            return
        for layer, pairs in self._seen.items():
            batch = [torch.stack(values).mean(dim=0) for values in zip(*pairs, strict=True)]
            self._state[layer] = self._mixed(layer, (batch[0], batch[1]))
        self._seen = {}

    def reset(self) -> None:
        """Forget the moving average."""
        self._state = dict(self._source)
        self._seen = {}

    def state(self, name: str) -> _Pair:
        """Return mean and variance that a layer brings along, each (channels,)."""
        return self._state[self.layers[name]]

    def _mixed(self, layer: _BatchNorm, batch: _Pair) -> _Pair:
        own, a = self._state[layer], self.alpha
        return (1 - a) * own[0] + a * batch[0], (1 - a) * own[1] + a * batch[1]

    def _normalized(self, name: str, layer: _BatchNorm, x: Any) -> Any:
        """Replace the forward of a layer."""
        layer._check_input_dim(x)  # type: ignore[no-untyped-call]
        if self.statistics == "batch":
            if x.numel() == x.shape[1]:
                raise ProblemError(
                    f"batch normalization {name} is given one value per channel, which has no variance; a larger batch, or "
                    "statistics='alpha' or 'ema', is needed"
                )
            return functional.batch_norm(
                x, None, None, layer.weight, layer.bias, True, 0.0, layer.eps
            )
        axes = [axis for axis in range(x.ndim) if axis != 1]
        variance, mean = torch.var_mean(x, axes, correction=0)
        self._seen.setdefault(layer, []).append((mean.detach(), variance.detach()))
        mean, variance = self._mixed(layer, (mean, variance))
        weight: torch.Tensor | None = layer.weight
        bias: torch.Tensor | None = layer.bias
        scale = torch.rsqrt(variance + layer.eps)
        scale = scale if weight is None else scale * weight
        offset = -mean * scale if bias is None else bias - mean * scale
        shape = (1, -1) + (1,) * (x.ndim - 2)
        return x * scale.view(shape) + offset.view(shape)


def _own_statistics(name: str, layer: _BatchNorm) -> _Pair:
    """Return copies of the running statistics of a layer."""
    mean, variance = layer.running_mean, layer.running_var
    if mean is None or variance is None:
        raise ProblemError(
            f"batch normalization {name} tracks no statistics that those of a batch could be mixed with; statistics='batch' is "
            "needed"
        )
    return mean.detach().clone(), variance.detach().clone()

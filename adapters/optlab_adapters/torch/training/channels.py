"""What one parameter of a layer changes: one channel of its output.

    dense         y_i = sum_j W_ij x_j + b_i        W_ij moved by s:  y_i + s x_j          b_i:  y_i + s
    convolution   y_o = sum_c W_oc * x_c + b_o      W_oc at an offset: y_o + s (x_c seen from that offset)
    batch norm    y_c = w_c xhat_c + b_c            w_c:  y_c + s xhat_c

Layers that work on every channel alone, such as activations, pooling and batch normalization, keep it one channel. The
next dense or convolutional layer is linear: what it returns changes by its weights for that channel times the change.
So k displaced parameters cost k channels where k networks would cost k whole layers, twice.

Features of a batch are (b, c, *space) everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from optlab_adapters.torch.training.calls import is_plain

if TYPE_CHECKING:
    from optlab.typing import Indices

__all__ = [
    "ELEMENTWISE",
    "Channel",
    "can_be_displaced",
    "displaced",
    "joined",
    "joins",
    "keeps",
    "kept",
]

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)

ELEMENTWISE = (
    *(
        nn.Identity,
        nn.ReLU,
        nn.ReLU6,
        nn.LeakyReLU,
        nn.ELU,
        nn.CELU,
        nn.SELU,
        nn.GELU,
        nn.SiLU,
        nn.Mish,
    ),
    *(nn.Tanh, nn.Sigmoid, nn.Softplus, nn.Softsign, nn.LogSigmoid, nn.Hardtanh, nn.Hardswish),
    *(nn.Hardsigmoid, nn.Tanhshrink, nn.Softshrink, nn.Hardshrink, nn.Threshold),
)
"""Functions of one number, applied to all."""

POOLS = {
    kind: dimensions
    for dimensions, kinds in enumerate(
        (
            (nn.MaxPool1d, nn.AvgPool1d, nn.AdaptiveAvgPool1d, nn.AdaptiveMaxPool1d),
            (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d),
            (nn.MaxPool3d, nn.AvgPool3d, nn.AdaptiveAvgPool3d, nn.AdaptiveMaxPool3d),
        ),
        start=1,
    )
    for kind in kinds
}
"""Dimensions of the space that is pooled."""

DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)


@dataclass(frozen=True, slots=True)
class Channel:
    """The channel that k displacements change; all others are those of the base pass."""

    values: torch.Tensor
    """(k, b, m, *space); m = 1, or after flattening the number of columns that were the channel."""

    index: torch.Tensor
    """(k,), which one: columns index m, ..., (index + 1) m - 1 of the axis of channels."""

    def spread(self, base: torch.Tensor) -> torch.Tensor:
        """Return the whole features of the k networks, (k, b, c, *space), given those of the base pass."""
        k, m = len(self.index), self.values.shape[2]
        if base.ndim == 2:
            # Laid out (c, k, b): what comes later is much faster so.
            rows = base.T.reshape(-1, m, 1, len(base)).repeat(1, 1, k, 1)
            rows[self.index, :, torch.arange(k)] = self.values.transpose(1, 2)
            return rows.flatten(0, 1).permute(1, 2, 0)
        blocks = base.reshape(len(base), -1, m, *base.shape[2:])
        full = blocks.expand(k, *blocks.shape).clone()
        full[torch.arange(k), :, self.index] = self.values
        return full.flatten(2, 3)

    def change(self, base: torch.Tensor) -> torch.Tensor:
        """Return what the values exceed those of the base pass by, (k, b, m, *space)."""
        m = self.values.shape[2]
        blocks = base.reshape(len(base), -1, m, *base.shape[2:]).transpose(0, 1)
        return self.values - blocks.index_select(0, self.index)


# The displaced layer ------------------------------------------------------------------------------


def can_be_displaced(layer: Any, inputs: torch.Tensor) -> bool:
    """Whether a parameter of this layer changes one channel, in a way that is known here."""
    if not is_plain(layer):
        return False
    return type(layer) in NORMS or _is_dense(layer, inputs) or _is_convolution(layer, inputs)


def displaced(
    layer: Any,
    name: str,
    around: tuple[torch.Tensor, torch.Tensor],
    places: Indices,
    steps: torch.Tensor,
) -> Channel:
    """Return the channels of a layer's output that displacements of its weight or bias change.

    Parameters
    ----------
    layer
        See :func:`can_be_displaced`.
    name
        "weight" or "bias".
    around
        Input and output of the layer in the base pass.
    places
        (k,) entries, counted in C order.
    steps
        (k,) what is added to them.
    """
    inputs, outputs = around
    shape = tuple(getattr(layer, name).shape)
    index, *inner = (torch.from_numpy(axis) for axis in np.unravel_index(places, shape))
    values = outputs.transpose(0, 1).index_select(0, index)
    steps = steps.reshape(-1, *(1,) * (values.ndim - 1))
    if name == "bias":
        values = values + steps
    else:
        values = torch.addcmul(values, steps, _slopes(layer, inputs, index, inner))
    return Channel(values.unsqueeze(2), index)


def _slopes(
    layer: Any, inputs: torch.Tensor, index: torch.Tensor, inner: list[torch.Tensor]
) -> torch.Tensor:
    """Return the derivatives of channels by entries of the weight, (k, b, *space)."""
    if isinstance(layer, nn.Linear):
        return inputs.T.index_select(0, inner[0])
    if isinstance(layer, _BatchNorm):
        whitened = _normalized(layer, inputs, *_statistics(layer), None, None)
        return whitened.transpose(0, 1).index_select(0, index)
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    seen = functional.pad(inputs, layer._reversed_padding_repeated_twice, mode=mode)
    offsets = []
    for axis, (size, stride, dilation) in enumerate(
        zip(layer.kernel_size, layer.stride, layer.dilation, strict=True)
    ):
        # Views: the last axes run over the places of a window.
        seen = seen.unfold(2 + axis, (size - 1) * dilation + 1, stride)
        offsets.append(inner[1 + axis] * dilation)
    group = index // (layer.out_channels // layer.groups)
    channel = group * (layer.in_channels // layer.groups) + inner[0]
    spaces = (slice(None),) * len(offsets)
    return seen[:, channel, *spaces, *offsets]


# Layers that keep it one channel ------------------------------------------------------------------


def keeps(layer: Any, features: torch.Tensor, width: int) -> bool:
    """Whether a layer works on every channel of the features alone; width is m of :class:`Channel`."""
    kind = type(layer)
    if not is_plain(layer):
        return False
    if kind in POOLS:
        return features.ndim == 2 + POOLS[kind] and not getattr(layer, "return_indices", False)
    if kind in DROPOUTS:
        return not layer.training
    if kind is nn.Flatten:
        return bool(layer.start_dim == 1 and layer.end_dim in (-1, features.ndim - 1))
    return kind in ELEMENTWISE or (kind in NORMS and width == 1)


def kept(layer: Any, channel: Channel) -> Channel:
    """Apply a layer that works on every channel alone."""
    values, index = channel.values, channel.index
    if type(layer) in NORMS:
        # The k networks side by side, as channels: each has statistics of its own.
        rows = values.squeeze(2).transpose(0, 1)
        own = (
            p if p is None else p[index]
            for p in (*_statistics(layer), layer.weight, layer.bias)
        )
        rows = _normalized(layer, rows, *own)
        return Channel(rows.transpose(0, 1).unsqueeze(2), index)
    if type(layer) is nn.Flatten:
        return Channel(values.flatten(2), index)
    if type(layer) in POOLS:
        pooled = layer(values.flatten(0, 1))
        return Channel(pooled.view(*values.shape[:2], *pooled.shape[1:]), index)
    return Channel(layer(values), index)


# The next linear layer ----------------------------------------------------------------------------


def joins(layer: Any, features: torch.Tensor, width: int) -> bool:
    """Whether a layer is linear and its weights for one channel can be told."""
    if not is_plain(layer):
        return False
    if _is_dense(layer, features):
        return True
    return _is_convolution(layer, features) and bool(layer.groups == 1) and width == 1


def joined(
    layer: Any, around: tuple[torch.Tensor, torch.Tensor], channel: Channel
) -> torch.Tensor:
    """Apply a linear layer to one changed channel; returns the features of the k networks, (k, b, c, *space).

    Parameters
    ----------
    layer
        See :func:`joins`.
    around
        Input and output of the layer in the base pass.
    channel
        Of its input.
    """
    inputs, outputs = around
    change = channel.change(inputs)
    if isinstance(layer, nn.Linear):
        return _joined_dense(layer.weight, outputs, change, channel.index)
    full = outputs.new_empty((len(channel.index), *outputs.shape))
    numbers, counts = torch.unique_consecutive(channel.index, return_counts=True)
    begin = 0
    for number, count in zip(numbers.tolist(), counts.tolist(), strict=True):
        part = change[begin : begin + count].flatten(0, 1)
        moved = layer._conv_forward(part, layer.weight[:, number : number + 1], None)
        torch.add(outputs, moved.view(count, *outputs.shape), out=full[begin : begin + count])
        begin += count
    return full


def _joined_dense(
    weight: torch.Tensor, outputs: torch.Tensor, change: torch.Tensor, index: torch.Tensor
) -> torch.Tensor:
    width = change.shape[2]
    if width == 1:
        # Laid out (c, k, b) as well.
        columns, slopes = (
            outputs.T.contiguous().unsqueeze(1),
            weight.index_select(1, index).unsqueeze(2),
        )
        return torch.addcmul(columns, slopes, change.squeeze(2)).permute(1, 2, 0)
    slopes = weight.view(len(weight), -1, width).index_select(1, index).transpose(0, 1)
    return torch.baddbmm(outputs.T, slopes, change.transpose(1, 2)).transpose(1, 2)


# What layers are ----------------------------------------------------------------------------------


def _is_dense(layer: Any, inputs: torch.Tensor) -> bool:
    return type(layer) is nn.Linear and inputs.ndim == 2


def _is_convolution(layer: Any, inputs: torch.Tensor) -> bool:
    return type(layer) in CONVOLUTIONS and inputs.ndim == 2 + len(layer.kernel_size)


def _statistics(norm: _BatchNorm) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """Return the running mean and variance where a normalization uses them."""
    if norm.training or norm.running_mean is None:
        return None, None
    return norm.running_mean, norm.running_var


def _normalized(
    norm: _BatchNorm, features: torch.Tensor, *own: torch.Tensor | None
) -> torch.Tensor:
    """Normalize with a mean, a variance (None: those of the batch), a weight and a bias."""
    mean, variance, weight, bias = own
    return functional.batch_norm(
        features,
        mean,
        variance,
        weight,
        bias,
        training=mean is None,
        momentum=0.0,
        eps=norm.eps,
    )

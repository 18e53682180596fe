"""What every operation of torch is in a packed network: modules to names and options, functions and methods to modules."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import fx, nn
from torch.nn import functional

from optlab.errors import CapabilityError
from optlab_adapters.pruning.activation import SignActivation
from optlab_adapters.pruning.packed.layers import Window

__all__ = [
    "ADDITIONS",
    "IN_PLACE",
    "PASSED",
    "Sign",
    "conv_window",
    "module_of",
    "operation_of",
]

Operation: TypeAlias = tuple[str, dict[str, Any]]

ADDITIONS: tuple[Any, ...] = (operator.add, operator.iadd, torch.add, "add", "add_")
IN_PLACE: tuple[Any, ...] = (operator.iadd, "add_")
PASSED: tuple[type[nn.Module], ...] = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d)
"""Modules that do nothing in evaluation mode."""


class Sign(nn.Module):
    """Stands for ``torch.sign``."""


class Mean(nn.Module):
    """Stands for ``torch.mean`` along axes."""

    def __init__(self, dim: int | tuple[int, ...] | list[int], keepdim: bool = False) -> None:
        super().__init__()
        self.axes = [dim] if isinstance(dim, int) else list(dim)
        self.keep = keepdim


def _max_pool(
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> nn.Module:
    return nn.MaxPool2d(kernel_size, stride, padding, dilation, return_indices, ceil_mode)


def _flatten(start_dim: int = 0, end_dim: int = -1) -> nn.Module:
    return nn.Flatten(start_dim, end_dim)


_MODULES: dict[Any, Callable[..., nn.Module]] = {
    functional.relu: nn.ReLU,
    torch.relu: nn.ReLU,
    "relu": nn.ReLU,
    functional.hardtanh: nn.Hardtanh,
    functional.max_pool2d: _max_pool,
    torch.max_pool2d: _max_pool,
    functional.avg_pool2d: nn.AvgPool2d,
    functional.adaptive_avg_pool2d: nn.AdaptiveAvgPool2d,
    torch.flatten: _flatten,
    "flatten": _flatten,
    torch.sign: Sign,
    "sign": Sign,
    torch.mean: Mean,
    "mean": Mean,
    "contiguous": nn.Identity,
}
"""Functions, and names of methods, to the module that does the same."""


def module_of(node: fx.Node) -> nn.Module | None:
    """Return a module that does what a call of a function or a method does; None where there is none."""
    build = _MODULES.get(node.target)
    if build is None or len(node.all_input_nodes) != 1 or not isinstance(node.args[0], fx.Node):
        return None
    try:
        return build(*node.args[1:], **node.kwargs)
    except TypeError:
        return None


def operation_of(path: str, module: nn.Module) -> Operation:
    """Return the operation of a module without weights.

    Raises
    ------
    CapabilityError
        When there is none; names the module.
    """
    for kind, translate in _OPERATIONS.items():
        if isinstance(module, kind):
            return translate(path, module)
    raise CapabilityError(
        f"{path} is a {type(module).__name__}, which has no packed form; replace it by Linear, Conv2d, batch "
        "normalization, ReLU, Hardtanh, sign, max or average pooling, flatten, mean or additions"
    )


def conv_window(path: str, module: Any, kernel: tuple[int, int]) -> Window:
    """Return the window of a module with the attributes of Conv2d, where it has them."""
    if getattr(module, "padding_mode", "zeros") != "zeros":
        raise CapabilityError(
            f"{path} pads by {module.padding_mode!r}; zeros are needed, or a padding of your own before it"
        )
    dilation = _pair(getattr(module, "dilation", 1))
    padding = getattr(module, "padding", 0)
    if padding == "valid":
        padding = 0
    if padding == "same":
        totals = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        before = [total // 2 for total in totals]
        after = [total - half for total, half in zip(totals, before, strict=True)]
    else:
        before = after = list(_pair(padding))
    pads = (before[0], after[0], before[1], after[1])
    return Window(kernel, _pair(getattr(module, "stride", 1)), pads, dilation)


def _pair(value: Any) -> tuple[int, int]:
    first, second = value if isinstance(value, (tuple, list)) else (value, value)
    return int(first), int(second)


def _pool_window(path: str, module: Any) -> Window:
    if module.ceil_mode or getattr(module, "return_indices", False):
        raise CapabilityError(
            f"{path} has ceil_mode or return_indices, which have no packed form; switch them off"
        )
    if getattr(module, "divisor_override", None):
        raise CapabilityError(f"{path} has divisor_override, which has no packed form")
    return conv_window(path, module, _pair(module.kernel_size))


def _adaptive(path: str, module: Any) -> Operation:
    size = _sizes(module.output_size)
    if None in size:
        raise CapabilityError(f"{path} keeps a size (None); give both numbers of output_size")
    return "adaptive_avg_pool", {"size": [int(n) for n in size]}


def _sizes(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (tuple, list)) else [value, value]


_OPERATIONS: dict[type[nn.Module], Callable[[str, Any], Operation]] = {
    Sign: lambda _path, _m: ("sign", {}),
    SignActivation: lambda _path, _m: ("plus_sign", {}),
    Mean: lambda _path, m: ("mean", {"axes": m.axes, "keep": m.keep}),
    nn.ReLU: lambda _path, _m: ("relu", {}),
    nn.Hardtanh: lambda _path, m: (
        "clip",
        {"low": float(m.min_val), "high": float(m.max_val)},
    ),
    nn.Flatten: lambda _path, m: ("flatten", {"start": m.start_dim, "end": m.end_dim}),
    nn.MaxPool2d: lambda path, m: ("max_pool", {"window": _pool_window(path, m)}),
    nn.AvgPool2d: lambda path, m: (
        "avg_pool",
        {"window": _pool_window(path, m), "padded": bool(m.count_include_pad)},
    ),
    nn.AdaptiveAvgPool2d: _adaptive,
}

"""What calling a module comes down to, so that evaluations need not ask again every time."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

__all__ = ["direct", "is_plain", "is_sequence", "opened"]


def is_plain(module: nn.Module) -> bool:
    """Whether calling a module is calling the ``forward`` of its class: no hooks, nothing compiled or replaced."""
    own = (
        module._forward_hooks,
        module._forward_pre_hooks,
        module._backward_hooks,
        module._backward_pre_hooks,
        module._compiled_call_impl,
        "forward" in vars(module),
    )
    anywhere = nn.modules.module._has_any_global_hook()
    return type(module).__call__ is nn.Module.__call__ and not any(own) and not anywhere


def direct(stage: Any) -> Any:
    """Return what a call of a stage ends in: the same operations, without the detour that asks for hooks."""
    return stage.forward if isinstance(stage, nn.Module) and is_plain(stage) else stage


def is_sequence(module: nn.Module) -> bool:
    """Whether a module does nothing but call its children one after the other."""
    return type(module).forward is torch.nn.Sequential.forward and is_plain(module)


def opened(stage: Any) -> list[Any]:
    """Return the parts of nested sequences, in order."""
    if isinstance(stage, nn.Module) and is_sequence(stage):
        return [part for child in stage.children() for part in opened(child)]
    return [stage]

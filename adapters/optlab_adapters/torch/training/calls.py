"""What calling a module comes down to, so that evaluations need not ask again every time."""

from __future__ import annotations

from typing import Any

from torch import nn

__all__ = ["direct", "is_plain", "is_sequence", "opened"]


def is_plain(module: Any) -> bool:
    """Whether this is a module and calling it is calling the ``forward`` of its class.

    No hooks, that is, and nothing compiled or replaced.
    """
    if not isinstance(module, nn.Module):
        return False
    own = (
        module._forward_hooks,
        module._forward_pre_hooks,
        module._backward_hooks,
        module._backward_pre_hooks,
        module._compiled_call_impl,
        "forward" in vars(module),
    )
    anywhere: Any = nn.modules.module
    return (
        type(module).__call__ is nn.Module.__call__
        and not any(own)
        and not anywhere._has_any_global_hook()
    )


def direct(stage: Any) -> Any:
    """Return what a call of a stage ends in: the same operations, without the detour that asks for hooks."""
    return stage.forward if is_plain(stage) else stage


def is_sequence(module: Any) -> bool:
    """Whether a module does nothing but call its children one after the other."""
    return is_plain(module) and type(module).forward is nn.Sequential.forward


def opened(stage: Any) -> list[Any]:
    """Return the parts of nested sequences, in order."""
    if is_sequence(stage):
        return [part for child in stage.children() for part in opened(child)]
    return [stage]

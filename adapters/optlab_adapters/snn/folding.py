"""Batch normalization folded into the layer before it."""

from __future__ import annotations

import copy
from typing import Any

from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from optlab.errors import CapabilityError
from optlab_adapters.snn.graph import BIASED, NORMS

__all__ = ["fold_norms"]


def fold_norms(traced: fx.GraphModule) -> fx.GraphModule:
    """Return a copy with every batch normalization folded into the layer before it, in evaluation mode.

    With g = gamma / sigma: W <- g W, b <- g (b - mu) + beta.

    Raises
    ------
    CapabilityError
        When batch normalization does not follow a convolution or Linear of its own.
    """
    folded = copy.deepcopy(traced)
    modules = dict(folded.named_modules())
    for node in list(folded.graph.nodes):
        if node.op != "call_module" or not isinstance(modules[str(node.target)], NORMS):
            continue
        before = node.args[0]
        layer = modules.get(str(before.target)) if before.op == "call_module" else None
        uses = [n for n in folded.graph.nodes if n.target == before.target]
        if not isinstance(layer, BIASED) or len(before.users) + len(uses) > 2:
            raise CapabilityError(
                f"{node.target} is batch normalization that does not follow a convolution or Linear of its own, so it "
                "cannot be folded; with exact='float' it need not be"
            )
        norm: Any = modules[str(node.target)]
        fused: nn.Module
        if isinstance(layer, nn.Linear):
            fused = fuse_linear_bn_eval(layer, norm)
        else:
            fused = fuse_conv_bn_eval(layer, norm)  # type: ignore[type-var]
        folded.set_submodule(str(before.target), fused)
        node.replace_all_uses_with(before)
        folded.graph.erase_node(node)
    folded.recompile()
    return folded

"""From a torch module to the steps of a packed network."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import fx, nn

from optlab.errors import CapabilityError, ProblemError
from optlab.kernels.ternary import WORD, TernaryMatrix
from optlab_adapters.pruning.activation import SignActivation
from optlab_adapters.pruning.packed.layers import DenseMatrix, Layer
from optlab_adapters.pruning.packed.network import LAYER, PackedNetwork, Step
from optlab_adapters.pruning.packed.translation import (
    ADDITIONS,
    IN_PLACE,
    PASSED,
    Sign,
    conv_window,
    module_of,
    operation_of,
)
from optlab_adapters.pruning.packed.weights import TernaryWeight, as_array

__all__ = ["Choices", "convert"]

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


@dataclass(frozen=True)
class Choices:
    """The options of :func:`optlab.adapters.pruning.pack`."""

    weights: dict[str, TernaryWeight]
    sign_modules: tuple[type, ...]
    keep_dense: bool
    tolerance: float


def convert(model: nn.Module, choices: Choices) -> PackedNetwork:
    """Return the packed network; see :func:`optlab.adapters.pruning.pack`."""
    if not isinstance(model, nn.Module):
        raise ProblemError(f"model is a {type(model).__name__}; a torch.nn.Module is needed")
    modules = dict(model.named_modules())
    unknown = sorted(set(choices.weights) - set(modules))
    if unknown:
        raise ProblemError(
            f"weights names {unknown}, which the model has not; its paths are those of named_modules()"
        )
    for path, module in modules.items():
        if module.training and isinstance(module, (*NORMS, *PASSED[1:])):
            raise ProblemError(
                f"{path or type(model).__name__} is in training mode; call model.eval() first"
            )
    graph = _traced(model, choices)
    builder = _Builder(modules, choices, Counter(str(n.target) for n in graph.nodes))
    for node in graph.nodes:
        builder.take(node)
    return builder.network()


class _Tracer(fx.Tracer):
    """Stops at layers, at modules whose weights are given, and at modules that compute signs."""

    def __init__(self, choices: Choices) -> None:
        super().__init__()
        self.choices = choices

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        kinds = (nn.Linear, nn.Conv2d, SignActivation, *self.choices.sign_modules)
        return (
            isinstance(m, kinds)
            or module_qualified_name in self.choices.weights
            or super().is_leaf_module(m, module_qualified_name)
        )


def _traced(model: nn.Module, choices: Choices) -> fx.Graph:
    if _is_layer("", model, choices):
        # A single layer: torch.fx does not call the root a module.
        raise CapabilityError(
            f"the model is one {type(model).__name__}; wrap it as torch.nn.Sequential(model)"
        )
    try:
        return _Tracer(choices).trace(model)
    except (fx.proxy.TraceError, TypeError, NotImplementedError) as error:
        raise CapabilityError(
            f"torch.fx cannot follow the forward of {type(model).__name__}: {error}; what depends on values must leave "
            "forward, modules with an own autograd function belong into sign_modules or weights"
        ) from error


def _is_layer(path: str, module: nn.Module, choices: Choices) -> bool:
    return path in choices.weights or isinstance(module, (nn.Linear, nn.Conv2d))


class _Builder:
    """Turns the nodes of a graph into steps, one after the other."""

    def __init__(
        self, modules: dict[str, nn.Module], choices: Choices, calls: Counter[str]
    ) -> None:
        self.modules, self.choices, self.calls = modules, choices, calls
        self.steps: list[Step] = []
        self.layers: dict[str, Layer] = {}
        self.values: dict[fx.Node, int] = {}
        self.result = 0
        self.signs: dict[int, int] = {}
        """Values in {-1, 0, 1}, and a value that has the same signs."""

    def take(self, node: fx.Node) -> None:
        """Append what a node does."""
        if node.op == "placeholder":
            if self.values:
                raise CapabilityError("the model has several inputs; one is needed")
            self.values[node] = 0
        elif node.op == "output":
            if not isinstance(node.args[0], fx.Node):
                raise CapabilityError("the model returns several values; one tensor is needed")
            self.result = self.values[node.args[0]]
        elif node.op == "call_module":
            self._module(node, str(node.target), self.modules[str(node.target)])
        elif node.target in ADDITIONS:
            self._addition(node)
        else:
            module = module_of(node)
            if module is None:
                raise CapabilityError(
                    f"{_path(node)} has no packed form; write it with the layers that have one (flatten, not view or "
                    "reshape)"
                )
            self._module(node, _path(node), module)

    def network(self) -> PackedNetwork:
        """Return the network of the steps that the result depends on."""
        needed = {self.result}
        for k in reversed(range(len(self.steps))):
            if k + 1 in needed:
                needed.update(self.steps[k].inputs)
        kept = [k for k in range(len(self.steps)) if k + 1 in needed]
        numbers = {0: 0} | {k + 1: place + 1 for place, k in enumerate(kept)}
        steps = tuple(
            replace(step, inputs=tuple(numbers[v] for v in step.inputs))
            for step in (self.steps[k] for k in kept)
        )
        used = {step.options["layer"] for step in steps if step.operation == LAYER}
        return PackedNetwork(steps, {p: layer for p, layer in self.layers.items() if p in used})

    def _append(self, node: fx.Node, step: Step) -> int:
        self.steps.append(step)
        self.values[node] = len(self.steps)
        return len(self.steps)

    def _addition(self, node: fx.Node) -> None:
        if len(node.all_input_nodes) != 2 or len(node.args) != 2 or node.kwargs:
            raise CapabilityError(f"{_path(node)} must add two tensors of the network, no more")
        if node.target in IN_PLACE:
            self._check_in_place(node, _path(node))
        inputs = tuple(self.values[n] for n in node.args if isinstance(n, fx.Node))
        self._append(node, Step("add", inputs, _path(node)))

    def _module(self, node: fx.Node, path: str, module: nn.Module) -> None:
        if len(node.all_input_nodes) != 1 or not isinstance(node.args[0], fx.Node):
            raise CapabilityError(f"{path} must take one tensor of the network")
        value = self.values[node.args[0]]
        if getattr(module, "inplace", False):
            self._check_in_place(node, path)
        if isinstance(module, self.choices.sign_modules):
            module = Sign()
        if isinstance(module, PASSED):
            self.values[node] = value
        elif _is_layer(path, module, self.choices):
            self._layer(node, path, module, value)
        elif isinstance(module, NORMS):
            self._norm(node, path, module, value)
        else:
            operation, options = operation_of(path, module)
            made = self._append(node, Step(operation, (value,), path, options))
            if operation == "sign":
                self.signs[made] = value
            elif operation == "plus_sign" or (
                operation in {"flatten", "max_pool"} and value in self.signs
            ):
                self.signs[made] = made

    def _layer(self, node: fx.Node, path: str, module: nn.Module, value: int) -> None:
        signed = value in self.signs
        known = self.layers.get(path)
        if known is None:
            self.layers[path] = _layer(path, module, self.choices, signed=signed)
        elif known.signed != signed:
            raise CapabilityError(
                f"{path} is applied to signs and to other values; use two modules"
            )
        self._append(node, Step(LAYER, (self.signs.get(value, value),), path, {"layer": path}))

    def _norm(self, node: fx.Node, path: str, norm: Any, value: int) -> None:
        if norm.running_mean is None:
            raise CapabilityError(
                f"{path} has no running statistics (track_running_stats=False), so its scale depends on the batch"
            )
        factor = 1.0 / np.sqrt(as_array(norm.running_var).astype(float) + norm.eps)
        factor *= 1.0 if norm.weight is None else as_array(norm.weight)
        shift = (0.0 if norm.bias is None else as_array(norm.bias)) - factor * as_array(
            norm.running_mean
        )
        before = node.args[0]
        last = self.steps[value - 1] if value else None
        # Channels are the second axis: that of a Linear's result only where it has two.
        if (
            last is not None
            and last.operation == LAYER
            and self.layers[last.path].window is not None
            and self.calls[last.path] == 1
            and isinstance(before, fx.Node)
            and len(before.users) == 1
        ):
            self.layers[last.path] = _scaled(self.layers[last.path], factor, shift)
            self.values[node] = value
            return
        options = {"factor": factor.astype(np.float32), "shift": shift.astype(np.float32)}
        self._append(node, Step("scale", (value,), path, options))

    @staticmethod
    def _check_in_place(node: fx.Node, path: str) -> None:
        given = node.args[0]
        if isinstance(given, fx.Node) and len(given.users) > 1:
            raise CapabilityError(
                f"{path} changes in place a value that is used elsewhere; set inplace=False, or write x = x + y"
            )


def _layer(path: str, module: nn.Module, choices: Choices, *, signed: bool) -> Layer:
    weight = choices.weights.get(path)
    shape = tuple(getattr(module, "weight", torch.empty(0)).shape)
    if weight is not None and shape not in {weight.mask.shape, (0,)}:
        raise ProblemError(
            f"the weights given for {path} have shape {weight.mask.shape}; {shape} is needed"
        )
    if weight is None:
        if not _is_plain(module):
            raise CapabilityError(
                f"{path} is a {type(module).__name__} with a forward of its own; say what its weights are by "
                f"weights={{{path!r}: TernaryWeight(mask, signs, gain)}}"
            )
        weight = TernaryWeight.find(_weight_of(module), choices.tolerance)
    if weight is None and not choices.keep_dense:
        raise ProblemError(
            f"the weights of {path} are not gain * mask * sign with one gain for every output channel; pass "
            f"weights={{{path!r}: TernaryWeight(mask, signs, gain)}}, or keep_dense=True"
        )
    dense = _weight_of(module) if weight is None else weight.mask
    bias = getattr(module, "bias", None)
    floats = np.zeros(len(dense)) if bias is None else as_array(bias)
    if floats.shape != dense.shape[:1] or not np.isfinite(floats).all():
        raise ProblemError(f"the bias of {path} is not {len(dense)} finite numbers")
    pixelwise = signed and weight is not None and dense.ndim == 4 and dense.shape[1] % WORD == 0
    bias_floats: NDArray[np.float32] = floats.astype(np.float32)
    matrix = (
        DenseMatrix(dense.reshape(len(dense), -1).astype(np.float32), bias_floats)
        if weight is None
        else (weight.pixelwise() if pixelwise else weight).matrix(bias_floats)
    )
    window = conv_window(path, module, dense.shape[2:]) if dense.ndim == 4 else None
    if dense.ndim not in {2, 4}:
        raise CapabilityError(
            f"the weight of {path} has {dense.ndim} dimensions; 2 or 4 are needed"
        )
    return Layer(path, matrix, signed, window, int(getattr(module, "groups", 1)), pixelwise)


def _is_plain(module: nn.Module) -> bool:
    """Whether the module computes what torch's layer computes from ``module.weight``."""
    own: type = type(module)
    torchs: type = nn.Linear if isinstance(module, nn.Linear) else nn.Conv2d
    names = ("forward", "_conv_forward")
    return all(getattr(own, name, None) is getattr(torchs, name, None) for name in names)


def _weight_of(module: Any) -> NDArray[Any]:
    """Return the weight; that of torch.nn.utils.prune anew, since it is stale between forwards."""
    if hasattr(module, "weight_orig") and hasattr(module, "weight_mask"):
        return as_array(module.weight_orig * module.weight_mask)
    return as_array(module.weight)


def _scaled(layer: Layer, factor: NDArray[Any], shift: NDArray[Any]) -> Layer:
    """Return the layer followed by a scale of its channels."""
    matrix = layer.matrix
    bias = (factor * matrix.bias + shift).astype(np.float32)
    scaled: TernaryMatrix | DenseMatrix
    if isinstance(matrix, TernaryMatrix):
        scaled = replace(matrix, gain=(factor * matrix.gain).astype(np.float32), bias=bias)
    else:
        scaled = DenseMatrix((factor[:, None] * matrix.weight).astype(np.float32), bias)
    return replace(layer, matrix=scaled)


def _path(node: fx.Node) -> str:
    where = next(reversed(node.meta.get("nn_module_stack", {"": None})), "") or "forward"
    return f"{getattr(node.target, '__name__', node.target)} in {where}"

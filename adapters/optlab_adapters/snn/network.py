"""Step-wise simulation of a spiking network."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import fx, nn

from optlab.errors import OptionError, ProblemError
from optlab_adapters.snn.activation import QuantizedReLU
from optlab_adapters.snn.coding import Coding
from optlab_adapters.snn.energy import FLOAT32, EnergyModel
from optlab_adapters.snn.graph import ADDITIONS, NORMS, check_operations, is_relu, trace
from optlab_adapters.snn.integer import IntegerNetwork
from optlab_adapters.snn.measure import measure
from optlab_adapters.snn.pipeline import Pipeline, pipeline_of
from optlab_adapters.snn.quantization import check_finite
from optlab_adapters.snn.shift import BiasShift

if TYPE_CHECKING:
    from optlab_adapters.snn.report import SpikingReport

__all__ = ["SpikingNetwork", "Trace", "convert"]


@dataclass(frozen=True)
class Stream:
    """Currents or spikes of all steps, shape (T, N, ...)."""

    values: torch.Tensor


@dataclass
class Trace:
    """Spikes of every neuron layer, shape (T, N, ...), by the path of the layer."""

    spikes: dict[str, torch.Tensor] = field(default_factory=dict)

    def per_neuron(self) -> dict[str, float]:
        """Return the mean number of spikes of a neuron over all steps, by layer."""
        return {name: float(s.double().mean()) * len(s) for name, s in self.spikes.items()}


def convert(
    q: nn.Module,
    mode: Literal["binary", "rate"] = "binary",
    *,
    exact: Literal["float", "integer"] = "float",
    order: Literal["lsb", "msb"] = "lsb",
    steps: int | None = None,
    bias_shift: bool = True,
) -> SpikingNetwork:
    """Return the spiking network of a quantized one.

    Parameters
    ----------
    q : torch.nn.Module
        From :func:`optlab.adapters.snn.quantize`, in evaluation mode. It is copied.
    mode : {"binary", "rate"}
        Spikes as bits, exact in T steps; or the usual integrate-and-fire neurons, for comparison.
    exact : {"float", "integer"}
        Arithmetic of the module, or whole numbers (binary codes only), in which equality holds to the bit.
    order : {"lsb", "msb"}
        Which bit is sent first.
    steps : int or None
        Steps of a rate code; None: T.
    bias_shift : bool
        False leaves biases as they are, which is wrong: for comparison only.

    Raises
    ------
    ProblemError
        When q has no quantized activations, an operation without spiking form, batch normalization in training mode,
        or weights that are not finite.
    OptionError
        When an option does not fit.
    """
    if exact not in {"float", "integer"}:
        raise OptionError(f"exact is {exact!r}; 'float' or 'integer' is needed")
    if exact == "integer" and (mode != "binary" or not bias_shift):
        raise OptionError("exact is 'integer'; mode='binary' with bias_shift=True is needed")
    check_finite(q)
    traced = trace(copy.deepcopy(q))
    check_operations(traced)
    own = _steps_of(traced)
    if mode == "binary" and steps not in {None, own}:
        raise OptionError(f"steps is {steps!r}; a binary code of this network has {own}")
    coding = Coding(own if steps is None else steps, mode, order)
    whole = IntegerNetwork(traced, coding) if exact == "integer" else None
    return SpikingNetwork(traced, coding, bias_shift, whole)


def _steps_of(traced: fx.GraphModule) -> int:
    """Return T of a quantized network in evaluation mode; refuse what cannot be converted."""
    modules = dict(traced.named_modules())
    for node in traced.graph.nodes:
        if is_relu(node, modules):
            raise ProblemError(f"{node.target} is a ReLU; quantize the model first")
    neurons = [m for m in modules.values() if isinstance(m, QuantizedReLU)]
    if not neurons:
        raise ProblemError("the model has no quantized activations; call quantize first")
    for name, module in modules.items():
        if isinstance(module, NORMS) and (module.training or module.running_mean is None):
            raise ProblemError(
                f"{name} is a {type(module).__name__} that normalizes by the batch; call eval(), with running "
                "statistics"
            )
        if isinstance(module, nn.modules.dropout._DropoutNd) and module.training:
            raise ProblemError(f"{name} is dropout in training mode; call eval()")
        if isinstance(module, QuantizedReLU) and not bool((module.threshold > 0).all()):
            raise ProblemError(
                f"{name} has a threshold that is not positive; quantize again with calibration, and train with a smaller "
                "rate"
            )
    ladder = {neuron.steps for neuron in neurons}
    if len(ladder) > 1:
        raise ProblemError(
            f"layers have different steps, {sorted(ladder)}; quantize with one number"
        )
    return ladder.pop()


class SpikingNetwork:
    """A network of spiking neurons; ``net(x)`` returns the accumulated output potentials.

    The input is a constant current into the first layer (direct encoding). A binary neuron accumulates for T steps,
    then fires T spikes, the bits of its code; currents are the layers applied to the spikes of one step, each worth
    lam / S. Layers work one after the other; when, says ``net.pipeline``.
    """

    def __init__(
        self,
        traced: fx.GraphModule,
        coding: Coding,
        bias_shift: bool = True,
        whole: IntegerNetwork | None = None,
    ) -> None:
        self.traced = traced
        self.coding = coding
        self.shift = BiasShift(coding) if bias_shift else None
        self.whole = whole
        self.input_shape: tuple[int, ...] | None = None
        """Shape of one input; known once the network was run."""

    @torch.no_grad()
    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Return the output potentials (logits), shape (N, classes)."""
        if self.whole is not None:
            return self.run(x)[0]
        self.input_shape = tuple(x.shape[1:])
        return self._integrated(_Simulation(self, None).run(channels_last(x)))

    @torch.no_grad()
    def run(self, x: torch.Tensor) -> tuple[torch.Tensor, Trace]:
        """Return the output potentials and the spikes."""
        if self.whole is not None:
            logits, denominator, fired = self.whole.run(x)
            return logits.double() / denominator, Trace(fired)
        spikes = Trace()
        self.input_shape = tuple(x.shape[1:])
        output = _Simulation(self, spikes).run(channels_last(x))
        return self._integrated(output), spikes

    @torch.no_grad()
    def mismatches(self, x: torch.Tensor) -> dict[str, int]:
        """Return, by layer, how many neurons fire another code than the quantized network's."""
        if self.coding.mode != "binary":
            raise OptionError(
                "mode is 'rate', which has no codes to compare; convert with mode='binary'"
            )
        _, trace_ = self.run(x)
        _, wanted = self.quantized(x)
        return {
            name: int((self.coding.decode(spikes) != wanted[name]).sum())
            for name, spikes in trace_.spikes.items()
        }

    @torch.no_grad()
    def quantized(self, x: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Return logits and codes, by layer, of the quantized network in the same arithmetic."""
        if self.whole is not None:
            logits, denominator, fired = self.whole.run(x, spiking=False)
            return logits.double() / denominator, {
                name: code[0] for name, code in fired.items()
            }
        codes: dict[str, torch.Tensor] = {}
        hooks = [
            module.register_forward_hook(_keep(codes, name))
            for name, module in self.traced.named_modules()
            if isinstance(module, QuantizedReLU)
        ]
        try:
            return self.traced(channels_last(x)), codes
        finally:
            for hook in hooks:
                hook.remove()

    def quantized_logits(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits of the quantized network in the same arithmetic."""
        return self.quantized(x)[0]

    @cached_property
    def pipeline(self) -> Pipeline:
        """When its layers work."""
        return pipeline_of(self.traced, self.coding)

    @property
    def latency(self) -> int:
        """Steps from an image to its logits."""
        return self.pipeline.latency

    def report(
        self, data: Any, *, energy: EnergyModel = FLOAT32, progress: bool = False
    ) -> SpikingReport:
        """Return accuracy, spikes, code mismatches, latency and energy on a data set.

        Parameters
        ----------
        data
            A DataLoader or Dataset, a pair of tensors (x, y), or an iterable of batches x or (x, y). Where y holds labels,
            whole numbers of shape (N,), accuracy is measured.
        energy : EnergyModel
            Any object with ``picojoules(layer) -> float`` for a :class:`optlab.adapters.snn.LayerWork`.
        progress : bool
            Whether a bar shows how far it is.

        Raises
        ------
        ProblemError
            When a batch is of no known form, or its inputs are not finite.
        """
        return measure(self, data, energy, progress=progress)

    def _integrated(self, value: Any) -> torch.Tensor:
        return self.coding.accumulate(value.values) if isinstance(value, Stream) else value


def channels_last(x: torch.Tensor) -> torch.Tensor:
    """Return images with the channels of a pixel side by side, in which order convolutions are fastest on a CPU."""
    if x.ndim != 4:
        return x
    if x.shape[1] > 1:
        return x.contiguous(memory_format=torch.channels_last)
    # With one channel both orders are the same in memory; strides tell torch which is meant.
    count, _, height, width = x.shape
    return x.contiguous().as_strided((count, 1, height, width), (height * width, 1, width, 1))


def _keep(codes: dict[str, torch.Tensor], name: str) -> Any:
    def hook(module: QuantizedReLU, inputs: tuple[torch.Tensor, ...], _output: Any) -> None:
        codes[name] = module.codes(inputs[0])

    return hook


class _Simulation(fx.Interpreter):
    """Runs the graph on streams: layers at every step, neurons over all of them; keeps spikes if there is a trace."""

    def __init__(self, network: SpikingNetwork, spikes: Trace | None) -> None:
        super().__init__(network.traced)
        self.network, self.coding, self.spikes = network, network.coding, spikes
        self.levels = network.coding.levels

    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        module = self.fetch_attr(target)
        if isinstance(module, QuantizedReLU):
            return self._neurons(str(target), module, args[0])
        if not isinstance(args[0], Stream):
            return module(*args, **kwargs)
        current = args[0].values
        flat = self._layer(module)(current.flatten(0, 1))
        return Stream(flat.unflatten(0, current.shape[:2]))

    def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if target in ADDITIONS:
            return self._sum(args[0], args[1])
        return self._each_step(target, args, kwargs)

    def call_method(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if target == "add":
            return self._sum(args[0], args[1])
        return self._each_step(getattr(torch.Tensor, target), args, kwargs)

    def _each_step(self, operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not isinstance(args[0], Stream):
            return operation(*args, **kwargs)
        return Stream(torch.stack([operation(c, *args[1:], **kwargs) for c in args[0].values]))

    def _sum(self, a: Any, b: Any) -> Any:
        if not (isinstance(a, Stream) or isinstance(b, Stream)):
            return a + b
        # A constant current beside spikes is spread over the steps like a bias.
        first, second = (v.values if isinstance(v, Stream) else v / self.levels for v in (a, b))
        return Stream(first + second)

    def _neurons(self, name: str, module: QuantizedReLU, current: Any) -> Stream:
        stream = isinstance(current, Stream)
        worth = module.along_channels(current.values[0] if stream else current) / self.levels
        if self.coding.mode == "rate":
            steps = self.coding.steps
            currents = (
                current.values if stream else (current / steps).expand(steps, *current.shape)
            )
            sent = self.coding.integrate_and_fire(currents, worth)
            if self.spikes is not None:
                self.spikes.spikes[name] = (sent != 0).to(sent)
            return Stream(sent)
        # The very expression of the quantized activation, so that equal currents give equal codes.
        spikes = self.coding.fire(module.potential(self.network._integrated(current)))
        if self.spikes is None:
            return Stream(spikes.mul_(worth))
        self.spikes.spikes[name] = spikes
        return Stream(spikes * worth)

    def _layer(self, module: Any) -> Any:
        """Return the layer with the constant that it adds at every step."""
        shift = self.network.shift
        return module if shift is None else shift.layer(module)

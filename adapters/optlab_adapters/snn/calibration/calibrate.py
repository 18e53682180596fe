"""Conversion of a trained float network without training: thresholds and shifts found on calibration data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import fx, nn

from optlab.api import minimize
from optlab.core.status import PointStatus
from optlab.errors import OptionError, ProblemError
from optlab_adapters.snn.activation import QuantizedReLU
from optlab_adapters.snn.calibration.layer_problem import CalibrationProblem
from optlab_adapters.snn.calibration.passes import Float, float_pass, layer_errors, layer_pass
from optlab_adapters.snn.calibration.result import CalibrationResult, LayerCalibration
from optlab_adapters.snn.calibration.sites import Site, sites_of
from optlab_adapters.snn.calibration.spiking import LOSSES, OF_OUTPUTS, SpikingCalibration
from optlab_adapters.snn.network import convert
from optlab_adapters.snn.quantization import quantize

if TYPE_CHECKING:
    from optlab.core.result import Result

__all__ = ["calibrate"]

ROUTES = ("percentile", "least-squares", "zeroth-order")

SAMPLES = 20_000
"""Samples of a channel that its problem sees; more are thinned evenly."""

EVALUATIONS = 1000
"""Limit on evaluations of the zeroth-order route where none is given."""

RATE = 0.005
"""Learning rate of the default method: thresholds change by half a percent in a step."""

MAJOR_ITERATIONS = 100
"""Limit on the iterations of a layer's solve: there are a few variables per channel."""


@dataclass(frozen=True)
class Settings:
    """What a layer's problem and its solve are given."""

    method: Any
    steps: int
    channelwise: bool
    mean_tolerance: float | None
    options: dict[str, Any]


def calibrate(
    model: nn.Module,
    inputs: torch.Tensor,
    *,
    steps: int | None = None,
    labels: torch.Tensor | None = None,
    route: Literal["percentile", "least-squares", "zeroth-order"] = "least-squares",
    method: Any = None,
    start: Literal["percentile", "least-squares"] = "least-squares",
    percentile: float = 99.9,
    channelwise: bool = True,
    mean_tolerance: float | None = None,
    probes: int = 0,
    loss: str | Callable[[Any, Any], torch.Tensor] | None = None,
    mode: Literal["binary", "rate"] = "binary",
    max_pool: Literal["average", "refuse"] = "refuse",
    progress: Callable[[str, LayerCalibration | None], Any] | None = None,
    **options: Any,
) -> CalibrationResult:
    """Convert a float network without training it.

    Parameters
    ----------
    model : torch.nn.Module
        A float network in evaluation mode, or one from :func:`optlab.adapters.snn.quantize`, whose thresholds are set
        anew. It is copied.
    inputs : torch.Tensor
        Calibration samples, (N, ...), all in one pass; some hundred are enough.
    steps : int or None
        T, for a float network; None: that of the quantized one.
    labels : torch.Tensor or None
        Classes, (N,), for losses of the classification.
    route : {"least-squares", "zeroth-order", "percentile"}
        Layer by layer, each a constrained least-squares problem; that and then the loss of the spiking network by values
        only; or percentiles alone, the usual balancing.
    method
        For :func:`optlab.minimize`. None: ``"npasa"`` for layers, ``"zo-adam"`` for the spiking loss.
    start : {"least-squares", "percentile"}
        Where the zeroth-order route starts.
    percentile : float
        Of what each activation sees in the float network, for the thresholds before.
    channelwise : bool
        Whether the layers' problems have a threshold for every channel.
    mean_tolerance : float or None
        By how much, relatively, they may change the mean activation of a channel; 0: not at all, None: at will.
    probes : int
        Random directions of the outputs by which squared errors are weighted; 0: all weights are equal.
    loss : str, callable or None
        Of the zeroth-order route (see :class:`SpikingCalibration`); None: "divergence".
    mode : {"binary", "rate"}
        Code of the spiking network. The layers' problems are those of binary codes in both cases.
    max_pool : {"refuse", "average"}
        As for :func:`optlab.adapters.snn.quantize`.
    progress : callable or None
        Called as ``progress(layer name, None)`` before a layer's solve and with its outcome at the end.
    options
        Of :func:`optlab.minimize` for the method of the route: ``max_eval``, ``seed``, ``max_time`` ...

    Raises
    ------
    ProblemError
        When the model cannot be converted, inputs or labels do not fit, or an activation is used twice.
    OptionError
        When an option does not fit.

    Notes
    -----
    Errors of earlier layers are seen by later ones: the potentials of a layer's problem come from the network as
    calibrated so far, its targets from the float network. Where a layer never fires, it is left alone. The bias of an
    activation's layer takes the shift; the mean error of the outputs is taken off the last layer's bias.
    """
    _check_options(route, start, loss, labels, inputs)
    q = _quantized(model, inputs, steps, percentile, max_pool)
    sites = sites_of(q)
    reference = float_pass(q, inputs, probes)
    before = layer_errors(q, inputs, reference, sites), _output_error(q(inputs), reference)
    biases = {site.name: site.bias() for site in sites if site.carrier is not None}
    solves: dict[str, Result] = {}
    if route == "least-squares" or (route == "zeroth-order" and start == "least-squares"):
        own = options if route == "least-squares" else {}
        chosen = method if route == "least-squares" and method is not None else "npasa"
        settings = Settings(chosen, sites[0].neuron.steps, channelwise, mean_tolerance, own)
        solves = _by_layers(q, sites, inputs, reference, settings, progress)
    results = list(solves.values())
    if route == "zeroth-order":
        wanted = "divergence" if loss is None else loss
        targets = reference.output if labels is None or wanted in OF_OUTPUTS else labels
        task = SpikingCalibration(q, inputs, targets, loss=wanted, mode=mode)
        if method is None:
            method, options = "zo-adam", {"learning_rate": RATE, **options}
        results.append(_by_values(task, method, options))
        q = task.quantized
        sites = sites_of(q)
    after = layer_errors(q, inputs, reference, sites), _output_error(q(inputs), reference)
    layers = tuple(
        _layer(site, before[0], after[0], biases, solves.get(site.name)) for site in sites
    )
    if progress is not None:
        for layer in layers:
            progress(layer.name, layer)
    q.requires_grad_(requires_grad=True)
    return CalibrationResult(q, convert(q, mode), layers, (before[1], after[1]), tuple(results))


def _check_options(
    route: str, start: str, loss: Any, labels: torch.Tensor | None, inputs: torch.Tensor
) -> None:
    if route not in ROUTES:
        raise OptionError(f"route is {route!r}; one of {ROUTES} is needed")
    if start not in ROUTES[:2]:
        raise OptionError(f"start is {start!r}; one of {ROUTES[:2]} is needed")
    if loss is not None and not callable(loss):
        if loss not in LOSSES:
            raise OptionError(
                f"loss is {loss!r}; a function or one of {list(LOSSES)} is needed"
            )
        if loss not in OF_OUTPUTS and labels is None:
            raise OptionError(f"loss is {loss!r}, which needs labels; pass labels=")
    if labels is not None and len(labels) != len(inputs):
        raise ProblemError(f"there are {len(inputs)} inputs and {len(labels)} labels")
    if len(inputs) == 0 or not bool(torch.isfinite(inputs).all()):
        raise ProblemError("inputs are empty or not finite; some hundred samples are needed")


def _quantized(
    model: nn.Module,
    inputs: torch.Tensor,
    steps: int | None,
    percentile: float,
    max_pool: Literal["average", "refuse"],
) -> fx.GraphModule:
    """Return a copy of the model with percentile thresholds, in evaluation mode and without gradients."""
    neurons = [m for m in model.modules() if isinstance(m, QuantizedReLU)]
    if steps is None:
        if not neurons:
            raise OptionError("steps is None; T is needed for a float network")
        steps = neurons[0].steps
    elif any(neuron.steps != steps for neuron in neurons):
        raise OptionError(f"steps is {steps}; the model is quantized to {neurons[0].steps}")
    if model.training:
        raise ProblemError("the model is in training mode; call eval()")
    q = quantize(model, steps, calibration=inputs, percentile=percentile, max_pool=max_pool)
    return q.requires_grad_(requires_grad=False)


def _by_layers(
    q: fx.GraphModule,
    sites: list[Site],
    inputs: torch.Tensor,
    reference: Float,
    settings: Settings,
    progress: Callable[[str, LayerCalibration | None], Any] | None,
) -> dict[str, Result]:
    """Set the layers one after the other; the outputs' mean error goes off the last bias."""
    by_name = {site.name: site for site in sites}
    results: dict[str, Result] = {}

    def setting(name: str, potentials: torch.Tensor) -> torch.Tensor:
        if progress is not None:
            progress(name, None)
        site, targets = by_name[name], reference.activations[name]
        if not (bool((potentials > 0).any()) and bool((targets > 0).any())):
            return potentials.new_zeros(1)
        shift, results[name] = _solved(
            site, potentials, targets, reference.weights.get(name), settings
        )
        return shift

    output = layer_pass(q, inputs, setting)
    last = _last_layer(q)
    if last is not None:
        last.set_bias(last.bias() - (output - reference.output).mean(0))
    return results


def _by_values(task: SpikingCalibration, method: Any, options: dict[str, Any]) -> Result:
    """Minimise the spiking loss; a network that was better at the start stays as it was."""
    start = task.vector()
    loss = task.objective(start)
    result = minimize(task, method=method, **{"max_eval": EVALUATIONS, **options})
    if not result.fun <= loss:
        task.write(start)
    return result


def _solved(
    site: Site,
    potentials: torch.Tensor,
    targets: torch.Tensor,
    weights: torch.Tensor | None,
    settings: Settings,
) -> tuple[torch.Tensor, Result]:
    """Solve the problem of a layer and set it; return the shift, (C,)."""
    problem = CalibrationProblem(
        _by_channel(potentials),
        _by_channel(targets),
        settings.steps,
        channelwise=settings.channelwise,
        shifts=site.carrier is not None,
        mean_tolerance=settings.mean_tolerance,
        weights=None if weights is None else _by_channel(weights),
    )
    options = {"max_iter": MAJOR_ITERATIONS, **settings.options}
    result = minimize(problem, method=settings.method, **options)
    # Where no feasible point was found, the best grid point stands.
    x = result.x if _usable(problem, result) else problem.start()
    thresholds = torch.from_numpy(problem.thresholds(x)).to(potentials)
    site.set_threshold(thresholds if settings.channelwise else thresholds[0])
    shift = torch.from_numpy(problem.offsets(x)).to(potentials)
    if site.carrier is not None:
        site.set_bias(site.bias() + shift)
    return shift, result


def _usable(problem: CalibrationProblem, result: Result) -> bool:
    """Whether the answer is feasible and no worse than the start."""
    feasible = result.point in {PointStatus.STATIONARY, PointStatus.FEASIBLE}
    better = bool(problem.kept.size) or result.fun <= problem.objective(problem.start())
    return feasible and better


def _by_channel(values: torch.Tensor) -> Any:
    """Return (N, C, ...) as (C, samples) in double precision, thinned evenly."""
    channels = values.transpose(0, 1).flatten(1)
    stride = -(-channels.shape[1] // SAMPLES)
    return channels[:, ::stride].double().cpu().numpy()


def _last_layer(q: fx.GraphModule) -> Site | None:
    """Return the place of a bias of the outputs, when the last operation is a layer with one."""
    end = next(node for node in q.graph.nodes if node.op == "output").args[0]
    modules = dict(q.named_modules())
    module: Any = modules.get(str(end.target)) if end.op == "call_module" else None
    state = {} if module is None else module.state_dict()
    called = [n for n in q.graph.nodes if n.op == "call_module" and n.target == end.target]
    if not isinstance(module, nn.Linear) or "bias" not in state or len(called) > 1:
        return None
    return Site(str(end.target), QuantizedReLU(1), module)


def _output_error(output: torch.Tensor, reference: Float) -> float:
    wanted = reference.output.double()
    return float(((output.double() - wanted) ** 2).sum() / (wanted**2).sum())


def _layer(
    site: Site,
    before: dict[str, float],
    after: dict[str, float],
    biases: dict[str, torch.Tensor],
    result: Result | None,
) -> LayerCalibration:
    moved = site.bias() - biases[site.name] if site.carrier is not None else torch.zeros(1)
    return LayerCalibration(
        site.name,
        before[site.name],
        after[site.name],
        float(site.neuron.threshold.detach().mean()),
        float(moved.abs().max()),
        result,
    )

"""Learning tasks stated as optimization problems, derivatives by the programs of machine learning, solves as layers.

=====================  =============================================================================
name                   what it is
=====================  =============================================================================
``torch_problem``      a problem from torch functions of x, all derivatives exact
``jax_problem``        the same from JAX functions
``TorchFamily``        problems in torch functions of x and parameters, for sensitivity and layers
``SolveLayer``         a torch layer whose forward is a solve and whose backward is its derivative
``BlackBox``           a torch layer whose forward runs a simulator, differentiated by values only
``jax_black_box``      the same as a JAX function
``Simulator``          a simulator with retries, a cache, a budget and a policy for failures
``PythonFunction``     one run of a simulator: a function, with a time limit
``Command``            one run of a simulator: a command, by files or standard input and output
``HttpEndpoint``       one run of a simulator: a request to a server
``EvaluationCache``    the file of evaluated points
``Retries``            how failed runs are tried again
``TrainingTask``       the training of a torch module, with or without gradients
``adaptation``         networks that adapt to what they are shown, at test time and without labels
``compression``        image codecs, their errors under corruptions
``pruning``            networks of few weights: pruning, tickets of random weights, packed execution
``robustness``         corruptions of images, their spectra, accuracy under them
``snn``                 quantized networks and the spiking networks that equal them
``RejectedPointError``  raised by a simulator for a point that it cannot do
=====================  =============================================================================

Names are imported when they are asked for; what they need (torch, JAX) only when they are used. Adapters register
themselves in the entry-point groups ``optlab.problem_sources`` and ``optlab.derivatives``.
"""

from __future__ import annotations

from optlab_adapters.lazy import names_of

_LAZY = {
    "BlackBox": "optlab_adapters.torch.black_box",
    "Command": "optlab_adapters.blackbox",
    "EvaluationCache": "optlab_adapters.blackbox",
    "HttpEndpoint": "optlab_adapters.blackbox",
    "PythonFunction": "optlab_adapters.blackbox",
    "RejectedPointError": "optlab_adapters.blackbox",
    "Retries": "optlab_adapters.blackbox",
    "Simulator": "optlab_adapters.blackbox",
    "SolveLayer": "optlab_adapters.torch.solve_layer",
    "TorchFamily": "optlab_adapters.torch.parametric",
    "adaptation": "optlab_adapters.adaptation",
    "compression": "optlab_adapters.compression",
    "jax_black_box": "optlab_adapters.jax.black_box",
    "TrainingTask": "optlab_adapters.torch.training",
    "jax_problem": "optlab_adapters.jax",
    "pruning": "optlab_adapters.pruning",
    "robustness": "optlab_adapters.robustness",
    "snn": "optlab_adapters.snn",
    "torch_problem": "optlab_adapters.torch",
}
"""Name -> module."""

__all__ = list(_LAZY)

__getattr__ = names_of(__name__, _LAZY)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)

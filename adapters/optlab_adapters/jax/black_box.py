"""A simulator as a JAX function whose vector-Jacobian product is estimated from values.

The same as the torch layer (:mod:`optlab_adapters.torch.black_box`), by ``jax.custom_vjp`` around ``jax.pure_callback``: it works
under jit, vmap, grad and jacrev.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from optlab.errors import CapabilityError, MissingDependencyError, OptionError, ProblemError
from optlab_adapters.blackbox.products import Differentiated, differentiated

__all__ = ["jax_black_box"]


def jax_black_box(
    simulator: Any,
    *,
    outputs: int,
    lower: Any,
    upper: Any,
    queries: Any = "cge",
    smoothing: float | None = None,
) -> Callable[[Any], Any]:
    """Make a JAX function of a simulator.

    JAX may run a callback again, or not at all when nothing depends on its value; a Simulator with a cache is never made to pay
    twice. With ``on_failure="drop"`` failed samples are nan, and no gradient comes from them.

    Parameters
    ----------
    simulator
        As for :class:`~optlab_adapters.torch.black_box.BlackBox`.
    outputs
        How many numbers the simulator returns for a point: JAX has to know the shape before anything is run.
    lower, upper, queries, smoothing
        As there. An estimator that draws directions draws them anew at every point, and the same ones for the same points.

    Returns
    -------
    Callable
        (..., k) -> (..., outputs), in the dtype of its argument. The estimate of forward differences suffers when that is float32;
        central differences do not.

    Raises
    ------
    MissingDependencyError
        When JAX is not installed.
    OptionError
        When an argument makes no sense.

    Examples
    --------
    >>> import jax, jax.numpy as jnp
    >>> from optlab.adapters import jax_black_box
    >>> square = jax_black_box(lambda z: z**2, outputs=2, lower=[0.0, 0.0], upper=[10.0, 10.0])
    >>> jax.jit(jax.grad(lambda z: square(z).sum()))(jnp.array([1.0, 2.0])).round(3).tolist()
    [2.0, 4.0]
    """
    try:
        jax = importlib.import_module("jax")
    except ImportError as error:
        raise MissingDependencyError("jax", "jax", "jax_black_box") from error
    if outputs < 1:
        raise OptionError(f"outputs is {outputs}; at least 1 is needed")
    function = differentiated(simulator, lower, upper, queries, smoothing)
    known = function.simulator.outputs
    if known is None:
        function.simulator.outputs = outputs
    elif max(1, known) != outputs:
        raise OptionError(f"outputs={outputs} was given and the simulator has {known}")

    def called(callback: Callable[..., Any], shapes: Any, *arguments: Any) -> Any:
        def on_arrays(*given: Any) -> Any:
            return callback(function, *map(np.asarray, given))

        return jax.pure_callback(on_arrays, shapes, *arguments, vmap_method="broadcast_all")

    def simulated(z: Any) -> Any:
        if z.ndim == 0 or z.shape[-1] != function.n:
            raise ProblemError(
                f"the black box was given shape {z.shape}; shape (..., {function.n}) is needed"
            )
        shape = jax.ShapeDtypeStruct((*z.shape[:-1], outputs), z.dtype)
        return called(_run, (shape, shape), z)

    def product(z: Any, exact: Any, v: Any) -> Any:
        return called(_product, jax.ShapeDtypeStruct(z.shape, z.dtype), z, exact, v)

    def refuse(*_arguments: Any) -> Any:
        raise CapabilityError(
            "jax_black_box has first derivatives only: its estimated derivative was differentiated again (hessian, or grad of "
            "grad). Keep the first gradient out of what is differentiated, with jax.lax.stop_gradient"
        )

    def once(run: Callable[..., Any]) -> Any:
        made = jax.custom_jvp(run)
        made.defjvp(refuse)
        return made

    simulated_once, product_once = once(simulated), once(product)

    def ahead(z: Any) -> Any:
        settled, exact = simulated_once(z)
        return settled, (z, exact)

    def back(kept: Any, v: Any) -> Any:
        return (product_once(*kept, v),)

    black_box = jax.custom_vjp(lambda z: simulated_once(z)[0])
    black_box.defvjp(ahead, back)
    made: Callable[[Any], Any] = black_box
    return made


def _run(function: Differentiated, z: Any) -> Any:
    """Be the forward callback: outputs with penalties, and with nan in their place."""
    simulator = function.simulator
    found = simulator.evaluate(function.inside(_rows(z))).values
    return tuple(
        rows.reshape(*z.shape[:-1], found.shape[1]).astype(z.dtype)
        for rows in (simulator.settled(found), found)
    )


def _product(function: Differentiated, z: Any, y: Any, v: Any) -> Any:
    """Be the backward callback."""
    points = function.inside(_rows(z))
    # A callback must be pure: the directions depend on the points alone.
    digest = hashlib.sha256(points.tobytes()).digest()
    rng = np.random.default_rng(int.from_bytes(digest))
    return function.product(points, _rows(y), _rows(v), rng).reshape(z.shape).astype(z.dtype)


def _rows(array: Any) -> Any:
    """Return an array (..., n) as (rows, n) of float64."""
    return np.asarray(array, dtype=np.float64).reshape(-1, array.shape[-1])

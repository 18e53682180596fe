"""Which methods and problem sources there are, and what they can do.

Built-in names resolve lazily through a table of modules, so that ``import optlab`` stays light;
outside code registers through the entry-point groups ``optlab.methods`` and
``optlab.problem_sources``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from optlab.core.in_place import AbstractInPlace
from optlab.core.method import AbstractMethod, MethodInfo, WarmStart
from optlab.core.packages import is_installed
from optlab.core.problem import Problem
from optlab.core.result import Result
from optlab.core.setting import Origin
from optlab.errors import MissingDependencyError, OptionError, ProblemError, UnknownMethodError
from optlab.typing import is_a

__all__ = [
    "ProblemSource",
    "deliver",
    "find_source",
    "known_methods",
    "known_sources",
    "load_problem",
    "method_class",
    "recall",
    "register",
    "register_source",
    "task_in_place",
]

M = TypeVar("M", bound=type[AbstractMethod[Any]])

_BUILTIN = {
    "npasa": "optlab.methods.npasa",
    "pasa": "optlab.methods.pasa",
    "zo": "optlab.methods.zeroth.adaptive",
    "mezo": "optlab.methods.zeroth.mezo",
    "zo-sgd": "optlab.methods.zeroth.optimizers",
    "zo-adam": "optlab.methods.zeroth.optimizers",
    "zo-sign": "optlab.methods.zeroth.optimizers",
    "zo-fzoo": "optlab.methods.zeroth.optimizers",
    "zo-muon": "optlab.methods.zeroth.optimizers",
    "spsa": "optlab.methods.zeroth.optimizers",
    "zo-svrg": "optlab.methods.zeroth.svrg",
    "deepzero": "optlab.methods.zeroth.deepzero",
    "sgd": "optlab.methods.zeroth.first_order",
    "adam": "optlab.methods.zeroth.first_order",
    # Other projects' solvers: the modules are light, the solvers are imported when they run.
    "ipopt": "optlab.methods.external.ipopt",
    "pounce": "optlab.methods.external.pounce",
    "uno": "optlab.methods.external.uno",
    "slsqp": "optlab.methods.external.scipy_peers",
    "trust-constr": "optlab.methods.external.scipy_peers",
    "lbfgsb": "optlab.methods.external.scipy_peers",
    "cobyqa": "optlab.methods.external.cobyqa",
    "zo-local": "optlab.methods.external.zo_local",
    "cma-es": "optlab.methods.external.cma_es",
    "nelder-mead": "optlab.methods.external.scipy_values",
    "powell": "optlab.methods.external.scipy_values",
}
"""Name of a method -> module that registers it when imported."""

_METHOD_GROUP = "optlab.methods"
_SOURCE_GROUP = "optlab.problem_sources"

_methods: dict[str, type[AbstractMethod[Any]]] = {}


def register(info: MethodInfo) -> Callable[[M], M]:
    """Make a decorator that registers a method class under ``info.name``.

    Raises
    ------
    OptionError
        By the decorator: the name belongs to another class.
    """

    def decorate(cls: M) -> M:
        taken = _methods.get(info.name)
        # The same class again is a reload of its module, which must work in a notebook.
        if taken is not None and _identity(taken) != _identity(cls):
            raise OptionError(
                f"the method name {info.name!r} is taken by {_identity(taken)}; choose another"
            )
        cls.info = info
        _methods[info.name] = cls
        return cls

    return decorate


def method_class(name: str) -> type[AbstractMethod[Any]]:
    """Find a method by name, importing its module when needed.

    Raises
    ------
    UnknownMethodError
        With the nearest names.
    """
    key = name.lower()
    if key not in _methods and key in _BUILTIN:
        importlib.import_module(_BUILTIN[key])
    if key not in _methods:
        for point in entry_points(group=_METHOD_GROUP):
            if point.name.lower() == key:
                _load_method(point)
    if key in _methods:
        return _methods[key]
    names = sorted({*_methods, *_BUILTIN, *(p.name for p in entry_points(group=_METHOD_GROUP))})
    raise UnknownMethodError(
        f"there is no method {name!r}{_near(name, names)}; known: auto, {', '.join(names)}"
    )


def known_methods() -> list[type[AbstractMethod[Any]]]:
    """Import every built-in and registered method; sorted by name."""
    for module in _BUILTIN.values():
        importlib.import_module(module)
    for point in entry_points(group=_METHOD_GROUP):
        if point.name.lower() not in _methods:
            _load_method(point)
    return [_methods[name] for name in sorted(_methods)]


def _load_method(point: EntryPoint) -> None:
    """Import what an entry point names: a module or a class, which registers itself."""
    cls: Any = point.load()
    if not is_a(cls, type) or AbstractMethod not in cls.__mro__:
        return  # a module, which registers its classes when imported
    if "info" not in vars(cls):
        raise OptionError(
            f"the entry point {point.value!r} names {cls.__name__}, which has no MethodInfo; "
            "decorate it with @register(MethodInfo(...))"
        )


def _identity(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _near(name: str, names: list[str]) -> str:
    close = get_close_matches(name, names, n=3)
    return f" (did you mean {' or '.join(close)}?)" if close else ""


# Problem sources ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ProblemSource:
    """Something that turns what a user has into a :class:`Problem`."""

    name: str
    summary: str
    load: Callable[[Any, Mapping[str, Any]], Problem]
    """``load(thing, params)``; params are the values that the thing lets the caller set."""

    suffixes: tuple[str, ...] = ()
    """File name endings it reads, lower case, with the dot."""

    accepts: Callable[[Any], bool] | None = None
    """For things that are not files: whether this is one. Must import nothing heavy."""

    recall: Callable[[Any, Problem], WarmStart | None] | None = None
    """``recall(thing, problem)``: what an earlier solve left in the thing, or None. For things that carry
    multipliers or remember their last solve; used unless the caller gives a start of his own."""

    deliver: Callable[[Any, Problem, Result], None] | None = None
    """``deliver(thing, problem, result)`` writes the answer into the thing: values, multipliers,
    status. ``problem`` is what ``load`` returned. Called for every ending of a solve."""

    in_place: Callable[[Any], AbstractInPlace] | None = None
    """``in_place(thing)``: the thing's variables where they are, for methods that work there; no problem is loaded
    then, and the answer is delivered by the work itself."""

    requires: str = ""
    """Import name of an optional package that it needs, which is also the name of the extra; empty: none."""

    objects: str = ""
    """The objects that it accepts, for people."""

    @property
    def installed(self) -> bool:
        """Whether the optional package is there; looks for it without importing it."""
        return is_installed(self.requires)

    def takes(self, thing: Any) -> bool:
        """Whether this source can load the thing."""
        if isinstance(thing, str | Path):
            return str(thing).lower().endswith(self.suffixes) if self.suffixes else False
        return self.accepts is not None and self.accepts(thing)


def _read_sif(path: Any, params: Mapping[str, Any]) -> Problem:
    reader: Any = importlib.import_module("optlab_problems")
    problem: Problem = reader.read_sif(path, params=dict(params) or None)
    return problem


def _function(thing: Any, params: Mapping[str, Any]) -> NoReturn:  # noqa: ARG001
    raise ProblemError(
        "a function is given without x0; pass the start point: minimize(fun, x0, ...)"
    )


def _later(module: str, verb: str) -> Callable[..., Any]:
    """Return a function of a package of problems, which is imported when it is first called."""

    def call(*given: Any) -> Any:
        return getattr(importlib.import_module(module), verb)(*given)

    return call


def _is_cvxpy_problem(thing: Any) -> bool:
    return any(cls.__module__ == "cvxpy.problems.problem" for cls in type(thing).__mro__)


_CVXPY = "optlab_problems.cvxpy"


def _is_pyomo_model(thing: Any) -> bool:
    return any(
        cls.__name__ == "BlockData" and cls.__module__.startswith("pyomo.")
        for cls in type(thing).__mro__
    )


def _is_training_task(thing: Any) -> bool:
    return any(cls.__module__.startswith(_TRAINING + ".") for cls in type(thing).__mro__)


def _is_calibration(thing: Any) -> bool:
    return type(thing).__module__ == f"{_CALIBRATION}.layer_problem"


_CALIBRATION = "optlab_adapters.snn.calibration"
_NL, _PYOMO = "optlab_problems.nl", "optlab_problems.pyomo"
_TRAINING = "optlab_adapters.torch.training"

_sources: dict[str, ProblemSource] = {
    # Known without entry points, so that a checkout that is not installed works as well.
    "sif": ProblemSource("sif", "CUTEst test problem, read natively", _read_sif, (".sif",)),
    # minimize() takes functions itself, with x0; they stand here to be listed.
    "python": ProblemSource(
        "python", "minimize(fun, x0), SciPy's signature", _function, objects="function"
    ),
    "torch": ProblemSource(
        "torch",
        'jac="torch": exact derivatives',
        _function,
        requires="torch",
        objects="function",
    ),
    "jax": ProblemSource(
        "jax", 'jac="jax": exact derivatives', _function, requires="jax", objects="function"
    ),
    "cvxpy": ProblemSource(
        "cvxpy",
        "cvxpy.Problem that is a disciplined nonlinear program",
        _later(_CVXPY, "load"),
        accepts=_is_cvxpy_problem,
        requires="cvxpy",
        objects="Problem",
        recall=_later(_CVXPY, "recall"),
        deliver=_later(_CVXPY, "deliver"),
    ),
    "nl": ProblemSource(
        "nl",
        "AMPL's .nl format, text and binary",
        _later(_NL, "load"),
        (".nl",),
        recall=_later(_NL, "recall"),
        deliver=_later(_NL, "deliver"),
    ),
    "pyomo": ProblemSource(
        "pyomo",
        "Pyomo ConcreteModel",
        _later(_PYOMO, "load"),
        accepts=_is_pyomo_model,
        requires="pyomo",
        objects="ConcreteModel",
        recall=_later(_PYOMO, "recall"),
        deliver=_later(_PYOMO, "deliver"),
    ),
    "calibration": ProblemSource(
        "calibration",
        "thresholds and shifts of a layer of a spiking network",
        _later(f"{_CALIBRATION}.source", "load"),
        accepts=_is_calibration,
        requires="torch",
        objects="CalibrationProblem",
    ),
    "training": ProblemSource(
        "training",
        "training of a torch module",
        _later(_TRAINING, "load"),
        accepts=_is_training_task,
        requires="torch",
        objects="TrainingTask",
        deliver=_later(_TRAINING, "deliver"),
        in_place=_later(_TRAINING, "in_place"),
    ),
}


def register_source(source: ProblemSource) -> None:
    """Register a problem source; a later one of the same name replaces the earlier."""
    _sources[source.name] = source


def known_sources() -> list[ProblemSource]:
    """Import every registered source; sorted by name."""
    for point in entry_points(group=_SOURCE_GROUP):
        loaded = point.load()
        if isinstance(loaded, ProblemSource):
            _sources[loaded.name] = loaded
    return [_sources[name] for name in sorted(_sources)]


def find_source(thing: Any) -> ProblemSource | None:
    """Find the source that takes a thing; None for a Problem, a function and what no source takes."""
    if isinstance(thing, Problem) or callable(thing):
        return None
    for source in list(_sources.values()):
        if source.takes(thing):
            return source
    for source in known_sources():
        if source.takes(thing):
            return source
    return None


def task_in_place(thing: Any) -> AbstractInPlace | None:
    """Return a thing's variables where they are, when its source offers that."""
    source = find_source(thing)
    return None if source is None or source.in_place is None else source.in_place(thing)


def recall(thing: Any, problem: Problem) -> WarmStart | None:
    """Ask the source of a thing what an earlier solve left in it."""
    source = find_source(thing)
    return None if source is None or source.recall is None else source.recall(thing, problem)


def deliver(thing: Any, problem: Problem, result: Result) -> Result:
    """Write the answer into the thing that was solved, where its source can; return the answer."""
    source = find_source(thing)
    if source is not None and source.deliver is not None:
        source.deliver(thing, problem, result)
    return result


def load_problem(thing: Any, params: Mapping[str, Any] | None = None) -> Problem:
    """Turn a Problem, a file name or a registered object into a Problem.

    Parameters
    ----------
    thing
        A Problem is returned as it is.
    params
        Parameters of the source, for example N=1000 of a SIF file.

    Raises
    ------
    UnknownMethodError
        When no source takes it.
    OptionError
        When a Problem is given together with parameters.
    """
    if isinstance(thing, Problem):
        if params:
            raise OptionError("parameters are given with a Problem; they belong to files only")
        return thing
    source = find_source(thing)
    if source is not None:
        if not source.installed:
            raise MissingDependencyError(
                source.requires, source.requires, f"the problem source {source.name!r}"
            )
        problem = source.load(thing, params or {})
        if problem.origin is not None:
            return problem
        return problem.replace(origin=Origin.of(source.name, thing, params or {}))
    what = repr(str(thing)) if isinstance(thing, str | Path) else f"a {type(thing).__name__}"
    raise UnknownMethodError(f"no problem source takes {what}; {_catalogue()}")


def _catalogue() -> str:
    """Say what can be solved here, and what could be with more packages."""
    every = known_sources()
    endings = sorted(end for source in every if source.installed for end in source.suffixes)
    objects = [source for source in every if source.accepts is not None]
    taken = [
        "an optlab.Problem",
        "a function with x0=...",
        *(f"an object of {s.name} ({s.objects})" for s in objects if s.installed),
        f"a file ending in {', '.join(endings)}",
    ]
    missing = [f"{s.name} (needs {s.requires})" for s in every if not s.installed]
    more = f"; not installed: {', '.join(missing)}" if missing else ""
    return f"needed is {', '.join(taken[:-1])} or {taken[-1]}{more} (see optlab.sources())"

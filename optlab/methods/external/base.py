"""What all peers share: options, state, and the guard around the functions that they call.

A peer is an :class:`~optlab.core.method.AbstractExternalMethod`: its own loop runs inside ``solve``,
its functions are the verbs of the oracle, and each of its iterates is shown to the driver. What the
oracle raises is of two kinds. A failed evaluation at a trial point is the peer's business, and it is
told in the form that it understands. A spent budget, a stop request, Ctrl-C or a bug must end the
peer and reach the driver, although compiled code may lie in between: :class:`Guard` keeps it, makes
every later call fail at once, and raises it when the peer has returned.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from optlab.core.method import AbstractExternalMethod, WarmStart, Watch
from optlab.core.progress import Progress
from optlab.core.status import StopReason
from optlab.errors import EvaluationError, MissingDependencyError

if TYPE_CHECKING:
    from optlab.core.oracle import Oracle
    from optlab.typing import Vector

__all__ = [
    "NO_LIMIT",
    "AbstractPeer",
    "Guard",
    "PeerState",
    "Silence",
    "Stopped",
    "finished",
    "violation",
]

_NOTHING: Mapping[str, str] = MappingProxyType({})

NO_LIMIT = 1e20
"""What the compiled peers take for an infinite side."""


@dataclass(frozen=True, slots=True)
class PeerState:
    """Where a peer starts or has ended."""

    x: Vector
    """(n,)"""

    f: float = np.nan
    primal: float = np.nan
    dual: float | None = None
    y: Vector | None = None
    z: Vector | None = None
    stop: StopReason | None = None
    """None before the solve."""

    words: str = ""
    """How the peer itself calls its ending."""

    warm: WarmStart | None = None
    memory: Mapping[str, Any] = field(default_factory=dict[str, Any])
    rounds: int = 0
    """How often the checker has refused the peer's end and the peer went on from there."""

    unbounded: bool = False
    """Whether the peer says that the objective falls without bound."""


class Stopped(Exception):  # noqa: N818 - it is control flow, not an error
    """Told to a peer in place of a value: there is none, and there will be none."""


class Silence:
    """Sends what compiled code writes to the process's output to nowhere, Python's output excepted.

    A context: within it standard output and standard error (file descriptors 1 and 2) lead nowhere
    but for the time between ``speak`` and ``hush``, when Python code runs.
    """

    __slots__ = ("_kept", "_nowhere")

    def __init__(self) -> None:
        self._kept: dict[int, int] = {}
        self._nowhere = -1

    def __enter__(self) -> Silence:  # noqa: PYI034 - nothing derives from it
        self._nowhere = os.open(os.devnull, os.O_WRONLY)
        for descriptor in (1, 2):
            # A process without a terminal may have closed it; then nothing can be written to it.
            with suppress(OSError):
                self._kept[descriptor] = os.dup(descriptor)
        self.hush()
        return self

    def __exit__(self, *_: object) -> None:
        self.speak()
        for copy in (self._nowhere, *self._kept.values()):
            os.close(copy)
        self._kept = {}

    def speak(self) -> None:
        """Give the output back."""
        for descriptor, copy in self._kept.items():
            os.dup2(copy, descriptor)

    def hush(self) -> None:
        """Take it away again."""
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        for descriptor in self._kept:
            os.dup2(self._nowhere, descriptor)


class Guard:
    """The oracle's verbs as a peer may call them.

    Parameters
    ----------
    refusal
        Makes what the peer takes for "this point cannot be evaluated".
    silence
        Broken while the verbs run, because they may print.
    """

    __slots__ = ("failure", "last", "refusal", "silence")

    def __init__(
        self,
        refusal: Callable[[], BaseException] = Stopped,
        silence: Silence | None = None,
    ) -> None:
        self.refusal = refusal
        self.silence = silence
        self.failure: BaseException | None = None
        """What must end the peer."""

        self.last: EvaluationError | None = None
        """The most recent failed evaluation; None after a successful one."""

    def call(self, verb: Callable[..., Any], *arguments: Any) -> Any:
        """Call a verb for the peer.

        Raises
        ------
        BaseException
            The refusal, whatever went wrong.
        """
        if self.failure is not None:
            raise self.refusal()
        if self.silence is not None:
            self.silence.speak()
        try:
            value = verb(*arguments)
        except EvaluationError as error:
            self.last = error
            raise self.refusal() from error
        except BaseException as error:
            self.failure = error
            raise self.refusal() from error
        finally:
            if self.silence is not None:
                self.silence.hush()
        self.last = None
        return value

    def show(self, watch: Watch, make: Callable[[], Progress]) -> bool:
        """Show an iterate to the driver; false when the peer must stop."""
        if self.failure is None:
            if self.silence is not None:
                self.silence.speak()
            try:
                watch.show(make())
            except BaseException as error:  # noqa: BLE001 - as above
                self.failure = error
            finally:
                if self.silence is not None:
                    self.silence.hush()
        return self.failure is None

    def release(self) -> None:
        """Raise what had to end the peer."""
        if self.failure is not None:
            raise self.failure


@dataclass(frozen=True, kw_only=True)
class AbstractPeer(AbstractExternalMethod[PeerState]):
    """Base of the peers: a start, an end, and what lies between is theirs."""

    default_max_iter = 100_000
    """Interior-point iterations are cheap and there may be many; time is the limit that should bind."""

    peer_options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Handed to the peer as they are, after everything that optlab sets."""

    def init(
        self,
        oracle: Oracle,  # noqa: ARG002 - the peer evaluates its start point itself
        x0: Vector,
        rng: np.random.Generator,
        *,
        warm: WarmStart | None = None,
    ) -> PeerState:
        """Remember the start and a seed; nothing is evaluated that the peer does not ask for."""
        memory = {"seed": int(rng.integers(2**63))} if self.info.stochastic else {}
        return PeerState(x0, warm=warm, memory=memory)

    def progress(self, state: PeerState) -> Progress:
        """Report the end."""
        extras = {"unbounded": True} if state.unbounded else {}
        return Progress(
            x=state.x,
            f=state.f,
            primal=state.primal,
            dual=state.dual,
            y=state.y,
            z=state.z,
            extras=extras,
        )

    def stop(self, state: PeerState) -> StopReason | None:
        """Translate the peer's ending."""
        return state.stop

    def memory(self, state: PeerState) -> dict[str, Any]:
        """Keep the peer's own words and what a warm start of the same peer needs."""
        return {"peer_status": state.words, **state.memory}

    def load(self, extra: str, environment: Mapping[str, str] = _NOTHING) -> Any:
        """Import the peer's package.

        Parameters
        ----------
        extra
            The extra of optlab's distribution that installs it.
        environment
            Variables that keep it quiet and that it reads when it is imported; what the user has set
            stays, and nothing is left behind.

        Raises
        ------
        MissingDependencyError
            When it is not installed.
        """
        if sys.modules.get(self.info.requires) is not None:
            return sys.modules[self.info.requires]
        missing = {name: text for name, text in environment.items() if name not in os.environ}
        os.environ.update(missing)
        try:
            return importlib.import_module(self.info.requires)
        except ImportError as error:
            purpose = f"method {self.info.name!r}"
            raise MissingDependencyError(self.info.requires, extra, purpose) from error
        finally:
            for name in missing:
                del os.environ[name]


def violation(oracle: Oracle, x: Vector, c: Vector) -> float:
    """Return the largest violation of a bound or row at x, 0 when there is none."""
    worst = float(np.max(np.maximum(oracle.lb - x, x - oracle.ub), initial=0.0))
    return float(np.max(np.maximum(oracle.cl - c, c - oracle.cu), initial=worst))


def finished(state: PeerState, stop: StopReason, words: str, **more: Any) -> PeerState:
    """Return the state of a peer that has ended."""
    return replace(state, stop=stop, words=words, warm=None, **more)

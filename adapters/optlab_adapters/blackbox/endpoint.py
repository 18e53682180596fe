"""A simulator that is a server: a request in JSON for every point, or one for many points."""

from __future__ import annotations

import contextlib
import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from optlab.errors import OptionError
from optlab.typing import Vector
from optlab_adapters.blackbox.failures import RejectedPointError, RunError, RunTimeoutError
from optlab_adapters.blackbox.identity import function_identity
from optlab_adapters.blackbox.runs import AbstractRun, checked_timeout
from optlab_adapters.blackbox.texts import read_json, reader

__all__ = ["HttpEndpoint"]

_PORTION = 65536
"""Bytes read at once; the time is looked at in between."""

_LATER = (408, 425, 429)
"""Codes of refused requests that are worth another try; those from 500 on are, too."""


@dataclass(frozen=True)
class HttpEndpoint(AbstractRun):
    """A server that is asked by POST with ``{"x": [...]}`` and answers ``{"y": [...]}``, an array or a number.

    A code from 400 to 499 rejects the point, and no retry is spent on it (408, 425 and 429 excepted). Proxies are taken from the
    environment, as Python's standard library does.

    Raises
    ------
    OptionError
        When the address is none, or the time-out is not positive.
    """

    url: str
    batch: bool = False
    """Whether one request takes many points: ``{"x": [[...], ...]}`` -> ``{"y": [[...], ...]}``."""

    timeout: float = field(default=60.0, kw_only=True)
    """Seconds of wall time for one request. They are counted for the whole of it, not anew for every part that arrives; the last
    part may be waited for as long again."""

    headers: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    """Such as authorization; not part of the identity."""

    encode: Callable[[Vector], Any] | None = field(default=None, kw_only=True)
    """Point or points -> what is sent, made of numbers, text, lists and dicts; for servers that expect something else."""

    decode: Callable[[Any], Any] | None = field(default=None, kw_only=True)
    """Parsed answer -> number or outputs; its exceptions are failed runs."""

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise OptionError(f"url is {self.url!r}; one with http:// or https:// is needed")
        checked_timeout(self.timeout)

    def __call__(self, x: Vector) -> Any:
        """Ask the server.

        Raises
        ------
        RejectedPointError
            When the server says that the request is wrong.
        RunTimeoutError
            When it took too long.
        RunError
            When there is no server, it has an error, or its answer cannot be read.
        """
        sent = {"x": x.tolist()} if self.encode is None else self.encode(x)
        request = urllib.request.Request(
            self.url,
            data=json.dumps(sent).encode(),
            headers={"Content-Type": "application/json", **self.headers},
            method="POST",
        )
        return reader(self._read)(self._asked(request))

    def identity(self) -> str:
        """Name the server by its address and the way of asking."""
        ways = [None if f is None else function_identity(f) for f in (self.encode, self.decode)]
        return f"http {json.dumps([self.url, self.batch, *ways])}"

    def _read(self, text: str) -> Any:
        return read_json(text) if self.decode is None else self.decode(json.loads(text))

    def _asked(self, request: urllib.request.Request) -> str:
        """Return the text of the answer."""
        deadline = time.monotonic() + self.timeout
        try:
            with urllib.request.urlopen(request, timeout=self.timeout) as response:
                return self._body(response, deadline)
        except urllib.error.HTTPError as error:
            with error:
                said = _said(error)
            refused = 400 <= error.code < 500 and error.code not in _LATER
            kind = RejectedPointError if refused else RunError
            raise kind(f"answered with code {error.code} {error.reason}{said}") from error
        except TimeoutError as error:
            raise self._late() from error
        except urllib.error.URLError as error:
            if isinstance(error.reason, TimeoutError):
                raise self._late() from error
            raise RunError(f"cannot be asked at {self.url}: {error.reason}") from error
        except (OSError, http.client.HTTPException) as error:
            raise RunError(f"broke off: {error!r}") from error

    def _body(self, response: Any, deadline: float) -> str:
        """Read the answer; a server that sends a little now and then does not get more time."""
        parts = []
        while part := response.read1(_PORTION):
            parts.append(part)
            if time.monotonic() > deadline:
                raise self._late()
        return b"".join(parts).decode(errors="replace")

    def _late(self) -> RunTimeoutError:
        return RunTimeoutError(f"took more than {self.timeout:g} s to answer")


def _said(error: urllib.error.HTTPError) -> str:
    """Return the beginning of what came with an error code."""
    with contextlib.suppress(OSError):
        text = " ".join(error.read(500).decode(errors="replace").split())
        return f": {text}" if text else ""
    return ""

"""The report of a solve as a file: written whole, read with suspicion.

What is read may come from anywhere. The size is limited before anything is parsed; the text must be JSON
with finite numbers and without repeated keys; the value must fit the schema (``result-2.schema.json``), and
its parts must fit each other.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from optlab.core.control import Tolerances
from optlab.core.kkt import Certificate
from optlab.core.method import WarmStart
from optlab.core.result import SCHEMA
from optlab.core.setting import Origin
from optlab.core.status import PointStatus, StopReason
from optlab.errors import ParseError
from optlab.trust.schema import first_violation, load_schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optlab.core.result import Result
    from optlab.typing import Vector

__all__ = ["MAX_BYTES", "Report", "ReportError", "parse_report", "read_report", "write_report"]

MAX_BYTES = 128 * 2**20
"""Largest report that is read: about five million numbers."""

MAX_MARKS = 4_000_000
"""Largest number of brackets, colons and quotes in it. A report has about forty for each line of the history; a
file of nothing else would take a hundred times its length of memory."""

_SCHEMA_FILE = "result-2.schema.json"

_CLAIMS = ("STATIONARY", "FEASIBLE")
"""What a success may say of its point."""


class ReportError(ParseError):
    """A report cannot be read, or contradicts itself."""


@dataclass(frozen=True, slots=True)
class Report:
    """A report that has passed all checks but the one against its problem."""

    method: str
    problem: str
    """Name of the problem, may be empty."""

    n: int
    m: int
    origin: Origin | None
    tolerances: Tolerances
    success: bool
    message: str
    stop: StopReason
    point: PointStatus
    fun: float
    """nan when it is not known; the same holds for the numbers below."""

    x: Vector
    """(n,)"""

    y: Vector
    """(m,) multipliers of the rows."""

    z: Vector
    """(n,) multipliers of the bounds."""

    certificate: Certificate
    content: Mapping[str, Any]
    """All of the report, as JSON has it."""

    def warm_start(self) -> WarmStart:
        """Return point and multipliers as a start for another solve."""
        known = bool(np.isfinite(self.y).all() and np.isfinite(self.z).all())
        return WarmStart(self.x, self.y if known else None, self.z if known else None)


def write_report(result: Result, path: str | Path) -> None:
    """Write the report of a solve, a line for each of its parts.

    Parameters
    ----------
    path
        A file that exists is replaced.
    """
    content = result.to_dict()
    lines = (f"{json.dumps(k)}: {json.dumps(v, allow_nan=False)}" for k, v in content.items())
    Path(path).write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def read_report(path: str | Path) -> Report:
    """Read a report.

    Raises
    ------
    ReportError
        Says what is wrong and where.
    OSError
        When the file cannot be opened.
    """
    with Path(path).open("rb") as stream:
        data = stream.read(MAX_BYTES + 1)
    return parse_report(data, path)


def parse_report(data: bytes, path: str | Path | None = None) -> Report:
    """Read a report from its bytes.

    Parameters
    ----------
    path
        For messages.

    Raises
    ------
    ReportError
        Says what is wrong and where.
    """
    try:
        content = _parsed(data)
        _check_schema(content)
        return _report(content)
    except RecursionError:
        raise ReportError("the brackets are nested too deeply", path) from None
    except json.JSONDecodeError as error:
        raise ReportError(f"this is not JSON: {error.msg}", path, error.lineno) from None
    except (ValueError, OverflowError) as error:
        raise ReportError(str(error), path) from None


def _parsed(data: bytes) -> Any:
    if len(data) > MAX_BYTES:
        raise ValueError(f"the file is larger than {MAX_BYTES // 2**20} MiB; no report is")
    if sum(data.count(mark) for mark in (b"[", b"{", b":", b'"')) > MAX_MARKS:
        raise ValueError(
            f"there are more than {MAX_MARKS} brackets, colons and quotes; no report has so many"
        )
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"this is not UTF-8 text: {error.reason} at byte {error.start}"
        ) from None
    return json.loads(
        text,
        object_pairs_hook=_unique,
        parse_constant=_no_constant,
        parse_float=_finite,
        parse_int=_integer,
    )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        repeated, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise ValueError(f"the key {repeated[:40]!r} is there twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON; null stands for it")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:40]} is too large")
    return number


def _integer(text: str) -> int | float:
    """Read an integer; a very long one only needs to be compared, not to be exact."""
    return int(text) if len(text) <= 18 else _finite(text)


def _check_schema(content: Any) -> None:
    if isinstance(content, dict) and content.get("schema", SCHEMA) != SCHEMA:
        given = str(content["schema"])[:40]
        raise ValueError(f"the schema is {given!r}; this version of optlab reads {SCHEMA!r}")
    wrong = first_violation(content, load_schema(_SCHEMA_FILE))
    if wrong is not None:
        raise ValueError(wrong)


def _report(content: Mapping[str, Any]) -> Report:
    """Bring the content into a record; check that its parts fit each other."""
    n, m = (int(content["sizes"][key]) for key in ("variables", "constraints"))
    multipliers, settings = content["multipliers"], content["settings"]
    if content["success"] and content["point"] not in _CLAIMS:
        raise ValueError(f"success is true although the point is {content['point']}")
    source = content["source"]
    cert: dict[str, Any] = {
        k: math.nan if v is None else v for k, v in content["certificate"].items()
    }
    tolerances = (
        Tolerances() if settings is None else Tolerances(settings["tol"], settings["ctol"])
    )
    return Report(
        method=content["method"],
        problem=content["problem"],
        n=n,
        m=m,
        origin=None if source is None else Origin(**source),
        tolerances=tolerances,
        success=content["success"],
        message=content["message"],
        stop=StopReason[content["stop"]],
        point=PointStatus[content["point"]],
        fun=math.nan if content["fun"] is None else float(content["fun"]),
        x=_vector("x", content["x"], n),
        y=_vector("multipliers.constraints", multipliers["constraints"], m),
        z=_vector("multipliers.bounds", multipliers["bounds"], n),
        certificate=Certificate(**cert),
        content=content,
    )


def _vector(label: str, values: list[float | None], size: int) -> Vector:
    if len(values) != size:
        raise ValueError(f"{label} has {len(values)} numbers; sizes says {size}")
    # None becomes nan.
    return np.array(values, dtype=np.float64)

"""``optlab solve FILE``: solve a problem file and show or write the result."""

from __future__ import annotations

from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import optlab
from optlab.cli.codes import NO, YES
from optlab.cli.files import add_file, pairs, read_problem
from optlab.cli.show import show

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from optlab.bench.plan import Derivatives
    from optlab.core.problem import Problem
    from optlab.core.progress import Observer

__all__ = ["add"]

_HIDING: Mapping[str, Derivatives] = {"gradients": "gradients", "functions": "functions"}
"""Values of --derivatives that hide some, as in ``optlab bench``."""


def add(commands: Any) -> None:
    """Add the command."""
    solve = commands.add_parser("solve", help="solve a problem file")
    solve.set_defaults(run=_solve)
    add_file(solve)
    solve.add_argument("--method", default="auto", help="see 'optlab methods' (default: auto)")
    solve.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="K=V",
        help="option of the method; may be repeated",
    )
    solve.add_argument("--tol", type=float, default=1e-6, help="tolerance (default: 1e-6)")
    solve.add_argument("--max-time", type=float, metavar="S", help="limit on seconds")
    solve.add_argument("--max-iter", type=int, metavar="N", help="limit on iterations")
    solve.add_argument("--max-eval", type=int, metavar="N", help="limit on evaluations")
    solve.add_argument("--seed", type=int, metavar="N", help="of the random generator")
    solve.add_argument(
        "--derivatives",
        default="auto",
        metavar="WHAT",
        help="what to do about missing ones: exact (refuse), 2-point, 3-point, complex-step, auto; or what the "
        "method gets to see: gradients (no Hessian), functions (values only, as in optlab bench)",
    )
    solve.add_argument(
        "--warm-start",
        type=Path,
        metavar="REPORT",
        help="begin at point and multipliers of a report that --json wrote",
    )
    solve.add_argument("--json", type=Path, metavar="OUT", help="write a report as JSON")
    solve.add_argument(
        "--log", type=Path, metavar="FILE.jsonl", help="write a line per iteration"
    )
    solve.add_argument("--quiet", action="store_true", help="show nothing; use the exit code")


def _solve(arguments: argparse.Namespace, stream: IO[str]) -> int:
    from optlab.core.observers import JsonLines  # noqa: PLC0415 - not needed by the other commands
    from optlab.core.tables import iteration_table  # noqa: PLC0415
    from optlab.trust.report import read_report, write_report  # noqa: PLC0415

    problem = read_problem(arguments.file, pairs("--param", arguments.param))
    problem, derivatives = _seen(problem, arguments.derivatives)
    start = arguments.warm_start
    warm_start = None if start is None else read_report(start).warm_start()
    observers: list[Observer] = []
    if not arguments.quiet:
        observers.append(iteration_table(stream))
    if arguments.log is not None:
        observers.append(JsonLines(arguments.log))
    result = optlab.minimize(
        problem,
        method=arguments.method,
        tol=arguments.tol,
        options=pairs("--option", arguments.option),
        max_iter=arguments.max_iter,
        max_eval=arguments.max_eval,
        max_time=arguments.max_time,
        observers=observers,
        seed=arguments.seed,
        warm_start=warm_start,
        derivatives=derivatives,
    )
    if arguments.json is not None:
        write_report(result, arguments.json)
    if not arguments.quiet:
        show(result, problem, stream)
    return YES if result.success else NO


def _seen(problem: Problem, wanted: str) -> tuple[Problem, str]:
    """Hide derivatives that the method must not see; return also how missing ones are estimated."""
    from optlab.bench.measure import hide  # noqa: PLC0415 - most solves hide nothing

    level = _HIDING.get(wanted)
    return (problem, wanted) if level is None else (hide(problem, level), "auto")

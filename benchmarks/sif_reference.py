"""Compare the SIF reader with values computed by CUTEst's own Fortran.

    python benchmarks/sif_reference.py --collection DIR --reference reference.json --json out.json

Two questions. Does every file of the collection decode, and if not, does the refusal say why? And are
sizes, bounds and norms of values and derivatives equal to the reference at two points? An entry is
equal when every number agrees to ``--tol`` relative. Fortran constants without a D exponent are single
precision there and double here; an entry that differs for that reason must agree to ``--tol`` when it is
read with ``fortran_single=True``, and to ``--tol-single`` as it is.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from optlab_problems.sif import SifError, read_sif


def main() -> None:
    """Run both comparisons, write JSON and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--collection", type=Path, required=True, help="folder with *.SIF")
    parser.add_argument("--reference", type=Path, required=True, help="reference.json")
    parser.add_argument("--json", type=Path, help="where to write all numbers")
    parser.add_argument("--tol", type=float, default=1e-8)
    parser.add_argument("--tol-single", type=float, default=1e-5)
    args = parser.parse_args()
    decoded = decode_all(args.collection)
    entries = [check(entry, args) for entry in json.loads(args.reference.read_text())]
    report = summary(decoded, entries)
    if args.json:
        record = {"summary": report, "files": decoded, "entries": entries}
        args.json.write_text(json.dumps(record, indent=1))
    print_table(report, decoded, entries)


def decode_all(collection: Path) -> list[dict[str, Any]]:
    """Read every file at its default parameters and evaluate it once."""
    records = []
    for path in sorted(collection.glob("*.SIF")):
        begin = time.process_time()
        record: dict[str, Any] = {"file": path.name}
        try:
            problem = read_sif(path)
            record |= {"n": problem.n, "m": problem.m, "cpu": time.process_time() - begin}
            record["f"] = problem.objective(problem.x0)
        except SifError as error:
            record["refused"] = str(error)
        records.append(record)
    return records


def check(entry: dict[str, Any], args: argparse.Namespace) -> dict[str, Any]:
    """Compare one entry of the reference, in double and if need be in the Fortran reading."""
    name, *settings = entry["spec"].split()
    params = dict(setting.rsplit("=", 1) for setting in settings)
    path = args.collection / f"{name}.SIF"
    record: dict[str, Any] = {"spec": entry["spec"]}
    try:
        record |= compare(entry, path, params, fortran_single=False)
        equal = record["worst"] <= args.tol
        if not equal:
            again = compare(entry, path, params, fortran_single=True)["worst"]
            record["worst_fortran_single"] = again
            equal = again <= args.tol and record["worst"] <= args.tol_single
        record["equal"] = equal and not record["sizes"]
    except SifError as error:
        record |= {"refused": str(error), "equal": "error" in entry}
    return record


def compare(
    entry: dict[str, Any], path: Path, params: dict[str, str], *, fortran_single: bool
) -> dict[str, Any]:
    """Return size differences and the worst relative error of all norms."""
    problem = read_sif(path, params, fortran_single=fortran_single)
    lb, ub, linear = problem.lb, problem.ub, problem.linear
    sizes = {
        "n": problem.n,
        "m": problem.m,
        "fixed": int((lb == ub).sum()),
        "finite_lower": int(np.isfinite(lb).sum()),
        "finite_upper": int(np.isfinite(ub).sum()),
        "equalities": int((problem.cl == problem.cu).sum()),
        "linear": 0 if linear is None else int(linear.sum()),
    }
    wrong = {key: (value, entry[key]) for key, value in sizes.items() if value != entry[key]}
    x0 = problem.x0
    moved = x0 + 0.1 * np.sin(np.arange(1, problem.n + 1)) * (1 + np.abs(x0))
    errors = {}
    for number, x in enumerate((x0, np.clip(moved, lb, ub))):
        expected = entry["points"][number]
        for key, value in norms(problem, x).items():
            if key in expected:
                errors[f"{key}@{number}"] = relative(value, expected[key])
    worst = max(errors, key=errors.__getitem__)
    return {"sizes": wrong, "worst": errors[worst], "where": worst, "numbers": len(errors) + 7}


def norms(problem: Any, x: Any) -> dict[str, float]:
    """Return the numbers that the reference has at a point."""
    y = np.cos(np.arange(1, problem.m + 1))
    found = {
        "x_norm": np.linalg.norm(x),
        "f": problem.objective(x),
        "grad_norm": np.linalg.norm(problem.gradient(x)),
        "lag_hess_fro": frobenius(problem.hessian(x, y, 1.0)),
    }
    if problem.m:
        c = problem.constraints(x)
        found["c_norm"] = np.linalg.norm(c)
        found["violation_max"] = max(0.0, np.maximum(problem.cl - c, c - problem.cu).max())
        found["jac_fro"] = frobenius(problem.jacobian(x))
    return {key: float(value) for key, value in found.items()}


def frobenius(matrix: Any) -> float:
    """Return the Frobenius norm of a dense or sparse matrix."""
    values = matrix.data if sparse.issparse(matrix) else matrix
    return float(np.linalg.norm(values))


def relative(value: float, expected: float | None) -> float:
    """Return |value - expected| / max(1, |expected|); null means not finite."""
    if expected is None or not math.isfinite(value):
        return 0.0 if expected is None and not math.isfinite(value) else math.inf
    return abs(value - expected) / max(1.0, abs(expected))


def summary(decoded: list[dict[str, Any]], entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the headline numbers."""
    good = [r for r in decoded if "refused" not in r]
    plain = [e["worst"] for e in entries if e.get("worst", 1) <= 1e-8]
    return {
        "files": len(decoded),
        "decoded": len(good),
        "decoded_percent": 100 * len(good) / len(decoded),
        "slowest_decode_cpu_s": max(r["cpu"] for r in good),
        "entries": len(entries),
        "entries_equal": sum(e["equal"] for e in entries),
        "entries_equal_percent": 100 * sum(e["equal"] for e in entries) / len(entries),
        "entries_equal_to_1e-8_in_double": len(plain),
        "worst_of_those": max(plain),
        "numbers_compared": sum(e.get("numbers", 0) for e in entries),
    }


def print_table(
    report: dict[str, Any], decoded: list[dict[str, Any]], entries: list[dict[str, Any]]
) -> None:
    """Print headlines, refusals, and entries that needed the looser tolerance."""
    for key, value in report.items():
        print(f"{key:34s} {value:.6g}")
    for record in decoded:
        if "refused" in record:
            print(f"refused: {record['refused']}")
    print(f"\n{'entry':24s} {'worst, double':>14s} {'Fortran reading':>16s}  where")
    for e in entries:
        if not e["equal"] or e["worst"] > 1e-8:
            mark = (
                "" if e["equal"] else "  NOT EQUAL " + str(e.get("sizes") or e.get("refused"))
            )
            single = e.get("worst_fortran_single", math.nan)
            print(f"{e['spec']:24s} {e.get('worst', math.nan):14.2e} {single:16.2e}  "
                  f"{e.get('where', '')}{mark}")  # fmt: skip


if __name__ == "__main__":
    main()

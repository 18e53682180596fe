"""Parameters that the caller may set, and the public reader."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from optlab.core.problem_sources import ProblemSource, load_problem
from optlab_problems.sif import Limits, SifError, SifModel, read_sif, sif_parameters, source
from optlab_problems.sif.cards import to_number

DATA = Path(__file__).parents[2] / "data" / "sif"
CHAIN = DATA / "CHAINROS.SIF"


def test_parameters_are_listed_with_what_the_file_offers() -> None:
    found = sif_parameters(CHAIN)
    assert list(found) == ["N", "START"]
    assert (found["N"].integer, found["N"].default) == (True, 5.0)
    assert found["N"].offered == (100.0, 1000.0, 5.0)
    assert (found["START"].integer, found["START"].default) == (False, -1.0)


def test_a_value_replaces_active_and_commented_lines() -> None:
    problem = read_sif(CHAIN, {"N": 12, "START": "0.5D0"})
    assert problem.n == 12
    assert problem.x0.tolist() == [0.5] * 12
    assert read_sif(CHAIN).n == 5


def test_a_parameter_that_stands_only_in_comments_can_be_set(tmp_path: Path) -> None:
    path = tmp_path / "OPEN.SIF"
    path.write_text(
        CHAIN.read_text().replace(" IE N                   5 ", "*IE N                   5 ")
    )
    assert read_sif(path, {"N": 7}).n == 7
    with pytest.raises(SifError, match="'N' has no value"):
        read_sif(path)


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"M": 3}, "no parameter 'M'.*N: 100, 1000, 5; START: -1.2, -1"),
        ({"STRAT": 3}, "did you mean START"),
        ({"N": 2.5}, "needs an integer"),
        ({"N": "many"}, "needs a number|a number is needed"),
        ({"START": float("nan")}, "finite number"),
    ],
)
def test_wrong_parameters_are_refused(params: dict[str, object], reason: str) -> None:
    with pytest.raises(SifError, match=reason):
        read_sif(CHAIN, params)
    with pytest.raises(SifError, match=r"no \$-PARAMETER lines"):
        read_sif(DATA / "HS6.SIF", {"N": 1})


def test_small_problems_are_dense_and_large_ones_sparse() -> None:
    y = np.zeros(0)
    small, large = read_sif(CHAIN, {"N": 100}), read_sif(CHAIN, {"N": 1000})
    assert isinstance(small.hessian(small.x0, y, 1.0), np.ndarray)
    matrix = large.hessian(large.x0, y, 1.0)
    assert isinstance(matrix, sparse.csr_array)
    assert matrix.has_canonical_format
    forced = np.asarray(read_sif(CHAIN, {"N": 1000}, dense=True).hessian(large.x0, y, 1.0))
    assert np.allclose(matrix.toarray(), forced, rtol=1e-14)


def test_patterns_are_fixed_and_results_are_new() -> None:
    problem = read_sif(CHAIN, {"N": 50}, dense=False)
    x, y = problem.x0, np.zeros(0)
    first, second = problem.hessian(x, y, 1.0), problem.hessian(0 * x, y, 2.0)
    assert isinstance(first, sparse.csr_array)
    assert isinstance(second, sparse.csr_array)
    # Tridiagonal, and it stays so where entries vanish.
    assert first.nnz == second.nnz == 50 + 2 * 49
    assert np.array_equal(first.indices, second.indices)
    before = problem.gradient(x).copy()
    problem.gradient(x)[:] = 7.0
    first.data[:] = 7.0
    assert np.array_equal(problem.gradient(x), before)
    assert not np.any(problem.hessian(x, y, 1.0).data == 7.0)


@pytest.mark.parametrize("size", [5, 40, 300])
def test_a_point_changed_in_place_is_noticed(size: int) -> None:
    problem = read_sif(CHAIN, {"N": size})
    x = problem.x0.copy()
    before = problem.objective(x)
    x[0] = 3.0
    assert problem.objective(x) != before
    assert problem.gradient(x)[0] == pytest.approx(4 * 100 * 3.0 * (9.0 + 1.0) + 2 * 2.0)


@pytest.mark.parametrize("size", [5, 300])
def test_threads_share_a_problem(size: int) -> None:
    problem = read_sif(CHAIN, {"N": size})
    points = [problem.x0 + 0.01 * k for k in range(40)]
    expected = [problem.gradient(x) for x in points]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(problem.gradient, points * 5))
    for k, gradient in enumerate(found):
        assert np.array_equal(gradient, expected[k % 40])


def test_a_model_travels_to_another_process() -> None:
    model = SifModel(CHAIN, {"N": 9})
    copy = pickle.loads(pickle.dumps(model))
    assert copy.objective(model.structure.x0) == model.objective(model.structure.x0)


def test_without_room_for_a_hessian_there_are_products() -> None:
    full = read_sif(CHAIN, {"N": 200})
    tight = read_sif(CHAIN, {"N": 200}, limits=Limits(pattern_entries=100))
    assert not tight.has_hessian
    assert tight.has_hprod
    x, y, v = full.x0 + 0.3, np.zeros(0), np.sin(np.arange(200.0))
    assert tight.hprod(x, y, 1.5, v) == pytest.approx(full.hessian(x, y, 1.5) @ v, rel=1e-12)


def test_dense_group_uses_a_matrix_product(tmp_path: Path) -> None:
    """One group over all of 90 variables has 4095 pairs: the dense product must agree with them."""
    n = 90
    terms = "\n".join(f" N  SUM       X{i:<8} {1 + i / 10:<12.1f}" for i in range(n))
    names = "\n".join(f"    X{i}" for i in range(n))
    path = tmp_path / "WIDE.SIF"
    path.write_text(
        f"NAME          WIDE\nVARIABLES\n{names}\nGROUPS\n{terms}\nGROUP TYPE\n GV L4        T\n"
        "GROUP USES\n T  SUM       L4\nENDATA\nGROUPS        WIDE\nINDIVIDUALS\n T  L4\n"
        " F                      T ** 4\n G                      4.0 * T ** 3\n"
        " H                      12.0 * T ** 2\nENDATA\n"
    )
    x = np.linspace(-1, 1, n)
    a = 1 + np.round(np.arange(n) / 10, 1)
    expected = 12 * (a @ x) ** 2 * np.outer(a, a)
    for dense in (True, False):
        matrix: Any = read_sif(path, dense=dense).hessian(x, np.zeros(0), 1.0)
        full = matrix.toarray() if sparse.issparse(matrix) else np.asarray(matrix)
        assert full == pytest.approx(expected, rel=1e-11)


def test_the_source_loads_files() -> None:
    assert isinstance(source, ProblemSource)
    assert source.takes("anything.SIF")
    assert source.load(CHAIN, {"N": 6}).n == 6
    assert load_problem(str(CHAIN), {"N": 8}).n == 8


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1.0), ("-.5", -0.5), ("1.0D+2", 100.0), ("1.5d-1", 0.15), ("- 10.0", -10.0),
        ("+3.", 3.0), ("2.0E1 trailing", 20.0), ("1.0+2", 100.0),
    ],
)  # fmt: skip
def test_numbers_as_files_write_them(text: str, value: float) -> None:
    assert to_number(text) == pytest.approx(value, rel=1e-15)

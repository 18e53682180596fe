"""Products with ternary bit planes: against dense matrices, and compiled against plain."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optlab.kernels import ternary
from optlab.kernels.ternary import (
    TernaryMatrix,
    float_product,
    float_product_numpy,
    pack_bits,
    pack_channels,
    sign_product,
    sign_product_numpy,
    unpack_bits,
    word_product,
    word_product_numpy,
)


def random_matrix(
    seed: int, rows: int, columns: int, density: float
) -> tuple[Any, TernaryMatrix]:
    """Return the dense entries -1, 0, 1 and the packed matrix; the first row keeps nothing."""
    rng = np.random.default_rng(seed)
    signs = rng.choice([-1, 1], (rows, columns))
    entries = np.where(rng.random((rows, columns)) < density, signs, 0)
    entries[:1] = 0
    gain, bias = rng.random((2, rows), dtype=np.float32) + 0.5
    return entries, TernaryMatrix(
        pack_bits(entries > 0), pack_bits(entries < 0), gain, bias, columns
    )


def dense(x: Any, entries: Any, matrix: TernaryMatrix) -> Any:
    return (x.astype(float) @ entries.T) * matrix.gain + matrix.bias


@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(1, 21),
    columns=st.integers(1, 140),
    samples=st.sampled_from([1, 2, 25, 67]),
    density=st.sampled_from([0.0, 0.05, 0.3, 1.0]),
    turned=st.booleans(),
)
@pytest.mark.parametrize("compiled", [True, False])
def test_products_equal_those_of_the_dense_matrix(
    compiled: bool,
    seed: int,
    rows: int,
    columns: int,
    samples: int,
    density: float,
    turned: bool,
) -> None:
    if compiled:
        pytest.importorskip("numba", reason="numba is not installed: only the twin exists")
    entries, matrix = random_matrix(seed, rows, columns, density)
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((samples, columns)).astype(np.float32)
    if seed % 2:
        x[rng.random(x.shape) < 0.3] = 0.0
    if turned:
        x = np.asfortranarray(x)
    # Words wrap around by intention, which NumPy reports where numba's compiler is switched off.
    with pytest.MonkeyPatch.context() as patch, np.errstate(over="ignore"):
        patch.setattr(ternary, "use_numba", lambda size: compiled and size > 0)
        floats, signs = float_product(x, matrix), sign_product(x, matrix)
    assert floats.dtype == signs.dtype == np.float32
    np.testing.assert_allclose(floats, dense(x, entries, matrix), rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(signs, dense(np.sign(x), entries, matrix), rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("density", [0.1, 0.9])
def test_every_way_of_multiplying_agrees_with_the_twin(
    density: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Masked sums, sums of kept columns and decoding are chosen by samples and density."""
    compiled = pytest.importorskip("optlab.kernels.ternary_compiled")
    monkeypatch.setattr(ternary, "use_numba", lambda size: size > 0)
    _, matrix = random_matrix(3, 11, 100, density)
    x = np.random.default_rng(4).standard_normal((70, 100)).astype(np.float32)
    taken = []
    for name in ("masked_sums", "kept_sums", "decode"):
        original = getattr(compiled, name)

        def spied(*arguments: Any, name: str = name, original: Any = original) -> None:
            taken.append(name)
            original(*arguments)

        monkeypatch.setattr(compiled, name, spied)
    with np.errstate(over="ignore"):
        for samples in (1, 70):
            np.testing.assert_allclose(
                float_product(x[:samples], matrix),
                float_product_numpy(x[:samples], matrix),
                rtol=1e-5,
                atol=1e-4,
            )
    many = "kept_sums" if density < ternary.SPARSE else "decode"
    assert taken == (["masked_sums", many] if density < 0.5 else ["masked_sums", "masked_sums"])


def test_dense_matrices_and_many_samples_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba", reason="numba is not installed: only the twin exists")
    monkeypatch.setattr(ternary, "use_numba", lambda size: size > 0)
    entries, matrix = random_matrix(5, 300, 70, 0.9)
    x = np.random.default_rng(6).standard_normal((120, 70)).astype(np.float32)
    np.testing.assert_allclose(
        float_product(x, matrix), dense(x, entries, matrix), rtol=1e-5, atol=1e-4
    )


@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(0, 5), columns=st.integers(0, 200))
def test_packed_bits_come_back(seed: int, rows: int, columns: int) -> None:
    bits = np.random.default_rng(seed).random((rows, columns)) < 0.5
    words = pack_bits(bits)
    assert words.shape == (rows, -(-columns // 64))
    np.testing.assert_array_equal(unpack_bits(words, columns), bits)
    for row, packed in zip(bits, words, strict=True):
        value = sum(int(word) << (64 * k) for k, word in enumerate(packed))
        assert value == sum(1 << int(j) for j in np.flatnonzero(row))


@given(seed=st.integers(0, 2**32 - 1), words=st.integers(1, 3))
def test_packed_channels_are_those_of_every_pixel(seed: int, words: int) -> None:
    bits = np.random.default_rng(seed).random((2, 64 * words, 3, 2)) < 0.5
    packed = pack_channels(bits)
    assert packed.shape == (2, words, 3, 2)
    by_pixel = pack_bits(bits.transpose(0, 2, 3, 1).reshape(-1, 64 * words))
    np.testing.assert_array_equal(packed.transpose(0, 2, 3, 1).reshape(-1, words), by_pixel)


@pytest.mark.parametrize("samples", [1, 64, 70])
def test_products_with_packed_signs(samples: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba", reason="numba is not installed: only the twin exists")
    monkeypatch.setattr(ternary, "use_numba", lambda size: size > 0)
    entries, matrix = random_matrix(7, 19, 130, 0.4)
    x = np.random.default_rng(8).integers(-1, 2, (samples, 130)).astype(np.float32)
    a, v = pack_bits(x < 0.0).T, pack_bits(x != 0.0).T
    with np.errstate(over="ignore"):
        product = word_product(a, v, matrix)
    np.testing.assert_allclose(product, dense(x, entries, matrix), rtol=1e-6, atol=1e-5)
    np.testing.assert_allclose(product, word_product_numpy(a, v, matrix), rtol=1e-6, atol=1e-5)


def test_columns_past_the_end_do_not_count() -> None:
    """A row of 65 ones is 65 times its input, in both products."""
    matrix = TernaryMatrix(
        pack_bits(np.ones((1, 65), dtype=bool)),
        pack_bits(np.zeros((1, 65), dtype=bool)),
        np.ones(1, dtype=np.float32),
        np.zeros(1, dtype=np.float32),
        65,
    )
    x = np.full((1, 65), -2.0, dtype=np.float32)
    assert matrix.density == 1.0
    for multiply, expected in (
        (float_product_numpy, -130.0),
        (sign_product_numpy, -65.0),
        (float_product, -130.0),
        (sign_product, -65.0),
    ):
        assert multiply(x, matrix).item() == expected

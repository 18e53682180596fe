"""The compiled products with ternary matrices; importing this module imports numba.

The twins, and what is computed, are in :mod:`optlab.kernels.ternary`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import config, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

# Samples that share one pass over the planes; their words and counts stay in the first-level cache.
BLOCK = 64
# Fewer samples than this are counted one by one, in vectors along a row (1024 x 1024, AVX-512: 2.2 us each, a block 52 us).
FEW_SIGNS = 24
# Rows whose counts are turned at a time: 16 floats are a cache line of the result.
TURNED_ROWS = 16
# Places that are written for every word.
PLACED = 4
# Floats in a vector, and rows that share one load of it (tried: 16, 32 lanes; 1, 2, 4, 8 rows).
LANES = 16
SHARED_ROWS = 4

ONE, TWO, FOUR, TOP = np.uint64(1), np.uint64(2), np.uint64(4), np.uint64(56)
HALF, UP, ZERO = 32, np.uint64(32), np.float32(0.0)
PAIRS = np.uint64(0x5555555555555555)
NIBBLES = np.uint64(0x3333333333333333)
OCTETS = np.uint64(0x0F0F0F0F0F0F0F0F)
SUM = np.uint64(0x0101010101010101)


@njit(cache=True)
def popcount(v):  # type: ignore[no-untyped-def]
    """Count the bits of a word; LLVM knows this sequence and makes it the processor's own, also in vectors."""
    v -= (v >> ONE) & PAIRS
    v = (v & NIBBLES) + ((v >> TWO) & NIBBLES)
    v = (v + (v >> FOUR)) & OCTETS
    return (v * SUM) >> TOP


@njit(cache=True)
def _half(x, sample, first, count):  # type: ignore[no-untyped-def]
    """Return the bits of x < 0 and of x = 0 of at most 32 columns; 32 bits, so that vectors hold as many as floats."""
    negative = zero = np.uint32(0)
    if count == HALF:
        for bit in range(HALF):
            value = x[sample, first + bit]
            negative |= np.uint32(value < ZERO) << np.uint32(bit)
            zero |= np.uint32(value == ZERO) << np.uint32(bit)
    else:
        for bit in range(count):
            value = x[sample, first + bit]
            negative |= np.uint32(value < ZERO) << np.uint32(bit)
            zero |= np.uint32(value == ZERO) << np.uint32(bit)
    return np.uint64(negative), np.uint64(zero)


@njit(cache=True)
def _signs(x, sample, word):  # type: ignore[no-untyped-def]
    """Return the bits of x < 0 and of x = 0 in one word of a sample."""
    first = 2 * HALF * word
    left = x.shape[1] - first
    low_negative, low_zero = _half(x, sample, first, min(HALF, left))
    if left <= HALF:
        return low_negative, low_zero
    high_negative, high_zero = _half(x, sample, first + HALF, min(HALF, left - HALF))
    return low_negative | (high_negative << UP), low_zero | (high_zero << UP)


@njit(cache=True)
def sign_sums(x, positive, negative, kept, gain, bias, out):  # type: ignore[no-untyped-def]
    """Compute :func:`optlab.kernels.ternary.sign_product`."""
    samples, words = x.shape[0], positive.shape[1]
    start = 0
    while start < samples:
        count = min(BLOCK, samples - start)
        if count >= FEW_SIGNS:
            a = np.zeros((words, BLOCK), dtype=np.uint64)
            v = np.zeros((words, BLOCK), dtype=np.uint64)
            zeros = np.uint64(0)
            for sample in range(count):
                for word in range(words):
                    a[word, sample], zero = _signs(x, start + sample, word)
                    v[word, sample] = ~zero
                    zeros |= zero
            block = out[start : start + count]
            _sign_block(a, v, zeros == 0, positive, negative, kept, gain, bias, block)
        else:
            for sample in range(start, start + count):
                _sign_single(x, sample, positive, negative, kept, gain, bias, out)
        start += count


@njit(cache=True)
def word_sums(a, v, positive, negative, kept, gain, bias, out):  # type: ignore[no-untyped-def]
    """Compute :func:`optlab.kernels.ternary.word_product`; a, v: (words, samples)."""
    words, samples = a.shape
    block = np.zeros((words, BLOCK), dtype=np.uint64)
    valid = np.zeros((words, BLOCK), dtype=np.uint64)
    for start in range(0, samples, BLOCK):
        count = min(BLOCK, samples - start)
        for word in range(words):
            for sample in range(count):
                block[word, sample] = a[word, start + sample]
                valid[word, sample] = v[word, start + sample]
        part = out[start : start + count]
        _sign_block(block, valid, False, positive, negative, kept, gain, bias, part)


@njit(cache=True)
def _sign_single(x, sample, positive, negative, kept, gain, bias, out):  # type: ignore[no-untyped-def]
    rows, words = positive.shape
    a = np.empty(words, dtype=np.uint64)
    v = np.empty(words, dtype=np.uint64)
    zeros = np.uint64(0)
    for word in range(words):
        a[word], zero = _signs(x, sample, word)
        v[word] = ~zero
        zeros |= zero
    full = zeros == 0
    for row in range(rows):
        minus = np.uint64(0)
        valid = np.uint64(0)
        if full:
            for w in range(words):
                minus += popcount((a[w] & positive[row, w]) | (~a[w] & negative[row, w]))
            valid = np.uint64(kept[row])
        else:
            for w in range(words):
                p, n = positive[row, w] & v[w], negative[row, w] & v[w]
                minus += popcount((a[w] & p) | (~a[w] & n))
                valid += popcount(p | n)
        out[sample, row] = gain[row] * (np.int64(valid) - 2 * np.int64(minus)) + bias[row]


@njit(cache=True)
def _sign_block(a, v, full, positive, negative, kept, gain, bias, out):  # type: ignore[no-untyped-def]
    """Count for a block of samples; a, v: (words, BLOCK), out: at most BLOCK samples."""
    rows = positive.shape[0]
    counts = np.empty(BLOCK, dtype=np.uint64)
    values = np.empty((TURNED_ROWS, BLOCK), dtype=np.float32)
    for first in range(0, rows, TURNED_ROWS):
        turned = min(TURNED_ROWS, rows - first)
        for k in range(turned):
            row = first + k
            if full:
                _count_full(a, positive, negative, row, counts)
                slope, constant = (
                    np.float32(-2.0) * gain[row],
                    gain[row] * kept[row] + bias[row],
                )
            else:
                _count_valid(a, v, positive, negative, row, counts)
                slope, constant = gain[row], bias[row]
            for b in range(BLOCK):
                values[k, b] = slope * np.float32(np.int32(counts[b])) + np.float32(constant)
        for sample in range(out.shape[0]):
            for k in range(turned):
                out[sample, first + k] = values[k, sample]


@njit(cache=True)
def _count_full(a, positive, negative, row, counts):  # type: ignore[no-untyped-def]
    """Count the products -1 of one row; four words at a time, so that counts are loaded and stored a quarter as often."""
    words = positive.shape[1]
    counts[:] = np.uint64(0)
    w = 0
    while w + 4 <= words:
        p0, p1, p2, p3 = (
            positive[row, w],
            positive[row, w + 1],
            positive[row, w + 2],
            positive[row, w + 3],
        )
        n0, n1, n2, n3 = (
            negative[row, w],
            negative[row, w + 1],
            negative[row, w + 2],
            negative[row, w + 3],
        )
        for b in range(BLOCK):
            a0, a1, a2, a3 = a[w, b], a[w + 1, b], a[w + 2, b], a[w + 3, b]
            low = popcount((a0 & p0) | (~a0 & n0)) + popcount((a1 & p1) | (~a1 & n1))
            high = popcount((a2 & p2) | (~a2 & n2)) + popcount((a3 & p3) | (~a3 & n3))
            counts[b] += low + high
        w += 4
    while w < words:
        p0, n0 = positive[row, w], negative[row, w]
        for b in range(BLOCK):
            counts[b] += popcount((a[w, b] & p0) | (~a[w, b] & n0))
        w += 1


@njit(cache=True)
def _count_valid(a, v, positive, negative, row, counts):  # type: ignore[no-untyped-def]
    """Sum the products of one row where some inputs are zero (modulo 2^64, read as signed)."""
    counts[:] = np.uint64(0)
    for w in range(positive.shape[1]):
        p, n = positive[row, w], negative[row, w]
        for b in range(BLOCK):
            minus = ((a[w, b] & p) | (~a[w, b] & n)) & v[w, b]
            counts[b] += popcount((p | n) & v[w, b]) - (popcount(minus) << ONE)


@njit(cache=True)
def kept_sums(x, positive, negative, gain, bias, out):  # type: ignore[no-untyped-def]
    """Sum the kept columns, row by row, for blocks of samples; out is (rows, samples)."""
    samples, columns = x.shape
    rows = positive.shape[0]
    # Unsigned, because numba asks of every signed index whether it counts from the end.
    places = np.empty(columns + PLACED, dtype=np.uint32)
    turned = np.zeros((columns, BLOCK), dtype=np.float32)
    total = np.empty(BLOCK, dtype=np.float32)
    for start in range(0, samples, BLOCK):
        count = min(BLOCK, samples - start)
        for first in range(0, columns, LANES):
            for sample in range(count):
                for column in range(first, min(first + LANES, columns)):
                    turned[column, sample] = x[start + sample, column]
        for row in range(rows):
            total[:] = ZERO
            _add_columns(turned, places, _places(positive, row, places), total)
            total[:] = -total
            _add_columns(turned, places, _places(negative, row, places), total)
            for sample in range(count):
                out[row, start + sample] = bias[row] - gain[row] * total[sample]


@njit(cache=True)
def _places(plane, row, places):  # type: ignore[no-untyped-def]
    """List the bits that are set in one row; returns how many.

    Some places are written for every word, used or not: leaving a loop after one or two is a mispredicted branch.
    """
    count = np.int64(0)
    for word in range(plane.shape[1]):
        left = plane[row, word]
        first = np.uint64(64 * word)
        after = count + np.int64(popcount(left))
        for k in range(PLACED):
            places[count + k] = first + popcount(~left & (left - ONE))
            left &= left - ONE
        count += PLACED
        while count < after:
            places[count] = first + popcount(~left & (left - ONE))
            left &= left - ONE
            count += 1
        count = after
    return count


@njit(cache=True)
def _add_columns(turned, places, count, total):  # type: ignore[no-untyped-def]
    k = 0
    while k + 4 <= count:
        i0, i1, i2, i3 = places[k], places[k + 1], places[k + 2], places[k + 3]
        for b in range(BLOCK):
            total[b] += (turned[i0, b] + turned[i1, b]) + (turned[i2, b] + turned[i3, b])
        k += 4
    while k < count:
        i0 = places[k]
        for b in range(BLOCK):
            total[b] += turned[i0, b]
        k += 1


@njit(cache=True)
def decode(positive, negative, entries):  # type: ignore[no-untyped-def]
    """Write the entries -1, 0, 1 of some rows as floats."""
    for row in range(entries.shape[0]):
        for column in range(entries.shape[1]):
            word, bit = column >> 6, np.uint64(column & 63)
            plus = (positive[row, word] >> bit) & ONE
            minus = (negative[row, word] >> bit) & ONE
            entries[row, column] = np.int64(plus) - np.int64(minus)


def _masked_rows(count: int) -> Any:
    """Return the masked sums of ``count`` rows with one sample, as a function for compiled code.

    A word of 16 bits is the mask of one vector instruction, which LLVM emits only for vector types; loops over bits
    are five times slower. Lanes are summed in pairs at the end.
    """
    lanes, lane_bits = ir.VectorType(ir.FloatType(), LANES), ir.VectorType(ir.IntType(1), LANES)

    def build(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        x, positive, negative, sums = (
            context.make_array(kind)(context, builder, value)
            for kind, value in zip(signature.args[:4], given[:4], strict=True)
        )
        words = builder.extract_value(positive.shape, 1)
        zero = ir.Constant(lanes, [0.0] * LANES)
        totals = [
            cgutils.alloca_once_value(builder, zero)  # type: ignore[no-untyped-call]
            for _ in range(count)
        ]
        whole = words.type

        def mask(plane: Any, row: Any, word: Any) -> Any:
            place = builder.add(builder.mul(row, words), word)
            return builder.bitcast(builder.load(builder.gep(plane.data, [place])), lane_bits)

        with cgutils.for_range(builder, words) as loop:
            place = builder.gep(x.data, [builder.mul(loop.index, whole(LANES))])
            vector = builder.load(builder.bitcast(place, lanes.as_pointer()), align=4)
            for k, total in enumerate(totals):
                row = builder.add(given[4], whole(k))
                value = builder.load(total)
                added = builder.fadd(value, vector)
                value = builder.select(mask(positive, row, loop.index), added, value)
                taken = builder.fsub(value, vector)
                value = builder.select(mask(negative, row, loop.index), taken, value)
                builder.store(value, total)
        for k, total in enumerate(totals):
            value = _lane_sum(builder, builder.load(total))
            builder.store(value, builder.gep(sums.data, [builder.add(given[4], whole(k))]))
        return context.get_dummy_value()

    @intrinsic
    def masked_rows(typing_context, x, positive, negative, sums, first):  # type: ignore[no-untyped-def]  # noqa: ARG001
        return types.void(x, positive, negative, sums, first), build

    return masked_rows


def _lane_sum(builder: Any, vector: Any) -> Any:
    """Add the lanes of a vector, halves first."""
    index = ir.IntType(32)
    width = LANES // 2
    while width:
        halves = (
            builder.shuffle_vector(
                vector, vector, ir.Constant(ir.VectorType(index, width), [*range(k, k + width)])
            )
            for k in (0, width)
        )
        vector = builder.fadd(*halves)
        width //= 2
    return builder.extract_element(vector, index(0))


def _masked_rows_plain(count: int) -> Any:
    """Return what :func:`_masked_rows` does, for runs with numba's compiler switched off."""

    def masked_rows(x, positive, negative, sums, first):  # type: ignore[no-untyped-def]
        for row in range(first, first + count):
            plus, minus = (
                np.unpackbits(plane[row].view(np.uint8), bitorder="little").view(np.bool_)
                for plane in (positive, negative)
            )
            sums[row] = x[plus].sum() - x[minus].sum()

    return masked_rows


_rows_of = _masked_rows_plain if vars(config)["DISABLE_JIT"] else _masked_rows
_several_rows = _rows_of(SHARED_ROWS)
_one_row = _rows_of(1)


@njit(cache=True)
def masked_sums(x, positive, negative, gain, bias, out):  # type: ignore[no-untyped-def]
    """Sum vectors of x under the planes as masks; x: whole words, planes: (rows, words) uint16."""
    rows = positive.shape[0]
    sums = np.empty(rows, dtype=np.float32)
    several = rows - rows % SHARED_ROWS
    for sample in range(x.shape[0]):
        for row in range(0, several, SHARED_ROWS):
            _several_rows(x[sample], positive, negative, sums, row)
        for row in range(several, rows):
            _one_row(x[sample], positive, negative, sums, row)
        for row in range(rows):
            out[sample, row] = gain[row] * sums[row] + bias[row]

"""Kernels that read packed weights, assembly and C, against the weights that the encoders were given.

Every encoding, level and row of random layers: dot products, taps in pieces, and the skipping of levels.
"""

from __future__ import annotations

import itertools
import struct
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rig import ARRAY, ASSEMBLY, NEAR, OUT, STRUCT, TAPS, Bench, dot_struct, packed_struct, unpack_struct
from strategies import legal_indices, make_params, seeds

from codegen import encodings
from codegen.encodings import BYTE_ENCODINGS, ENCODINGS, RowLayer, decode, dot_kernel, kernel_unit, taps_kernel
from codegen.encodings.base import runs
from codegen.ir import NEVER, Params

EXAMPLES = settings(max_examples=25, deadline=None)
HIGH = (0x10000, 0x1FFF0, 0x2FF81, 0x3F000)
"""Where blobs lie; some cross a page of 64 KB."""

DOTS = tuple(e for e in ENCODINGS if e != "pattern")


def both(name: str) -> list[str]:
    """The kernel that the device uses, and its portable twin."""
    return [name, f"c_{name}"] if name in ASSEMBLY else [name]


def layer(rng: np.random.Generator, name: str, shape: tuple[int, ...], levels: int, weight_bits: int) -> RowLayer:
    index = legal_indices(rng, name, shape, levels)
    reach = 2 ** (weight_bits - 1)
    weight = rng.integers(-reach, reach, shape)
    weight[rng.random(shape) < 0.1] = 0
    weight[rng.random(shape) < 0.05] = -reach
    unit = {"unit": int(rng.choice([2, 4, 8, 16]))} if name == "block" else {}
    return encodings.encode(name, "n", make_params(weight, index), levels, weight_bits, **unit)


def inputs(rng: np.random.Generator, packed: RowLayer, levels: int) -> np.ndarray:
    """Inputs that keep every sum below 2**30."""
    largest = max(int(np.abs(decode(packed, levels - 1).astype(int)).sum(axis=1).max()), 1)
    reach = min(2**29 // largest, 32767)
    return rng.integers(-reach, reach + 1, packed.cols)


def row_starts(packed: RowLayer, levels: int) -> list[tuple[int, int, int]]:
    """Offsets of weights, index and counts of each row, and behind the last one."""
    starts = [(0, packed.index_offset, packed.counts_offset)]
    found = runs(packed) if packed.counts.shape[1] else []
    for row in range(packed.rows):
        weights, index, counts = starts[-1]
        if not packed.counts.shape[1]:
            starts.append((weights + packed.weight_size * packed.cols, index, counts))
            continue
        mine = found[row * levels : (row + 1) * levels]
        weights += packed.weight_size * sum(len(r.weights) for r in mine)
        if not packed.shared:
            index += sum(len(r.index) for r in mine)
            counts += levels * packed.count_bytes
        starts.append((weights, index, counts))
    return starts


def check_dot(bench: Bench, packed: RowLayer, levels: int, x: np.ndarray, at: int, kernel: str) -> None:
    bench.machine.write(at, packed.blob)
    bench.put(ARRAY, x)
    starts = row_starts(packed, levels)
    has_counts = packed.counts.shape[1] > 0
    for row, level in itertools.product(range(packed.rows), range(levels)):
        expected = 1234 + int((decode(packed, level)[row].astype(np.int64) * x).sum())
        weights, index, counts = (at + offset for offset in starts[row])
        for name in both(kernel):
            number = level + 1 if has_counts else 1
            size = packed.count_bytes if has_counts else 0
            call = dot_struct(1234, ARRAY, packed.cols, weights, index, kernel_unit(packed), (counts, size), number)
            bench.machine.write(STRUCT, call)
            bench.call(name, STRUCT)
            acc, _, _, after, index_after, _, counts_after = struct.unpack("<ihHIIHI", bench.machine.read(STRUCT, 22))
            assert acc == expected, (name, row, level)
            if level == levels - 1 and not packed.shared:
                assert (after, index_after, counts_after) == tuple(at + o for o in starts[row + 1]), (name, row)


@pytest.mark.parametrize("name", DOTS)
@pytest.mark.parametrize("weight_bits", [16, 8])
@given(seed=seeds, levels=st.integers(1, 3), rows=st.integers(1, 3), cols=st.integers(1, 90), at=st.sampled_from(HIGH))
@EXAMPLES
def test_dot(bench: Bench, name: str, weight_bits: int, seed: int, levels: int, rows: int, cols: int, at: int) -> None:
    if weight_bits == 8 and name not in BYTE_ENCODINGS:
        return
    rng = np.random.default_rng(seed)
    packed = layer(rng, name, (rows, cols), levels, weight_bits)
    check_dot(bench, packed, levels, inputs(rng, packed, levels), at & ~1, dot_kernel(packed))


@pytest.mark.parametrize("weight_bits", [16, 8])
@pytest.mark.parametrize("name", BYTE_ENCODINGS)
@given(seed=seeds, levels=st.integers(1, 3), cols=st.integers(1, 90))
@EXAMPLES
def test_dot_below_64_kb(bench: Bench, name: str, weight_bits: int, seed: int, levels: int, cols: int) -> None:
    rng = np.random.default_rng(seed)
    packed = layer(rng, name, (2, cols), levels, weight_bits)
    kernel = dot_kernel(replace(packed, near=True))
    assert "_near_" in kernel
    check_dot(bench, packed, levels, inputs(rng, packed, levels), NEAR, kernel)


@pytest.mark.parametrize("count", range(21))
@pytest.mark.parametrize("near", [False, True], ids=["far", "near"])
@pytest.mark.parametrize("name", ["dense", "csr", "block", "bitmap"])
def test_every_entry_into_the_unrolled_loops(bench: Bench, name: str, near: bool, count: int) -> None:
    if near and name not in BYTE_ENCODINGS:
        return
    rng = np.random.default_rng(count)
    index = np.full((1, max(count, 1)), NEVER if count == 0 and name != "dense" else 0)
    packed = encodings.encode(name, "n", make_params(rng.integers(-900, 900, index.shape), index), 1)
    x = inputs(rng, packed, 1)
    check_dot(bench, packed, 1, x, NEAR if near else HIGH[1], dot_kernel(replace(packed, near=near)))


@pytest.mark.parametrize("name", ["dense", "csr"])
@pytest.mark.parametrize(("w", "x"), [(-32768, 32767), (32767, -32768), (32767, 32767), (-32768, -32767)])
def test_products_at_the_ends(bench: Bench, name: str, w: int, x: int) -> None:
    packed = encodings.encode(name, "n", make_params([[w]]), 1)
    check_dot(bench, packed, 1, np.array([x]), HIGH[0], dot_kernel(packed))


# --- taps


def check_taps(
    bench: Bench, packed: RowLayer, levels: int, kernel: tuple[int, int], rng: np.random.Generator, at: int
) -> None:
    """Each level of each row, in pieces that keep their state."""
    kh, kw = kernel
    pitch = kw + int(rng.integers(0, 9))
    plane = pitch * (kh + int(rng.integers(0, 5)))
    patterns = 0
    if packed.patterns:
        starts = list(itertools.accumulate(map(len, packed.patterns), initial=len(packed.patterns) + 1))
        taps = [2 * (t // kw * pitch + t % kw) for p in packed.patterns for t in p]
        patterns = bench.put(ARRAY, [*starts, *taps], "H")
        state, shape = (-2 * plane, 0, 0, 0), (0, 0, 2 * plane, 0)
    else:
        state, shape = (-2, 0, kw + 1, kh), (kw, kh, 2 * (pitch - kw), 2 * (plane - kh * pitch))
    bench.machine.write(at, packed.blob)
    for row, (weights, index, _) in enumerate(row_starts(packed, levels)[:-1]):
        for level in range(levels if packed.counts.shape[1] else 1):
            if packed.counts.shape[1]:
                mine = runs(packed)[row * levels : (row + 1) * levels]
                count = len(mine[level].weights)
                before = mine[:level]
            else:
                count, before = packed.cols, []
            first = weights + packed.weight_size * sum(len(r.weights) for r in before)
            codes = index + sum(len(r.index) for r in before)
            enters = decode(packed, level)[row].astype(int)
            if level:
                enters = enters - decode(packed, level - 1)[row]
            expected, previous = [], 0
            for p in np.flatnonzero(enters):
                offset = 2 * (p // (kh * kw) * plane + p // kw % kh * pitch + p % kw)
                expected += [int(offset - previous), int(enters[p])]
                previous = int(offset)
            cuts = sorted(rng.integers(0, count + 1, 2).tolist())
            for name in both(taps_kernel(packed)):
                call = unpack_struct(TAPS, 0, at + first, at + codes, state, shape, kernel_unit(packed), patterns)
                bench.machine.write(STRUCT, call)
                for a, b in itertools.pairwise([0, *cuts, count]):
                    bench.put(STRUCT + 2, [b - a], "H")
                    bench.call(name, STRUCT)
                (end,) = bench.get(STRUCT, 1, "H")
                assert end == TAPS + 2 * len(expected), (name, row, level)
                assert bench.get(TAPS, len(expected)) == expected, (name, row, level)


@pytest.mark.parametrize("name", ENCODINGS)
@pytest.mark.parametrize("weight_bits", [16, 8])
@given(
    seed=seeds,
    levels=st.integers(1, 3),
    channels=st.integers(1, 7),
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    at=st.sampled_from(HIGH),
)
@EXAMPLES
def test_taps(
    bench: Bench, name: str, weight_bits: int, seed: int, levels: int, channels: int, kernel: tuple[int, int], at: int
) -> None:
    if weight_bits == 8 and name not in BYTE_ENCODINGS:
        return
    rng = np.random.default_rng(seed)
    packed = layer(rng, name, (2, channels, *kernel), levels, weight_bits)
    check_taps(bench, packed, levels, kernel, rng, at & ~1)


def test_taps_of_many_patterns(bench: Bench) -> None:
    """More than 15 patterns: codes of eight bits."""
    rng = np.random.default_rng(2)
    index = np.where(rng.random((3, 20, 3, 3)) < 0.5, 0, NEVER)
    packed = encodings.encode("pattern", "n", make_params(rng.integers(1, 99, index.shape), index), 1)
    assert kernel_unit(packed) == 255
    check_taps(bench, packed, 1, (3, 3), rng, 0x1FFE0)


def far(cols: int, places: list[int]) -> Params:
    index = np.full((1, cols), NEVER)
    index[0, places] = 0
    return make_params(np.arange(1, cols + 1).reshape(1, -1), index)


def test_taps_with_padding(bench: Bench) -> None:
    """Padding moves on by 16 positions, over many rows and channels at once, and makes no tap."""
    params = far(660, [0, 16, 17, 40, 300, 659])
    shaped = make_params(params.weight.reshape(1, 110, 2, 3), params.level_index.reshape(1, 110, 2, 3))
    packed = encodings.encode("csr", "n", shaped, 1)
    assert len(packed.weights) > 6
    check_taps(bench, packed, 1, (2, 3), np.random.default_rng(1), 0x1FFF0)


# --- skipping levels


@pytest.mark.parametrize("name", [e for e in ENCODINGS if e != "channel"])
@given(seed=seeds, levels=st.integers(1, 4), weight_bits=st.sampled_from([16, 8]))
@EXAMPLES
def test_skip_runs(bench: Bench, name: str, seed: int, levels: int, weight_bits: int) -> None:
    """From the start of each row to the next one, over counts of no, one and two bytes."""
    rng = np.random.default_rng(seed)
    bits = weight_bits if name in BYTE_ENCODINGS else 16
    packed = layer(rng, name, (3, int(rng.integers(1, 40)), 3, 3), levels, bits)
    at = HIGH[1]
    bench.machine.write(at, packed.blob)
    has_counts = packed.counts.shape[1] > 0
    shift = packed.word_weights.bit_length() - 1 if packed.word_weights else 0
    size = packed.count_bytes if has_counts else 0
    description = packed_struct(packed.weight_size, size, shift, packed.run_bytes, packed.cols)
    starts = row_starts(packed, levels)
    for kernel in both("sw_skip_runs"):
        for before, after in itertools.pairwise(starts):
            bench.machine.write(STRUCT, description)
            bench.machine.write(OUT, struct.pack("<HIII", 7, *(at + o for o in before)))
            bench.call(kernel, OUT, STRUCT, levels if has_counts else 1)
            assert struct.unpack("<HIII", bench.machine.read(OUT, 14)) == (7, *(at + o for o in after)), kernel

"""Packed weights: a decoder of our own gives every weight of every level back, and bytes are what was counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from strategies import Chain, make_params, packed_rows

from codegen.errors import DoesNotFit, GraphError
from codegen.ir import NEVER, Params
from codegen.ops import FullyConnected
from codegen.packing import PackedLayer, pack_csr, pack_dense, pack_weights, unpack


def decode(packed: PackedLayer, rows: int, cols: int, levels: int) -> tuple[list[list[int]], list[list[int]]]:
    """`(weights, level indices)` by walking entry after entry, as a kernel does."""
    weight = [[0] * cols for _ in range(rows)]
    index = [[NEVER] * cols for _ in range(rows)]
    at = 0
    for r in range(rows):
        for level in range(levels):
            position = 0
            for _ in range(int(packed.counts[r, level])):
                position += int(packed.deltas[at])
                assert position < cols, "an entry lies behind its row"
                if packed.deltas[at] == 255:
                    assert packed.weights[at] == 0, "a padding entry must not add to a sum"
                else:
                    assert index[r][position] == NEVER, "two entries at one position"
                    weight[r][position], index[r][position] = int(packed.weights[at]), level
                at += 1
    assert at == len(packed.weights) == len(packed.deltas)
    return weight, index


def check_csr(params: Params, levels: int) -> PackedLayer:
    rows, cols = params.weight.shape
    packed = pack_csr("n", params, levels)
    weight, index = decode(packed, rows, cols, levels)
    assert weight == params.weight.tolist()
    assert index == params.level_index.tolist()
    again = unpack(packed, params.weight.shape)
    assert np.array_equal(again[0], params.weight)
    assert np.array_equal(again[1], params.level_index)
    check_bytes(packed, params, levels)
    return packed


def check_bytes(packed: PackedLayer, params: Params, levels: int) -> None:
    """Sizes, counted by hand: gaps give the padding, counts one or two bytes each."""
    entries = [[0] * levels for _ in params.weight]
    for r, index in enumerate(params.level_index.reshape(len(params.bias), -1).tolist()):
        for level in range(levels):
            last = 0
            for position, k in enumerate(index):
                if k == level:
                    entries[r][level] += 1 + (position - last) // 255
                    last = position
    assert packed.counts.tolist() == entries
    total = sum(map(sum, entries))
    count_bytes = 1 if max(max(row) for row in entries) <= 255 else 2
    assert packed.count_bytes == count_bytes
    assert packed.counts_offset == 2 * total
    assert packed.deltas_offset == 2 * total + len(entries) * levels * count_bytes
    size = packed.deltas_offset + total
    assert packed.blob_bytes == size + size % 2
    for level in range(levels):
        used = sum(sum(row[: level + 1]) for row in entries)
        assert packed.entries(level) == used
        assert packed.weight_bytes(level) == 2 * used
        assert packed.index_bytes(level) == used + len(entries) * (level + 1) * count_bytes
    assert packed.max_row_entries() == max(sum(row) for row in entries)


@given(params=packed_rows())
@settings(max_examples=60, deadline=None)
def test_csr_gives_the_weights_of_every_level_back(params: Params) -> None:
    check_csr(params, 5)


@pytest.mark.slow
@given(params=packed_rows())
@settings(max_examples=3000, deadline=None)
def test_csr_gives_the_weights_of_every_level_back_many(params: Params) -> None:
    check_csr(params, 5)


@pytest.mark.parametrize("gap", [0, 1, 253, 254, 255, 256, 509, 510, 511, 764, 765, 766, 1020])
@pytest.mark.parametrize("first", [0, 3])
def test_gaps_around_multiples_of_the_padding(gap: int, first: int) -> None:
    """Position `gap` from the start of the row, or from an entry at `first`."""
    cols = first + gap + 2
    weight, index = np.zeros((1, cols), int), np.full((1, cols), NEVER)
    weight[0, first + gap], index[0, first + gap] = -7, 0
    if first and gap:
        weight[0, first], index[0, first] = 9, 0
    packed = check_csr(make_params(weight, index), 1)
    expected = gap // 255 + 2 if first and gap else (first + gap) // 255 + 1
    assert len(packed.weights) == expected


def row(levels_of: list[int], weights: list[int] | None = None) -> Params:
    return make_params([weights or list(range(1, len(levels_of) + 1))], [levels_of])


def test_level_order_puts_the_sparsest_first() -> None:
    packed = check_csr(row([2, 0, NEVER, 1, 0, 2], [10, 20, 30, 40, 50, 60]), 3)
    assert packed.weights.tolist() == [20, 50, 40, 10, 60]
    assert packed.deltas.tolist() == [1, 3, 3, 0, 5]
    assert packed.counts.tolist() == [[2, 1, 2]]


def test_all_zero_rows() -> None:
    params = make_params(np.zeros((3, 5)), [[NEVER] * 5, [0] * 5, [NEVER] * 5])
    packed = check_csr(params, 2)
    assert packed.counts.tolist() == [[0, 0], [5, 0], [0, 0]]


def test_a_layer_without_any_weight() -> None:
    packed = check_csr(make_params(np.zeros((4, 6)), NEVER), 3)
    assert packed.blob_bytes == 12
    assert packed.entries(2) == 0


def test_empty_levels() -> None:
    packed = check_csr(row([3, NEVER, 3]), 5)
    assert packed.counts.tolist() == [[0, 0, 0, 2, 0]]
    assert [packed.entries(k) for k in range(5)] == [0, 0, 0, 2, 2]


def test_stored_zeros_stay_entries() -> None:
    """A kept weight that rounds to 0 is stored: the level index, not the value, decides."""
    packed = check_csr(row([0, 1, 0], [0, 0, 5]), 2)
    assert packed.counts.tolist() == [[2, 1]]
    assert row([0, 1, 0], [0, 0, 5]).nnz(1) == 3


@pytest.mark.parametrize(("cols", "count_bytes"), [(254, 1), (255, 1), (256, 2), (700, 2)])
def test_counts_take_a_second_byte_above_255(cols: int, count_bytes: int) -> None:
    weight = np.arange(cols).reshape(1, -1) % 100 - 50
    index = np.zeros((1, cols), int)
    assert check_csr(make_params(weight, index), 1).count_bytes == count_bytes
    halves = index.copy()
    halves[0, ::2] = 1  # two levels of at most 255 entries each
    assert check_csr(make_params(weight, halves), 2).count_bytes == (1 if cols <= 510 else 2)


def test_padding_counts_as_bytes_and_entries_but_not_as_nnz() -> None:
    params = make_params(np.eye(1, 600, 599, dtype=int), np.where(np.arange(600) == 599, 0, NEVER).reshape(1, -1))
    packed = check_csr(params, 1)
    assert packed.entries(0) == 3
    assert params.nnz(0) == 1


def test_dense_layers_have_no_index() -> None:
    params = make_params(np.arange(12).reshape(3, 4) - 6)
    packed = pack_dense("n", params)
    assert packed.weights.tolist() == list(range(-6, 6))
    assert packed.blob_bytes == packed.weight_bytes(0) == 24
    assert packed.index_bytes(0) == 0
    assert packed.entries(0) == 12
    weight, index = unpack(packed, (3, 4))
    assert np.array_equal(weight, params.weight)
    assert not index.any()
    with pytest.raises(GraphError, match="same length"):
        packed.max_row_entries()


@pytest.mark.parametrize("index", [1, NEVER])
def test_dense_is_refused_for_a_pruned_layer(index: int) -> None:
    with pytest.raises(GraphError, match="n: dense is legal only for a layer without pruned weights"):
        pack_dense("n", make_params(np.zeros((1, 2)), [[0, index]]))


def test_the_encoding_follows_the_pruning() -> None:
    chain = Chain((4,), 0, 9, 2).add(FullyConnected(), make_params(np.ones((4, 4), int)))
    chain.add(FullyConnected(), make_params(np.ones((2, 4), int), [[0, 1, NEVER, 0]] * 2))
    model = pack_weights(chain.graph())
    assert [p.encoding for p in model.layers.values()] == ["dense", "csr"]
    assert model.weight_bytes(0) == 32 + 8
    assert model.weight_bytes(1) == 32 + 12
    assert model.index_bytes(0) == 4 + 2
    assert model.index_bytes(1) == 6 + 4
    assert model.blob_bytes == 32 + (12 + 4 + 6)


def test_a_row_longer_than_a_kernel_counts_is_refused() -> None:
    params = make_params(np.zeros((1, 2**15), int), 0)
    with pytest.raises(DoesNotFit, match=r"n: row 0 has 32768 entries at one level; csr allows 32767"):
        pack_csr("n", params, 1)
    pack_csr("n", make_params(np.zeros((1, 2**15 - 1), int), 0), 1)


def test_packing_checks_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """First test the tester: a packer that loses a weight is caught."""
    graph = Chain((4,), 0, 9, 1).add(FullyConnected(), make_params([[1, 2, 3, 4]], [[0, NEVER, 0, 0]])).graph()

    def lossy(node: str, params: Params, levels: int) -> PackedLayer:
        good = pack_csr(node, params, levels)
        return replace(good, weights=np.where(good.weights == 3, 0, good.weights).astype(np.int16))

    monkeypatch.setattr("codegen.packing.pack_csr", lossy)
    with pytest.raises(AssertionError, match="does not give the weights back"):
        pack_weights(graph)

"""Every encoding of the CPU: a decoder of our own walks the blob's bytes as `firmware/FORMAT.md` describes them."""

from __future__ import annotations

import struct
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import SPARSITIES, level_indices, make_params, packed_rows, seeds

from codegen import encodings
from codegen.encodings import BYTE_ENCODINGS, ENCODINGS, RowLayer
from codegen.encodings.gaps import codes_of_words, decode_gaps, encode_gaps, words_of_codes
from codegen.errors import DoesNotFit, GraphError
from codegen.ir import NEVER, Params
from codegen.serialize import load_graph

NIBBLES = (0, 8, 4, 12)


def walk(packed: RowLayer, levels: int) -> list[list[list[tuple[int, int]]]]:
    """`(position, weight)` of every stored weight by row and level, from the bytes alone."""
    blob = packed.blob
    assert len(blob) == packed.blob_bytes
    assert len(blob) % 2 == 0
    size = packed.weight_size
    count_at, index_at, weight_at = packed.counts_offset, packed.index_offset, 0
    count_format = "<B" if packed.count_bytes == 1 else "<H"
    found = []
    for _ in range(packed.rows):
        if packed.shared:
            count_at, index_at = packed.counts_offset, packed.index_offset
        row: list[list[tuple[int, int]]] = []
        for _ in range(levels if packed.counts.shape[1] else 1):
            count = packed.cols
            if packed.counts.shape[1]:
                (count,) = struct.unpack_from(count_format, blob, count_at)
                count_at += packed.count_bytes
            start, positions = index_at, []
            match packed.encoding:
                case "dense" | "row":
                    positions = list(range(count))
                case "csr" | "block" | "channel":
                    block, codes = 0, 0
                    while len(positions) < count:
                        (word,) = struct.unpack_from("<H", blob, start + codes // 4 * 2)
                        block += word >> NIBBLES[codes % 4] & 15
                        codes += 1
                        take = min(packed.unit, count - len(positions))
                        positions += range(block * packed.unit, block * packed.unit + take)
                        block += 1
                    index_at += -(-codes // 4) * 2
                case "bitmap":
                    size_bytes = -(-packed.cols // 8)
                    bits = int.from_bytes(blob[start : start + size_bytes], "little")
                    positions = [p for p in range(packed.cols) if bits >> p & 1]
                    index_at += size_bytes
                case "pattern":
                    channels = packed.cols // packed.unit
                    wide = len(packed.patterns) > 16
                    for c in range(channels):
                        if wide:
                            code = blob[start + c]
                        else:
                            (word,) = struct.unpack_from("<H", blob, start + c // 4 * 2)
                            code = word >> NIBBLES[c % 4] & 15
                        positions += [c * packed.unit + t for t in packed.patterns[code]]
                    index_at += channels + channels % 2 if wide else -(-channels // 4) * 2
            assert len(positions) == count, "the index does not place as many weights as are counted"
            values = struct.unpack_from(f"<{count}{'b' if size == 1 else 'h'}", blob, weight_at)
            weight_at += size * count
            row.append(list(zip(positions, values, strict=True)))
        found.append(row)
    assert weight_at == size * len(packed.weights)
    assert index_at == packed.index_offset + len(packed.index)
    return found


def check(name: str, params: Params, levels: int, weight_bits: int = 16, **settings_: int) -> RowLayer:
    packed = encodings.encode(name, "n", params, levels, weight_bits, **settings_)
    cols = params.weight[0].size
    for row, stored in enumerate(walk(packed, levels)):
        values = [0] * cols
        for level in range(levels):
            for position, weight in stored[level] if level < len(stored) else []:
                assert 0 <= position < cols, "a weight lies behind its row"
                values[position] += weight
            assert values == params.at_level(level)[row].reshape(-1).tolist(), (row, level)
            assert np.array_equal(encodings.decode(packed, level)[row], values)
    for level in range(levels):
        used = sum(len(run) for stored in walk(packed, levels) for run in stored[: level + 1])
        assert packed.entries(level) == used
        assert packed.weight_bytes(level) == packed.weight_size * used
        assert packed.index_bytes(level) >= 0
    assert packed.max_row_entries() == max(sum(map(len, stored)) for stored in walk(packed, levels))
    tables = 2 * packed.table_words
    whole = packed.weight_bytes(levels - 1) + packed.index_bytes(levels - 1) - tables
    assert whole <= packed.blob_bytes <= whole + 3, "bytes that no level reads"
    return packed


def small(params: Params) -> Params:
    """The same with weights that fit 8 bits."""
    return make_params(params.weight // 256, params.level_index)


ANY = ("csr", "bitmap", "block")


@pytest.mark.parametrize("name", ANY)
@given(params=packed_rows(), unit=st.sampled_from([2, 4, 8, 16, 32, 64]))
@settings(max_examples=40)
def test_rows_of_any_kind(name: str, params: Params, unit: int) -> None:
    check(name, params, 5, **({"unit": unit} if name == "block" else {}))


@given(params=packed_rows())
@settings(max_examples=40)
def test_weights_of_8_bits(params: Params) -> None:
    wide, narrow = check("csr", small(params), 5), check("csr", small(params), 5, 8)
    assert 2 * narrow.weight_bytes(4) == wide.weight_bytes(4)
    assert narrow.index_bytes(4) == wide.index_bytes(4)


@pytest.mark.slow
@pytest.mark.parametrize("name", ANY)
@given(params=packed_rows(), unit=st.sampled_from([2, 4, 8, 16, 32, 64]))
@settings(max_examples=1500)
def test_rows_of_any_kind_many(name: str, params: Params, unit: int) -> None:
    check(name, params, 5, **({"unit": unit} if name == "block" else {}))


def weights(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.integers(-32768, 32768, shape)


@given(seed=seeds, levels=st.integers(1, 4), rows=st.integers(1, 9), cols=st.integers(1, 60))
@settings(max_examples=60)
def test_whole_rows(seed: int, levels: int, rows: int, cols: int) -> None:
    rng = np.random.default_rng(seed)
    enters = rng.choice([*range(levels), NEVER], rows)
    packed = check("row", make_params(weights(rng, (rows, cols)), np.repeat(enters[:, None], cols, 1)), levels)
    assert not len(packed.index)
    assert packed.entries(levels - 1) == cols * int((enters != NEVER).sum())


@given(
    seed=seeds,
    levels=st.integers(1, 4),
    rows=st.integers(1, 5),
    channels=st.integers(1, 70),
    kernel=st.sampled_from([(1, 1), (1, 3), (3, 3), (5, 5), (2, 1)]),
)
@settings(max_examples=60)
def test_whole_channels(seed: int, levels: int, rows: int, channels: int, kernel: tuple[int, int]) -> None:
    rng = np.random.default_rng(seed)
    index = np.broadcast_to(
        rng.choice([*range(levels), NEVER], channels)[None, :, None, None], (rows, channels, *kernel)
    )
    packed = check("channel", make_params(weights(rng, index.shape), index), levels)
    assert packed.unit % (kernel[0] * kernel[1]) == 0
    assert len(packed.counts) == 1


@given(
    seed=seeds,
    levels=st.integers(1, 4),
    rows=st.integers(1, 5),
    channels=st.integers(1, 20),
    count=st.integers(1, 40),
)
@settings(max_examples=60)
def test_patterns(seed: int, levels: int, rows: int, channels: int, count: int) -> None:
    """Kernels that each take one of `count` arrangements, levels of taps included."""
    rng = np.random.default_rng(seed)
    arrangements = rng.choice([*range(levels), NEVER], (count, 3, 3))
    index = arrangements[rng.integers(0, count, (rows, channels))]
    packed = check("pattern", make_params(weights(rng, index.shape), index), levels)
    assert len(packed.patterns) <= count * levels + 1
    assert packed.patterns[0] == ()


@pytest.mark.parametrize("sparsity", SPARSITIES)
@pytest.mark.parametrize("shape", [(1, 1), (3, 1), (1, 7), (4, 3, 1, 1), (2, 3, 3, 3), (5, 2, 1, 5)])
def test_every_encoding_that_is_legal(sparsity: str, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(len(sparsity) + len(shape))
    params = make_params(weights(rng, shape), level_indices(rng, shape, 3, sparsity))
    legal = {"csr", "bitmap", "block"}
    if len(shape) == 4:
        legal |= {"pattern"}
    if sparsity == "full":
        legal |= {"dense", "row", "channel"}
    for name in ENCODINGS:
        if name in legal:
            check(name, params, 3)
            continue
        with suppress(GraphError):  # by chance, rows or channels may enter as a whole
            check(name, params, 3)


@pytest.mark.parametrize("name", ENCODINGS)
@pytest.mark.parametrize("level", [NEVER, 0, 1])
def test_layers_without_any_weight_or_with_all(name: str, level: int) -> None:
    params = make_params(np.full((3, 2, 2, 3), -32768), level)
    if name == "dense" and level != 0:
        with pytest.raises(GraphError, match="dense is legal only"):
            check(name, params, 2)
        return
    packed = check(name, params, 2)
    assert packed.entries(1) == (0 if level == NEVER else 36)


def test_rows_without_weights_between_rows_with() -> None:
    index = np.array([[NEVER] * 40, [0] * 40, [NEVER] * 40, [1] * 40])
    for name in ENCODINGS:
        if name not in ("dense", "channel", "pattern"):
            check(name, make_params(np.arange(160).reshape(4, 40), index), 2)


@given(units=st.lists(st.integers(0, 5000), unique=True, max_size=60).map(sorted))
def test_gaps(units: list[int]) -> None:
    codes, places = encode_gaps(np.array(units, int))
    at = decode_gaps(codes)
    assert at[places >= 0].tolist() == units
    assert places[places >= 0].tolist() == list(range(len(units)))
    assert set(codes[places < 0]) <= {15}
    again = codes_of_words(words_of_codes(codes))
    assert again[: len(codes)].tolist() == codes.tolist()
    assert not again[len(codes) :].any()
    assert len(again) - len(codes) < 4


@pytest.mark.parametrize("gap", [0, 1, 14, 15, 16, 17, 30, 31, 32, 33, 47, 48])
@pytest.mark.parametrize("first", [0, 3])
def test_distances_around_multiples_of_the_padding(gap: int, first: int) -> None:
    """A weight at position `gap` of the row, or `gap` behind one at `first`."""
    cols = first + gap + 3
    index = np.full((1, cols), NEVER)
    index[0, first + gap + (first > 0)] = 0
    if first:
        index[0, first] = 0
    packed = check("csr", make_params(np.full((1, cols), -7), index), 1)
    assert len(packed.weights) == gap // 16 + (2 if first else 1)


def test_level_order_puts_the_sparsest_first() -> None:
    packed = check("csr", make_params([[10, 20, 30, 40, 50, 60]], [[2, 0, NEVER, 1, 0, 2]]), 3)
    assert packed.weights.tolist() == [20, 50, 40, 10, 60]
    assert packed.index.tolist() == [1, 2, 3, 0, 0, 4]
    assert packed.counts.tolist() == [[2, 1, 2]]


def test_codes_stand_in_the_order_that_kernels_take_them() -> None:
    index = np.full((1, 20), NEVER)
    index[0, [1, 4, 8, 13, 14]] = 0
    packed = check("csr", make_params(np.ones((1, 20), int), index), 1)
    assert packed.index.tolist() == [0x31, 0x42, 0, 0]


def test_blocks_keep_zeros_of_other_levels_and_short_ends() -> None:
    index = [[0, 0, 1, 1, 0, NEVER, 1]]
    packed = check("block", make_params([[1, 2, 3, 4, 5, 6, 7]], index), 2, unit=4)
    assert packed.weights.tolist() == [1, 2, 0, 0, 5, 0, 0, 0, 0, 3, 4, 0, 0, 7]
    assert packed.counts.tolist() == [[7, 7]]
    assert packed.index.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("unit", [0, 3, 128])
def test_blocks_of_other_sizes_are_refused(unit: int) -> None:
    with pytest.raises(GraphError, match=f"n: a block of {unit} weights is not possible; choose one of"):
        encodings.encode("block", "n", make_params([[1, 2]]), 1, unit=unit)


def test_counts_take_a_second_byte_above_255() -> None:
    for cols, count_bytes in ((255, 1), (256, 2)):
        packed = check("csr", make_params(np.arange(cols).reshape(1, -1)), 1)
        assert packed.count_bytes == count_bytes


def test_more_patterns_than_codes_are_refused() -> None:
    rng = np.random.default_rng(1)
    index = np.where(rng.random((40, 10, 5, 5)) < 0.5, 0, NEVER)
    with pytest.raises(GraphError, match=r"n: \d+ patterns; pattern allows 255"):
        encodings.encode("pattern", "n", make_params(np.ones(index.shape, int), index), 1)


def test_a_row_longer_than_a_kernel_counts_is_refused() -> None:
    params = make_params(np.zeros((1, 2**15), int), 0)
    for name in ENCODINGS:
        if name != "pattern":
            with pytest.raises(DoesNotFit, match=r"n: a row has 32,768 weights; kernels count 32,767"):
                encodings.encode(name, "n", params, 1)


def test_weights_above_8_bits_are_refused() -> None:
    with pytest.raises(DoesNotFit, match="does not fit 8 bits"):
        encodings.encode("csr", "n", make_params([[128]]), 1, 8)
    assert encodings.encode("csr", "n", make_params([[-128]]), 1, 8).weight_bytes(0) == 1


@pytest.mark.parametrize("name", sorted(set(ENCODINGS) - set(BYTE_ENCODINGS)))
def test_8_bits_need_kernels(name: str) -> None:
    with pytest.raises(GraphError, match=rf"n: {name} has no kernels for weights of 8 bits; use dense or csr or row"):
        encodings.encode(name, "n", make_params(np.ones((1, 1, 2, 2), int)), 1, 8)


def test_an_unknown_encoding_names_the_known() -> None:
    with pytest.raises(GraphError, match="encoding 'zip' is unknown; choose one of dense, csr"):
        encodings.encode("zip", "n", make_params([[1]]), 1)


def test_a_lossy_encoder_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """First test the tester."""
    good = encodings.csr.encode

    def lossy(node: str, params: Params, levels: int, weight_bits: int = 16) -> RowLayer:
        packed = good(node, params, levels, weight_bits)
        return replace(packed, weights=np.where(packed.weights == 3, 0, packed.weights).astype(np.int16))

    monkeypatch.setattr(encodings.csr, "encode", lossy)
    with pytest.raises(AssertionError, match="does not give level 1 back"):
        encodings.encode("csr", "n", make_params([[1, 2, 3]], [[0, 0, 1]]), 2)


@pytest.mark.parametrize(("name", "limit"), [("csr", 0.30), ("block", 0.04)])
@pytest.mark.parametrize("shape", [(120, 400), (16, 150), (30, 1120)])
def test_index_stays_small_at_the_sparsities_of_real_models(name: str, limit: float, shape: tuple[int, int]) -> None:
    """Three nested levels of 60, 40 and 20 percent, single weights or runs of 16."""
    rng = np.random.default_rng(5)
    unit = 16 if name == "block" else 1
    units = -(-shape[1] // unit)
    chance = rng.random((shape[0], units))
    coarse = np.select([chance < 0.4, chance < 0.6, chance < 0.8], [0, 1, 2], NEVER)
    index = np.repeat(coarse, unit, axis=1)[:, : shape[1]]
    packed = check(name, make_params(weights(rng, shape), index), 3, **({"unit": unit} if name == "block" else {}))
    shares = [packed.index_bytes(k) / packed.weight_bytes(k) for k in range(3)]
    assert max(shares) <= limit, shares


@pytest.mark.parametrize("model", ["harnet", "okgnet", "lenet5-column"])
def test_index_of_whole_trained_models(model: str) -> None:
    """`csr` on every layer: at most 30 % of the weights, though rows of few weights have more."""
    graph = load_graph(Path(__file__).resolve().parents[2] / "results" / "models" / model)
    packed = [encodings.csr.encode(n.name, n.params, len(graph.levels)) for n in graph.nodes if n.params]
    for level in range(len(graph.levels)):
        share = sum(p.index_bytes(level) for p in packed) / sum(p.weight_bytes(level) for p in packed)
        assert share <= 0.30

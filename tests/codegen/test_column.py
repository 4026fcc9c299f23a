"""The `column` encoding: every level decodes, counts are even, sizes are those of the bytes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import NEVER, Chain, level_indices, make_params, seeds

from codegen.column import HALVES, ONE, ColumnLayer, bias_constants, cut_groups, pack_column, verify_column
from codegen.errors import GraphError, TargetError
from codegen.ir import Params
from codegen.lea import lea_choices
from codegen.ops import Conv2d, FullyConnected
from codegen.target import load_target

TARGET = load_target("msp430fr5994")


@st.composite
def layers(draw: st.DrawFn) -> tuple[Params, int]:
    rng = np.random.default_rng(draw(seeds))
    levels = draw(st.integers(1, 4))
    shape = (draw(st.integers(1, 9)), draw(st.integers(1, 30)))
    index = level_indices(rng, shape, levels, draw(st.sampled_from(["mixed", "full"])))
    reach = draw(st.sampled_from([5, ONE - 1, ONE, 2**15 - 1]))
    bias = rng.integers(-reach, reach + 1, shape[0])
    return make_params(rng.integers(-900, 900, shape), index, bias, 15, 15), levels


@given(case=layers(), rows=st.integers(1, 9), cut=st.integers(1, 9), tile=st.sampled_from([0, 2, 4]))
def test_every_level_decodes(case: tuple[Params, int], rows: int, cut: int, tile: int) -> None:
    params, levels = case
    packed = cut_groups(pack_column("n", params, levels, rows, tile=tile), cut)
    verify_column(packed, params, levels)
    assert [g.first for g in packed.groups] == np.cumsum([0, *(g.rows for g in packed.groups[:-1])]).tolist()
    for group in packed.groups:
        assert all(n % 2 == 0 and n > 0 for n in group.counts)
        assert list(group.counts) == sorted(group.counts)
        assert group.weights.shape == (group.counts[-1], group.rows)
    assert packed.blob_bytes == 2 * len(packed.blob) == packed.weight_bytes(levels - 1)
    assert all(packed.entries(k) >= params.nnz(k) for k in range(levels))


@given(case=layers(), rows=st.integers(1, 9), cut=st.integers(1, 9), tile=st.sampled_from([0, 2, 4]))
def test_bytes_lie_as_the_format_says(case: tuple[Params, int], rows: int, cut: int, tile: int) -> None:
    """FORMAT.md read by a second, slow decoder: `sum over columns of input * weight` is what the layer must give."""
    params, levels = case
    packed = cut_groups(pack_column("n", params, levels, rows, tile=tile), cut)
    blob, x = packed.blob.astype(int), np.arange(1, params.weight.shape[1] + 1) * 3
    for level in range(levels):
        want = params.at_level(level).astype(int) @ x + params.bias.astype(int) * 2**15
        for group, offset in zip(packed.groups, packed.offsets, strict=True):
            inputs = [*packed.constants, *(x[t] for t in group.taps)]
            columns = len(inputs)
            for r in range(group.rows):
                if tile:
                    start = offset // 2 + r // tile * tile * columns
                    weights = [blob[start + c * tile + r % tile] for c in range(columns)]
                else:
                    weights = [blob[offset // 2 + r * columns + c] for c in range(columns)]
                used = group.counts[level]
                assert sum(a * b for a, b in zip(inputs[:used], weights[:used], strict=True)) == want[group.first + r]


def test_a_bias_needs_one_column_or_two() -> None:
    assert bias_constants(np.array([ONE - 1, 1 - ONE])) == (ONE,)
    assert bias_constants(np.array([0, ONE])) == bias_constants(np.array([-ONE])) == HALVES


def test_whole_columns_cost_one_index_for_all_rows() -> None:
    index = np.tile([0, 1, NEVER, 0], (6, 1))
    packed = pack_column("n", make_params(np.ones((6, 4), int), index), 2, 6)
    (group,) = packed.groups
    assert group.taps.tolist() == [0, 3, 3, 1, 1]  # padding repeats 3 at level 0 and 1 at level 1
    assert group.counts == (4, 6)
    assert packed.index_bytes(0) == 2 * 3 + 2
    assert packed.index_bytes(1) == 2 * 5 + 4


def test_another_shift_is_refused() -> None:
    with pytest.raises(GraphError, match=r"n: shift 9; the LEA shifts by 15, use backend cpu"):
        pack_column("n", make_params(np.ones((2, 3), int), 0, 0, 9, 9), 1, 2)


def test_a_wrong_packing_is_caught() -> None:
    """First test the tester."""
    params = make_params(np.arange(1, 7).reshape(2, 3), 0, 4)
    packed = pack_column("n", params, 1, 2)
    (group,) = packed.groups
    for weights in (group.weights + 1, np.roll(group.weights, 1, axis=0)):
        broken = ColumnLayer("n", (replace(group, weights=weights),), packed.constants)
        with pytest.raises(AssertionError, match="does not give"):
            verify_column(broken, params, 1)


# --- what runs on the LEA


def test_back_ends() -> None:
    rng = np.random.default_rng(1)
    dense = Chain((4, 12, 12), 0, 99, 1).add(Conv2d((3, 3)), make_params(rng.integers(-9, 9, (8, 4, 3, 3)), 0)).graph()
    assert list(lea_choices(dense, TARGET, "auto")[-1]) == ["conv2d0"]
    assert lea_choices(dense, TARGET, "cpu")[-1] == {}
    index = rng.choice([0, NEVER], (1, 300), p=[0.02, 0.98])
    sparse = Chain((300,), 0, 9, 1).add(FullyConnected(), make_params(np.ones(index.shape, int), index)).graph()
    for backend in ("auto", "lea"):  # simulated: 1,328 cycles, on the CPU 1,913
        assert list(lea_choices(sparse, TARGET, backend)[-1]) == ["fully_connected0"]
    shifted = Chain((8,), 0, 9, 1).add(FullyConnected(), make_params(np.ones((4, 8), int), 0, 0, 3, 3)).graph()
    assert lea_choices(shifted, TARGET, "lea")[-1] == {}


def test_a_reduction_that_no_command_holds_stays_on_the_cpu() -> None:
    graph = Chain((1000,), 0, 1, 1).add(FullyConnected(), make_params(np.ones((4, 1000), int), 0)).graph()
    assert lea_choices(graph, TARGET, "lea")[-1] == {}


def test_bad_requests() -> None:
    graph = Chain((8,), 0, 9, 1).add(FullyConnected(), make_params(np.ones((4, 8), int), 0)).graph()
    with pytest.raises(TargetError, match="backend 'gpu' is unknown; choose auto, cpu, lea"):
        lea_choices(graph, TARGET, "gpu")
    without = replace(TARGET, regions={k: v for k, v in TARGET.regions.items() if k != "lea_ram"})
    assert lea_choices(graph, without, "auto")[-1] == {}
    with pytest.raises(TargetError, match="has no LEA; use backend cpu"):
        lea_choices(graph, without, "lea")


def test_the_plan_fits_lea_ram() -> None:
    rng = np.random.default_rng(2)
    for outputs, side in ((3, 5), (16, 10), (40, 17)):
        graph = Chain((6, side + 4, side + 4), 0, 99, 1)
        graph.add(Conv2d((5, 5)), make_params(rng.integers(-9, 9, (outputs, 6, 5, 5)), 0))
        for layer in lea_choices(graph.graph(), TARGET, "lea")[-1].values():
            assert layer.tilings
            for level, tiling in enumerate(layer.tilings):
                most = max(g.counts[level] for g in layer.packed.groups)
                assert tiling.words(most) <= TARGET.lea_words


def test_layers_give_way_until_the_lists_of_taps_fit() -> None:
    """Masks without columns in layers whose steps are short, so that groups are cut again."""
    rng = np.random.default_rng(1)
    chain = Chain((16, 12, 12), 0, 100, 2)
    for _ in range(6):
        shape = (16, chain.last.shape[0], 5, 5)
        index = rng.choice([0, 1, NEVER], shape, p=[0.1, 0.1, 0.8])
        chain.add(Conv2d((5, 5), (1, 1), (2, 2, 2, 2)), make_params(rng.integers(-90, 90, shape), index), 0, 100)
    target = replace(TARGET, step_cycles=20000)
    chosen = lea_choices(chain.graph(), target)[-1]
    words = sum(c.packed.table_words for c in chosen.values())
    assert words <= (target.regions["fram"].size - target.fram_reserve) // 3 // 2
    assert 0 < len(chosen) < 6

"""Weights of 8 bits: rounding, scales that stay, savings, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from strategies import lenet, lenet_columns

from codegen import reference
from codegen.errors import GraphError
from codegen.ir import Graph
from codegen.narrow import byte_encodings, narrow_weights, parse_weight_bits, savings
from codegen.packing import pack_weights
from codegen.target import load_target

TARGET = load_target("msp430fr5994")


def test_weights_are_the_nearest_of_eight_bits_and_scales_stay() -> None:
    graph = lenet()
    narrow = narrow_weights(graph, ["conv2d0", "fully_connected5"])
    assert narrow.tensors == graph.tensors
    for before, after in zip(graph.nodes, narrow.nodes, strict=True):
        if before.name not in ("conv2d0", "fully_connected5"):
            assert after == before
            continue
        assert before.params is not None
        assert after.params is not None
        lost = before.params.frac_bits - after.params.frac_bits
        assert lost == before.params.shift - after.params.shift > 0
        largest = int(np.abs(after.params.weight).max())
        assert 64 <= largest <= 128, "a bit is wasted"
        error = after.params.weight.astype(int) * 2**lost - before.params.weight
        assert np.abs(error).max() <= 2 ** (lost - 1)
        assert np.array_equal(after.params.level_index, before.params.level_index)


def test_results_stay_close() -> None:
    graph = lenet_columns()
    narrow = narrow_weights(graph, [n.name for n in graph.nodes if n.params is not None])
    x = np.random.default_rng(0).integers(0, 256, (20, 1, 28, 28)).astype(np.int16)
    for level in range(len(graph.levels)):
        a, b = (reference.logits(g, x, level).astype(float) for g in (graph, narrow))
        assert not np.array_equal(a, b)
        assert np.abs(a - b).mean() < 0.1 * a.std()


def test_narrow_layers_are_stored_in_bytes() -> None:
    graph = narrow_weights(lenet(), ["conv2d0", "fully_connected5"])
    chosen = byte_encodings(graph, ["conv2d0", "fully_connected5"], TARGET)
    packed = pack_weights(graph, encoding=dict(chosen), target=TARGET).layers
    sizes = {name: p.weight_size for name, p in packed.items()}  # type: ignore[union-attr]
    assert {n for n, size in sizes.items() if size == 1} == {"conv2d0", "fully_connected5"}


def test_savings_compare_bytes_with_cycles() -> None:
    """Masks without columns run on the CPU, whose cycles do not change; columns run on the LEA, which is far faster."""
    loose = {s.node: s for s in savings(lenet(), TARGET)}
    assert loose["fully_connected5"].pays
    assert 0.3 < 1 - loose["fully_connected5"].bytes_after / loose["fully_connected5"].bytes_before < 0.5
    columns = {s.node: s for s in savings(lenet_columns(), TARGET)}
    assert not columns["conv2d2"].pays
    assert columns["conv2d2"].cycles_after > 1.5 * columns["conv2d2"].cycles_before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("conv1", "weight bits 'conv1': give NODE=8 or NODE=16"),
        ("conv1=4", "weight bits 'conv1=4'"),
        ("=8", "weight bits '=8'"),
        ("", "weight bits ''"),
    ],
)
def test_bad_text_is_refused(text: str, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        parse_weight_bits(text)


def test_text_names_nodes() -> None:
    assert parse_weight_bits("auto") is None
    assert parse_weight_bits("a=8, b=16") == {"a": 8, "b": 16}


def test_unknown_nodes_and_sums_that_keep_every_bit_are_refused() -> None:
    with pytest.raises(GraphError, match="no node with weights is called avgpool1, x"):
        narrow_weights(lenet(), ["x", "avgpool1"])
    graph: Graph = lenet()
    node = graph.nodes[0]
    assert node.params is not None
    stiff = replace(node, params=replace(node.params, shift=2, frac_bits=node.params.frac_bits - 13))
    stiff_graph = replace(graph, nodes=(stiff, *graph.nodes[1:]))
    with pytest.raises(GraphError, match=r"conv2d0: sums are shifted by 2, weights of 8 bits lose \d+; keep 16 bits"):
        narrow_weights(stiff_graph, ["conv2d0"])
    assert "conv2d0" not in {s.node for s in savings(stiff_graph, TARGET)}

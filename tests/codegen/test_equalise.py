"""Channels scaled against each other: the same function to the last bit, and more bits where one weight stood out."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import float_graphs

from codegen import quantize as quantizing
from codegen import reference
from codegen.equalise import equalised
from codegen.floatgraph import FloatGraph, FloatNode
from codegen.ir import NEVER, Level
from codegen.ops import Array, Conv2d, Relu
from codegen.quantize import quantize

LEVELS = (Level("90", 90), Level("50", 50))


def chain(seed: int, depth: int = 3, outlier: float = 1.0, groups: int = 1) -> FloatGraph:
    """Convolutions 1x1 and 3x3 with ReLUs between; in each one channel's weights are `outlier` times the others'."""
    rng = np.random.default_rng(seed)
    nodes: list[FloatNode] = []
    source, channels = "x", 4
    for k in range(depth):
        side = 3 if k % 2 else 1
        op = Conv2d((side, side), padding=(side // 2,) * 4, groups=groups if k == 1 else 1)
        weight = rng.normal(size=(channels, channels // op.groups, side, side)).astype(np.float32) / (2 * side)
        weight[k % channels] *= outlier
        index = rng.choice(np.array([0, 1, NEVER], np.uint8), weight.shape, p=[0.3, 0.5, 0.2])
        weight[index == NEVER] = 0
        bias = rng.normal(size=channels).astype(np.float32) / 8
        nodes.append(FloatNode(f"c{k}", op, (source,), f"c{k}_out", weight, index, bias))
        source = f"c{k}_out"
        if k < depth - 1:
            nodes.append(FloatNode(f"r{k}", Relu(), (source,), f"r{k}_out"))
            source = f"r{k}_out"
    return FloatGraph("net", "x", (channels, 5, 5), tuple(nodes), LEVELS, 8, 255 / 256)


def inputs(count: int = 20) -> Array:
    return (np.random.default_rng(1).integers(0, 256, (count, 4, 5, 5)) / 256).astype(np.float32)


def outputs(graph: FloatGraph, level: int) -> Array:
    return graph.run(inputs(), level)[graph.nodes[-1].output]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 999), depth=st.integers(1, 5), outlier=st.sampled_from([0.01, 1.0, 30.0]))
def test_the_function_stays_to_the_last_bit(seed: int, depth: int, outlier: float) -> None:
    graph = chain(seed, depth, outlier)
    balanced = equalised(graph)
    for level in range(len(LEVELS)):
        assert np.array_equal(outputs(graph, level), outputs(balanced, level))
    for before, after in zip(graph.nodes, balanced.nodes, strict=True):
        assert before.level_index is None or np.array_equal(before.level_index, after.level_index)


@settings(max_examples=30, deadline=None)
@given(made=float_graphs())
def test_so_does_that_of_any_network(made: tuple[FloatGraph, Array]) -> None:
    """Sums, pools, groups and clips end a pair."""
    graph, x = made
    last = graph.nodes[-1].output
    for level in range(len(graph.levels)):
        assert np.array_equal(graph.run(x, level)[last], equalised(graph).run(x, level)[last])


def test_what_is_read_twice_or_by_groups_is_left_alone() -> None:
    graph = chain(3, outlier=30.0, groups=2)
    balanced = equalised(graph)
    assert np.array_equal(graph.nodes[0].weight, balanced.nodes[0].weight)  # type: ignore[arg-type]
    assert not np.array_equal(graph.nodes[2].weight, balanced.nodes[2].weight)  # type: ignore[arg-type]


def distance(graph: FloatGraph) -> float:
    """How far the integers are from the floats, of the largest output."""
    integers = quantize(graph, inputs())
    tensor = integers.tensors[integers.nodes[-1].output]
    x = np.rint(inputs() * 2.0 ** integers.tensors["x"].frac_bits).astype(np.int16)
    found = reference.run(integers, x, 1)[tensor.name] * 2.0**-tensor.frac_bits
    right = outputs(graph, 1)
    return float(np.abs(found - right).max() / np.abs(right).max())


def detuned(graph: FloatGraph, seed: int) -> FloatGraph:
    """The same function, with some channels 64 times as large where they are made."""
    rng, nodes = np.random.default_rng(seed), list(graph.nodes)
    places = [k for k, node in enumerate(nodes) if node.weight is not None]
    for k, after in itertools.pairwise(places):
        scale = rng.choice(np.array([1, 1, 64], np.float32), nodes[k].weight.shape[0])  # type: ignore[union-attr]
        made, read = nodes[k], nodes[after]
        assert made.weight is not None and made.bias is not None and read.weight is not None
        nodes[k] = replace(made, weight=made.weight * scale[:, None, None, None], bias=made.bias * scale)
        nodes[after] = replace(read, weight=read.weight / scale[None, :, None, None])
    return replace(graph, nodes=tuple(nodes))


@pytest.mark.parametrize("seed", range(4))
def test_a_deep_network_keeps_its_bits(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = detuned(chain(seed, 8), seed)
    with_it = distance(graph)
    monkeypatch.setattr(quantizing, "equalised", lambda graph: graph)
    assert with_it < 0.1 * distance(graph)
    assert with_it < 0.05


def test_a_network_with_enough_bits_keeps_its_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = chain(0, 2)
    monkeypatch.setattr(quantizing, "equalised", lambda graph: pytest.fail("not needed"))
    quantize(graph, inputs())
    quantize(replace(graph, name="again"), inputs())

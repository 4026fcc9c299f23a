"""`fuse_clips` changes time, never bits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import Chain, inputs_for, make_params, random_graph, seeds

from codegen import reference
from codegen.ir import Graph, Node
from codegen.ops import Add, Clip, Conv2d, Flatten, FullyConnected, MaxPool, Relu
from codegen.passes import fuse_clips

BOUNDS = st.tuples(st.integers(-50, 50), st.integers(-50, 50)).map(lambda b: (min(b), max(b)))


def relus(graph: Graph) -> int:
    return sum(isinstance(n.op, Relu) for n in graph.nodes)


@given(before=BOUNDS, after=BOUNDS)
@settings(max_examples=200, deadline=None)
def test_fusing_keeps_bits_for_any_bounds(before: tuple[int, int], after: tuple[int, int]) -> None:
    """Every value that the weighted node can give, through both clips."""
    chain = Chain((1,), -100, 100, 1).add(FullyConnected(), make_params([[1], [-1]], 0, 0, 0, 0), *before)
    graph = chain.add(Relu(), None, *after).graph()
    fused = fuse_clips(graph)
    assert relus(fused) == 0
    x = np.arange(-100, 101, dtype=np.int16).reshape(-1, 1)
    np.testing.assert_array_equal(reference.run(fused, x, 0)["t1"], reference.run(graph, x, 0)["t1"])


@given(seed=seeds, levels=st.integers(1, 3), image=st.booleans())
@settings(max_examples=40, deadline=None)
def test_fusing_keeps_logits(seed: int, levels: int, image: bool) -> None:
    graph = random_graph(seed, levels, image, 5, joins=True)
    fused = fuse_clips(graph)
    assert fused.output.name == graph.output.name
    x = inputs_for(graph, 3, seed)
    for level in range(levels):
        want = reference.run(graph, x, level)
        for name, value in reference.run(fused, x, level).items():
            np.testing.assert_array_equal(value, want[name])


def test_relu_after_conv_and_fully_connected_is_fused() -> None:
    chain = Chain((1, 4, 4), 0, 9, 1).add(Conv2d((2, 2)), make_params(np.ones((2, 1, 2, 2), int), 0, 0, 0, 0))
    chain.add(Relu(), None, 0, 30).add(Flatten()).add(FullyConnected(), make_params(np.ones((2, 18), int), 0, 0, 0, 0))
    fused = fuse_clips(chain.add(Relu()).graph())
    assert [n.op.kind for n in fused.nodes] == ["conv2d", "flatten", "fully_connected"]
    assert (fused.tensors["t1"].lo, fused.tensors["t1"].hi) == (0, 30)
    assert "t0" not in fused.tensors


def test_clips_after_a_sum_fuse_however_far_away() -> None:
    """Into the clip of the sum, past a node that stands between."""
    chain = Chain((4,), -99, 99, 1, frac_bits=6).add(Add((0, 0)), None, -150, 150, ["x", "x"])
    chain.add(FullyConnected(), make_params(np.eye(4, dtype=int), 0, 0, 0, 0), inputs=["x"])
    graph = chain.add(Relu(), None, -7, 140, ["t0"]).add(Clip((-1.0, 1.0)), None, -64, 64).graph()
    fused = fuse_clips(graph)
    assert [(n.op.kind, n.output) for n in fused.nodes] == [("add", "t3"), ("fully_connected", "t1")]
    x = inputs_for(graph, 9, 1)
    np.testing.assert_array_equal(reference.run(fused, x, 0)["t3"], reference.run(graph, x, 0)["t3"])


def test_relu_after_a_pool_or_the_input_stays() -> None:
    graph = Chain((1, 4, 4), -9, 9, 1).add(Relu()).add(MaxPool()).add(Relu()).graph()
    assert relus(fuse_clips(graph)) == 2


def test_relu_stays_when_another_node_reads_the_producer() -> None:
    """The other reader needs the negative values."""
    graph = (
        Chain((2,), -9, 9, 1).add(FullyConnected(), make_params(np.eye(2, dtype=int), 0, 0, 0, 0)).add(Relu()).graph()
    )
    other = Node("other", Relu(), ("t0",), "t9")
    branched = replace(
        graph, nodes=(*graph.nodes, other), tensors={**graph.tensors, "t9": replace(graph.tensors["t1"], name="t9")}
    )
    fused = fuse_clips(branched)
    assert relus(fused) == 2
    x = np.array([[-3, 4]], np.int16)
    assert reference.run(fused, x, 0)["t0"].tolist() == [[-3, 4]]


@pytest.mark.parametrize("count", [2, 3])
def test_chains_of_relus_fuse(count: int) -> None:
    chain = Chain((1,), -9, 9, 1).add(FullyConnected(), make_params([[1]], 0, 0, 0, 0))
    for n in range(count):
        chain.add(Relu(), None, n - 1, 8 - n)
    graph = chain.graph()
    fused = fuse_clips(graph)
    x = np.arange(-9, 10, dtype=np.int16).reshape(-1, 1)
    np.testing.assert_array_equal(reference.logits(fused, x, 0), reference.logits(graph, x, 0))
    assert len(fused.nodes) == 1

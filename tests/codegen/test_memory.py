"""The memory plan, verified by interval arithmetic of our own, and `verify` itself against broken plans."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strategies import Chain, lenet, make_params, random_graph, seeds

from codegen.buffers import Buffer
from codegen.errors import DoesNotFit, GraphError, UnsupportedOp
from codegen.ir import Graph, Node
from codegen.memory import MemoryPlan, plan_memory, verify
from codegen.ops import Argmax, Conv2d, Flatten, FullyConnected, MaxPool, Relu
from codegen.packing import pack_weights
from codegen.passes import fuse_clips
from codegen.target import Region, TargetSpec, load_target
from codegen.tiling import Schedule, plan_schedule

TARGET = replace(load_target("msp430fr5994"), step_cycles=10**7)  # memory alone is at stake


def plan(graph: Graph, target: TargetSpec = TARGET) -> tuple[MemoryPlan, Schedule]:
    packed = pack_weights(graph)
    schedule = plan_schedule(graph, packed, target)
    return plan_memory(graph, schedule, packed, target), schedule


def lifetimes(graph: Graph) -> dict[str, tuple[int, int]]:
    """First write and last read of every stored tensor, counted in operators; flatten hands its input on."""
    stored: dict[str, str] = {graph.input: graph.input}
    life = {graph.input: [0, 0]}
    time = 0
    for node in graph.nodes:
        sources = [stored[x] for x in node.inputs]
        if isinstance(node.op, Flatten):
            stored[node.output] = sources[0]
            continue
        if isinstance(node.op, Argmax):
            continue
        time += 1
        for source in sources:
            life[source][1] = time
        life[node.output] = [time, time]
        stored[node.output] = node.output
    life[stored[graph.output.name]][1] = time + 1
    return {name: (a, b) for name, (a, b) in life.items()}


def check_plan(graph: Graph, made: MemoryPlan, target: TargetSpec) -> None:
    life = lifetimes(graph)
    assert set(made.buffers) == set(life)
    for name, buffer in made.buffers.items():
        shape = graph.tensors[name].shape
        top, left, bottom, right = buffer.border
        channels, height, width = shape if len(shape) == 3 else (1, 1, shape[0])
        assert buffer.words == channels * (top + height + bottom) * (left + width + right)
        assert buffer.offset >= 0
        assert buffer.offset + buffer.words <= made.arena_words[buffer.arena]
        readers = [n for n in graph.nodes if made.owner[n.input] == name and isinstance(n.op, Conv2d)]
        for side in range(4):
            assert buffer.border[side] == max([n.op.padding[side] for n in readers], default=0)
        for other in made.buffers.values():
            if other is buffer:
                continue
            (a, b), (c, d) = life[name], life[other.name]
            if a <= d and c <= b:
                assert buffer.offset + buffer.words <= other.offset or other.offset + other.words <= buffer.offset
    assert made.lea_words * 2 <= target.regions["lea_ram"].size
    for node in graph.nodes:
        if node.name in made.staged:
            assert made.buffer(node.input).words <= made.lea_words


@given(seed=seeds, image=st.booleans(), depth=st.integers(1, 7))
@settings(max_examples=60, deadline=None)
def test_tensors_that_live_together_share_no_word(seed: int, image: bool, depth: int) -> None:
    graph = fuse_clips(random_graph(seed, 2, image, depth, joins=seed % 2 == 1))
    try:
        made, _ = plan(graph)
    except UnsupportedOp:
        assume(False)
    check_plan(graph, made, TARGET)


def test_lenet_fits_and_reuses_memory() -> None:
    graph = fuse_clips(lenet())
    made, schedule = plan(graph)
    check_plan(graph, made, TARGET)
    assert made.arena_words[0] < sum(b.words for b in made.buffers.values())
    verify(made, schedule)


def branch() -> Graph:
    """One tensor read by two layers, the second of them late."""
    chain = (
        Chain((1, 6, 6), -9, 9, 1)
        .add(MaxPool((1, 1), (1, 1)))
        .add(MaxPool((2, 2), (1, 1)))
        .add(MaxPool((2, 2), (1, 1)))
    )
    graph = chain.graph()
    late = Node("late", MaxPool((3, 3), (1, 1)), ("t0",), "t9")
    return replace(
        graph, nodes=(*graph.nodes, late), tensors={**graph.tensors, "t9": replace(graph.tensors["t2"], name="t9")}
    )


def test_a_tensor_lives_until_its_last_reader() -> None:
    graph = branch()
    made, _ = plan(graph)
    check_plan(graph, made, TARGET)


def moved(made: MemoryPlan, name: str, offset: int) -> MemoryPlan:
    return replace(made, buffers={**made.buffers, name: replace(made.buffers[name], offset=offset)})


def test_an_overlapping_plan_is_caught() -> None:
    """First test the tester: each buffer moved onto every word of each one that lives with it."""
    for graph in (branch(), fuse_clips(lenet())):
        made, schedule = plan(graph)
        life = lifetimes(graph)
        tried = 0
        for a in made.buffers.values():
            for b in made.buffers.values():
                (s, e), (t, f) = life[a.name], life[b.name]
                if a is b or not (s <= f and t <= e):
                    continue
                for offset in {b.offset, b.offset + b.words - 1, max(b.offset - a.words + 1, 0)}:
                    tried += 1
                    with pytest.raises(GraphError, match=r"overlaps its input|holds|overwritten"):
                        verify(moved(made, a.name, offset), schedule)
        assert tried > 10


def test_a_late_reader_is_caught_when_its_tensor_was_reused() -> None:
    graph = branch()
    made, schedule = plan(graph)
    with pytest.raises(GraphError, match=r"late: word \d+ of t0 holds t2"):
        verify(moved(made, "t2", made.buffers["t0"].offset), schedule)


def test_words_of_a_buffer() -> None:
    b = Buffer("b", 10, (2, 3, 4), (1, 2, 0, 1), 0, 1)
    assert (b.pitch, b.plane, b.words) == (7, 28, 56)
    assert b.data == 10 + 7 + 2


def test_flatten_shares_storage() -> None:
    chain = Chain((2, 3, 3), 0, 9, 1).add(Flatten()).add(FullyConnected(), make_params(np.ones((2, 18), int)))
    made, _ = plan(chain.graph())
    assert made.owner == {"x": "x", "t0": "x", "t1": "t1"}


def test_a_flattened_tensor_cannot_have_a_border() -> None:
    chain = Chain((1, 4, 4), 0, 9, 1).add(Relu())
    graph = chain.add(Conv2d((3, 3), (1, 1), (1, 1, 1, 1)), make_params(np.ones((1, 1, 3, 3), int))).graph()
    flat = Node("flat", Flatten(), ("t0",), "t9")
    both = replace(
        graph,
        nodes=(graph.nodes[0], flat, graph.nodes[1]),
        tensors={**graph.tensors, "t9": replace(graph.tensors["t0"], name="t9", shape=(16,))},
    )
    with pytest.raises(UnsupportedOp, match="t0: is both flattened and padded"):
        plan(both)


def test_two_convolutions_with_different_padding_share_the_larger_border() -> None:
    params = make_params(np.ones((1, 1, 3, 3), int))
    graph = Chain((1, 4, 4), 0, 9, 1).add(Conv2d((3, 3), (1, 1), (2, 0, 1, 1)), params).graph()
    other = Node("other", Conv2d((3, 3), (1, 1), (0, 3, 0, 2)), ("x",), "t9", params)
    shape = other.op.infer((1, 4, 4))
    both = replace(
        graph,
        nodes=(*graph.nodes, other),
        tensors={**graph.tensors, "t9": replace(graph.tensors["t0"], name="t9", shape=shape)},
    )
    made, _ = plan(both)
    assert made.buffers["x"].border == (2, 3, 1, 2)


# --- limits


def small(**sizes: int) -> TargetSpec:
    regions = {k: Region(k, r.origin, sizes.get(k, r.size), r.volatile) for k, r in TARGET.regions.items()}
    return replace(TARGET, regions=regions)


def test_activations_too_large_for_low_fram_are_refused_with_numbers() -> None:
    graph = fuse_clips(lenet())
    with pytest.raises(
        DoesNotFit, match=r"lenet: activations, input, output and biases need [\d,]+ B of low FRAM, .* has 1,808 B"
    ):
        plan(graph, small(fram=TARGET.fram_reserve + 1808))


def test_weights_too_large_for_high_fram_are_refused_with_numbers() -> None:
    graph = fuse_clips(lenet())
    size = pack_weights(graph).blob_bytes
    plan(graph, small(hifram=size))
    with pytest.raises(DoesNotFit, match=rf"weights and indices need {size:,} B of high FRAM, .* has {size - 1:,} B"):
        plan(graph, small(hifram=size - 1))


def test_one_tensor_may_have_32766_bytes() -> None:
    fits = Chain((1, 1, 16383), 0, 9, 1).add(MaxPool((1, 100), (1, 100)))
    with pytest.raises(DoesNotFit, match="low FRAM"):  # input and its copy
        plan(Chain((1, 1, 16383), 0, 9, 1).add(MaxPool((1, 1), (1, 1))).graph())
    assert fits.graph()
    with pytest.raises(DoesNotFit, match=r"x: 32,768 B of activations, one tensor may have 32,766 B"):
        plan(Chain((1, 1, 16384), 0, 9, 1).add(MaxPool((1, 100), (1, 100))).graph())


def test_convolutions_that_keep_tensors_in_low_fram_are_named() -> None:
    chain = Chain((1, 128, 128), 0, 9, 1).add(Conv2d((9, 1)), make_params(np.ones((1, 1, 9, 1), int), 0, 0, 9, 9))
    with pytest.raises(DoesNotFit, match=r"may have 32,766 B; computed by the CPU: conv2d0; on the LEA .* high FRAM"):
        plan(chain.graph())
    with pytest.raises(DoesNotFit, match=r"use smaller layers; computed by the CPU: conv2d0, conv2d2; on the LEA"):
        plan(fuse_clips(lenet()), small(fram=TARGET.fram_reserve + 1808))


def test_an_input_larger_than_lea_ram_is_not_staged() -> None:
    params = make_params(np.ones((1, 1, 3, 3), int))
    for side, staged in ((40, True), (48, False)):
        made, _ = plan(Chain((1, side, side), 0, 9, 1).add(Conv2d((3, 3)), params).graph())
        assert ("conv2d0" in made.staged) == staged

"""Steps cover every output exactly once, stay small, and their scratch fits."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import Chain, lenet, make_params, random_graph, seeds

from codegen.errors import DoesNotFit, GraphError, UnsupportedOp
from codegen.ir import Graph, Level, Node, Tensor
from codegen.layers import LOAD, STORE, Step
from codegen.ops import Argmax, Conv2d, Flatten, FullyConnected, Op, Relu
from codegen.packing import pack_weights
from codegen.passes import fuse_clips
from codegen.target import TargetSpec, load_target
from codegen.tiling import Schedule, plan_schedule

TARGET = load_target("msp430fr5994")


def plan(graph: Graph, target: TargetSpec = TARGET) -> Schedule:
    return plan_schedule(graph, pack_weights(graph), target)


def outputs(graph: Graph, tensor: str) -> set[tuple[int, ...]]:
    shape = graph.tensors[tensor].shape
    return set(itertools.product(*map(range, shape if len(shape) == 3 else (*shape, 1, 1))))


def covered(step: Step, shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    cols = step.cols or (0, shape[2] if len(shape) == 3 else 1)
    return list(itertools.product(*(range(*part) for part in (step.channels, step.rows, cols))))


@given(seed=seeds, image=st.booleans(), cycles=st.sampled_from([1, 6000, 64000]))
@settings(max_examples=60, deadline=None)
def test_steps_cover_each_output_once_and_stay_short(seed: int, image: bool, cycles: int) -> None:
    """Where no step is short enough, the error names the cycles that would do."""
    graph = fuse_clips(random_graph(seed, 2, image, 5, joins=True))
    refused = ""
    try:
        schedule = plan(graph, replace(TARGET, step_cycles=cycles))
    except DoesNotFit as e:
        refused = str(e)
    if refused:
        needed = re.search(r"its smallest step may take ([\d,]+) cycles at level L\d, ([\d,]+) are allowed", refused)
        assert needed, refused
        smallest = int(needed[1].replace(",", ""))
        assert smallest > cycles
        cycles = round(1.2 * smallest)  # wider rows leave fewer taps, which makes pieces
        schedule = plan(graph, replace(TARGET, step_cycles=cycles))
    assert 0 < schedule.longest.cycles <= cycles
    for layer in schedule.layers:
        for steps in layer.steps:
            done = [cell for step in steps for cell in covered(step, graph.tensors[layer.y].shape)]
            assert len(done) == len(set(done))
            assert set(done) == outputs(graph, layer.y)


@given(seed=seeds, image=st.booleans())
@settings(max_examples=30, deadline=None)
def test_layers_follow_the_nodes_between_load_and_store(seed: int, image: bool) -> None:
    graph = fuse_clips(random_graph(seed, 2, image, 5))
    layers = plan(graph).layers
    real = [n.name for n in graph.nodes if not isinstance(n.op, Flatten | Argmax)]
    assert [layer.name for layer in layers] == [LOAD, *real, STORE]


def test_a_schedule_that_misses_or_repeats_an_output_is_caught() -> None:
    graph = lenet()
    schedule = plan(graph)
    for number, layer in enumerate(schedule.layers):
        last = layer.steps[-1]
        for steps in (last[1:], (*last, last[0])):
            layers = list(schedule.layers)
            layers[number] = replace(layer, steps=(*layer.steps[:-1], steps))
            with pytest.raises(GraphError, match=f"{layer.name}: its steps do not cover each output exactly once"):
                replace(schedule, layers=tuple(layers)).check(graph)
    schedule.check(graph)


def test_steps_shrink_with_the_energy_of_one_step() -> None:
    graph = lenet()
    few, many = plan(graph), plan(graph, replace(TARGET, step_cycles=15000))
    assert sum(layer.step_count for layer in many.layers) > 3 * sum(layer.step_count for layer in few.layers)


def test_scratch_is_as_large_as_the_longest_filter() -> None:
    params = make_params(np.ones((2, 3, 2, 2), int))
    schedule = plan(Chain((3, 4, 7), 0, 9, 1).add(Conv2d((2, 2)), params).graph())
    assert schedule.taps == 12 + 1
    assert schedule.acc == 6
    assert plan(Chain((3,), 0, 9, 1).add(FullyConnected(), make_params(np.ones((5, 3), int))).graph()).acc == 5


def test_long_filters_get_what_sram_has() -> None:
    graph = Chain((200, 3, 3), 0, 9, 1).add(Conv2d((3, 3)), make_params(np.ones((1, 200, 3, 3), int))).graph()
    schedule = plan(graph, replace(TARGET, step_cycles=10**6))
    free = TARGET.regions["sram"].size - TARGET.stack_bytes - TARGET.sram_reserve - schedule.ram_code
    assert schedule.taps < 1800
    assert free - 4 < 4 * (schedule.taps + schedule.acc) <= free


def test_kernels_that_run_from_sram_leave_less_of_it() -> None:
    """Each kernel once, however many layers use it."""
    dense = make_params(np.ones((5, 3), int))
    one = plan(Chain((3,), 0, 9, 1).add(FullyConnected(), dense).graph())
    again = Chain((3,), 0, 9, 1).add(FullyConnected(), dense)
    again.add(FullyConnected(), make_params(np.ones((2, 5), int)))
    assert plan(again.graph()).ram_code == one.ram_code
    sparse = plan(again.add(FullyConnected(), make_params([[1, 0]], [[0, 255]])).graph())
    assert sparse.ram_code - one.ram_code == TARGET.ram_code["sw_dot_csr_s16_cpu"]


def test_an_image_too_wide_for_sram_is_refused_with_numbers() -> None:
    graph = Chain((1, 1, 900), 0, 9, 1).add(Conv2d((1, 1)), make_params(np.ones((1, 1, 1, 1), int))).graph()
    with pytest.raises(DoesNotFit, match=r"conv2d0: a row of 900 sums needs 3600 B of SRAM.*use a narrower image"):
        plan(graph)


def test_argmax_in_the_middle_is_unsupported() -> None:
    graph = Chain((4,), 0, 9, 1).add(Argmax(), None, 0, 3).add(Relu(), None, 0, 3).graph()
    with pytest.raises(UnsupportedOp, match="argmax0: argmax is supported as the last operator only"):
        plan(graph)


def test_an_operator_without_a_kernel_is_unsupported() -> None:
    class Softsign(Op):
        kind = "softsign"

        def infer(self, shape: tuple[int, ...]) -> tuple[int, ...]:
            return shape

    graph = Chain((4,), 0, 9, 1).add(Softsign()).graph()
    with pytest.raises(UnsupportedOp, match="no kernel for softsign"):
        plan(graph)


def test_a_tensor_that_is_neither_flat_nor_an_image_is_refused() -> None:
    """Storage is (C, H, W) or flat; (4, 5) must not be laid out as 4 elements."""
    tensors = {"x": Tensor("x", (4, 5), 8, -9, 9), "y": Tensor("y", (4, 5), 8)}
    graph = Graph("net", "x", tensors, (Node("relu", Relu(), ("x",), "y"),), (Level("a", 0),))
    with pytest.raises((UnsupportedOp, GraphError)):
        plan(graph)


def test_more_steps_than_the_progress_word_counts_are_refused() -> None:
    """`sw_progress` has 16 bits; 65,536 steps would wrap to "none"."""
    chain = Chain((256, 62, 1), 0, 9, 1)
    for _ in range(5):
        chain.add(Conv2d((1, 1)), make_params(np.eye(256, dtype=int).reshape(256, 256, 1, 1)))
    with pytest.raises(DoesNotFit, match=r"steps, the progress word counts 65,535; use larger steps"):
        plan(chain.graph(), replace(TARGET, step_cycles=18000))


def test_places_of_rows_are_listed_where_a_search_would_take_long() -> None:
    """After a reboot the step of the last rows must not pass all rows before them."""
    params = make_params(np.ones((900, 4), int))
    schedule = plan(Chain((4,), 0, 9, 1).add(FullyConnected(), params).graph())
    (layer,) = [layer for layer in schedule.layers if layer.kind == "fully_connected"]
    assert layer.mark_shift == 4
    assert plan(lenet()).layers[1].mark_shift is None

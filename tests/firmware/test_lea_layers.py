"""Layers on the LEA: same logits as the reference, on the host and on the device, whatever tile, group and level."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
import rig
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st
from rig import TARGET, Workshop, assert_device, assert_host, emit_project
from strategies import NEVER, Chain, graphs, inputs_for, lenet, make_params, seeds

from codegen.errors import DoesNotFit
from codegen.ir import Graph
from codegen.layers import KINDS
from codegen.ops import AvgPool, Conv2d, Flatten, FullyConnected, MaxPool
from codegen.target import TargetSpec

needs_cc = pytest.mark.usefixtures("host")
needs_gcc = pytest.mark.skipif(shutil.which("msp430-elf-gcc") is None, reason="msp430-elf-gcc is not on PATH")


def small_lea(words: int) -> TargetSpec:
    """A target with `words` of LEA RAM for layers."""
    region = TARGET.regions["lea_ram"]
    return replace(TARGET, regions={**TARGET.regions, "lea_ram": replace(region, size=2 * words + 312)})


def column_levels(rng: np.random.Generator, rows: int, taps: int, group: int, levels: int) -> np.ndarray:
    """Level indices that are equal within each column of `group` rows."""
    index = rng.choice([NEVER, *range(levels)], (-(-rows // group), taps))
    return np.repeat(index, group, axis=0)[:rows]


@st.composite
def lea_graphs(draw: st.DrawFn) -> tuple[Graph, TargetSpec]:
    """A convolution (and pool) and a fully connected layer whose masks suit the LEA, and room for little."""
    rng = np.random.default_rng(draw(seeds))
    levels = draw(st.integers(1, 3))
    c, h, w = draw(st.integers(1, 3)), draw(st.integers(1, 9)), draw(st.integers(1, 9))
    kernel = (draw(st.integers(1, min(h, 3))), draw(st.integers(1, min(w, 3))))
    stride = (draw(st.integers(1, 2)), draw(st.integers(1, 3)))
    padding = tuple(draw(st.integers(0, 2)) for _ in range(4))
    outputs, group = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    room = (h + padding[0] + padding[2] - 1, w + padding[1] + padding[3] - 1)
    most = [min(r // (k - 1), 3) if k > 1 else 1 for r, k in zip(room, kernel, strict=True)]
    dilation = (draw(st.integers(1, most[0])), draw(st.integers(1, most[1])))
    groups = draw(st.sampled_from([1, c]))
    outputs *= groups
    lo = draw(st.sampled_from([0, -50]))
    chain = Chain((c, h, w), draw(st.sampled_from([0, -200])), 200, levels)
    taps = c // groups * kernel[0] * kernel[1]
    index = column_levels(rng, outputs, taps, group, levels).reshape(outputs, c // groups, *kernel)
    bias = rng.integers(-300, 300, outputs) if draw(st.booleans()) else rng.integers(-20000, 20000, outputs)
    params = make_params(rng.integers(-900, 900, index.shape), index, bias, 15, 15)
    chain.add(Conv2d(kernel, stride, padding, dilation, groups), params, lo, 250)
    _, oh, ow = chain.last.shape
    if oh >= 2 and ow >= 2 and draw(st.booleans()):
        chain.add(draw(st.sampled_from([AvgPool(), MaxPool()])), None, lo, 250)
    chain.add(Flatten())
    features = chain.last.size
    classes = draw(st.integers(1, 7))
    index = column_levels(rng, classes, features, draw(st.integers(1, 7)), levels)
    chain.add(
        FullyConnected(),
        make_params(rng.integers(-900, 900, index.shape), index, rng.integers(-99, 99, classes), 15, 15),
    )
    return chain.graph(), small_lea(draw(st.sampled_from([100, 200, 400, 1892])))


@needs_cc
@given(case=lea_graphs(), overlap=st.booleans())
@settings(max_examples=14, deadline=None)
def test_the_device_and_the_host_equal_the_reference(
    case: tuple[Graph, TargetSpec], overlap: bool, sanitized: Workshop, zig: Workshop
) -> None:
    graph, target = case
    project = emit_project(graph, target, "lea", overlap)
    x = inputs_for(project.graph, 3, 3)
    assert_host(project.graph, sanitized.program(project), x)
    assert_device(project.graph, zig.program(project), x)


@st.composite
def depthwise_graphs(draw: st.DrawFn) -> tuple[Graph, TargetSpec]:
    """Convolutions with one input channel for each filter, unstructured masks, and room for a few rows."""
    rng = np.random.default_rng(draw(seeds))
    levels, c = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    h, w = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    kernel = (draw(st.integers(1, min(h, 3))), draw(st.integers(1, min(w, 3))))
    padding = tuple(draw(st.integers(0, 2)) for _ in range(4))
    sides = zip((h + padding[0] + padding[2], w + padding[1] + padding[3]), kernel, strict=True)
    dilation = tuple(draw(st.integers(1, (n - 1) // (k - 1))) if k > 1 else 1 for n, k in sides)
    lo, chain = draw(st.sampled_from([0, -50])), Chain((c, h, w), draw(st.sampled_from([0, -200])), 200, levels)
    each = draw(st.integers(1, 2))
    index = rng.choice([NEVER, *range(levels)], (each * c, 1, *kernel))
    bias = rng.integers(-300, 300, each * c) if draw(st.booleans()) else rng.integers(-20000, 20000, each * c)
    params = make_params(rng.integers(-900, 900, index.shape), index, bias, 15, 15)
    chain.add(Conv2d(kernel, (1, 1), padding, dilation, c), params, lo, 250)
    return chain.graph(), small_lea(draw(st.sampled_from([200, 400, 1892])))


@needs_cc
@given(case=depthwise_graphs(), overlap=st.booleans(), step=st.sampled_from([12_000, 64_000]))
@settings(max_examples=14, deadline=None)
def test_filters_of_one_channel_by_fir(
    case: tuple[Graph, TargetSpec], overlap: bool, step: int, sanitized: Workshop, zig: Workshop
) -> None:
    graph, target = case
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("codegen.lea.lea_kinds", lambda op: (KINDS["conv2d_fir"],))
        try:
            project = emit_project(graph, replace(target, step_cycles=step), "lea", overlap)
        except DoesNotFit:  # what is no FIR takes a longer step
            reject()
    assume(project.schedule.layers[1].kind == "conv2d_fir")  # else the filters fill low FRAM, or LEA RAM is too small
    x = inputs_for(project.graph, 3, 3)
    assert_host(project.graph, sanitized.program(project), x)
    assert_device(project.graph, zig.program(project), x)


def test_a_board_without_fir_uses_the_matrix_command() -> None:
    chain = Chain((4, 9, 9), 0, 100, 1)
    params = make_params(np.full((4, 1, 3, 3), 50), np.zeros((4, 1, 3, 3), int), shift=15)
    graph = chain.add(Conv2d((3, 3), padding=(1, 1, 1, 1), groups=4), params).graph()
    kinds = [
        emit_project(graph, replace(TARGET, lea_commands=names), "lea").schedule.layers[1].kind
        for names in (TARGET.lea_commands, ("MPYMATRIXROW",))
    ]
    assert kinds == ["conv2d_fir", "conv2d_lea"]


@needs_cc
@given(graph=graphs(4))
@settings(max_examples=8, deadline=None)
def test_any_graph(graph: Graph, sanitized: Workshop, zig: Workshop) -> None:
    """Unstructured masks, every shift: what can run on the LEA does."""
    for workshop, check in ((sanitized, assert_host), (zig, assert_device)):
        emitted, program = workshop.build(graph, backend="lea")
        check(emitted, program, inputs_for(graph, 3, 3))


@pytest.mark.parametrize("tool", ["zig", pytest.param("gcc", marks=needs_gcc)])
def test_lenet_dense(tool: str, zig: Workshop, tmp_path_factory: pytest.TempPathFactory) -> None:
    workshop = zig if tool == "zig" else rig.Workshop(tmp_path_factory.mktemp("gcc"), "gcc")
    graph = lenet(1, (0.0,))
    emitted, program = workshop.build(graph, backend="auto")
    assert_device(emitted, program, inputs_for(graph, 3, 3))

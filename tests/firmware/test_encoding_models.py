"""Reference == host C == simulated ELF for networks in every encoding of the CPU."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rig import TARGET, Workshop, assert_device, assert_host, tight
from strategies import LIMIT, Chain, inputs_for, legal_indices, make_params, seeds

from codegen.emit import emit_project
from codegen.encodings import ENCODINGS, RowLayer
from codegen.ir import Graph, Params
from codegen.ops import Conv2d, Flatten, FullyConnected, MaxPool

needs_cc = pytest.mark.skipif(
    not any(shutil.which(c) for c in ("cc", "gcc", "clang")), reason="no host C compiler on PATH"
)


def structured(name: str, seed: int, levels: int, channels: int = 3) -> Graph:
    """Two convolutions and two fully connected layers that encoding `name` can store."""
    rng = np.random.default_rng(seed)
    kernel = (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
    chain = Chain((channels, 7, 6), -20 if seed % 2 else 0, 255, levels)
    outputs = int(rng.integers(1, 5))
    fc = name if name != "pattern" else "csr"

    def weights(kind: str, shape: tuple[int, ...]) -> Params:
        """Weights so large that sums use a good part of their 30 bits."""
        fan_in = int(np.prod(shape[1:]))
        reach = int(min(LIMIT * 0.9 / (max(chain.last.hi, -chain.last.lo) * fan_in), 30000))
        index = legal_indices(rng, kind, shape, levels)
        return make_params(rng.integers(-reach, reach + 1, shape), index, rng.integers(-99, 99, shape[0]))

    padding = tuple(int(v) for v in rng.integers(0, 2, 4))
    chain.add(Conv2d(kernel, (1, 1), padding), weights(name, (outputs, channels, *kernel)), -3000, 4000)
    chain.add(Conv2d((2, 2), (2, 1)), weights(name, (4, outputs, 2, 2)), -3000, 3000)
    chain.add(MaxPool((1, 2), (1, 2)), None, -3000, 3000)
    chain.add(Flatten())
    chain.add(FullyConnected(), weights(fc, (9, int(np.prod(chain.last.shape)))), -1000, 1000)
    chain.add(FullyConnected(), weights(fc, (3, 9)))
    return chain.graph()


def chosen(graph: Graph, name: str) -> dict[str, str]:
    """`name` for every node that can have it."""
    fc = name if name != "pattern" else "csr"
    return {n.name: name if isinstance(n.op, Conv2d) else fc for n in graph.nodes if n.params is not None}


@needs_cc
@pytest.mark.parametrize("name", ENCODINGS)
@given(seed=seeds, levels=st.integers(1, 3))
@settings(max_examples=4, deadline=None)
def test_host_c_is_clean_under_sanitizers(name: str, seed: int, levels: int, sanitized: Workshop) -> None:
    graph = structured(name, seed, levels)
    project = emit_project(graph, TARGET, "cpu", encoding=chosen(graph, name))
    assert_host(project.graph, sanitized.program(project), inputs_for(graph, 4, 1))


@pytest.mark.parametrize("name", ENCODINGS)
@given(seed=seeds, levels=st.integers(1, 3))
@settings(max_examples=4, deadline=None)
def test_the_device_equals_the_reference(name: str, seed: int, levels: int, zig: Workshop) -> None:
    graph = structured(name, seed, levels)
    project = emit_project(graph, TARGET, "cpu", encoding=chosen(graph, name))
    assert {layer.encoding for layer in project.schedule.layers} - {"none", "csr"} <= {name}
    assert_device(project.graph, zig.program(project), inputs_for(graph, 3, 1))


@needs_cc
@pytest.mark.parametrize("name", ENCODINGS)
def test_long_filters_in_pieces(name: str, zig: Workshop, sanitized: Workshop) -> None:
    """Filters longer than the scratch that holds their taps."""
    graph = structured(name, 8, 2, channels=23)
    target = tight(graph, 33, chosen(graph, name))
    project = emit_project(graph, target, "cpu", encoding=chosen(graph, name))
    longest = max(p.max_row_entries() for n, p in project.packed.layers.items() if n.startswith("conv2d"))
    if longest > 60:
        assert project.schedule.taps < longest
    inputs = inputs_for(graph, 3, 1)
    assert_host(project.graph, sanitized.program(project), inputs)
    assert_device(project.graph, zig.program(project), inputs)


def test_all_encodings_give_the_same_logits(zig: Workshop) -> None:
    """One network whose layers every encoding can store, but for those that need whole rows or channels."""
    graph = structured("csr", 5, 2)
    inputs = inputs_for(graph, 2, 1)
    for name in ("csr", "bitmap", "block", "pattern"):
        project = emit_project(graph, TARGET, "cpu", encoding=chosen(graph, name))
        assert_device(project.graph, zig.program(project), inputs)


@needs_cc
@pytest.mark.parametrize("name", ["csr", "dense", "row"])
def test_weights_of_8_bits(name: str, zig: Workshop, sanitized: Workshop) -> None:
    """Weights that fit int8 are stored so; with the shift of such nodes."""
    rng = np.random.default_rng(4)
    chain = Chain((2, 6, 6), 0, 255, 2)
    for op, shape in ((Conv2d((3, 3)), (4, 2, 3, 3)), (None, (5, 64))):
        if op is None:
            chain.add(Flatten())
        index = legal_indices(rng, name, shape, 2)
        params = make_params(rng.integers(-128, 128, shape), index, rng.integers(-99, 99, shape[0]), 8, 7)
        chain.add(op or FullyConnected(), params, -500, 500)
    graph = chain.graph()
    project = emit_project(graph, TARGET, "cpu", encoding=name)
    assert {p.weight_size for p in project.packed.layers.values() if isinstance(p, RowLayer)} == {1}
    assert any("_s8_" in kernel for kernel in str(project.files["project.mk"]).split())
    inputs = inputs_for(project.graph, 3, 1)
    assert_host(project.graph, sanitized.program(project), inputs)
    assert_device(project.graph, zig.program(project), inputs)

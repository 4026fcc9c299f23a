"""Layers with weights of 8 bits beside others with 16: host C and the simulated ELF equal the reference."""

from __future__ import annotations

import pytest
from rig import TARGET, Workshop, assert_device, assert_host, emit_project
from strategies import inputs_for, lenet, lenet_columns

from codegen.ir import Graph
from codegen.narrow import byte_encodings, narrow_weights

CASES = {
    "cpu": (lenet, ["conv2d0", "fully_connected5"], "cpu"),
    "lea beside": (lenet_columns, ["fully_connected5", "fully_connected7"], "auto"),
    "all": (lenet_columns, ["conv2d0", "conv2d2", "fully_connected5", "fully_connected6", "fully_connected7"], "auto"),
}


@pytest.mark.usefixtures("host")
@pytest.mark.parametrize("name", CASES)
def test_narrow_layers_run_bit_exactly(name: str, sanitized: Workshop, zig: Workshop) -> None:
    make, nodes, backend = CASES[name]
    graph: Graph = narrow_weights(make(), nodes)
    project = emit_project(graph, TARGET, backend, encoding=dict(byte_encodings(graph, nodes, TARGET)))
    stored = {n: getattr(p, "weight_size", 2) for n, p in project.packed.layers.items()}
    assert {n for n, size in stored.items() if size == 1} == set(nodes)
    assert all(layer.lea is None for layer in project.schedule.layers if layer.name in nodes)
    assert any(layer.lea for layer in project.schedule.layers) == (name == "lea beside")
    inputs = inputs_for(project.graph, 3, 3)
    assert_host(project.graph, sanitized.program(project), inputs)
    assert_device(project.graph, zig.program(project), inputs)

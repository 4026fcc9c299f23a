"""Networks with several inputs from torch to the simulated MCU: every logit of every level equals the reference."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
from rig import SPIFRAM, TARGET, Workshop, assert_device, assert_host, emit_project
from strategies import inputs_for

pytest.importorskip("torch", reason="networks are built by torch")
if "networks" not in sys.modules:
    _spec = importlib.util.spec_from_file_location("networks", Path(__file__).parents[1] / "networks.py")
    assert _spec is not None
    assert _spec.loader is not None
    sys.modules["networks"] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules["networks"])

NETWORKS: dict[str, tuple[str, dict[str, Any], tuple[int, ...]]] = {
    "dscnn": ("dscnn", {}, (1, 49, 12)),
    "sqnxt23": ("sqnxt23", {"width": 0.125, "size": 16}, (3, 16, 16)),
    "sqnxt23 v5": ("sqnxt23", {"width": 0.25, "size": 17, "variant": "v5"}, (3, 17, 17)),
    "jasper": ("jasper", {"b": 2, "width": 8}, (20, 1, 49)),
    "jasper dense": ("jasper", {"b": 3, "r": 1, "width": 4, "topology": "dense"}, (20, 1, 30)),
}


@pytest.mark.usefixtures("host")
@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (" " in n)) for n in NETWORKS])
def test_a_network_runs_on_the_device(name: str, sanitized: Workshop, zig: Workshop) -> None:
    """Two nested levels; the planner chooses CPU or LEA for each layer."""
    from networks import integer_graph_of

    from swtrain.models import build_model

    model, options, shape = NETWORKS[name]
    graph = integer_graph_of(lambda: build_model(model, options), shape, (75.0, 20.0))
    project = emit_project(graph, TARGET)
    inputs = inputs_for(project.graph, 4, 3)
    assert_host(project.graph, sanitized.program(project), inputs)
    assert_device(project.graph, zig.program(project), inputs[3:])


@pytest.mark.slow
@pytest.mark.usefixtures("host")
@pytest.mark.parametrize(
    ("model", "shape", "sparsities"),
    [("sqnxt23", (3, 32, 32), (55.39, 54.30, 54.07)), ("jasper", (20, 1, 98), (90.0, 70.0))],
)
def test_a_network_of_full_size(
    model: str, shape: tuple[int, ...], sparsities: tuple[float, ...], host: Workshop, zig: Workshop
) -> None:
    """Pruned by columns; the weights of SqueezeNext lie in external memory, its activations above 64 KB."""
    from networks import integer_graph_of

    from swtrain.models import build_model

    graph = integer_graph_of(lambda: build_model(model), shape, sparsities, columns=True)
    project = emit_project(graph, SPIFRAM)
    assert (project.image is not None) == (model == "sqnxt23")
    inputs = inputs_for(project.graph, 4, 3)[3:]
    assert_host(project.graph, host.program(project), inputs)
    assert_device(project.graph, zig.program(project), inputs)

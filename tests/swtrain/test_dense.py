"""Each layer beside the dense one on the LEA: which is measured against what, and where sparsity loses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from codegen.emit import ProjectFolder, emit_project
from codegen.ir import Graph
from codegen.microbench import graphs
from codegen.target import load_target
from swtrain.dense import Dense, dense_layers, loses

COSTS = {"conv": (100.0, 2e-6), "pool": (30.0, 1e-6)}


def project(backend: str) -> ProjectFolder:
    graph: Graph = next(graphs())
    made = emit_project(graph, load_target("msp430fr5994"), backend)
    manifest = json.loads(made.files["project.json"])
    return ProjectFolder(Path(), made.graph, manifest)


def test_a_pool_that_the_lea_does_as_well_belongs_to_the_layer() -> None:
    on_cpu, on_lea = dense_layers(project("cpu")), dense_layers(project("lea"))
    assert on_cpu["conv2d0"].pool == "avgpool1"
    assert on_lea["conv2d0"].pool is None
    assert set(on_cpu) == {"conv2d0", "conv2d2", "fully_connected5", "fully_connected6", "fully_connected7"}
    assert on_cpu["conv2d0"].weights == 6 * 25
    for name, dense in on_cpu.items():
        assert (dense.cycles, dense.energy_j) == (on_lea[name].cycles, on_lea[name].energy_j)
        assert dense.cycles > 0


@pytest.mark.parametrize(
    ("dense", "nnz", "lost"),
    [
        (Dense(99, 3e-6, None, 50), 20, ["cycles"]),
        (Dense(101, 1e-6, None, 50), 20, ["energy"]),
        (Dense(101, 3e-6, None, 50), 20, []),
        (Dense(129, 2.9e-6, "pool", 50), 20, ["cycles", "energy"]),
        (Dense(131, 3.1e-6, "pool", 50), 20, []),
        (Dense(1, 1e-9, None, 50), 50, []),  # nothing is pruned at this level
        (None, 20, []),
    ],
)
def test_a_pruned_layer_loses_where_it_costs_more(dense: Dense | None, nnz: int, lost: list[str]) -> None:
    assert list(loses(dense, {"name": "conv", "nnz": nnz}, COSTS)) == lost

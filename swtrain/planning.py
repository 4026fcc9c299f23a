"""What `swtrain plan` shows: choices with their alternatives, predicted beside simulated, and break-even sparsities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from codegen.alternatives import MASKS, Alternative, break_even, dense_offer, encoding_name, offers
from codegen.build import build
from codegen.emit import emit_project, read_project, write_project
from codegen.ir import Graph, Node
from codegen.plans import Plans
from codegen.target import TargetSpec

from .deploy import Device


def simulated_cycles(plans: Plans, optimize: str, encoding: Mapping[str, str], folder: Path) -> list[list[int]]:
    """Cycles of each layer at each level for one input, built in `folder`."""
    project = emit_project(plans.graph, plans.target, overlap=plans.overlap, encoding=encoding, optimize=optimize)
    write_project(project, folder)
    device = Device(read_project(folder), build(folder).program, "fused")
    tensor = plans.graph.tensors[plans.graph.input]
    x = np.random.default_rng(0).integers(tensor.lo, tensor.hi + 1, tensor.shape).astype(np.int16)
    levels = range(len(plans.graph.levels))
    return [[layer.cycles for layer in device.infer(0, x, k).layers] for k in levels]


def layer_rows(plans: Plans, measured: Sequence[Sequence[int]] | None) -> list[dict[str, Any]]:
    """A row for each layer of the schedule: its choice, costs at each level, the dense LEA layer, the runner-up."""
    graph, target = plans.graph, plans.target
    levels = range(len(graph.levels))
    predicted = [plans.cycles(k) for k in levels]
    joules = [plans.joules(k) for k in levels]
    rows = []
    for i, layer in enumerate(plans.schedule.layers):
        backend = "lea" if layer.lea else "cpu"
        found: list[Alternative] = []
        dense = None
        if layer.node is not None and layer.packed is not None and layer.fetch is None:
            found = offers(graph, layer.node, target, plans.overlap)
            dense = dense_offer(graph, layer.node, target, "lea")
        own = (backend, encoding_name(layer.packed) if layer.packed else "", layer.lea.tile_text if layer.lea else "")
        second = next((o for o in found if (o.backend, o.encoding, o.tile) != own), None)
        rows.append(
            {
                "name": layer.name,
                "kind": layer.kind,
                "choice": " ".join(filter(None, own)) if layer.packed else layer.kind,
                "backend": backend,
                "encoding": layer.encoding,
                "predicted_cycles": [round(p[i]) for p in predicted],
                "predicted_j": [j[i] for j in joules],
                "simulated_cycles": [m[i] for m in measured] if measured else [None for _ in levels],
                "dense_lea_cycles": round(sum(dense.cycles)) if dense else None,
                "runner_up": {"name": second.name, "cycles": [round(c) for c in second.cycles]} if second else None,
            }
        )
    return rows


def break_evens(graph: Graph, node: Node, target: TargetSpec) -> list[dict[str, Any]]:
    """Break-even of one layer: on the CPU for both masks, on the LEA for columns."""
    cases = [("cpu", mask) for mask in MASKS] + [("lea", "columns")]
    return [
        {"layer": node.name, "backend": backend, "mask": mask, **break_even(graph, node, target, backend, mask)}
        for backend, mask in cases
    ]

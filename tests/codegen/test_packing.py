"""Which encoding a node gets, and that packing checks itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from strategies import Chain, lenet, make_params

from codegen import encodings
from codegen.encodings import RowLayer
from codegen.errors import GraphError
from codegen.ir import NEVER, Graph, Params
from codegen.layers import KINDS
from codegen.memory import planned_bytes
from codegen.ops import FullyConnected
from codegen.packing import is_near, pack_weights
from codegen.plans import plan_project
from codegen.target import load_target

TARGET = load_target("msp430fr5994")


def two_layers() -> Graph:
    chain = Chain((4,), 0, 9, 2).add(FullyConnected(), make_params(np.ones((4, 4), int)))
    return chain.add(FullyConnected(), make_params(np.ones((2, 4), int), [[0, 1, NEVER, 0]] * 2)).graph()


def names(model: object) -> list[str]:
    return [p.encoding for p in model.layers.values()]  # type: ignore[attr-defined]


def test_the_encoding_follows_the_pruning() -> None:
    model = pack_weights(two_layers())
    assert names(model) == ["dense", "csr"]
    assert model.weight_bytes(0) == 32 + 8
    assert model.weight_bytes(1) == 32 + 12
    assert model.index_bytes(0) == 2 * (1 + 2)
    assert model.index_bytes(1) == 2 * (2 + 4)
    assert model.blob_bytes == 32 + (12 + 4 + 8)


def test_an_encoding_for_all_or_by_node() -> None:
    assert names(pack_weights(two_layers(), encoding="bitmap")) == ["bitmap", "bitmap"]
    graph = two_layers()
    assert names(pack_weights(graph, encoding={graph.nodes[1].name: "block"})) == ["dense", "block"]


def test_encodings_of_unknown_nodes_and_illegal_ones_are_refused() -> None:
    with pytest.raises(GraphError, match="no node with weights is called conv9"):
        pack_weights(two_layers(), encoding={"conv9": "csr"})
    with pytest.raises(GraphError, match="dense is legal only for a layer without pruned weights"):
        pack_weights(two_layers(), encoding="dense")


def test_packing_checks_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """First test the tester: a packer that loses a weight is caught."""
    graph = Chain((4,), 0, 9, 1).add(FullyConnected(), make_params([[1, 2, 3, 4]], [[0, NEVER, 0, 0]])).graph()
    good = encodings.csr.encode

    def lossy(node: str, params: Params, levels: int, weight_bits: int = 16) -> RowLayer:
        packed = good(node, params, levels, weight_bits)
        return replace(packed, weights=np.where(packed.weights == 3, 0, packed.weights).astype(np.int16))

    monkeypatch.setattr(encodings.csr, "encode", lossy)
    with pytest.raises(AssertionError, match="does not give level 0 back"):
        pack_weights(graph)


def test_weights_of_fully_connected_layers_lie_low_while_there_is_room() -> None:
    plans = plan_project(lenet(), TARGET, "cpu")
    near = {name: is_near(p) for name, p in plans.packed.layers.items()}
    assert near == {
        "conv2d0": False, "conv2d2": False, "fully_connected5": False, "fully_connected6": True,
        "fully_connected7": True,
    }  # fmt: skip
    used = planned_bytes(plans.graph, plans.schedule, plans.memory, plans.packed, TARGET)
    assert used["fram"] <= TARGET.regions["fram"].size
    high = sum(p.blob_bytes for name, p in plans.packed.layers.items() if not near[name])
    assert used["hifram"] == high
    assert "sw_dot_csr_near_s16_cpu" in KINDS["fully_connected"].kernels_of(
        next(layer for layer in plans.schedule.layers if layer.name == "fully_connected6")
    )


def test_near_weights_take_no_sram_from_long_filters() -> None:
    """SRAM that has room for the taps of the longest filter, and not for one kernel more."""
    schedule = plan_project(lenet(), TARGET, "cpu").schedule
    kernels = {k for layer in schedule.layers for k in KINDS[layer.kind].kernels_of(layer) if "_near" not in k}
    code = sum(TARGET.ram_code.get(k, 0) for k in kernels)
    size = TARGET.stack_bytes + TARGET.sram_reserve + code + 4 * (schedule.acc + schedule.taps)
    small = replace(TARGET, regions={**TARGET.regions, "sram": replace(TARGET.regions["sram"], size=size)})
    plans = plan_project(lenet(), small, "cpu")
    assert plans.schedule.taps == schedule.taps
    assert not any(is_near(p) for p in plans.packed.layers.values())

"""Which encoding a node gets, and that packing checks itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from strategies import Chain, make_params

from codegen import encodings
from codegen.encodings import RowLayer
from codegen.errors import GraphError
from codegen.ir import NEVER, Graph, Params
from codegen.ops import FullyConnected
from codegen.packing import pack_weights


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

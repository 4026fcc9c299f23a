"""`PackedModel`: the weights of all nodes as bytes, each in an encoding of its own.

`encodings` has those that the CPU reads row by row, `column` the LEA's. Whatever packs a node proves that decoding
gives back the weights of every level. `firmware/FORMAT.md` has every byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from . import encodings
from .column import ColumnLayer, verify_column
from .encodings import RowLayer
from .encodings.offers import choose, cpu_params, fits_bytes, offers
from .errors import GraphError
from .ir import Graph
from .target import TargetSpec

AUTO = "auto"
"""The encoding that a node gets if none is asked for."""

Packed = RowLayer | ColumnLayer
"""The packed weights of one node in any encoding."""


def is_near(packed: Packed) -> bool:
    """True if the blob lies in low FRAM."""
    return isinstance(packed, RowLayer) and packed.near


@dataclass(frozen=True)
class PackedModel:
    """Packed weights of all nodes, in the order of the graph.

    Attributes:
        patch_bytes: what lies beside them in high FRAM: patches and room for packages (`beside.Beside`).
    """

    layers: Mapping[str, Packed]
    patch_bytes: int = 0

    def weight_bytes(self, level: int) -> int:
        """Bytes of weights that `level` reads."""
        return sum(p.weight_bytes(level) for p in self.layers.values())

    def index_bytes(self, level: int) -> int:
        """Bytes of indices that `level` reads."""
        return sum(p.index_bytes(level) for p in self.layers.values())

    @property
    def blob_bytes(self) -> int:
        """Bytes of all blobs."""
        return sum(p.blob_bytes for p in self.layers.values())

    @property
    def near_bytes(self) -> int:
        """Bytes of those in low FRAM."""
        return sum(p.blob_bytes for p in self.layers.values() if is_near(p))


def pack_weights(
    graph: Graph,
    columns: Mapping[str, ColumnLayer] | None = None,
    encoding: str | Mapping[str, str] = AUTO,
    target: TargetSpec | None = None,
    optimize: str = "latency",
) -> PackedModel:
    """Pack every weighted node and check that decoding gives the weights of every level back.

    Args:
        columns: nodes that run on the LEA, packed already.
        encoding: of the others: a name for all of them, or one for each by node; `auto` where nothing is said. Weights
            are stored in 8 bits where all of a node fit and the encoding has kernels for them.
        target: whose prices `auto` compares; without it, `auto` is `dense` or `csr`.
        optimize: `latency`, `energy` or `size` (`encodings.offers.choose`).

    Raises:
        GraphError: an unknown or illegal encoding, or one for a node without weights.
        DoesNotFit: a row is longer than kernels count.
        TargetError: an unknown `optimize`.
    """
    columns = columns or {}
    weighted = [node for node in graph.nodes if node.params is not None]
    if not isinstance(encoding, str):
        unknown = sorted(set(encoding) - {n.name for n in weighted})
        if unknown:
            raise GraphError(f"{graph.name}: no node with weights is called {', '.join(unknown)}")
    layers: dict[str, Packed] = {}
    for node in weighted:
        assert node.params is not None
        if node.name in columns:
            verify_column(columns[node.name], node.params, len(graph.levels))
            layers[node.name] = columns[node.name]
            continue
        name = encoding if isinstance(encoding, str) else encoding.get(node.name, AUTO)
        if name == AUTO and target is not None:
            packed = choose(offers(graph, node, target), optimize).packed
            encodings.verify(packed, cpu_params(node), len(graph.levels))
        else:
            params = cpu_params(node)
            bits = 8 if name in encodings.BYTE_ENCODINGS and fits_bytes(params) else 16
            name = ("dense" if params.is_dense else "csr") if name == AUTO else name
            packed = encodings.encode(name, node.name, params, len(graph.levels), bits)
        layers[node.name] = packed
    return PackedModel(layers)

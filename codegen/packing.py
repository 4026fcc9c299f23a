"""Weights to bytes: level-ordered, index-compressed, self-checking. `firmware/FORMAT.md` has every byte.

`csr`: each output row is one tile; in it the entries of level 0 come first, then those that level 1 adds, and
so on, so a level is a count and never a copy. Positions are uint8 deltas that restart at every level. Delta 255
marks a padding entry: weight 0, bridges 255 positions, counts as bytes and work, never as `nnz`.
`dense`: every weight in order; legal only where nothing is pruned at any level.
`column`, for the LEA: `column.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from .column import ColumnLayer, verify_column
from .errors import DoesNotFit, GraphError
from .ir import NEVER, Graph, Node, Params
from .ops import Array, Conv2d

PADDING = 255
"""Delta of a padding entry; those of real entries are smaller."""

MAX_ENTRIES = 2**15 - 1
"""Entries of one row and level that a kernel counts."""


@dataclass(frozen=True)
class PackedLayer:
    """Packed weights of one node.

    Attributes:
        node: its name.
        encoding: `csr` or `dense`.
        weights: int16, all rows and levels in order, padding included.
        deltas: uint8 of the same length, empty for `dense`.
        counts: `(rows, levels)` entries that each level adds to each row, padding included; empty for `dense`.
    """

    node: str
    encoding: str
    weights: Array
    deltas: Array
    counts: Array

    @property
    def count_bytes(self) -> int:
        """Size of a stored count: 1 or 2 bytes."""
        return 1 if self.counts.size == 0 or int(self.counts.max()) <= 255 else 2

    @property
    def counts_offset(self) -> int:
        """Byte offset of the counts in the blob."""
        return 2 * len(self.weights)

    @property
    def deltas_offset(self) -> int:
        """Byte offset of the deltas in the blob."""
        return self.counts_offset + self.counts.size * self.count_bytes

    @property
    def blob_bytes(self) -> int:
        """Size of the blob; even."""
        size = self.deltas_offset + len(self.deltas)
        return size + size % 2

    def weight_bytes(self, level: int) -> int:
        """Bytes of weights that `level` reads, padding included."""
        return 2 * self.entries(level)

    def index_bytes(self, level: int) -> int:
        """Bytes of indices that `level` reads: its deltas and its counts."""
        if self.encoding == "dense":
            return 0
        return self.entries(level) + self.counts[:, : level + 1].size * self.count_bytes

    def entries(self, level: int) -> int:
        """Weights that `level` reads, padding included."""
        if self.encoding == "dense":
            return len(self.weights)
        return int(self.counts[:, : level + 1].sum())

    def max_row_entries(self) -> int:
        """Entries of the longest row."""
        if self.encoding == "dense":
            raise GraphError(f"{self.node}: rows of a dense layer all have the same length")
        return int(self.counts.sum(axis=1).max(initial=0))


Packed = PackedLayer | ColumnLayer
"""The packed weights of one node in any encoding."""


@dataclass(frozen=True)
class PackedModel:
    """Packed weights of all nodes, in the order of the graph."""

    layers: Mapping[str, Packed]

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


def pack_weights(graph: Graph, columns: Mapping[str, ColumnLayer] | None = None) -> PackedModel:
    """Pack every weighted node and check that decoding gives the weights of every level back.

    Args:
        columns: nodes that run on the LEA, packed already; the others become csr or dense.
    """
    layers: dict[str, Packed] = {}
    for node in graph.nodes:
        if node.params is None:
            continue
        if columns and node.name in columns:
            layers[node.name] = columns[node.name]
            verify_column(columns[node.name], node.params, len(graph.levels))
            continue
        params = cpu_params(node)
        packed = pack_dense(node.name, params) if params.is_dense else pack_csr(node.name, params, len(graph.levels))
        weight, index = unpack(packed, params.weight.shape)
        kept = params.level_index != NEVER
        if not (np.array_equal(index, params.level_index) and np.array_equal(weight[kept], params.weight[kept])):
            raise AssertionError(f"{node.name}: decoding {packed.encoding} does not give the weights back")
        layers[node.name] = packed
    return PackedModel(layers)


def cpu_params(node: Node) -> Params:
    """The weights of `node` as the CPU's kernels see them: a dilated window is a larger one with pruned gaps."""
    assert node.params is not None
    if not isinstance(node.op, Conv2d) or node.op.dilation == (1, 1):
        return node.params
    spread = node.op.spread
    return replace(
        node.params, weight=spread(node.params.weight, 0), level_index=spread(node.params.level_index, NEVER)
    )


def pack_dense(node: str, params: Params) -> PackedLayer:
    """Every weight in order."""
    if not params.is_dense:
        raise GraphError(f"{node}: dense is legal only for a layer without pruned weights; use csr")
    none = np.zeros((len(params.bias), 0), np.uint16)
    return PackedLayer(node, "dense", params.weight.reshape(-1).copy(), np.zeros(0, np.uint8), none)


def pack_csr(node: str, params: Params, levels: int) -> PackedLayer:
    """Level-ordered rows with delta indices.

    Raises:
        DoesNotFit: a row has more entries in one level than a kernel can count.
    """
    rows = len(params.bias)
    weight, index = params.weight.reshape(rows, -1), params.level_index.reshape(rows, -1)
    counts = np.zeros((rows, levels), np.uint16)
    all_weights: list[Array] = []
    all_deltas: list[Array] = []
    for r in range(rows):
        for level in range(levels):
            positions = np.flatnonzero(index[r] == level)
            deltas = np.diff(positions, prepend=0)
            padding = deltas // PADDING  # padding entries before each entry
            ends = np.cumsum(padding + 1) - 1
            length = int(ends[-1]) + 1 if len(ends) else 0
            if length > MAX_ENTRIES:
                raise DoesNotFit(f"{node}: row {r} has {length} entries at one level; csr allows {MAX_ENTRIES}")
            w, d = np.zeros(length, np.int16), np.full(length, PADDING, np.uint8)
            w[ends] = weight[r, positions]
            d[ends] = deltas - PADDING * padding
            counts[r, level] = length
            all_weights.append(w)
            all_deltas.append(d)
    return PackedLayer(node, "csr", np.concatenate(all_weights), np.concatenate(all_deltas), counts)


def unpack(packed: PackedLayer, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """`(weights int16, level_index uint8)` of `shape`, from the packed form alone."""
    rows = shape[0]
    weight = np.zeros((rows, int(np.prod(shape[1:]))), np.int16)
    index = np.full(weight.shape, NEVER, np.uint8)
    if packed.encoding == "dense":
        return packed.weights.reshape(shape).copy(), np.zeros(shape, np.uint8)
    start = 0
    for r in range(rows):
        for level in range(packed.counts.shape[1]):
            end = start + int(packed.counts[r, level])
            positions = np.cumsum(packed.deltas[start:end], dtype=np.int64)
            real = packed.deltas[start:end] != PADDING
            weight[r, positions[real]] = packed.weights[start:end][real]
            index[r, positions[real]] = level
            start = end
    return weight.reshape(shape), index.reshape(shape)

"""What layers will cost, in cycles: the planner's estimates, from the primitives in `target.toml`.

Estimates choose back ends and tiles and are shown by `swtrain plan`; reported cycles are simulated. The benchmark
`latency.py` holds one against the other for each layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .column import ColumnLayer
from .ir import Graph, Node
from .ops import AvgPool, Conv2d
from .target import TargetSpec

BLOCK_WORDS = 4
"""Of the parameter block, at the start of LEA RAM (sw_lea.h)."""


def fused_pool(graph: Graph, node: Node) -> Node | None:
    """The 2 x 2 average pool that reads nothing but `node` and can be done with its clip."""
    readers = [n for n in graph.nodes if node.output in n.inputs]
    if len(readers) != 1 or readers[0].op != AvgPool((2, 2), (2, 2)):
        return None
    before, after = graph.tensors[node.output], graph.tensors[readers[0].output]
    even = before.shape[1] % 2 == 0
    return readers[0] if even and before.lo >= 0 and after.lo <= before.lo and before.hi <= after.hi else None


def cpu_cycles(graph: Graph, node: Node, target: TargetSpec) -> list[float]:
    """Estimate for each level of the CPU kernels, csr or dense, with the pool that the LEA could do as well."""
    assert node.params is not None
    c, rows = target.costs, len(node.params.bias)
    cycles = []
    for level in range(len(graph.levels)):
        entries = node.params.nnz(level)
        if isinstance(node.op, Conv2d):
            uses = node.op.uses(graph.tensors[node.input].shape)
            pool = fused_pool(graph, node)
            pooled = graph.tensors[pool.output].size if pool else 0
            cycles.append(
                uses * (entries * c["conv_tap_cycles"] + rows * c["conv_window_cycles"]) + pooled * c["avgpool_cycles"]
            )
        else:
            cycles.append(entries * c["dot_entry_cycles"] + rows * c["conv_window_cycles"])
    return cycles


@dataclass(frozen=True)
class Conv2dWork:
    """A convolution as the LEA does it.

    Attributes:
        height: output rows before pooling.
        width: columns that one output row takes in the matrix.
        tile: output rows of one step.
        by_dma: pixels are gathered by the DMA (stride 1).
        pooled: the 2 x 2 average is taken as well.
    """

    height: int
    width: int
    tile: int
    by_dma: bool
    pooled: bool


@dataclass(frozen=True)
class LeaCosts:
    """Cycles of layers on the LEA.

    Attributes:
        costs: `[costs.lea]` of the target.
        room: words of LEA RAM for layers.
        overlap: the DMA fetches the next weights and the CPU clips the last result while the LEA runs.
    """

    costs: Mapping[str, float]
    room: int
    overlap: bool

    def conv2d(self, packed: ColumnLayer, level: int, work: Conv2dWork) -> float:
        """All tiles of a convolution at `level`."""
        c = self.costs
        most = max(g.counts[level] for g in packed.groups)
        stored = sum(g.counts[level] * g.rows for g in packed.groups)
        resident = BLOCK_WORDS + work.tile * work.width * (2 + most) + stored <= self.room
        total = float(c["layer"])
        if resident:
            total += sum(g.rows * self._fetch(g.counts[level]) for g in packed.groups)
        for first in range(0, work.height, work.tile):
            rows = min(work.tile, work.height - first)
            for i, group in enumerate(packed.groups):
                n, columns = group.counts[level], rows * work.width
                if i == 0 or group.taps is not packed.groups[i - 1].taps:
                    total += self._gather(n - len(packed.constants), rows, work)
                clip = c["clip_call"] + columns * (c["clip_avgpool"] if work.pooled else c["clip"])
                fetch, words = (0.0, 0) if resident else (self._fetch(n), n)
                total += c["tile"] + group.rows * self._row(n, columns, fetch + clip, words + columns)
                if self.overlap:  # the first fetch and the last clip have no command to hide behind
                    total += fetch + clip
        return total

    def fully_connected(self, packed: ColumnLayer, level: int, tile: int) -> float:
        """All tiles of a fully connected layer at `level`."""
        c = self.costs
        total = float(c["layer"])
        for group, members in packed.lists():
            n = group.counts[level]
            total += n * c["gather_element"]
            words = n * tile
            shared = max(2 * words - (self.room - BLOCK_WORDS - 2 * tile - n), 0)
            for g in (packed.groups[i] for i in members):
                clip = c["clip_call"] + tile * c["clip"]
                own = self._fetch(words - shared)
                late = self._fetch(shared) if shared else 0.0
                each = c["fc_tile"] + late + self._row(n, tile, own + clip, words - shared + tile)
                total += c["tile"] + -(-g.rows // tile) * each
        return total

    def _fetch(self, words: int) -> float:
        return self.costs["fetch"] + self.costs["fetch_word"] * words

    def _gather(self, taps: int, rows: int, work: Conv2dWork) -> float:
        c = self.costs
        run = c["gather"] + c["gather_word"] * work.width if work.by_dma else c["gather_cpu_word"] * work.width
        return taps * (c["gather_tap"] + rows * run)

    def _row(self, n: int, columns: int, beside: float, accesses: int) -> float:
        """One command and the work beside it, which waits for each access of LEA RAM while the command runs."""
        c = self.costs
        command = c["row"] + columns * (c["row_column"] + c["row_mac"] * n)
        if not self.overlap:
            return c["call"] + c["sleep"] + command + beside
        stalled = beside + min(accesses, command / (1 + beside / max(accesses, 1))) * c["stall"]
        return c["call"] + max(command + c["sleep"], stalled)

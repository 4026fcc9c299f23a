"""What layers will cost, in cycles: the planner's estimates, from the primitives in `target.toml`.

Estimates choose back ends and tiles and are shown by `swtrain plan`; reported cycles are simulated. The benchmark
`latency.py` holds one against the other for each layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .ir import Graph, Node
from .ops import AvgPool, Conv2d, MaxPool
from .target import TargetSpec

BLOCK_WORDS = 4
"""Of the parameter block, at the start of LEA RAM (sw_lea.h)."""


FUSED_POOLS = (AvgPool((2, 2), (2, 2)), MaxPool((2, 2), (2, 2)), MaxPool((1, 2), (1, 2)))
"""Pools that a convolution on the LEA does with its clip."""


def fused_pool(graph: Graph, node: Node) -> Node | None:
    """The pool that reads nothing but `node` and can be done with its clip: its own clip must change nothing."""
    readers = [n for n in graph.nodes if node.output in n.inputs]
    if len(readers) != 1 or readers[0].op not in FUSED_POOLS:
        return None
    before, after = graph.tensors[node.output], graph.tensors[readers[0].output]
    average = isinstance(readers[0].op, AvgPool)  # sums of two must fit 16 bits
    if (average and before.lo < 0) or after.lo > before.lo or before.hi > after.hi:
        return None
    return readers[0]


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
class LeaCosts:
    """Cycles of what layers on the LEA are made of.

    Attributes:
        costs: `[costs.lea]` of the target.
        room: words of LEA RAM for layers.
        overlap: the DMA fetches the next weights and the CPU clips the last result while the LEA runs.
    """

    costs: Mapping[str, float]
    room: int
    overlap: bool

    def fetch(self, words: float) -> float:
        """A block transfer."""
        return self.costs["fetch"] + self.costs["fetch_word"] * words

    def row(self, n: int, columns: int, beside: float, accesses: float) -> float:
        """One MPYMATRIXROW and the work beside it, which waits for each access of LEA RAM while the command runs."""
        c = self.costs
        command = c["row"] + columns * (c["row_column"] + c["row_mac"] * n)
        if not self.overlap:
            return c["call"] + c["sleep"] + command + beside
        stalled = beside + min(accesses, command / (1 + beside / max(accesses, 1))) * c["stall"]
        return c["call"] + max(command + c["sleep"], stalled)

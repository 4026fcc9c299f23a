"""What layers cost: counts of primitives times their cycles and joules in `target.toml`.

A `LayerKind` counts what one layer does at one level (`Work`): loads of a kernel, elements that it handles, block
transfers. `swtrain calibrate` fits the price of each primitive to measured layers; `plan_lea` chooses by these
estimates and `swtrain plan` shows them beside simulated cycles. Reported results are always simulated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .ir import Graph, Node
from .ops import AvgPool, MaxPool

BLOCK_WORDS = 4
"""Of the parameter block, at the start of LEA RAM (sw_lea.h)."""

FUSED_POOLS = (AvgPool((2, 2), (2, 2)), MaxPool((2, 2), (2, 2)), MaxPool((1, 2), (1, 2)))
"""Pools that a convolution on the LEA does with its clip."""

Counts = Mapping[str, float]


@dataclass(frozen=True)
class Command:
    """MPYMATRIXROW commands, all with the same work beside them.

    Attributes:
        often: how many.
        taps, columns: rows and columns of the matrix.
        beside: primitives that the CPU and the DMA do while the command runs, if overlap is on.
        accesses: words of LEA RAM that they touch.
    """

    often: float
    taps: int
    columns: int
    beside: Counts
    accesses: float

    def counts(self) -> Counts:
        """Primitives of one command, without what is beside it."""
        return {"row": 1, "row_column": self.columns, "row_mac": self.columns * self.taps}


@dataclass
class Work:
    """What a layer does at one level.

    Attributes:
        counts: primitives that nothing overlaps.
        commands: those of the LEA.
    """

    counts: dict[str, float] = field(default_factory=dict)
    commands: list[Command] = field(default_factory=list)

    def add(self, often: float, **counts: float) -> None:
        """Count primitives `often` times."""
        self.include(often, counts)

    def include(self, often: float, counts: Counts) -> None:
        """Count those of `counts`, `often` times."""
        for name, n in counts.items():
            self.counts[name] = self.counts.get(name, 0.0) + often * n

    def serial(self) -> Counts:
        """All primitives, one after another: the cost is their sum when overlap is off."""
        total = Work()
        total.include(1, self.counts)
        for c in self.commands:
            for counts in (c.counts(), c.beside, {"call": 1.0, "sleep": 1.0}):
                total.include(c.often, counts)
        return total.counts

    def lea_cycles(self, prices: Counts) -> float:
        """Cycles during which the LEA runs."""
        return sum(c.often * price(c.counts(), prices) for c in self.commands)

    def cycles(self, prices: Counts, overlap: bool) -> float:
        """Cycles of the layer.

        With overlap a command takes as long as itself or as the work beside it, which waits `stall` cycles for each
        access of LEA RAM while the command runs.
        """
        if not overlap:
            return price(self.serial(), prices)
        total = price(self.counts, prices)
        for c in self.commands:
            command, beside = price(c.counts(), prices), price(c.beside, prices)
            during = min(c.accesses, command / (1 + beside / max(c.accesses, 1)))
            total += c.often * (prices["call"] + max(command + prices["sleep"], beside + during * prices["stall"]))
        return total


def price(counts: Counts, prices: Counts) -> float:
    """Sum of counts times prices.

    Raises:
        KeyError: a primitive has no price.
    """
    return sum(n * prices[name] for name, n in counts.items())


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

"""What layers cost: counts of primitives times their cycles and joules in `target.toml`.

A `LayerKind` counts what one layer does at one level (`Work`): loads of a kernel, elements that it handles, block
transfers. `swtrain calibrate` fits the price of each primitive to measured layers; `lea_choices` chooses by these
estimates and `swtrain plan` shows them beside simulated cycles. Reported results are always simulated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .ir import Graph, Node
from .ops import AvgPool, MaxPool

BLOCK_WORDS, FIR_BLOCK_WORDS = 4, 6
"""Of the parameter blocks of MPYMATRIXROW and FIR, at the start of LEA RAM (sw_lea.h)."""

COMMANDS = {"row": ("row", "row_column", "row_mac"), "fir": ("fir", "fir_output", "fir_mac")}
"""Primitives of MPYMATRIXROW and FIR: a command, each result, each product."""

FUSED_POOLS = (AvgPool((2, 2), (2, 2)), MaxPool((2, 2), (2, 2)), MaxPool((1, 2), (1, 2)))
"""Pools that a convolution on the LEA does with its clip."""

Counts = Mapping[str, float]


@dataclass(frozen=True)
class Beside:
    """What CPU or DMA do while a command runs, if overlap is on.

    Attributes:
        counts: primitives.
        accesses: words of LEA RAM that they touch, spread evenly.
    """

    counts: Counts
    accesses: float


@dataclass(frozen=True)
class Command:
    """Commands of the LEA, all with the same work beside them.

    Attributes:
        often: how many.
        taps, columns: rows and columns of the matrix, or taps and outputs of a FIR.
        beside: one after another.
        name: which command, of `COMMANDS`.
    """

    often: float
    taps: int
    columns: int
    beside: tuple[Beside, ...] = ()
    name: str = "row"

    def counts(self) -> Counts:
        """Primitives of one command, without what is beside it."""
        return dict(zip(COMMANDS[self.name], (1, self.columns, self.columns * self.taps), strict=True))

    def beside_cycles(self, command: float, prices: Counts) -> float:
        """Cycles of what is beside; each access of LEA RAM in the first `command` cycles waits `stall` more."""
        at = 0.0
        for part in self.beside:
            alone = price(part.counts, prices)
            waits = 0.0
            if part.accesses:
                waits = min(part.accesses, max(command - at, 0.0) / (alone / part.accesses + prices["stall"]))
            at += alone + waits * prices["stall"]
        return at


def pipeline(
    often: float,
    commands: int,
    taps: int,
    columns: int,
    fetch: tuple[Beside, ...],
    clip: tuple[Beside, ...],
    name: str = "row",
) -> list[Command]:
    """A row of `commands`, `often` times: beside each one the next is fetched and the result before is clipped.

    The first has no result before it and the last no next one; their own fetch and clip are for the caller to count.
    """
    if commands == 1:
        return [Command(often, taps, columns, (), name)]
    ends = [Command(often, taps, columns, fetch, name), Command(often, taps, columns, clip, name)]
    return [*ends, Command(often * (commands - 2), taps, columns, (*fetch, *clip), name)] if commands > 2 else ends


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
            for counts in (c.counts(), {"call": 1.0, "sleep": 1.0}, *(part.counts for part in c.beside)):
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
            command = price(c.counts(), prices)
            total += c.often * (prices["call"] + max(command + prices["sleep"], c.beside_cycles(command, prices)))
        return total


def price(counts: Counts, prices: Counts) -> float:
    """Sum of counts times prices.

    Raises:
        KeyError: a primitive has no price.
    """
    return sum(n * prices[name] for name, n in counts.items())


def pool_windows(node: Node, rows: int, cols: int) -> Work:
    """Windows of one channel on the CPU, and the elements of each; the 2 x 2 average has a kernel of its own."""
    op = node.op
    assert isinstance(op, AvgPool | MaxPool)
    work, windows, area = Work(), rows * cols, op.kernel[0] * op.kernel[1]
    work.add(1, pool_layer=1, pool_channel=1, pool_row=rows)
    if op == AvgPool((2, 2), (2, 2)):
        work.add(windows, avgpool_2x2=1)
    else:
        work.add(windows, **{f"{op.kind}_window": 1, f"{op.kind}_element": area})
    return work


def pool_apart(graph: Graph, node: Node, prices: Counts) -> float:
    """Cycles of the pool behind `node` on the CPU, which the LEA could do as well; 0 if there is none."""
    pool = fused_pool(graph, node)
    if pool is None:
        return 0.0
    channels, height, width = graph.tensors[pool.output].shape
    channel = price(pool_windows(pool, height, width).counts, prices) - prices["pool_layer"] + prices["block"]
    return prices["pool_layer"] + channels * channel


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

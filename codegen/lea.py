"""Layers on the LEA: which ones, in which tiles, and what they will cost.

A layer can run on the LEA when one MPYMATRIXROW command holds each whole reduction: its result keeps only the upper
half of the sum, so sums can't be split. A convolution gathers the pixels of a few output rows into a matrix that all
filters share; a fully connected layer gathers its input into the row vector and fetches weights as matrix. `plan_lea`
takes, for each layer, the cheapest tile and grouping, and the CPU where that is cheaper.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .column import SHIFT, ColumnLayer, pack_column
from .cost import BLOCK_WORDS, Conv2dWork, LeaCosts, cpu_cycles, fused_pool
from .errors import TargetError, UnsupportedOp
from .ir import Graph, Node
from .ops import Conv2d, FullyConnected
from .target import TargetSpec

BACKENDS = ("auto", "cpu", "lea")
_TABLE_SHARE = 3
"""Lists of taps may take one part in so many of low FRAM: masks without columns would fill it."""


@dataclass(frozen=True)
class LeaLayer:
    """A layer on the LEA.

    Attributes:
        node: its name.
        packed: its weights.
        tile: output rows of one step before pooling (convolution), outputs of one command (fully connected).
        width: columns that one output row takes in the matrix; 0 for fully connected.
        pool: the 2 x 2 average pool that the layer does as well.
        words: LEA RAM that it cannot do without; more keeps filters resident.
        cycles: estimate for each level.
        pool_cycles: estimate of a 2 x 2 average pool that it could do and leaves to the CPU.
    """

    node: str
    packed: ColumnLayer
    tile: int
    width: int
    pool: Node | None
    words: int
    cycles: tuple[float, ...]
    pool_cycles: float = 0.0

    @property
    def total(self) -> float:
        """What the choice compares: cycles of all levels, with the pool."""
        return sum(self.cycles) + len(self.cycles) * self.pool_cycles


def plan_lea(graph: Graph, target: TargetSpec, backend: str = "auto", overlap: bool = True) -> Mapping[str, LeaLayer]:
    """The layers that run on the LEA, by node.

    Args:
        backend: `cpu`: none; `lea`: all that can; `auto`: those that are cheaper there, summed over the levels.
        overlap: the CPU and the DMA work while the LEA runs.

    Raises:
        TargetError: an unknown back end, or `lea` for a target that has none.
    """
    if backend not in BACKENDS:
        raise TargetError(f"backend {backend!r} is unknown; choose {', '.join(BACKENDS)}")
    if backend == "cpu" or (backend == "auto" and "lea_ram" not in target.regions):
        return {}
    if "lea_ram" not in target.regions:
        raise TargetError(f"{target.name} has no LEA; use backend cpu")
    offers: dict[str, list[LeaLayer]] = {}
    for node in graph.nodes:
        if node.params is None:
            continue
        limit = sum(cpu_cycles(graph, node, target))
        offers[node.name] = [
            offer
            for offer in sorted(candidates(graph, node, target, overlap), key=lambda c: c.total)
            if backend == "lea" or offer.total < limit
        ]
    return _within_tables(offers, (target.regions["fram"].size - target.fram_reserve) // _TABLE_SHARE // 2)


def _within_tables(offers: Mapping[str, list[LeaLayer]], words: int) -> dict[str, LeaLayer]:
    """The best offer for each node, while all lists of taps fit `words`; the longest list gives way first."""
    chosen = {name: found[0] for name, found in offers.items() if found}
    while sum(c.packed.table_words for c in chosen.values()) > words:
        name = max(chosen, key=lambda n: chosen[n].packed.table_words)
        most = chosen[name].packed.table_words
        shorter = [c for c in offers[name] if c.packed.table_words < most]
        if shorter:
            chosen[name] = shorter[0]
        else:
            del chosen[name]
    return chosen


def room_words(target: TargetSpec) -> int:
    """Words of LEA RAM below the LEA's stack."""
    return (target.regions["lea_ram"].size - target.lea_stack_bytes) // 2


def candidates(graph: Graph, node: Node, target: TargetSpec, overlap: bool = True) -> Iterator[LeaLayer]:
    """Every way to run `node` on the LEA; none if its shift or its reduction forbids it."""
    assert node.params is not None
    if node.params.shift != SHIFT:
        return
    outputs, levels = len(node.params.bias), len(graph.levels)
    for rows in _halvings(outputs):
        if isinstance(node.op, Conv2d):
            packed = pack_column(node.name, node.params, levels, rows)
            yield from _conv2d(graph, node, packed, target, overlap)
        elif isinstance(node.op, FullyConnected):
            found = _fully_connected(graph, node, rows, target, overlap)
            if found is not None:
                yield found
        else:
            raise UnsupportedOp(f"{node.name}: no LEA kernel for {node.op.kind}")
        columns = _column_counts(node, levels, rows)
        if max(_column_counts(node, levels, 1)) == max(columns):
            return  # some row has every column: smaller groups have no fewer


def _column_counts(node: Node, levels: int, rows: int) -> list[int]:
    """Columns of each group of `rows` rows, without bias and padding."""
    assert node.params is not None
    index = node.params.level_index.reshape(len(node.params.bias), -1)
    return [
        sum(int((index[r : r + rows] == level).any(axis=0).sum()) for level in range(levels))
        for r in range(0, len(index), rows)
    ]


def _halvings(n: int) -> Iterator[int]:
    while n >= 1:
        yield n
        if n == 1:
            return
        n = -(-n // 2)


def _conv2d(graph: Graph, node: Node, packed: ColumnLayer, target: TargetSpec, overlap: bool) -> Iterator[LeaLayer]:
    assert isinstance(node.op, Conv2d)
    shape = graph.tensors[node.output].shape
    height, width = shape[1], shape[2] + shape[2] % 2
    pool = fused_pool(graph, node)
    most = max(g.counts[-1] for g in packed.groups)
    costs = LeaCosts(target.lea_costs, room_words(target), overlap)
    for tile in range(1, height + 1):
        words = BLOCK_WORDS + tile * width * (2 + most) + 2 * most
        if words > room_words(target):
            return
        fused = pool if tile % 2 == 0 or tile == height else None
        apart = graph.tensors[pool.output].size * target.costs["avgpool_cycles"] if pool and not fused else 0.0
        work = Conv2dWork(height, width, tile, node.op.stride[1] == 1, fused is not None)
        cycles = [costs.conv2d(packed, level, work) for level in range(len(graph.levels))]
        step = max(cycles) / (-(-height // tile))
        cut = packed
        if step > target.step_cycles:  # smaller groups: the matrix stays for those that share its taps
            rows = max(int(packed.groups[0].rows * target.step_cycles // step), 1)
            assert node.params is not None
            cut = pack_column(node.name, node.params, len(graph.levels), packed.groups[0].rows, cut=rows)
        yield LeaLayer(node.name, cut, tile, width, fused, words, tuple(cycles), apart)


def _fully_connected(graph: Graph, node: Node, rows: int, target: TargetSpec, overlap: bool) -> LeaLayer | None:
    assert node.params is not None
    levels = len(graph.levels)
    shape = pack_column(node.name, node.params, levels, rows, tile=2)
    most = max(g.counts[-1] for g in shape.groups)
    tile = min((room_words(target) - BLOCK_WORDS - most) // (most + 2), max(g.rows for g in shape.groups) + 1) // 2 * 2
    if tile < 2:
        return None
    costs = LeaCosts(target.lea_costs, room_words(target), overlap)
    per_tile = costs.fully_connected(shape, levels - 1, tile) / max(-(-len(node.params.bias) // tile), 1)
    cut = max(int(target.step_cycles // per_tile), 1) * tile
    packed = pack_column(node.name, node.params, levels, rows, cut=min(cut, rows), tile=tile)
    words = BLOCK_WORDS + 2 * tile + most * (tile + 1)
    cycles = [costs.fully_connected(packed, level, tile) for level in range(levels)]
    return LeaLayer(node.name, packed, tile, 0, None, words, tuple(cycles))

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
from .errors import TargetError, UnsupportedOp
from .ir import Graph, Node
from .ops import AvgPool, Conv2d, FullyConnected
from .target import TargetSpec

BACKENDS = ("auto", "cpu", "lea")
BLOCK_WORDS = 4
"""Of the parameter block, at the start of LEA RAM (sw_lea.h)."""


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
    """

    node: str
    packed: ColumnLayer
    tile: int
    width: int
    pool: Node | None
    words: int
    cycles: tuple[float, ...]


def plan_lea(graph: Graph, target: TargetSpec, backend: str = "auto") -> Mapping[str, LeaLayer]:
    """The layers that run on the LEA, by node.

    Args:
        backend: `cpu`: none; `lea`: all that can; `auto`: those that are cheaper there, summed over the levels.

    Raises:
        TargetError: an unknown back end, or `lea` for a target that has none.
    """
    if backend not in BACKENDS:
        raise TargetError(f"backend {backend!r} is unknown; choose {', '.join(BACKENDS)}")
    if backend == "cpu" or (backend == "auto" and "lea_ram" not in target.regions):
        return {}
    if "lea_ram" not in target.regions:
        raise TargetError(f"{target.name} has no LEA; use backend cpu")
    chosen = {}
    for node in graph.nodes:
        if node.params is None:
            continue
        best = min(_candidates(graph, node, target), key=lambda c: sum(c.cycles), default=None)
        if best is not None and (backend == "lea" or sum(best.cycles) < sum(cpu_cycles(graph, node, target))):
            chosen[node.name] = best
    return chosen


def room_words(target: TargetSpec) -> int:
    """Words of LEA RAM below the LEA's stack."""
    return (target.regions["lea_ram"].size - target.lea_stack_bytes) // 2


def fused_pool(graph: Graph, node: Node) -> Node | None:
    """The 2 x 2 average pool that reads nothing but `node` and can be done with its clip."""
    readers = [n for n in graph.nodes if n.input == node.output]
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


def _candidates(graph: Graph, node: Node, target: TargetSpec) -> Iterator[LeaLayer]:
    assert node.params is not None
    if node.params.shift != SHIFT:
        return
    outputs, levels = len(node.params.bias), len(graph.levels)
    for rows in _halvings(outputs):
        if isinstance(node.op, Conv2d):
            packed = pack_column(node.name, node.params, levels, rows)
            yield from _conv2d(graph, node, packed, target)
        elif isinstance(node.op, FullyConnected):
            found = _fully_connected(graph, node, rows, target)
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


def _conv2d(graph: Graph, node: Node, packed: ColumnLayer, target: TargetSpec) -> Iterator[LeaLayer]:
    assert isinstance(node.op, Conv2d)
    shape = graph.tensors[node.output].shape
    height, width = shape[1], shape[2] + shape[2] % 2
    pool = fused_pool(graph, node)
    most = max(g.counts[-1] for g in packed.groups)
    for tile in range(1, height + 1):
        words = BLOCK_WORDS + tile * width * (2 + most) + 2 * most
        if words > room_words(target):
            return
        fused = pool if tile % 2 == 0 or tile == height else None
        apart = graph.tensors[pool.output].size * target.costs["avgpool_cycles"] if pool and not fused else 0.0
        cycles = [
            _conv2d_cycles(node, packed, target, level, tile, height, width, fused) + apart for level in _levels(graph)
        ]
        step = max(cycles) / (-(-height // tile))
        cut = packed
        if step > target.step_cycles:  # smaller groups: the matrix stays for those that share its taps
            rows = max(int(packed.groups[0].rows * target.step_cycles // step), 1)
            assert node.params is not None
            cut = pack_column(node.name, node.params, len(graph.levels), packed.groups[0].rows, cut=rows)
        yield LeaLayer(node.name, cut, tile, width, fused, words, tuple(cycles))


def _levels(graph: Graph) -> range:
    return range(len(graph.levels))


def _conv2d_cycles(
    node: Node,
    packed: ColumnLayer,
    target: TargetSpec,
    level: int,
    tile: int,
    height: int,
    width: int,
    pool: Node | None,
) -> float:
    assert isinstance(node.op, Conv2d)
    c = target.lea_costs
    most = max(g.counts[level] for g in packed.groups)
    stored = sum(g.counts[level] * g.rows for g in packed.groups)
    total = float(c["layer"])
    resident = BLOCK_WORDS + tile * width * (2 + most) + stored <= room_words(target)
    if resident:
        total += sum(g.rows * (c["fetch"] + c["fetch_word"] * g.counts[level]) for g in packed.groups)
    for first in range(0, height, tile):
        rows = min(tile, height - first)
        for group in packed.groups:
            n, columns = group.counts[level], rows * width
            run = c["gather"] + c["gather_word"] * width if node.op.stride[1] == 1 else c["gather_cpu_word"] * width
            total += c["tile"] + (n - len(packed.constants)) * (c["gather_tap"] + rows * run)
            each = c["call"] + c["row"] + columns * (c["row_column"] + c["row_mac"] * n)
            each += columns * (c["clip_avgpool"] if pool else c["clip"])
            total += group.rows * (each if resident else each + c["fetch"] + c["fetch_word"] * n)
    return total


def _fully_connected(graph: Graph, node: Node, rows: int, target: TargetSpec) -> LeaLayer | None:
    assert node.params is not None
    levels = len(graph.levels)
    shape = pack_column(node.name, node.params, levels, rows, tile=2)
    most = max(g.counts[-1] for g in shape.groups)
    tile = min((room_words(target) - BLOCK_WORDS - most) // (most + 2), max(g.rows for g in shape.groups) + 1) // 2 * 2
    if tile < 2:
        return None
    c = target.lea_costs

    def cost(packed: ColumnLayer, level: int) -> float:
        total = float(c["layer"])
        for group, members in packed.lists():
            total += (group.counts[level]) * c["gather_element"]
            for g in (packed.groups[i] for i in members):
                n = g.counts[level]
                each = c["tile"] + c["call"] + c["row"] + tile * (c["row_column"] + c["row_mac"] * n + c["clip"])
                total += -(-g.rows // tile) * (each + c["fetch"] + c["fetch_word"] * n * tile)
        return total

    per_tile = cost(shape, levels - 1) / max(-(-len(node.params.bias) // tile), 1)
    cut = max(int(target.step_cycles // per_tile), 1) * tile
    packed = pack_column(node.name, node.params, levels, rows, cut=min(cut, rows), tile=tile)
    words = BLOCK_WORDS + 2 * tile + most * (tile + 1)
    return LeaLayer(node.name, packed, tile, 0, None, words, tuple(cost(packed, level) for level in range(levels)))

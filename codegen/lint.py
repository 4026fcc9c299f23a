"""Refuses an illegal use of the LEA before any C is written, by rules of its own, apart from the planner's.

The rules are those of `sim/LEA.md`: sizes of MPYMATRIXROW and FIR are even and not 0, operands and results start at
32-bit words inside LEA RAM and do not overlap, one command holds a whole reduction, and the shift is the command's.
"""

from __future__ import annotations

from .column import SHIFT, ColumnLayer
from .cost import BLOCK_WORDS, FIR_BLOCK_WORDS
from .errors import GraphError
from .ir import ACCUMULATOR_LIMIT, Graph, worst_sum
from .layers import Layer
from .target import TargetSpec
from .tiling import Schedule


def lint_lea(graph: Graph, schedule: Schedule, target: TargetSpec) -> None:
    """Check every command that the layers on the LEA will issue.

    Raises:
        GraphError: with the layer, the level and the rule.
    """
    for layer in schedule.layers:
        if layer.lea is None:
            continue
        assert isinstance(layer.packed, ColumnLayer) and layer.node is not None and layer.node.params is not None
        if layer.node.params.shift != SHIFT:
            _refuse(layer, f"shift {layer.node.params.shift}; the command shifts by {SHIFT}")
        worst = worst_sum(graph.tensors[layer.node.input], layer.node.params)
        if worst >= ACCUMULATOR_LIMIT:
            _refuse(layer, f"a sum can reach {worst}, the command keeps sums below {ACCUMULATOR_LIMIT}")
        if layer.lea.fir:
            _filters(graph, layer, target.lea_words)
        for level in range(len(graph.levels)):
            for group in layer.packed.groups:
                if len(group.counts) <= level or group.counts[level] > len(group.weights):
                    _refuse(layer, f"level {level} reads more columns than group {group.first} has")
                if not layer.lea.fir:
                    _commands(layer, level, group.counts[level], target.lea_words)


def _commands(layer: Layer, level: int, taps: int, room: int) -> None:
    """The commands of one group: their sizes, and where block, results, matrix and vector lie."""
    assert layer.lea is not None
    if layer.lea.tilings:
        tiling = layer.lea.tilings[level]
        sizes = [rows * cols for rows, cols, _ in tiling.tiles()]
        largest = tiling.rows * tiling.cols
        places = [BLOCK_WORDS, BLOCK_WORDS + largest, BLOCK_WORDS + 2 * largest]
        places += [places[-1] + taps * largest]
        end = places[-1] + taps
    else:
        sizes = [layer.lea.tile]
        places = [BLOCK_WORDS, BLOCK_WORDS + layer.lea.tile, BLOCK_WORDS + 2 * layer.lea.tile]
        places += [places[-1] + taps]
        end = places[-1] + taps * layer.lea.tile
    if taps < 1 or taps % 2:
        _refuse(layer, f"level {level}: rowSize {taps}; it must be even and not 0")
    for size in sizes:
        if size < 1 or size % 2:
            _refuse(layer, f"level {level}: colSize {size}; it must be even and not 0")
    for place in places:
        if place % 2:
            _refuse(layer, f"level {level}: an operand at word {place}; it must lie at an even one")
    if end > room:
        _refuse(layer, f"level {level}: operands need {2 * end:,} B of LEA RAM, layers have {2 * room:,} B")


def _filters(graph: Graph, layer: Layer, room: int) -> None:
    """The FIR commands of a layer: one channel and one bias for each, sizes and places as for the matrix."""
    assert layer.lea is not None and layer.lea.fir is not None and isinstance(layer.packed, ColumnLayer)
    fir, (channels, height, width) = layer.lea.fir, graph.tensors[layer.y].shape
    if [(g.first, g.rows) for g in layer.packed.groups] != [(c, 1) for c in range(channels)]:
        _refuse(layer, "FIR makes one channel; a group has more")
    end = 0
    for rows in {min(fir.rows, height), height % fir.rows or fir.rows}:
        outputs = (rows - 1) * fir.pitch + width
        outputs += outputs % 2
        if outputs < 2 or fir.window < 2 or fir.window % 2:
            _refuse(layer, f"vectorSize {outputs}, tapLength {fir.window}; they must be even and not 0")
        weights = max(len(g.weights) for g in layer.packed.groups)
        end = max(end, FIR_BLOCK_WORDS + 2 * (2 * outputs + 2 * fir.window) + weights)
    if end > room:
        _refuse(layer, f"operands need {2 * end:,} B of LEA RAM, layers have {2 * room:,} B")


def _refuse(layer: Layer, rule: str) -> None:
    raise GraphError(f"{layer.name}: illegal on the LEA: {rule}; use backend cpu and report this plan")

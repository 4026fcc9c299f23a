"""Refuses an illegal use of the LEA before any C is written, by rules of its own, apart from the planner's.

The rules are those of `sim/LEA.md`: sizes of MPYMATRIXROW are even and not 0, operands and results start at 32-bit
words inside LEA RAM and do not overlap, one command holds a whole reduction, and the shift is the command's.
"""

from __future__ import annotations

from .column import SHIFT, ColumnLayer
from .cost import BLOCK_WORDS
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
        for level in range(len(graph.levels)):
            for group in layer.packed.groups:
                if len(group.counts) <= level or group.counts[level] > len(group.weights):
                    _refuse(layer, f"level {level} reads more columns than group {group.first} has")
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


def _refuse(layer: Layer, rule: str) -> None:
    raise GraphError(f"{layer.name}: illegal on the LEA: {rule}; use backend cpu and report this plan")

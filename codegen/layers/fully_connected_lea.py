"""Fully connected on the LEA: the gathered input is the row vector of MPYMATRIXROW, tiles of weights its matrix."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..column import ColumnLayer, pack_column
from ..cost import BLOCK_WORDS, LeaCosts
from ..ir import Graph, Node
from ..ops import Array
from ..target import TargetSpec
from .base import Emission, Layer, Step
from .columns import LeaKind, LeaLayer


class FullyConnectedLea(LeaKind):
    """A step is one group of outputs."""

    kind = "fully_connected_lea"
    sources = ("src/sw_fully_connected_lea.c",)
    kernels = (
        "sw_mpymatrixrow_s16_lea", "sw_lea_wait", "sw_fetch_s16_dma", "sw_load_u16", "sw_gather_s16_cpu",
        "sw_clip_s16_cpu",
    )  # fmt: skip

    def candidates(self, graph: Graph, node: Node, rows: int, target: TargetSpec, overlap: bool) -> Iterator[LeaLayer]:
        """The largest tile that fits LEA RAM with the row vector and two results."""
        assert node.params is not None
        levels = len(graph.levels)
        packed = pack_column(node.name, node.params, levels, rows, tile=2)
        most = max(g.counts[-1] for g in packed.groups)
        fitting = (target.lea_words - BLOCK_WORDS - most) // (most + 2)
        tile = min(fitting, max(g.rows for g in packed.groups) + 1) // 2 * 2
        if tile < 2:
            return
        packed = replace(packed, tile=tile)
        costs = LeaCosts(target.lea_costs, target.lea_words, overlap)
        cycles = tuple(_cycles(costs, packed, level) for level in range(levels))
        per_tile = cycles[-1] / max(-(-len(node.params.bias) // tile), 1)
        cut = min(max(int(target.step_cycles // per_tile), 1) * tile, rows)
        yield LeaLayer(node.name, self.kind, packed, cut, tile, (), None, cycles)

    def layer(self, graph: Graph, node: Node, lea: LeaLayer) -> Layer:
        """A step for each group."""
        steps = (tuple(Step((g.first, g.first + g.rows), (0, 1)) for g in lea.packed.groups),) * len(graph.levels)
        return Layer(node.name, self.kind, node.input, node.output, steps, lea.tile, node, lea.packed, lea)

    def tap_bytes(self, emission: Emission, layer: Layer, taps: Array) -> Array:
        """Inputs are words in a row."""
        return 2 * taps


def _cycles(costs: LeaCosts, packed: ColumnLayer, level: int) -> float:
    """All tiles at `level`."""
    c, tile = costs.costs, packed.tile
    total = float(c["layer"])
    for group, members in packed.lists():
        n = group.counts[level]
        total += n * c["gather_element"]
        words = n * tile
        shared = max(2 * words - (costs.room - BLOCK_WORDS - 2 * tile - n), 0)
        clip = c["clip_call"] + tile * c["clip"]
        own = costs.fetch(words - shared)
        late = costs.fetch(shared) if shared else 0.0
        each = c["fc_tile"] + late + costs.row(n, tile, own + clip, words - shared + tile)
        total += sum(c["tile"] + -(-packed.groups[i].rows // tile) * each for i in members)
    return total

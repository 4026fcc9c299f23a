"""Fully connected on the LEA: the gathered input is the row vector of MPYMATRIXROW, tiles of weights its matrix."""

from __future__ import annotations

from collections.abc import Iterator

from ..column import pack_column
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
        shape = pack_column(node.name, node.params, levels, rows, tile=2)
        most = max(g.counts[-1] for g in shape.groups)
        fitting = (target.lea_words - BLOCK_WORDS - most) // (most + 2)
        tile = min(fitting, max(g.rows for g in shape.groups) + 1) // 2 * 2
        if tile < 2:
            return
        costs = LeaCosts(target.lea_costs, target.lea_words, overlap)
        per_tile = costs.fully_connected(shape, levels - 1, tile) / max(-(-len(node.params.bias) // tile), 1)
        cut = max(int(target.step_cycles // per_tile), 1) * tile
        packed = pack_column(node.name, node.params, levels, rows, cut=min(cut, rows), tile=tile)
        words = BLOCK_WORDS + 2 * tile + most * (tile + 1)
        cycles = [costs.fully_connected(packed, level, tile) for level in range(levels)]
        yield LeaLayer(node.name, self.kind, packed, tile, 0, None, words, tuple(cycles))

    def layer(self, graph: Graph, node: Node, lea: LeaLayer) -> Layer:
        """A step for each group."""
        steps = tuple(Step((g.first, g.first + g.rows), (0, 1)) for g in lea.packed.groups)
        return Layer(node.name, self.kind, node.input, node.output, steps, lea.tile, node, lea.packed, lea)

    def tap_bytes(self, emission: Emission, layer: Layer, taps: Array) -> Array:
        """Inputs are words in a row."""
        return 2 * taps

"""Convolution on the LEA: filters are the row vectors of MPYMATRIXROW, gathered pixels its matrix."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..column import pack_column
from ..cost import BLOCK_WORDS, Conv2dWork, LeaCosts, fused_pool
from ..ir import Graph, Node
from ..ops import Array, Conv2d
from ..target import TargetSpec
from .base import Emission, Layer, Step, first_window
from .columns import LeaKind, LeaLayer


class Conv2dLea(LeaKind):
    """A step is a tile of output rows of one group of channels."""

    kind = "conv2d_lea"
    sources = ("src/sw_conv2d_lea.c", "src/sw_io.c")
    kernels = (
        "sw_mpymatrixrow_s16_lea", "sw_lea_wait", "sw_fetch_s16_dma", "sw_load_u16", "sw_gather_rows_s16_dma",
        "sw_gather_rows_s16_cpu", "sw_clip_s16_cpu", "sw_clip_avgpool_s16_cpu",
    )  # fmt: skip

    def candidates(self, graph: Graph, node: Node, rows: int, target: TargetSpec, overlap: bool) -> Iterator[LeaLayer]:
        """Every tile whose matrix, two results and two filters fit LEA RAM."""
        assert isinstance(node.op, Conv2d) and node.params is not None
        if node.op.groups != 1 or node.op.dilation != (1, 1):
            return
        levels = len(graph.levels)
        packed = pack_column(node.name, node.params, levels, rows)
        shape = graph.tensors[node.output].shape
        height, width = shape[1], shape[2] + shape[2] % 2
        pool = fused_pool(graph, node)
        most = max(g.counts[-1] for g in packed.groups)
        costs = LeaCosts(target.lea_costs, target.lea_words, overlap)
        for tile in range(1, height + 1):
            words = BLOCK_WORDS + tile * width * (2 + most) + 2 * most
            if words > target.lea_words:
                return
            fused = pool if tile % 2 == 0 or tile == height else None
            apart = graph.tensors[pool.output].size * target.costs["avgpool_cycles"] if pool and not fused else 0.0
            work = Conv2dWork(height, width, tile, node.op.stride[1] == 1, fused is not None)
            cycles = [costs.conv2d(packed, level, work) for level in range(levels)]
            step = max(cycles) / (-(-height // tile))
            cut = packed
            if step > target.step_cycles:  # smaller groups: the matrix stays for those that share its taps
                fewer = max(int(packed.groups[0].rows * target.step_cycles // step), 1)
                cut = pack_column(node.name, node.params, levels, packed.groups[0].rows, cut=fewer)
            yield LeaLayer(node.name, self.kind, cut, tile, width, fused, words, tuple(cycles), apart)

    def layer(self, graph: Graph, node: Node, lea: LeaLayer) -> Layer:
        """A step for each tile and group, tile by tile, so that the groups share the gathered pixels."""
        output = lea.pool.output if lea.pool else node.output
        groups = [(g.first, g.first + g.rows) for g in lea.packed.groups]
        height, rows = graph.tensors[output].shape[1], max(lea.tile // (2 if lea.pool else 1), 1)
        tiles = [(r, min(r + rows, height)) for r in range(0, height, rows)]
        steps = tuple(Step(g, t) for t in tiles for g in groups)
        return Layer(node.name, self.kind, node.input, output, steps, lea.tile, node, lea.packed, lea)

    def overrun(self, layer: Layer) -> int:
        """An odd output row gets a column more, which may start behind the image."""
        assert layer.node is not None and isinstance(layer.node.op, Conv2d)
        return layer.node.op.stride[1]

    def macs(self, graph: Graph, layer: Layer, level: int) -> int:
        """With the columns that fill up odd rows."""
        assert layer.packed is not None and layer.lea is not None and layer.node is not None
        return layer.packed.entries(level) * graph.tensors[layer.node.output].shape[1] * layer.lea.width

    def tap_bytes(self, emission: Emission, layer: Layer, taps: Array) -> Array:
        """By channel, row and column of the window."""
        assert layer.node is not None and isinstance(layer.node.op, Conv2d)
        x = emission.plan.buffer(layer.x)
        kh, kw = layer.node.op.kernel
        channel, row, column = taps // (kh * kw), taps // kw % kh, taps % kw
        offsets: Array = 2 * (channel * x.plane + row * x.pitch + column)
        return offsets

    def context(self, emission: Emission, layer: Layer) -> dict[str, Any]:
        """Size before pooling and the way to gather."""
        assert layer.node is not None and isinstance(layer.node.op, Conv2d) and layer.lea is not None
        return super().context(emission, layer) | {
            "x": f"sw_arena + {first_window(emission, layer)}",
            "width": layer.lea.width,
            "height": emission.graph.tensors[layer.node.output].shape[1],
            "pool": int(layer.lea.pool is not None),
            "gather": f"sw_gather_rows_s16_{'dma' if layer.node.op.stride[1] == 1 else 'cpu'}",
        }

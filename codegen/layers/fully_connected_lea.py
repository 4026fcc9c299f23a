"""Fully connected on the LEA: the gathered input is the row vector of MPYMATRIXROW, tiles of weights its matrix."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from ..column import ColumnLayer, pack_column
from ..cost import BLOCK_WORDS, Beside, Work, pipeline
from ..ir import Graph, Node
from ..ops import Array
from ..target import TargetSpec
from .base import Emission, Layer, Step
from .columns import LeaKind, LeaLayer

if TYPE_CHECKING:
    from ..memory import MemoryPlan


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
        works = [_work(packed, level, target.lea_words) for level in range(levels)]
        cycles = tuple(w.cycles(target.prices, overlap) for w in works)
        joules = tuple(target.energy(w, overlap) for w in works)

        def fits(tiles: int) -> bool:
            work = _restart(packed, most, tiles * tile, target.lea_words)
            return target.restart_cycles(work, overlap) <= target.step_budget

        cut = next((n * tile for n in range(-(-rows // tile), 0, -1) if fits(n)), 0)
        if cut:
            yield LeaLayer(node.name, self.kind, packed, min(cut, rows), tile, (), None, cycles, joules)

    def restart_work(self, graph: Graph, layer: Layer, level: int, step: Step, target: TargetSpec, taps: int) -> Work:
        """Inputs are gathered again."""
        assert isinstance(layer.packed, ColumnLayer)
        group = next(g for g in layer.packed.groups if g.first == step.channels[0])
        return _restart(layer.packed, group.counts[level], group.rows, target.lea_words)

    def layer(self, graph: Graph, node: Node, lea: LeaLayer) -> Layer:
        """A step for each group."""
        steps = (tuple(Step((g.first, g.first + g.rows), (0, 1)) for g in lea.packed.groups),) * len(graph.levels)
        return Layer(node.name, self.kind, node.input, node.output, steps, lea.tile, node, lea.packed, lea)

    def work(self, graph: Graph, layer: Layer, level: int, plan: MemoryPlan) -> Work:
        """Tiles of weights."""
        assert isinstance(layer.packed, ColumnLayer)
        return _work(layer.packed, level, plan.lea_words)

    def tap_bytes(self, emission: Emission, layer: Layer, taps: Array) -> Array:
        """Inputs are words in a row."""
        return 2 * taps


def _work(packed: ColumnLayer, level: int, room: int) -> Work:
    """All tiles at `level`, with `room` words of LEA RAM."""
    work = Work()
    work.add(1, fc_layer=1)
    for group, members in packed.lists():
        n = group.counts[level]
        work.add(1, gather_element=n)
        for i in members:
            _group(work, n, packed.groups[i].rows, packed.tile, room)
    return work


def _restart(packed: ColumnLayer, count: int, rows: int, room: int) -> Work:
    """A step of `rows` outputs from `count` inputs, after a reboot."""
    work = Work()
    work.add(1, fc_layer=1, gather_element=count)
    _group(work, count, rows, packed.tile, room)
    return work


def _group(work: Work, n: int, rows: int, tile: int, room: int) -> None:
    """Add the tiles of a group of `rows` outputs from `n` inputs."""
    words = n * tile
    shared = max(2 * words - (room - BLOCK_WORDS - 2 * tile - n), 0)  # fetched when nothing runs
    clip = {"clip_call": 1.0, "clip_row": 1.0, "clip": float(tile)}
    own = {"fetch": 1.0, "fetch_word": float(words - shared)}
    tiles = -(-rows // tile)
    last = rows - (tiles - 1) * tile
    work.add(1, fc_group=1, **own, **(clip | {"clip": float(last)}))
    work.add(tiles, **({"fetch": 1, "fetch_word": shared} if shared else {}))
    work.commands += pipeline(1, tiles, n, tile, (Beside(own, words - shared),), (Beside(clip, tile),))

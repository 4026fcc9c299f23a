"""Depthwise convolution on the LEA: a filter of one channel, rows joined, is the impulse response of one FIR command.

Rows of an image lie one behind the other, so a window of `kh` rows is a run of `(kh - 1) * pitch + kw` elements, and
the filter with zeros between its rows makes every output of every row in one command, with no pixel gathered. Outputs
that begin near the end of a row are no results. Biases are added to the truncated results, which is the same: they are
multiples of the unit of the result.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ..buffers import FAR, Buffer, image_buffer
from ..column import ColumnLayer, pack_column
from ..cost import FIR_BLOCK_WORDS, Beside, Work, pipeline
from ..ir import Graph, Node
from ..ops import Array, Conv2d
from ..target import TargetSpec
from .base import Emission, Layer, Step, border_work, first_window, window_bytes
from .columns import LeaKind, LeaLayer
from .cuts import most

if TYPE_CHECKING:
    from ..memory import MemoryPlan


@dataclass(frozen=True)
class FirTile:
    """Sizes of the commands of a layer.

    Attributes:
        pitch, width: of an input row, border included, and of an output row.
        rows: output rows of the largest command.
        channels: of a step.
        window: elements from the first to the last tap of a window, rounded up to even.
    """

    pitch: int
    width: int
    rows: int
    channels: int
    window: int

    def outputs(self, rows: int) -> int:
        """vectorSize of a command for `rows` output rows; even."""
        count = (rows - 1) * self.pitch + self.width
        return count + count % 2

    def inputs(self, rows: int) -> int:
        """Elements that it reads; even, so that the next operand lies at a 32-bit word."""
        return self.outputs(rows) + self.window

    def words(self, weights: int) -> int:
        """LEA RAM for two results, two inputs, two filters, and `weights` as fetched."""
        return FIR_BLOCK_WORDS + 2 * (self.outputs(self.rows) + self.inputs(self.rows) + self.window) + weights


class Conv2dFir(LeaKind):
    """A step is a tile of rows of some channels."""

    kind = "conv2d_fir"
    sources = ("src/sw_conv2d_fir.c", "src/sw_io.c")
    kernels = ("sw_fir_s16_lea", "sw_lea_wait", "sw_fetch_s16_dma", "sw_copy_rows_s16_dma", "sw_mul_u16", "sw_load_u16",
               "sw_clip_bias_s16_cpu")  # fmt: skip
    far_x = far_y = True

    def candidates(self, graph: Graph, node: Node, rows: int, target: TargetSpec, overlap: bool) -> Iterator[LeaLayer]:
        """The tallest tile that fits: a taller one never costs more."""
        if not _possible(node, target) or rows > 1:
            return
        assert isinstance(node.op, Conv2d) and node.params is not None
        levels = len(graph.levels)
        packed = pack_column(node.name, node.params, levels, 1, groups=node.op.groups)
        weights = max(g.counts[-1] for g in packed.groups)
        channels, height, width = graph.tensors[node.output].shape
        pitch = image_buffer(graph, node.input).pitch
        (kh, kw), (dh, dw) = node.op.kernel, node.op.dilation
        span = (kh - 1) * dh * pitch + (kw - 1) * dw + 1
        tallest = (FirTile(pitch, width, -(-height // n), 1, span + span % 2) for n in range(1, height + 1))
        y = image_buffer(graph, node.output)

        def fits(tile: FirTile, count: int) -> bool:
            work = _restart(packed, replace(tile, channels=count), y, levels - 1)
            return target.restart_cycles(work, overlap) <= target.step_budget

        fitting = (t for t in tallest if t.words(weights) <= target.lea_words and fits(t, 1))
        tile = next(fitting, None)
        if tile is None:
            return
        tile = replace(tile, channels=most(channels, partial(fits, tile)))
        works = [_work(packed, tile, y, level) for level in range(levels)]
        cycles = tuple(w.cycles(target.prices, overlap) for w in works)
        joules = tuple(target.energy(w, overlap) for w in works)
        yield LeaLayer(node.name, self.kind, packed, 1, 0, (), None, cycles, joules, fir=tile)

    def layer(self, graph: Graph, node: Node, lea: LeaLayer) -> Layer:
        """Some channels of a tile of rows, all channels before the next rows."""
        assert lea.fir is not None
        channels, height, _ = graph.tensors[node.output].shape
        steps = tuple(
            Step((c, min(c + lea.fir.channels, channels)), (r, min(r + lea.fir.rows, height)))
            for r in range(0, height, lea.fir.rows)
            for c in range(0, channels, lea.fir.channels)
        )
        levels = (steps,) * len(graph.levels)
        return Layer(node.name, self.kind, node.input, node.output, levels, 0, node, lea.packed, lea)

    def work(self, graph: Graph, layer: Layer, level: int, plan: MemoryPlan) -> Work:
        """Commands, and the border of the output."""
        assert isinstance(layer.packed, ColumnLayer) and layer.lea is not None and layer.lea.fir is not None
        y = plan.buffer(layer.y)
        work = _work(layer.packed, layer.lea.fir, y, level)
        work.include(1, border_work(y).counts)
        return work

    def restart_work(self, graph: Graph, layer: Layer, level: int, step: Step, target: TargetSpec, taps: int) -> Work:
        """Nothing is prepared."""
        assert isinstance(layer.packed, ColumnLayer) and layer.lea is not None and layer.lea.fir is not None
        tile = replace(layer.lea.fir, channels=step.channels[1] - step.channels[0], rows=step.rows[1] - step.rows[0])
        return _restart(layer.packed, tile, image_buffer(graph, layer.y), level)

    def overrun(self, graph: Graph, layer: Layer) -> int:
        """Even counts of outputs and of taps, and of the elements fetched for them."""
        return 3

    def macs(self, graph: Graph, layer: Layer, level: int) -> int:
        """With the zeros between rows and the outputs that are no results."""
        assert layer.lea is not None and layer.lea.fir is not None
        channels, height, _ = graph.tensors[layer.y].shape
        return channels * layer.lea.fir.window * layer.lea.fir.outputs(height)

    def tap_bytes(self, emission: Emission, layer: Layer, taps: Array) -> Array:
        """By row and column of the window; channels as far as groups count from them."""
        return window_bytes(emission, layer, taps)

    def context(self, emission: Emission, layer: Layer) -> dict[str, Any]:
        """Sizes of the commands."""
        assert layer.lea is not None and layer.lea.fir is not None
        arena = emission.plan.buffer(layer.x).arena
        return super().context(emission, layer) | {
            "x": emission.place(arena, first_window(emission, layer)),
            "fir": layer.lea.fir,
        }


def _possible(node: Node, target: TargetSpec) -> bool:
    """One input channel for each filter, windows one element apart."""
    op = node.op
    if "FIR" not in target.lea_commands or not isinstance(op, Conv2d) or node.params is None:
        return False
    return node.params.weight.shape[1] == 1 and op.stride == (1, 1)


def _work(packed: ColumnLayer, tile: FirTile, y: Buffer, level: int) -> Work:
    """All steps at `level` for an output in `y`."""
    channels, height, _ = y.shape
    work = Work()
    work.add(1, conv_layer=1)
    taps = sum(g.counts[level] for g in packed.groups) / channels
    down, rest = divmod(height, tile.rows)
    across, left = divmod(channels, tile.channels)
    for rows, often in ((tile.rows, down), (rest, 1)):
        for count, steps in ((tile.channels, across * often), (left, often)):
            if rows and count:
                _step(work, steps, tile, y, rows, count, taps)
    return work


def _restart(packed: ColumnLayer, tile: FirTile, y: Buffer, level: int) -> Work:
    """A whole step after a reboot, its results above 64 KB."""
    work = Work()
    work.add(1, conv_layer=1)
    taps = max(g.counts[level] for g in packed.groups)
    _step(work, 1, tile, replace(y, arena=FAR), tile.rows, tile.channels, taps)
    work.include(tile.channels, border_work(y, 1).counts)
    return work


def _step(work: Work, steps: float, tile: FirTile, y: Buffer, rows: int, channels: int, taps: float) -> None:
    """Add `steps` steps of `rows` rows of `channels` filters."""
    width = y.shape[2]
    outputs, results, read = tile.outputs(rows), rows * width, tile.inputs(rows)
    load = (
        Beside({"fetch": 1.0, "fetch_word": float(read)}, read),
        Beside({"fetch": 1.0, "fetch_word": taps, "fir_filter": 1.0, "fir_tap": taps}, 4 * taps),
    )
    clip: tuple[Beside, ...] = (
        Beside({"clip_call": 1.0, "clip_row": float(rows), "clip_bias": float(results)}, results),
    )
    if y.arena == FAR:
        runs = 1 if width == y.pitch else rows
        copy = {"store_far": 1.0, "store_far_run": float(runs), "store_far_word": float(results)}
        clip = (replace(clip[0], accesses=2 * results), Beside(copy, results))
    work.add(steps, tile=1)
    for part in (*load, *clip):
        work.include(steps, part.counts)
    work.commands += pipeline(steps, channels, tile.window, outputs, load, clip, "fir")

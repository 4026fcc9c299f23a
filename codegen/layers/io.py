"""The layers that copy the input in and the logits out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..buffers import Buffer, image_buffer
from ..cost import Work
from ..ir import Graph
from ..target import TargetSpec
from .base import Layer, LayerKind, Step, block_work, border_work, extent, size_of
from .cuts import cut_image, cut_steps, flat_steps

if TYPE_CHECKING:
    from ..memory import MemoryPlan

LOAD, STORE = "<input>", "<output>"
"""Names of these layers; a node can hardly be called so."""


class Load(LayerKind):
    """A network's input, copied so that whoever writes `sw_input` can't change an inference under way."""

    kind = "load"
    sources = ("src/sw_io.c",)
    kernels = ("sw_zero_rows_s16_dma", "sw_copy_rows_s16_dma", "sw_mul_u16", "sw_load_u16")
    far_x = far_y = True  # it reads sw_input, never an arena

    def layer(self, graph: Graph, target: TargetSpec) -> Layer:
        """A step for each channel of the input, or for what fits of it; a flat one is an image of one row."""
        y, flat = image_buffer(graph, graph.input), len(graph.tensors[graph.input].shape) == 1
        cut = cut_image(y.shape, lambda _, r, c: target.restart_cycles(_block(y, r, c)), target.step_budget)
        steps = flat_steps(y.shape[2], cut) if flat else cut_steps(y.shape, cut)
        return Layer(LOAD, self.kind, graph.input, graph.input, (steps,) * len(graph.levels), cut=cut)

    def restart_work(self, graph: Graph, layer: Layer, level: int, step: Step, target: TargetSpec, taps: int) -> Work:
        """Nothing is prepared."""
        y = image_buffer(graph, layer.y)
        channels, rows, cols = size_of(step, y.shape[2])
        return _block(y, rows, channels if len(graph.tensors[layer.y].shape) == 1 else cols)

    def work(self, graph: Graph, layer: Layer, level: int, plan: MemoryPlan) -> Work:
        """A block transfer for each row."""
        work = border_work(plan.buffer(layer.y))
        work.include(1, block_work(layer, level).counts)
        channels, height, width = plan.buffer(layer.y).shape
        work.add(
            1, load_layer=1, load_channel=channels, load_row=channels * height, load_word=channels * height * width
        )
        return work


class Store(LayerKind):
    """Logits and their argmax, handed over in one step."""

    kind = "store"
    sources = ("src/sw_io.c",)
    kernels = ("sw_argmax_s16_cpu",)

    def layer(self, graph: Graph) -> Layer:
        """One step."""
        channels, rows = extent(graph.output)
        step = Step((0, channels), (0, rows))
        return Layer(STORE, self.kind, graph.output.name, graph.output.name, ((step,),) * len(graph.levels))

    def restart_work(self, graph: Graph, layer: Layer, level: int, step: Step, target: TargetSpec, taps: int) -> Work:
        """All of it."""
        work = Work()
        work.add(1, store_layer=1, store_word=graph.output.size)
        return work

    def work(self, graph: Graph, layer: Layer, level: int, plan: MemoryPlan) -> Work:
        """Copy and argmax, word by word."""
        work = Work()
        work.add(1, store_layer=1, store_word=graph.output.size)
        return work


def _block(y: Buffer, rows: int, cols: int) -> Work:
    work = border_work(y, 1)
    work.add(1, load_layer=1, block=1, block_part=1, load_channel=1, load_row=rows, load_word=rows * cols)
    return work

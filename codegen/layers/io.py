"""The layers that copy the input in and the logits out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..cost import Work
from ..ir import Graph
from .base import Layer, LayerKind, Step, border_work, by_channel, extent

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

    def layer(self, graph: Graph) -> Layer:
        """One step for each channel of the input."""
        return Layer(LOAD, self.kind, graph.input, graph.input, by_channel(graph, graph.tensors[graph.input]))

    def work(self, graph: Graph, layer: Layer, level: int, plan: MemoryPlan) -> Work:
        """A block transfer for each row."""
        work = border_work(plan.buffer(layer.y))
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

    def work(self, graph: Graph, layer: Layer, level: int, plan: MemoryPlan) -> Work:
        """Copy and argmax, word by word."""
        work = Work()
        work.add(1, store_layer=1, store_word=graph.output.size)
        return work

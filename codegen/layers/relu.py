"""Relu and clip that no other clip could absorb."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..buffers import Buffer, image_buffer
from ..cost import Work
from ..ir import Graph, Node
from ..ops import Clip, Relu
from ..packing import Packed
from ..target import TargetSpec
from .base import Emission, Layer, LayerKind, Step, block_work, border_work, c_int, size_of
from .cuts import cut_image, cut_steps, flat_steps

if TYPE_CHECKING:
    from ..memory import MemoryPlan


class ReluLayer(LayerKind):
    """A step is a channel, or a part of it; a flat tensor is an image of one row."""

    kind = "relu"
    ops = (Relu, Clip)
    sources = ("src/sw_relu.c", "src/sw_io.c")

    def plan(self, graph: Graph, node: Node, packed: Packed | None, target: TargetSpec, taps: int) -> Layer:
        """A channel, or what fits of it."""
        y, flat = image_buffer(graph, node.output), len(graph.tensors[node.output].shape) == 1
        cut = cut_image(y.shape, lambda _, r, c: target.restart_cycles(_block(y, r, c)), target.step_budget)
        steps = flat_steps(y.shape[2], cut) if flat else cut_steps(y.shape, cut)
        levels = (steps,) * len(graph.levels)
        return Layer(node.name, self.kind, node.input, node.output, levels, node=node, cut=cut)

    def restart_work(self, graph: Graph, layer: Layer, level: int, step: Step, target: TargetSpec, taps: int) -> Work:
        """Nothing is prepared."""
        y = image_buffer(graph, layer.y)
        channels, rows, cols = size_of(step, y.shape[2])
        return _block(y, rows, channels if len(graph.tensors[layer.y].shape) == 1 else cols)

    def context(self, emission: Emission, layer: Layer) -> dict[str, Any]:
        """A relu is a clip at 0."""
        y = emission.graph.tensors[layer.y]
        relu = layer.node is not None and isinstance(layer.node.op, Relu)
        return {"lo": c_int(max(y.lo, 0) if relu else y.lo)}

    def work(self, graph: Graph, layer: Layer, level: int, plan: MemoryPlan) -> Work:
        """Row by row."""
        work = border_work(plan.buffer(layer.y))
        work.include(1, block_work(layer, level).counts)
        channels, height, width = plan.buffer(layer.y).shape
        work.add(1, relu_layer=1, relu_row=channels * height, relu_word=channels * height * width)
        return work


def _block(y: Buffer, rows: int, cols: int) -> Work:
    work = border_work(y, 1)
    work.add(1, relu_layer=1, block=1, block_part=1, relu_row=rows, relu_word=rows * cols)
    return work

"""Relu and clip that no other clip could absorb."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..cost import Work
from ..ir import Graph
from ..ops import Clip, Relu
from .base import Emission, Layer, LayerKind, border_work, c_int

if TYPE_CHECKING:
    from ..memory import MemoryPlan


class ReluLayer(LayerKind):
    """A step is one channel."""

    kind = "relu"
    ops = (Relu, Clip)
    sources = ("src/sw_relu.c", "src/sw_io.c")

    def context(self, emission: Emission, layer: Layer) -> dict[str, Any]:
        """A relu is a clip at 0."""
        y = emission.graph.tensors[layer.y]
        relu = layer.node is not None and isinstance(layer.node.op, Relu)
        return {"lo": c_int(max(y.lo, 0) if relu else y.lo)}

    def work(self, graph: Graph, layer: Layer, level: int, plan: MemoryPlan) -> Work:
        """Row by row."""
        work = border_work(plan.buffer(layer.y))
        channels, height, width = plan.buffer(layer.y).shape
        work.add(1, relu_layer=1, relu_row=channels * height, relu_word=channels * height * width)
        return work

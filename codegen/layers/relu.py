"""Relu and clip that no other clip could absorb."""

from __future__ import annotations

from typing import Any

from ..ops import Clip, Relu
from .base import Emission, Layer, LayerKind, c_int


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

"""Average and max pooling on the CPU."""

from __future__ import annotations

from typing import Any

from ..ops import AvgPool, MaxPool
from .base import Emission, Layer, LayerKind


class PoolLayer(LayerKind):
    """A step is one channel."""

    kind = "pool"
    ops = (AvgPool, MaxPool)
    sources = ("src/sw_pool.c", "src/sw_io.c")
    kernels = ("sw_avgpool_s16_cpu", "sw_maxpool_s16_cpu")

    def context(self, emission: Emission, layer: Layer) -> dict[str, Any]:
        """Output size and the integer mean."""
        assert layer.node is not None
        op = layer.node.op
        multiplier, shift = op.scale if isinstance(op, AvgPool) else (1, 0)
        _, height, width = emission.graph.tensors[layer.y].shape
        return {"multiplier": multiplier, "shift": shift, "out_h": height, "out_w": width}

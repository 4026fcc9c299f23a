"""Average and max pooling on the CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..cost import Work
from ..ir import Graph
from ..ops import AvgPool, MaxPool
from .base import Emission, Layer, LayerKind, border_work

if TYPE_CHECKING:
    from ..memory import MemoryPlan


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

    def work(self, graph: Graph, layer: Layer, level: int, plan: MemoryPlan) -> Work:
        """Windows, and the elements of each; the 2 x 2 average has a kernel of its own."""
        assert layer.node is not None and isinstance(layer.node.op, AvgPool | MaxPool)
        work, op = border_work(plan.buffer(layer.y)), layer.node.op
        channels, height, width = plan.buffer(layer.y).shape
        windows, area = channels * height * width, op.kernel[0] * op.kernel[1]
        work.add(1, pool_layer=1, pool_channel=channels, pool_row=channels * height)
        if op == AvgPool((2, 2), (2, 2)):
            work.add(windows, avgpool_2x2=1)
        else:
            work.add(windows, **{f"{op.kind}_window": 1, f"{op.kind}_element": area})
        return work

"""Average and max pooling on the CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..buffers import Buffer, image_buffer
from ..cost import Work, pool_windows
from ..ir import Graph, Node
from ..ops import AvgPool, MaxPool
from ..packing import Packed
from ..target import TargetSpec
from .base import Emission, Layer, LayerKind, Step, block_work, border_work, size_of
from .cuts import cut_image, cut_steps

if TYPE_CHECKING:
    from ..memory import MemoryPlan

_SPREAD = 0.15
"""By how much a window may take longer than windows of all sizes do in the mean."""


class PoolLayer(LayerKind):
    """A step is a channel, or some of its windows."""

    kind = "pool"
    ops = (AvgPool, MaxPool)
    sources = ("src/sw_pool.c", "src/sw_io.c")
    kernels = ("sw_avgpool_s16_cpu", "sw_maxpool_s16_cpu")

    def plan(self, graph: Graph, node: Node, packed: Packed | None, target: TargetSpec, taps: int) -> Layer:
        """A channel, or what fits of it."""
        y = image_buffer(graph, node.output)
        cut = cut_image(y.shape, lambda _, r, c: target.restart_cycles(_block(node, y, r, c)), target.step_budget)
        steps = (cut_steps(y.shape, cut),) * len(graph.levels)
        return Layer(node.name, self.kind, node.input, node.output, steps, node=node, cut=cut)

    def restart_work(self, graph: Graph, layer: Layer, level: int, step: Step, target: TargetSpec, taps: int) -> Work:
        """Nothing is prepared."""
        assert layer.node is not None
        y = image_buffer(graph, layer.y)
        _, rows, cols = size_of(step, y.shape[2])
        return _block(layer.node, y, rows, cols)

    def context(self, emission: Emission, layer: Layer) -> dict[str, Any]:
        """Output size and the integer mean."""
        assert layer.node is not None
        op = layer.node.op
        multiplier, shift = op.scale if isinstance(op, AvgPool) else (1, 0)
        _, height, width = emission.graph.tensors[layer.y].shape
        return {"multiplier": multiplier, "shift": shift, "out_h": height, "out_w": width}

    def work(self, graph: Graph, layer: Layer, level: int, plan: MemoryPlan) -> Work:
        """Each step, and the borders."""
        assert layer.node is not None
        y = plan.buffer(layer.y)
        work = border_work(y)
        work.include(1, block_work(layer, level).counts)
        channels, height, width = y.shape
        whole = pool_windows(layer.node, height, width)
        work.include(channels, {name: n for name, n in whole.counts.items() if name != "pool_layer"})
        work.add(1, pool_layer=1)
        return work


def _block(node: Node, y: Buffer, rows: int, cols: int) -> Work:
    """At most what a step takes: prices of windows are means over their sizes."""
    work = pool_windows(node, rows, cols)
    work.include(_SPREAD, {name: n for name, n in work.counts.items() if name.endswith(("_window", "_element"))})
    work.include(1, border_work(y, 1).counts)
    work.add(1, block=1, block_part=1)
    return work

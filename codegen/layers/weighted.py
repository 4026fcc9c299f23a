"""Convolution and fully connected on the CPU, from dense or csr weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..cost import Work
from ..ir import Graph, Node
from ..ops import Conv2d, FullyConnected
from ..packing import Packed, PackedLayer
from ..target import TargetSpec
from .base import Emission, Layer, LayerKind, Scratch, Step, border_work, c_int, first_window

if TYPE_CHECKING:
    from ..memory import MemoryPlan

_MAX_OUTPUTS = 64
"""Of a step of a fully connected layer: each has a sum in `sw_acc`."""


class _CpuLayer(LayerKind):
    reads_often = True

    def table_words(self, layer: Layer) -> int:
        """The biases."""
        assert layer.node is not None and layer.node.params is not None
        return 2 * layer.node.params.bias.size

    def context(self, emission: Emission, layer: Layer) -> dict[str, Any]:
        """Weights, biases, clip, and the copy of the input in LEA RAM."""
        assert isinstance(layer.packed, PackedLayer) and layer.node is not None and layer.node.params is not None
        params, packed = layer.node.params, layer.packed
        x, y = emission.plan.buffer(layer.x), emission.graph.tensors[layer.y]
        start, staged = first_window(emission, layer), layer.name in emission.plan.staged
        return {
            "x": f"sw_lea_ram + {start - x.offset}" if staged else f"sw_arena + {start}",
            "stage": f"{{sw_arena + {x.offset}, {x.words}}}" if staged else "{0, 0}",
            "requant": f"{{{params.shift}, {c_int(y.lo)}, {y.hi}}}",
            "rows": len(params.bias),
            "bias": [int(b) for b in params.bias],
            "steps_per_channel": layer.step_count // len(params.bias),
            "weights": (
                f"{{{emission.blob(layer)}, SW_{packed.encoding.upper()}, {packed.count_bytes}, "
                f"{params.weight[0].size}, {packed.deltas_offset}, {packed.counts_offset}}}"
            ),
        }


class Conv2dLayer(_CpuLayer):
    """A step is some output rows of one channel."""

    kind = "conv2d"
    ops = (Conv2d,)
    sources = ("src/sw_conv2d.c", "src/sw_weights.c", "src/sw_io.c")
    kernels = (
        "sw_conv2d_taps_s16_cpu", "sw_taps_csr_s16_cpu", "sw_taps_dense_s16_cpu", "sw_requant_s16_cpu",
        "sw_requant15_s16_cpu", "sw_load_u8", "sw_load_u16",
    )  # fmt: skip

    def plan(self, graph: Graph, node: Node, packed: Packed | None, target: TargetSpec) -> Layer:
        """As many output rows as a step may take."""
        assert isinstance(packed, PackedLayer) and node.params is not None
        channels, height, width = graph.tensors[node.output].shape
        window = _entries(node, packed) * target.prices["conv2d_tap"] + target.prices["conv2d_window"]
        rows = min(max(int(target.step_cycles // (width * window)), 1), height)
        blocks = [(r, min(r + rows, height)) for r in range(0, height, rows)]
        steps = tuple(Step((c, c + 1), b) for c in range(channels) for b in blocks)
        return Layer(node.name, self.kind, node.input, node.output, (steps,) * len(graph.levels), rows, node, packed)

    def context(self, emission: Emission, layer: Layer) -> dict[str, Any]:
        """The window, gaps included, and the input channels of each group."""
        assert layer.node is not None and isinstance(layer.node.op, Conv2d) and layer.node.params is not None
        op, x = layer.node.op, emission.plan.buffer(layer.x)
        outputs, channels = layer.node.params.weight.shape[:2]
        return super().context(emission, layer) | {
            "extent": op.extent,
            "group_filters": outputs // op.groups,
            "group_words": channels * x.plane,
        }

    def work(self, graph: Graph, layer: Layer, level: int, plan: MemoryPlan) -> Work:
        """Filters are unpacked once, or once for each row of windows if they are longer than `sw_taps`."""
        assert isinstance(layer.packed, PackedLayer) and layer.node is not None
        work = border_work(plan.buffer(layer.y))
        work.include(1, cpu_work(graph, layer.node, layer.packed.entries(level)).counts)
        if layer.name in plan.staged:
            work.add(1, stage=1, stage_word=plan.buffer(layer.x).words)
        return work

    def scratch(self, graph: Graph, layer: Layer) -> Scratch:
        """The taps of a filter, one more so that a filter that fits is seen to end, and a row of sums."""
        assert isinstance(layer.packed, PackedLayer) and layer.node is not None
        return Scratch(_entries(layer.node, layer.packed) + 1, graph.tensors[layer.y].shape[2])


class FullyConnectedLayer(_CpuLayer):
    """A step is some outputs."""

    kind = "fully_connected"
    ops = (FullyConnected,)
    sources = ("src/sw_fully_connected.c", "src/sw_weights.c", "src/sw_io.c")
    kernels = (
        "sw_dot_csr_s16_cpu", "sw_dot_dense_s16_cpu", "sw_requant_s16_cpu", "sw_requant15_s16_cpu", "sw_load_u8",
        "sw_load_u16",
    )  # fmt: skip

    def plan(self, graph: Graph, node: Node, packed: Packed | None, target: TargetSpec) -> Layer:
        """As many outputs as a step may take."""
        assert isinstance(packed, PackedLayer) and node.params is not None
        (outputs,) = graph.tensors[node.output].shape
        cycles = _entries(node, packed) * target.prices["dot_entry"] + 1
        rows = min(max(int(target.step_cycles // cycles), 1), outputs, _MAX_OUTPUTS)
        steps = tuple(Step((r, min(r + rows, outputs)), (0, 1)) for r in range(0, outputs, rows))
        return Layer(node.name, self.kind, node.input, node.output, (steps,) * len(graph.levels), rows, node, packed)

    def work(self, graph: Graph, layer: Layer, level: int, plan: MemoryPlan) -> Work:
        """A dot product for each output."""
        assert isinstance(layer.packed, PackedLayer) and layer.node is not None
        work = cpu_work(graph, layer.node, layer.packed.entries(level))
        if layer.name in plan.staged:
            work.add(1, stage=1, stage_word=plan.buffer(layer.x).words)
        return work

    def scratch(self, graph: Graph, layer: Layer) -> Scratch:
        """A sum for each output of a step."""
        return Scratch(acc=layer.rows_per_step)


def _entries(node: Node, packed: PackedLayer) -> int:
    """Entries of the longest row."""
    assert node.params is not None
    return node.params.weight[0].size if packed.encoding == "dense" else packed.max_row_entries()


def cpu_work(graph: Graph, node: Node, entries: int) -> Work:
    """The kernels of a convolution or a fully connected layer with `entries` weights in all rows."""
    assert node.params is not None
    work, rows = Work(), len(node.params.bias)
    if isinstance(node.op, Conv2d):
        _, height, width = graph.tensors[node.output].shape
        work.add(1, conv2d_layer=1, conv2d_filter=rows, conv2d_unpack=entries, conv2d_row=rows * height)
        work.add(height * width, conv2d_window=rows, conv2d_tap=entries)
    else:
        work.add(1, dot_layer=1, dot_row=rows, dot_entry=entries)
    return work

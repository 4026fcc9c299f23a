"""Convolution and fully connected on the CPU, from weights in any encoding of `encodings`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..cost import Work
from ..encodings import RowLayer, dot_kernel, kernel_unit, taps_kernel
from ..encodings.offers import row_work
from ..ir import Graph, Node
from ..ops import Conv2d, FullyConnected
from ..packing import Packed
from ..target import TargetSpec
from .base import Emission, Layer, LayerKind, Scratch, Step, border_work, c_int, first_window

if TYPE_CHECKING:
    from ..buffers import Buffer
    from ..memory import MemoryPlan

_MAX_OUTPUTS = 64
"""Of a step of a fully connected layer: each has a sum in `sw_acc`."""


class _CpuLayer(LayerKind):
    reads_often = True

    def table_words(self, layer: Layer) -> int:
        """The biases, and the table of patterns."""
        assert isinstance(layer.packed, RowLayer) and layer.node is not None and layer.node.params is not None
        return 2 * layer.node.params.bias.size + layer.packed.table_words

    def context(self, emission: Emission, layer: Layer) -> dict[str, Any]:
        """Weights, biases, clip, and the copy of the input in LEA RAM."""
        assert isinstance(layer.packed, RowLayer) and layer.node is not None and layer.node.params is not None
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
            "weights": _packed(packed, emission.blob(layer)),
            "patterns": _patterns(packed, layer, x),
            "taps": taps_kernel(packed),
            "dot": dot_kernel(packed),
        }


class Conv2dLayer(_CpuLayer):
    """A step is some output rows of one channel."""

    kind = "conv2d"
    ops = (Conv2d,)
    sources = ("src/sw_conv2d.c", "src/sw_weights.c", "src/sw_io.c")
    kernels = (
        "sw_conv2d_taps_s16_cpu", "sw_requant_s16_cpu", "sw_requant15_s16_cpu", "sw_skip_runs", "sw_load_u8",
        "sw_load_u16",
    )  # fmt: skip

    def kernels_of(self, layer: Layer) -> tuple[str, ...]:
        """Those of the kind and the one that unpacks its encoding."""
        assert isinstance(layer.packed, RowLayer)
        return (*self.kernels, taps_kernel(layer.packed))

    def plan(self, graph: Graph, node: Node, packed: Packed | None, target: TargetSpec) -> Layer:
        """As many output rows as a step may take."""
        assert isinstance(packed, RowLayer)
        channels, height, width = graph.tensors[node.output].shape
        window = packed.max_row_entries() * target.prices["conv2d_tap"] + target.prices["conv2d_window"]
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
        assert isinstance(layer.packed, RowLayer) and layer.node is not None
        work = border_work(plan.buffer(layer.y))
        work.include(1, row_work(graph, layer.node, layer.packed, level).counts)
        rows, height, width = graph.tensors[layer.y].shape
        longest = layer.packed.entries(level) // rows
        if longest >= plan.taps:  # in pieces, for every row of windows
            unpack = {name: n for name, n in work.counts.items() if name.startswith("unpack")}
            work.include(height - 1, unpack)
            work.add(rows * height * (-(-longest // plan.taps) - 1), conv2d_row=1, conv2d_window=width)
        if layer.name in plan.staged:
            work.add(1, stage=1, stage_word=plan.buffer(layer.x).words)
        return work

    def macs(self, graph: Graph, layer: Layer, level: int) -> int:
        """Stored zeros make no tap."""
        assert isinstance(layer.packed, RowLayer) and layer.node is not None and isinstance(layer.node.op, Conv2d)
        return layer.packed.nonzero(level) * layer.node.op.uses(graph.tensors[layer.x].shape)

    def scratch(self, graph: Graph, layer: Layer) -> Scratch:
        """The taps of a filter, one more so that a filter that fits is seen to end, and a row of sums."""
        assert isinstance(layer.packed, RowLayer) and layer.node is not None
        return Scratch(layer.packed.max_row_entries() + 1, graph.tensors[layer.y].shape[2])


class FullyConnectedLayer(_CpuLayer):
    """A step is some outputs."""

    kind = "fully_connected"
    ops = (FullyConnected,)
    sources = ("src/sw_fully_connected.c", "src/sw_weights.c", "src/sw_io.c")
    kernels = ("sw_requant_s16_cpu", "sw_requant15_s16_cpu", "sw_skip_runs", "sw_load_u8", "sw_load_u16")

    def kernels_of(self, layer: Layer) -> tuple[str, ...]:
        """Those of the kind and the dot product of its encoding."""
        assert isinstance(layer.packed, RowLayer)
        return (*self.kernels, dot_kernel(layer.packed))

    def plan(self, graph: Graph, node: Node, packed: Packed | None, target: TargetSpec) -> Layer:
        """As many outputs as a step may take."""
        assert isinstance(packed, RowLayer) and node.params is not None
        (outputs,) = graph.tensors[node.output].shape
        cycles = packed.max_row_entries() * target.prices["dot_csr"] + 1
        rows = min(max(int(target.step_cycles // cycles), 1), outputs, _MAX_OUTPUTS)
        steps = tuple(Step((r, min(r + rows, outputs)), (0, 1)) for r in range(0, outputs, rows))
        return Layer(node.name, self.kind, node.input, node.output, (steps,) * len(graph.levels), rows, node, packed)

    def work(self, graph: Graph, layer: Layer, level: int, plan: MemoryPlan) -> Work:
        """A dot product for each output."""
        assert isinstance(layer.packed, RowLayer) and layer.node is not None
        work = row_work(graph, layer.node, layer.packed, level)
        if layer.name in plan.staged:
            work.add(1, stage=1, stage_word=plan.buffer(layer.x).words)
        return work

    def scratch(self, graph: Graph, layer: Layer) -> Scratch:
        """A sum for each output of a step."""
        return Scratch(acc=layer.rows_per_step)


def _packed(packed: RowLayer, blob: int) -> dict[str, int]:
    """`sw_packed_t`, but for its patterns."""
    return {
        "blob": blob,
        "weight_bytes": packed.weight_size,
        "count_bytes": packed.count_bytes if packed.counts.size else 0,
        "shared": int(packed.shared),
        # rows that share an index never move past it
        "word_shift": packed.word_weights.bit_length() - 1 if packed.word_weights and not packed.shared else 0,
        "run_bytes": packed.run_bytes,
        "cols": packed.cols,
        "unit": kernel_unit(packed),
        "counts": packed.counts_offset,
        "index": packed.index_offset,
    }


def _patterns(packed: RowLayer, layer: Layer, x: Buffer) -> list[int]:
    """Where each pattern starts and the last one ends, then their taps in bytes from the first one of a channel."""
    if not packed.patterns:
        return []
    assert layer.node is not None and isinstance(layer.node.op, Conv2d)
    width = layer.node.op.extent[1]
    starts = [len(packed.patterns) + 1]
    for taps in packed.patterns:
        starts.append(starts[-1] + len(taps))
    return [*starts, *(2 * (t // width * x.pitch + t % width) for taps in packed.patterns for t in taps)]

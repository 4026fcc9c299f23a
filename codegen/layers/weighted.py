"""Convolution and fully connected on the CPU, from weights in any encoding of `encodings`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..buffers import image_buffer
from ..column import SHIFT
from ..cost import Work
from ..encodings import RowLayer, dot_kernel, has_near_kernel, kernel_unit, row_starts, taps_kernel
from ..encodings.offers import MAX_OUTPUTS, row_work
from ..ir import Graph, Node
from ..ops import Conv2d, FullyConnected
from ..packing import Packed
from ..target import TargetSpec
from .base import Emission, Layer, LayerKind, Scratch, Step, block_work, border_work, c_int, first_window, size_of
from .cuts import cut_image, cut_steps, most

if TYPE_CHECKING:
    from ..buffers import Buffer
    from ..memory import MemoryPlan

_SEEK_SHARE = 16
"""Finding a row after a reboot may take one part in so many of a step; else places of rows are listed."""
_MARK_WORDS = 4
"""Of `sw_mark_t` (sw_layers.h)."""


class _CpuLayer(LayerKind):
    reads_often = True

    def table_words(self, layer: Layer) -> int:
        """The biases, the table of patterns, and the places of rows."""
        assert isinstance(layer.packed, RowLayer) and layer.node is not None and layer.node.params is not None
        marks = _MARK_WORDS * len(_marks(layer.packed, layer.mark_shift))
        return 2 * layer.node.params.bias.size + layer.packed.table_words + marks

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
            "weights": _packed(packed, emission.blob(layer)),
            "marks": _marks(packed, layer.mark_shift),
            "mark_shift": layer.mark_shift or 0,
            "patterns": _patterns(packed, layer, x),
            "taps": taps_kernel(packed),
            "dot": dot_kernel(packed),
        }


class Conv2dLayer(_CpuLayer):
    """A step is some output rows of one channel, or a part of one."""

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

    def plan(self, graph: Graph, node: Node, packed: Packed | None, target: TargetSpec, taps: int) -> Layer:
        """As many output rows as a step may take."""
        assert isinstance(packed, RowLayer)
        y, last, shift = image_buffer(graph, node.output), len(graph.levels) - 1, _mark_shift(packed, target)
        resume = _resume(graph, node, packed, shift, target)

        def cycles(_: int, rows: int, cols: int) -> float:
            work = _filter(graph, node, packed, last, rows, cols, taps)
            work.include(1, resume.counts)
            return target.restart_cycles(work)

        cut = cut_image(y.shape, cycles, target.step_budget)
        steps = (cut_steps(y.shape, cut),) * len(graph.levels)
        return Layer(node.name, self.kind, node.input, y.name, steps, 0, node, packed, cut=cut, mark_shift=shift)

    def restart_work(self, graph: Graph, layer: Layer, level: int, step: Step, target: TargetSpec, taps: int) -> Work:
        """The input may be staged, the filter is looked for and unpacked."""
        assert isinstance(layer.packed, RowLayer) and layer.node is not None
        _, rows, cols = size_of(step, graph.tensors[layer.y].shape[2])
        work = _filter(graph, layer.node, layer.packed, level, rows, cols, taps)
        work.include(1, _resume(graph, layer.node, layer.packed, layer.mark_shift, target).counts)
        return work

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
        """Filters and windows, the border of the output, the copy of the input in LEA RAM."""
        assert isinstance(layer.packed, RowLayer) and layer.node is not None
        work = border_work(plan.buffer(layer.y))
        work.include(1, block_work(layer, level).counts)
        work.include(1, row_work(graph, layer.node, layer.packed, level, taps=plan.taps, steps=0).counts)
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
        assert layer.cut is not None
        return Scratch(layer.packed.max_row_entries() + 1, layer.cut.cols)


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

    def plan(self, graph: Graph, node: Node, packed: Packed | None, target: TargetSpec, taps: int) -> Layer:
        """As many outputs as a step may take."""
        assert isinstance(packed, RowLayer) and node.params is not None
        (outputs,) = graph.tensors[node.output].shape
        last, shift = len(graph.levels) - 1, _mark_shift(packed, target)
        resume = target.restart_cycles(_resume(graph, node, packed, shift, target))

        def fits(rows: int) -> bool:
            return resume + _dots(node, packed, last, rows).cycles(target.prices, overlap=False) <= target.step_budget

        rows = most(min(outputs, MAX_OUTPUTS), fits)
        steps = (tuple(Step((r, min(r + rows, outputs)), (0, 1)) for r in range(0, outputs, rows)),) * len(graph.levels)
        return Layer(node.name, self.kind, node.input, node.output, steps, rows, node, packed, mark_shift=shift)

    def restart_work(self, graph: Graph, layer: Layer, level: int, step: Step, target: TargetSpec, taps: int) -> Work:
        """The input may be staged, the first row is looked for."""
        assert isinstance(layer.packed, RowLayer) and layer.node is not None
        work = _dots(layer.node, layer.packed, level, step.channels[1] - step.channels[0])
        work.include(1, _resume(graph, layer.node, layer.packed, layer.mark_shift, target).counts)
        return work

    def work(self, graph: Graph, layer: Layer, level: int, plan: MemoryPlan) -> Work:
        """A dot product for each output."""
        assert isinstance(layer.packed, RowLayer) and layer.node is not None
        work = row_work(graph, layer.node, layer.packed, level, taps=plan.taps, steps=layer.step_count)
        if layer.name in plan.staged:
            work.add(1, stage=1, stage_word=plan.buffer(layer.x).words)
        return work

    def scratch(self, graph: Graph, layer: Layer) -> Scratch:
        """A sum for each output of a step."""
        return Scratch(acc=layer.rows_per_step)


def _mark_shift(packed: RowLayer, target: TargetSpec) -> int | None:
    """How many rows apart places are listed, as a power of two; `None` where a search from the first is short."""
    row = _seek(packed, 1).cycles(target.prices, overlap=False)
    rows = max(int(target.step_budget / _SEEK_SHARE / row), 1)
    return None if packed.rows <= rows else rows.bit_length() - 1


def _marks(packed: RowLayer, shift: int | None) -> list[tuple[int, int]]:
    """Places of every 2^shift-th row."""
    return [] if shift is None else row_starts(packed)[:: 1 << shift]


def _seek(packed: RowLayer, rows: int) -> Work:
    """Going past `rows` rows to find the next."""
    work = Work()
    work.add(rows, seek_row=1, seek_run=packed.counts.shape[1] or 1)
    return work


def _resume(graph: Graph, node: Node, packed: RowLayer, shift: int | None, target: TargetSpec) -> Work:
    """What comes before a step after a reboot: a copy of the input, and a search for the row."""
    work = _seek(packed, packed.rows if shift is None else 1 << shift)
    words = image_buffer(graph, node.input).words
    if words <= target.lea_words:
        work.add(1, stage=1, stage_word=words)
    work.add(1, **{"conv2d_layer" if isinstance(node.op, Conv2d) else "dot_layer": 1})
    return work


def _longest(packed: RowLayer, level: int) -> int:
    """Weights of the longest row at `level`, padding included."""
    counts = packed.counts
    return int(counts[:, : level + 1].sum(axis=1).max()) if counts.shape[1] else packed.cols


def _shifts(node: Node) -> int:
    """1 if sums are shifted by other than the 15 bits for which there is a kernel."""
    return int(node.params is not None and node.params.shift != SHIFT)


def _filter(graph: Graph, node: Node, packed: RowLayer, level: int, rows: int, cols: int, taps: int) -> Work:
    """One block of the longest filter: it is unpacked once, or in pieces for every row if `taps` can't hold it."""
    read_as = {"row": "dense", "channel": "block"}.get(packed.encoding, packed.encoding)
    work, entries = border_work(image_buffer(graph, node.output), 1), _longest(packed, level)
    pieces, times = (1, 1) if entries < taps else (-(-(entries + 1) // taps), rows)
    positions = (level + 1) * packed.run_bytes if read_as == "bitmap" else 0
    work.add(times, **{f"unpack_{read_as}": entries, "unpack_bitmap_byte": positions})
    if read_as != "pattern":
        assert isinstance(node.op, Conv2d)
        work.add(times, unpack_row=max(min(level + 1, packed.counts.shape[1]), 1) * packed.cols / node.op.extent[1])
    work.add(1, conv2d_filter=1, block=1, block_part=1, conv2d_row=rows * pieces, conv2d_window=rows * cols * pieces)
    work.add(rows * cols, conv2d_tap=entries)
    work.add(rows * cols, requant=_shifts(node))
    return work


def _dots(node: Node, packed: RowLayer, level: int, rows: int) -> Work:
    """Dot products of the longest row."""
    read_as = {"row": "dense", "channel": "block"}.get(packed.encoding, packed.encoding)
    work, entries = Work(), _longest(packed, level)
    blocks = entries / packed.unit if read_as == "block" else 0.0
    positions = (level + 1) * packed.run_bytes if read_as == "bitmap" else 0
    runs = packed.counts.shape[1]
    work.add(rows, dot_output=1, requant=_shifts(node), dot_run=max(runs, 1), seek_run=runs)
    work.add(1, dot_step=1)
    work.add(rows, **{f"dot_{read_as}": entries, "dot_far": entries if has_near_kernel(packed) else 0})
    work.add(rows, dot_block_unit=blocks, dot_bitmap_byte=positions)
    return work


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

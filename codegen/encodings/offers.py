"""What the CPU may do with the weights of a node: every legal encoding, its bytes, and what its kernels will cost.

Costs are counts of primitives (`codegen.cost`) times the prices in `target.toml`. The cheapest encoding is taken; the
choice changes bytes and time, never results.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import ModuleType

import numpy as np

from ..cost import Work
from ..errors import GraphError, TargetError
from ..ir import NEVER, Graph, Node, Params
from ..ops import Conv2d
from ..target import TargetSpec
from . import bitmap, block, channel, csr, dense, pattern, row
from .base import RowLayer
from .kernels import has_near_kernel, taps_kernel

OPTIMIZE = ("latency", "energy", "size")
"""What `choose` compares first; the CPU's energy follows its cycles."""

MAX_OUTPUTS = 64
"""Of a step of a fully connected layer: each has a sum in `sw_acc`."""

_UNITS = (8, 16)
"""Blocks that are worth a try: smaller ones have large indices, larger ones many fillers."""


@dataclass(frozen=True)
class EncodingOffer:
    """One encoding of a node's weights.

    Attributes:
        packed: the weights; not verified yet.
        cycles: expected of the layer, by level.
    """

    packed: RowLayer
    cycles: tuple[float, ...]


def offers(graph: Graph, node: Node, target: TargetSpec) -> list[EncodingOffer]:
    """Every legal encoding of `node`'s weights; those of 8 bits where all weights fit.

    Raises:
        DoesNotFit: a row is longer than kernels count.
    """
    levels = len(graph.levels)
    found = []
    for packed in _encodings(node, cpu_params(node), levels):
        taps = tap_room(graph, node, packed, target)
        whole = row_work(graph, node, packed, levels - 1, taps=taps, steps=0).cycles(target.prices, overlap=False)
        steps = max(-(-packed.rows // MAX_OUTPUTS), int(whole // target.step_budget) + 1)
        work = [row_work(graph, node, packed, level, taps=taps, steps=steps) for level in range(levels)]
        found.append(EncodingOffer(packed, tuple(w.cycles(target.prices, overlap=False) for w in work)))
    return found


def choose(found: list[EncodingOffer], optimize: str = "latency") -> EncodingOffer:
    """The cheapest of `found`, summed over the levels; the other measure decides between equals.

    Raises:
        TargetError: `optimize` is not one of `OPTIMIZE`.
    """
    if optimize not in OPTIMIZE:
        raise TargetError(f"optimize {optimize!r} is unknown; choose {', '.join(OPTIMIZE)}")

    dense = [o for o in found if o.packed.encoding == "dense"]
    found = dense or found  # legal only where nothing is pruned, and then an index is in the way

    def cost(offer: EncodingOffer) -> tuple[float, float]:
        cycles, size = round(sum(offer.cycles)), offer.packed.blob_bytes + 2 * offer.packed.table_words
        return (size, cycles) if optimize == "size" else (cycles, size)

    return min(found, key=cost)


def cpu_params(node: Node) -> Params:
    """The weights of `node` as the CPU's kernels see them: a dilated window is a larger one with pruned gaps."""
    assert node.params is not None
    if not isinstance(node.op, Conv2d) or node.op.dilation == (1, 1):
        return node.params
    spread = node.op.spread
    return replace(
        node.params, weight=spread(node.params.weight, 0), level_index=spread(node.params.level_index, NEVER)
    )


def fits_bytes(params: Params) -> bool:
    """True if every weight fits int8."""
    return bool(np.all((params.weight >= -128) & (params.weight <= 127)))


def row_work(graph: Graph, node: Node, packed: RowLayer, level: int, *, taps: int, steps: int) -> Work:
    """Primitives of a convolution or a fully connected layer on the CPU at `level`, but for border and staging.

    Args:
        taps: entries of `sw_taps`.
        steps: of a fully connected layer.
    """
    work, rows, entries = Work(), packed.rows, packed.entries(level)
    read_as = {"row": "dense", "channel": "block"}.get(packed.encoding, packed.encoding)
    if isinstance(node.op, Conv2d):
        _, height, width = graph.tensors[node.output].shape
        positions = rows * (level + 1) * packed.run_bytes if read_as == "bitmap" else 0  # in bytes of the bitmap
        pieces = entries // rows // taps + 1  # of a filter; one that fits is unpacked once for all rows of windows
        often = height if pieces > 1 else 1
        work.add(1, conv2d_layer=1, conv2d_filter=rows, conv2d_row=rows * height * pieces)
        work.add(often, **{f"unpack_{read_as}": entries, "unpack_bitmap_byte": positions})
        if read_as != "pattern":  # every run goes through all rows of the window
            runs = rows * max(min(level + 1, packed.counts.shape[1]), 1)
            work.add(often, unpack_row=runs * packed.cols / node.op.extent[1])
        work.add(height * width, conv2d_window=rows * pieces, conv2d_tap=packed.nonzero(level))
        return work
    levels = packed.counts.shape[1]
    opened = min(level + 1, levels)
    work.add(1, dot_layer=1, dot_step=steps, dot_output=rows)
    work.add(rows, dot_run=max(opened, 1), dot_skip=levels - opened)
    work.add(1, **{f"dot_{read_as}": entries})
    if has_near_kernel(packed) and not packed.near:
        work.add(1, dot_far=entries)
    if read_as == "block":
        work.add(1, dot_block_unit=entries / packed.unit)
    if read_as == "bitmap":
        work.add(1, dot_bitmap_byte=rows * (level + 1) * packed.run_bytes)
    return work


def tap_room(graph: Graph, node: Node, packed: RowLayer, target: TargetSpec) -> int:
    """Entries of `sw_taps` that a convolution needs and would get as the only layer."""
    kernels = "sw_conv2d_taps_s16_cpu", "sw_requant15_s16_cpu", taps_kernel(packed)
    code = sum(target.ram_code.get(k, 0) for k in kernels)
    room = target.tap_room(code, graph.tensors[node.output].shape[-1])
    return max(min(packed.max_row_entries() + 1, room), 1)


def _encodings(node: Node, params: Params, levels: int) -> Iterator[RowLayer]:
    narrow = fits_bytes(params)
    plain: tuple[ModuleType, ...] = (dense, row, csr)
    for module in plain:
        for bits in (16, 8) if narrow else (16,):
            yield from _legal(module, node.name, params, levels, bits)
    others = [channel, bitmap, *([pattern] if isinstance(node.op, Conv2d) and np.prod(node.op.kernel) > 1 else [])]
    for module in others:
        yield from _legal(module, node.name, params, levels, 16)
    for unit in _UNITS:
        yield block.encode(node.name, params, levels, 16, unit)


def _legal(module: ModuleType, name: str, params: Params, levels: int, bits: int) -> Iterator[RowLayer]:
    try:
        yield module.encode(name, params, levels, bits)
    except GraphError:
        return

"""Convolution on the LEA: filters are the row vectors of MPYMATRIXROW, gathered pixels its matrix."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..buffers import FAR, Buffer, image_buffer
from ..column import ColumnLayer, pack_column
from ..cost import BLOCK_WORDS, Beside, Work, fused_pool, pipeline, pool_apart
from ..ir import Graph, Node
from ..ops import Array, AvgPool, Conv2d, Op
from ..target import TargetSpec
from .base import Emission, Layer, Step, border_work, first_window, window_bytes
from .columns import LeaKind, LeaLayer

if TYPE_CHECKING:
    from ..memory import MemoryPlan


@dataclass(frozen=True)
class Tiling:
    """How the output, before pooling, is cut into matrices.

    Attributes:
        height, width: output rows, and columns that one row takes in the matrix; multiples of the pool.
        rows, cols: of the largest tile.
        merged: the rows of a tile are gathered as one run: `width` is that of the input with its border.
    """

    height: int
    width: int
    rows: int
    cols: int
    merged: bool = False

    def tiles(self) -> list[tuple[int, int, int]]:
        """Each size of tile: `(rows, cols, how often)`."""
        down, across = _cut(self.height, self.rows), _cut(self.width, self.cols)
        return [(r, c, n * m) for r, n in down for c, m in across]

    @property
    def count(self) -> int:
        """Number of tiles."""
        return sum(n for _, _, n in self.tiles())

    def words(self, taps: int) -> int:
        """LEA RAM for two results, the matrix and a filter of `taps`."""
        return BLOCK_WORDS + self.rows * self.cols * (2 + taps) + taps

    @property
    def legal(self) -> bool:
        """The LEA demands an even number of columns."""
        return all(r * c % 2 == 0 for r, c, _ in self.tiles())


class Conv2dLea(LeaKind):
    """A step is a tile of pixels of one group of channels."""

    kind = "conv2d_lea"
    sources = ("src/sw_conv2d_lea.c", "src/sw_io.c")
    kernels = (
        "sw_mpymatrixrow_s16_lea", "sw_lea_wait", "sw_fetch_s16_dma", "sw_copy_rows_s16_dma",
        "sw_load_u16", "sw_mul_u16", "sw_gather_rows_s16_dma", "sw_gather_rows_s16_cpu", "sw_clip_s16_cpu",
        "sw_clip_avgpool_s16_cpu", "sw_clip_maxpool_2x2_s16_cpu", "sw_clip_maxpool_1x2_s16_cpu",
    )  # fmt: skip
    descriptor_bytes = 86  # with the tiles of three levels
    far_x = far_y = True

    def candidates(self, graph: Graph, node: Node, rows: int, target: TargetSpec, overlap: bool) -> Iterator[LeaLayer]:
        """For each way to lay pixels out, with the pool behind it and without: the cheapest tile of each level."""
        assert isinstance(node.op, Conv2d) and node.params is not None
        packed = pack_column(node.name, node.params, len(graph.levels), rows, groups=node.op.groups)
        found = fused_pool(graph, node)
        for pool in (found, None) if found else (None,):
            apart = pool_apart(graph, node, target.prices) if not pool else 0.0
            y = image_buffer(graph, pool.output if pool else node.output)
            for family in _families(graph, node, pool):
                best: list[tuple[float, Tiling, Work]] = []
                cut = rows
                for level in range(len(graph.levels)):
                    most = max(g.counts[level] for g in packed.groups)
                    offers = [t for t in family if t.words(most) <= target.lea_words and t.legal]
                    cuts = [_cut_rows(node.op, t, pool, packed, level, y, rows, target, overlap) for t in offers]
                    offers = [t for t, n in zip(offers, cuts, strict=True) if n]
                    works = [_work(node.op, t, pool, packed, level, target.lea_words, y) for t in offers]
                    priced = [(w.cycles(target.prices, overlap), t, w) for w, t in zip(works, offers, strict=True)]
                    if not priced:
                        break
                    best.append(min(priced, key=lambda p: p[0]))
                    # smaller groups for shorter steps: the matrix stays for those that share its taps
                    cut = min(cut, _cut_rows(node.op, best[-1][1], pool, packed, level, y, rows, target, overlap))
                if len(best) < len(graph.levels):
                    continue
                cycles, tilings, kept = zip(*best, strict=True)
                joules = tuple(target.energy(w, overlap) for w in kept)
                yield LeaLayer(node.name, self.kind, packed, cut, 0, tilings, pool, cycles, joules, apart)

    def layer(self, graph: Graph, node: Node, lea: LeaLayer) -> Layer:
        """A step for each tile and group, tile by tile, so that the groups share the gathered pixels."""
        output = lea.pool.output if lea.pool else node.output
        ph, pw = _pool_size(lea.pool)
        _, height, width = graph.tensors[output].shape
        groups = [(g.first, g.first + g.rows) for g in lea.packed.groups]
        steps = tuple(
            tuple(
                Step(g, (r, min(r + t.rows // ph, height)), (c, min(c + t.cols // pw, width)))
                for r in range(0, height, t.rows // ph)
                for c in range(0, width, t.cols // pw)
                for g in groups
            )
            for t in lea.tilings
        )
        return Layer(node.name, self.kind, node.input, output, steps, 0, node, lea.packed, lea)

    def work(self, graph: Graph, layer: Layer, level: int, plan: MemoryPlan) -> Work:
        """Tiles, and the border of the output."""
        assert layer.node is not None and isinstance(layer.node.op, Conv2d) and layer.lea is not None
        assert isinstance(layer.packed, ColumnLayer)
        y = plan.buffer(layer.y)
        tiling, pool = layer.lea.tilings[level], layer.lea.pool
        work = _work(layer.node.op, tiling, pool, layer.packed, level, plan.lea_words, y)
        work.include(1, border_work(y).counts)
        return work

    def restart_work(self, graph: Graph, layer: Layer, level: int, step: Step, target: TargetSpec, taps: int) -> Work:
        """Filters may be resident, the matrix is gathered again, the output lies above 64 KB."""
        assert layer.node is not None and isinstance(layer.node.op, Conv2d) and layer.lea is not None
        assert isinstance(layer.packed, ColumnLayer)
        group = next(g for g in layer.packed.groups if g.first == step.channels[0])
        return _restart(
            layer.node.op, layer.lea.tilings[level], layer.lea.pool, layer.packed, level, image_buffer(graph, layer.y),
            group.counts[level], group.rows, len(layer.packed.groups), target.lea_words,
        )  # fmt: skip

    def overrun(self, graph: Graph, layer: Layer) -> int:
        """An odd output row gets a column more, which may start behind the image; merged rows end with a window.

        Those may begin further right than this window's padding, where another reader has a wider border.
        """
        assert layer.node is not None and isinstance(layer.node.op, Conv2d) and layer.lea is not None
        op, x = layer.node.op, image_buffer(graph, layer.x)
        wider = x.border[1] - op.padding[1] if any(t.merged for t in layer.lea.tilings) else 0
        return wider + op.stride[1] + op.kernel[1] * op.dilation[1]

    def macs(self, graph: Graph, layer: Layer, level: int) -> int:
        """With the columns that are no results."""
        assert layer.packed is not None and layer.lea is not None
        return layer.packed.entries(level) * layer.lea.tilings[level].height * layer.lea.tilings[level].width

    def tap_bytes(self, emission: Emission, layer: Layer, taps: Array) -> Array:
        """By channel, row and column of the window."""
        return window_bytes(emission, layer, taps)

    def context(self, emission: Emission, layer: Layer) -> dict[str, Any]:
        """Tiles, the way to gather, and the clip with the pool."""
        assert layer.node is not None and isinstance(layer.node.op, Conv2d) and layer.lea is not None
        arena = emission.plan.buffer(layer.x).arena
        return super().context(emission, layer) | {
            "x": emission.place(arena, first_window(emission, layer)),
            "tilings": layer.lea.tilings,
            "pool": _pool_size(layer.lea.pool),
            "gather": f"sw_gather_rows_s16_{'dma' if layer.node.op.stride[1] == 1 else 'cpu'}",
            "clip": f"sw_{_clip(layer.lea.pool.op if layer.lea.pool else None)}_s16_cpu",
        }


@dataclass(frozen=True)
class _Filters:
    """Where filters lie at a level: all in LEA RAM (`resident`), else two at a time (`both`), else one."""

    stored: int
    resident: bool
    both: bool


def _filters(tiling: Tiling, packed: ColumnLayer, level: int, room: int) -> _Filters:
    counts = [g.counts[level] for g in packed.groups]
    left = room - BLOCK_WORDS - tiling.rows * tiling.cols * (2 + max(counts))
    stored = sum(n * g.rows for n, g in zip(counts, packed.groups, strict=True))
    return _Filters(stored, stored <= left, 2 * max(counts) <= left)


def _prepare(packed: ColumnLayer, filters: _Filters, groups: int) -> Work:
    """What comes before the first step, with the rows in so many groups."""
    work = Work()
    work.add(1, conv_layer=1, conv_group=groups)
    if filters.resident:
        work.add(1, fetch=sum(g.rows for g in packed.groups), fetch_word=filters.stored)
    return work


def _restart(
    op: Conv2d, tiling: Tiling, pool: Node | None, packed: ColumnLayer, level: int, y: Buffer, count: int, rows: int,
    groups: int, room: int,
) -> Work:  # fmt: skip
    """A step of `rows` filters of `count` taps on the largest tile, after a reboot."""
    filters = _filters(tiling, packed, level, room)
    work = _prepare(packed, filters, groups)
    work.add(1, tile=1, conv_group=groups)  # the way to the tile and to the filters of the group
    work.include(rows, border_work(y, 1).counts)
    far = replace(y, arena=FAR)
    _tile(work, 1, op, tiling, pool, packed, filters, (tiling.rows, tiling.cols), count, True, rows, far)
    return work


def _cut_rows(
    op: Conv2d, tiling: Tiling, pool: Node | None, packed: ColumnLayer, level: int, y: Buffer, rows: int,
    target: TargetSpec, overlap: bool,
) -> int:  # fmt: skip
    """Filters of the largest step within the target's budget, at most `rows`; 0: one is too many."""
    count, outputs = max(g.counts[level] for g in packed.groups), sum(g.rows for g in packed.groups)

    def fits(n: int) -> bool:
        groups = -(-outputs // n)
        work = _restart(op, tiling, pool, packed, level, y, count, n, groups, target.lea_words)
        return target.restart_cycles(work, overlap) <= target.step_budget

    return next((n for n in range(rows, 0, -1) if fits(n)), 0)


def _work(op: Conv2d, tiling: Tiling, pool: Node | None, packed: ColumnLayer, level: int, room: int, y: Buffer) -> Work:
    """All tiles at `level`, with `room` words of LEA RAM, for an output in `y`."""
    filters = _filters(tiling, packed, level, room)
    work = _prepare(packed, filters, len(packed.groups))
    steps: dict[tuple[int, bool, int], int] = {}  # groups alike: taps, whether they gather, rows
    for i, group in enumerate(packed.groups):
        before = packed.groups[i - 1]
        gathers = i == 0 or group.taps is not before.taps or group.base != before.base
        key = (group.counts[level], gathers, group.rows)
        steps[key] = steps.get(key, 0) + 1
    for rows, cols, often in tiling.tiles():
        for (n, gathers, outputs), alike in steps.items():
            _tile(work, often * alike, op, tiling, pool, packed, filters, (rows, cols), n, gathers, outputs, y)
    return work


def _tile(
    work: Work, tiles: int, op: Conv2d, tiling: Tiling, pool: Node | None, packed: ColumnLayer, filters: _Filters,
    size: tuple[int, int], n: int, gathers: bool, outputs: int, y: Buffer,
) -> None:  # fmt: skip
    """Add `tiles` steps of `outputs` filters of `n` taps on tiles of `size`."""
    (rows, cols), (ph, pw) = size, _pool_size(pool)
    columns, results = rows * cols, (rows // ph) * min(cols // pw, y.shape[2])
    name = _clip(pool.op if pool else None)
    clip = [Beside({"clip_call": 1.0, "clip_row": float(rows // ph), name: float(results)}, columns)]
    if y.arena == FAR:
        runs = 1 if cols // pw == y.pitch else rows // ph
        copy = {"store_far": 1.0, "store_far_run": float(runs), "store_far_word": float(results)}
        clip = [replace(clip[0], accesses=columns + results), Beside(copy, results)]
    work.add(tiles, tile=1)
    if gathers:
        work.add(tiles, **_gather(op, tiling, n - len(packed.constants), rows, cols))
    fetch = [Beside({"fetch": 1.0, "fetch_word": float(n)}, n)] if not filters.resident else []
    for part in (*fetch, *clip):  # the first fetch and the last clip have no command to hide behind
        work.include(tiles, part.counts)
    if fetch and not filters.both:
        work.include(tiles * (outputs - 1), fetch[0].counts)
    work.commands += pipeline(tiles, outputs, n, columns, tuple(fetch if filters.both else []), tuple(clip))


def _gather(op: Conv2d, tiling: Tiling, taps: int, rows: int, cols: int) -> dict[str, float]:
    if tiling.merged:
        rows, cols = 1, rows * cols
    how = "gather" if op.stride[1] == 1 else "gather_cpu"
    return {
        "gather_call": 1.0,
        "gather_tap": float(taps),
        f"{how}_run": float(taps * rows),
        f"{how}_word": float(taps * rows * cols),
    }


def _families(graph: Graph, node: Node, pool: Node | None) -> Iterator[list[Tiling]]:
    """Ways to lay pixels out: whole rows and pieces of one row of windows; with stride 1, merged rows."""
    assert isinstance(node.op, Conv2d)
    ph, pw = _pool_size(pool)
    shape = graph.tensors[pool.output if pool else node.output].shape
    height, exact = shape[1] * ph, shape[2] * pw
    even = exact + exact % 2
    tallest = sorted({-(-shape[1] // n) * ph for n in range(1, shape[1] + 1)})
    pieces = sorted({-(-even // (2 * n)) * 2 for n in range(2, even // 2 + 1)})
    yield [
        *(Tiling(height, even, rows, even) for rows in tallest),
        *(Tiling(height, even, ph, cols) for cols in pieces),
    ]
    if exact != even:
        yield [Tiling(height, exact, rows, exact) for rows in tallest]
    if node.op.stride == (1, 1):
        pitch = image_buffer(graph, node.input).pitch
        yield [Tiling(height, pitch, rows, pitch, merged=True) for rows in tallest]


def _cut(size: int, most: int) -> list[tuple[int, int]]:
    """Sizes of pieces of `size` of at most `most`, and how many have each."""
    whole, rest = divmod(size, most)
    return [(n, k) for n, k in ((most, whole), (rest, 1)) if n and k]


def _pool_size(pool: Node | None) -> tuple[int, int]:
    return pool.op.kernel if pool else (1, 1)  # type: ignore[attr-defined]


def _clip(pool: Op | None) -> str:
    """Name of the kernel, and of its cost for each column, that clips and pools."""
    if pool is None:
        return "clip"
    if isinstance(pool, AvgPool):
        return "clip_avgpool"
    return f"clip_maxpool_{pool.kernel[0]}x{pool.kernel[1]}"  # type: ignore[attr-defined]

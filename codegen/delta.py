"""Images and their patches: dense weights on the LEA of which a switch of level rewrites only what differs.

An image holds a node's weights as the LEA reads them when nothing is pruned, with 0 where the level has no weight. It
exists once, in writable FRAM, and belongs to one level at a time. A *patch* holds what a level adds to the image of the
level below it. Going up writes its weights, going down writes zeros in the same places. Levels are nested, so a weight
is in exactly one patch: what two distant levels differ by is the union of the patches between them, without overlap.
A patch made for such a pair would hold the same weights once more and save at most headers of runs, so there is none.
`firmware/FORMAT.md` has every byte, `firmware/src/sw_switch_image.c` applies patches.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .column import ColumnLayer
from .errors import GraphError
from .ir import NEVER, Graph, Params
from .lea import candidate_price, plan_lea
from .ops import Array
from .target import TargetSpec

SWITCHING = ("resident", "image", "auto")

MAX_SKIP, MAX_COUNT = 255, 255
RUN_CYCLES, WORD_CYCLES, CHUNK_CYCLES = 32, 13, 500
"""Cycles of a run, of a word and of a chunk of a patch, bounds held by tests/firmware/test_switch.py."""

INFERENCES = 100
"""Inferences at a level between two switches that `auto` assumes."""


@dataclass(frozen=True)
class Chunk:
    """A piece of a patch that one restartable step applies.

    Attributes:
        node: whose image it changes.
        level: that it belongs to: applied on the way up to it, cleared on the way down from it.
        start: byte offset in the image from which the first run counts.
        runs: number of runs.
        words: weights in them.
        data: the runs: for each a 16-bit word, (words to leave out) | (weights) << 8, and the weights.
    """

    node: str
    level: int
    start: int
    runs: int
    words: int
    data: bytes


@dataclass(frozen=True)
class Images:
    """The nodes with images and the patches of all levels.

    Attributes:
        initial: int16 image of level 0, by node.
        chunks: by level, in a level by node and position.
        levels: how many there are.
    """

    initial: Mapping[str, Array]
    chunks: tuple[Chunk, ...] = ()
    levels: int = 1

    @property
    def patch_bytes(self) -> int:
        """Bytes of all patches."""
        return sum(len(c.data) for c in self.chunks)

    @property
    def ends(self) -> tuple[int, ...]:
        """For each level, the chunks of levels up to it; a switch takes those between two entries."""
        return tuple(sum(c.level <= level for c in self.chunks) for level in range(self.levels))

    def differing_words(self, source: int, target: int) -> int:
        """Weights in which the images of two levels differ."""
        low, high = sorted((source, target))
        return sum(c.words for c in self.chunks if low < c.level <= high)


NO_IMAGES = Images({})


def dense_params(params: Params) -> Params:
    """The same weights as one level: what no level uses stays out."""
    return replace(params, level_index=np.where(params.level_index == NEVER, NEVER, 0).astype(np.uint8))


def with_images(graph: Graph, names: Iterable[str]) -> Graph:
    """`graph` as the planner shall see it: nodes with images are dense."""
    chosen = set(names)
    nodes = [
        replace(n, params=dense_params(n.params)) if n.name in chosen and n.params is not None else n
        for n in graph.nodes
    ]
    return replace(graph, nodes=tuple(nodes))


def choose_images(
    graph: Graph, target: TargetSpec, backend: str, overlap: bool, optimize: str, switching: str
) -> frozenset[str]:
    """Nodes whose weights become an image.

    Args:
        switching: `resident`: none; `image`: all that can run on the LEA; `auto`: where inferences at all levels, and
            one switch for each `INFERENCES` of them, cost less than with weights ordered by level.

    Raises:
        GraphError: an unknown `switching`.
        TargetError: as `plan_lea`.
    """
    if switching not in SWITCHING:
        raise GraphError(f"switching {switching!r} is unknown; choose {', '.join(SWITCHING)}")
    weighted = [n.name for n in graph.nodes if n.params is not None]
    if switching == "resident" or backend == "cpu" or "lea_ram" not in target.regions or len(graph.levels) == 1:
        return frozenset()
    dense = with_images(graph, weighted)
    offers = plan_lea(dense, target, "lea", overlap, optimize)
    if switching == "image":
        return frozenset(offers)
    found = plan_lea(graph, target, backend, overlap, optimize)
    names = set()
    for name, offer in offers.items():
        ordered = candidate_price(graph, graph.node(name), found.get(name), target, optimize)
        image = candidate_price(dense, dense.node(name), offer, target, optimize)
        params = graph.node(name).params
        assert params is not None
        added = int(np.count_nonzero((params.level_index > 0) & (params.level_index != NEVER)))
        switches = added * (RUN_CYCLES + WORD_CYCLES) / INFERENCES
        patch = 4 * added  # bytes, when runs are single weights
        extra = {"latency": switches, "energy": switches * target.joules["cycle"], "size": patch}[optimize]
        if image + extra < ordered:
            names.add(name)
    return frozenset(names)


def make_images(graph: Graph, packed: Mapping[str, ColumnLayer], names: Iterable[str], step_cycles: int) -> Images:
    """Images and patches of the nodes `names`, proven by applying every patch both ways.

    Args:
        graph: with all levels.
        packed: the dense layers.
        step_cycles: the most that one chunk may take.
    """
    levels = len(graph.levels)
    order = [n.name for n in graph.nodes if n.name in set(names)]
    images = {name: [level_image(packed[name], graph.node(name).params, k) for k in range(levels)] for name in order}
    chunks = [
        chunk
        for level in range(1, levels)
        for name in order
        for chunk in _chunks(name, level, images[name][level - 1], images[name][level], step_cycles)
    ]
    made = Images({name: found[0] for name, found in images.items()}, tuple(chunks), levels)
    for source in range(levels):
        for target in range(levels):
            for name in order:
                if not np.array_equal(apply(made, name, images[name][source], source, target), images[name][target]):
                    raise AssertionError(f"{name}: the patches from level {source} do not give the image of {target}")
    return made


def level_image(packed: ColumnLayer, params: Params | None, level: int) -> Array:
    """int16 blob of the dense `packed` with the weights of `level` alone."""
    assert params is not None
    index = params.level_index.reshape(len(params.bias), -1)
    skip, groups = len(packed.constants), []
    for g in packed.groups:
        used = (index[g.first : g.first + g.rows][:, g.taps] <= level).T
        weights = g.weights.copy()
        weights[skip:] *= used
        groups.append(replace(g, weights=weights))
    return replace(packed, groups=tuple(groups)).blob


def apply(images: Images, node: str, image: Array, source: int, target: int) -> Array:
    """The image of `node` after a switch from `source` to `target`, from the bytes of the patches alone."""
    out = image.copy()
    first, end = sorted((images.ends[source], images.ends[target]))
    for chunk in images.chunks[first:end]:
        if chunk.node != node:
            continue
        words, at, i = np.frombuffer(chunk.data, "<i2"), chunk.start // 2, 0
        for _ in range(chunk.runs):
            header = int(words[i]) & 0xFFFF
            at += header & 255
            count = header >> 8
            out[at : at + count] = words[i + 1 : i + 1 + count] if target > source else 0
            at, i = at + count, i + 1 + count
    return out


def _chunks(node: str, level: int, before: Array, after: Array, step_cycles: int) -> list[Chunk]:
    """The patch from `before` to `after`, cut where a step would become too long."""
    found: list[Chunk] = []
    start = at = words = 0
    runs: list[list[int]] = []

    def close() -> None:
        nonlocal runs, words
        if words:
            data = np.array([v & 0xFFFF for run in runs for v in run], "<u2").tobytes()
            found.append(Chunk(node, level, 2 * start, len(runs), words, data))
        runs, words = [], 0

    for first, end in _runs(np.flatnonzero(before != after)):
        if words and (len(runs) + 2) * RUN_CYCLES + (words + end - first) * WORD_CYCLES + CHUNK_CYCLES > step_cycles:
            close()
        if not words:
            start = at = first
        while first - at > MAX_SKIP:
            runs.append([MAX_SKIP])
            at += MAX_SKIP
        runs.append([(first - at) | (end - first) << 8, *(int(v) for v in after[first:end])])
        words, at = words + end - first, end
    close()
    return found


def _runs(positions: Array) -> Sequence[tuple[int, int]]:
    """Ranges of consecutive positions, none longer than a run may be."""
    if not len(positions):
        return []
    cuts = np.flatnonzero(np.diff(positions) > 1) + 1
    whole = [(int(p[0]), int(p[-1]) + 1) for p in np.split(positions, cuts)]
    return [(i, min(i + MAX_COUNT, end)) for first, end in whole for i in range(first, end, MAX_COUNT)]

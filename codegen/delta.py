"""Images and their patches: dense weights on the LEA of which a switch of level rewrites only what differs.

An image holds a node's weights as the LEA reads them when nothing is pruned, with 0 where the level has no weight. It
exists once, in writable FRAM, and belongs to one level at a time. A *patch* holds what a level adds to the image of the
level below it. Going up writes its weights, going down writes zeros in the same places. Levels are nested, so a weight
is in exactly one patch: what two distant levels differ by is the union of the patches between them, without overlap.
A patch made for such a pair would hold the same weights once more and save at most headers of runs, so there is none.
The headers of runs say where; they stay on the chip, so that going down reads no weight. The weights may lie in
external memory. `firmware/FORMAT.md` has every byte, `firmware/src/sw_switch_image.c` applies patches.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .column import ColumnLayer
from .errors import GraphError
from .ir import NEVER, Graph, Params
from .lea import candidate_price, lea_choices
from .ops import Array
from .target import ExternalMemory, TargetSpec

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
        headers: of each run a 16-bit word, (words to leave out) | (weights) << 8.
        weights: of all runs, int16.
    """

    node: str
    level: int
    start: int
    headers: bytes
    weights: bytes

    @property
    def runs(self) -> int:
        """Number of runs."""
        return len(self.headers) // 2

    @property
    def words(self) -> int:
        """Weights of all runs."""
        return len(self.weights) // 2


@dataclass(frozen=True)
class Images:
    """The nodes with images and the patches of all levels.

    Attributes:
        initial: int16 image of level 0, by node.
        chunks: by level, in a level by node and position.
        levels: how many there are.
        outside: the weights of the patches lie in external memory.
    """

    initial: Mapping[str, Array]
    chunks: tuple[Chunk, ...] = ()
    levels: int = 1
    outside: bool = False

    @property
    def weights(self) -> bytes:
        """The weights of all chunks."""
        return b"".join(c.weights for c in self.chunks)

    @property
    def chip_bytes(self) -> int:
        """Bytes of patches on the chip."""
        return sum(len(c.headers) + (0 if self.outside else len(c.weights)) for c in self.chunks)

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
        TargetError: as `lea_choices`.
    """
    if switching not in SWITCHING:
        raise GraphError(f"switching {switching!r} is unknown; choose {', '.join(SWITCHING)}")
    weighted = [n.name for n in graph.nodes if n.params is not None]
    if switching == "resident" or backend == "cpu" or "lea_ram" not in target.regions or len(graph.levels) == 1:
        return frozenset()
    dense = with_images(graph, weighted)
    offers = lea_choices(dense, target, "lea", overlap, optimize)[-1]
    if switching == "image":
        return frozenset(offers)
    found = lea_choices(graph, target, backend, overlap, optimize)[-1]
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


def make_images(
    graph: Graph,
    packed: Mapping[str, ColumnLayer],
    names: Iterable[str],
    target: TargetSpec,
    outside: ExternalMemory | None = None,
) -> Images:
    """Images and patches of the nodes `names`, proven by applying every patch both ways.

    Args:
        graph: with all levels.
        packed: the dense layers.
        target: whose steps bound a chunk.
        outside: the memory that holds the weights of the patches, if not the chip; a chunk's pass through LEA RAM then.
    """
    levels = len(graph.levels)
    order = [n.name for n in graph.nodes if n.name in set(names)]
    images = {name: [level_image(packed[name], graph.node(name).params, k) for k in range(levels)] for name in order}
    chunks = [
        chunk
        for level in range(1, levels)
        for name in order
        for chunk in _chunks(name, level, images[name][level - 1], images[name][level], target, outside)
    ]
    made = Images({name: found[0] for name, found in images.items()}, tuple(chunks), levels, outside is not None)
    for source in range(levels):
        for goal in range(levels):
            for name in order:
                if not np.array_equal(apply(made, name, images[name][source], source, goal), images[name][goal]):
                    raise AssertionError(f"{name}: the patches from level {source} do not give the image of {goal}")
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
        weights: Array = np.frombuffer(chunk.weights, "<i2")
        at, i = chunk.start // 2, 0
        for header in (int(h) for h in np.frombuffer(chunk.headers, "<u2")):
            at += header & 255
            count = header >> 8
            out[at : at + count] = weights[i : i + count] if target > source else 0
            at, i = at + count, i + count
    return out


def _chunks(
    node: str, level: int, before: Array, after: Array, target: TargetSpec, outside: ExternalMemory | None
) -> list[Chunk]:
    """The patch from `before` to `after`, cut where a step would become too long or its weights too many."""
    found: list[Chunk] = []
    start = at = words = 0
    headers: list[int] = []
    weights: list[Array] = []
    most = target.lea_words if outside else 1 << 15

    def cycles(runs: int, count: int) -> float:
        fetch = outside.cycles(2 * count) if outside else 0
        return runs * RUN_CYCLES + count * WORD_CYCLES + CHUNK_CYCLES + fetch

    def close() -> None:
        nonlocal headers, weights, words
        if headers:
            data = np.concatenate(weights).astype("<i2").tobytes()
            found.append(Chunk(node, level, 2 * start, np.array(headers, "<u2").tobytes(), data))
        headers, weights, words = [], [], 0

    for first, end in _runs(np.flatnonzero(before != after)):
        longer = words + end - first
        if headers and (longer > most or cycles(len(headers) + 2, longer) > target.step_budget):
            close()
        if not headers:
            start = at = first
        while first - at > MAX_SKIP:
            headers.append(MAX_SKIP)
            at += MAX_SKIP
        headers.append((first - at) | (end - first) << 8)
        weights.append(after[first:end])
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

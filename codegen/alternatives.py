"""Every way to run a layer with its expected cost, and the sparsity from which a sparse layer beats a dense one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from .cost import pool_apart
from .encodings import RowLayer
from .encodings.offers import offers as encoding_offers
from .ir import NEVER, Graph, Node, Params
from .lea import candidates
from .packing import Packed
from .target import TargetSpec

MASKS = ("any", "columns")
"""Masks that a break-even is asked for: single weights, and taps that leave all rows at once."""


@dataclass(frozen=True)
class Alternative:
    """A way to run a layer.

    Attributes:
        tile: of the LEA, as text.
        cycles, joules: expected at each level, with the pool behind the layer if the LEA could do it as well.
        size: bytes of weights, indices and tables.
    """

    backend: str
    encoding: str
    tile: str
    cycles: tuple[float, ...]
    joules: tuple[float, ...]
    size: int

    @property
    def name(self) -> str:
        """For tables."""
        return f"{self.backend} {self.encoding}" + (f" {self.tile}" if self.tile else "")


def offers(graph: Graph, node: Node, target: TargetSpec, overlap: bool = True) -> list[Alternative]:
    """Every encoding on the CPU, and the best of each back end's tiles; fastest over all levels first."""
    return sorted([*_cpu(graph, node, target), *_lea(graph, node, target, overlap)], key=lambda o: sum(o.cycles))


def _cpu(graph: Graph, node: Node, target: TargetSpec) -> Iterator[Alternative]:
    assert node.params is not None
    for found in encoding_offers(graph, node, target):
        packed = found.packed
        cycles = tuple(n + pool_apart(graph, node, target.prices) for n in found.cycles)
        joules = tuple(n * target.joules["cycle"] for n in cycles)
        size = packed.blob_bytes + 4 * len(node.params.bias)
        yield Alternative("cpu", encoding_name(packed), "", cycles, joules, size)


def _lea(graph: Graph, node: Node, target: TargetSpec, overlap: bool) -> Iterator[Alternative]:
    for c in candidates(graph, node, target, overlap) if target.lea_words else ():
        cycles = tuple(n + c.pool_cycles for n in c.cycles)
        joules = tuple(j + c.pool_cycles * target.joules["cycle"] for j in c.joules)
        yield Alternative("lea", encoding_name(c.packed), c.tile_text, cycles, joules, c.size)


def encoding_name(packed: Packed) -> str:
    """Of an encoding and the bits of its weights, for tables."""
    return f"{packed.encoding} 8 bit" if isinstance(packed, RowLayer) and packed.weight_size == 1 else packed.encoding


def dense_offer(graph: Graph, node: Node, target: TargetSpec, backend: str) -> Alternative | None:
    """The fastest way on a back end to run the layer with every weight in every level."""
    return _best(_single(graph, node, np.zeros_like), target, backend, lambda o: sum(o.cycles))


def break_even(graph: Graph, node: Node, target: TargetSpec, backend: str, mask: str) -> dict[str, float | None]:
    """Percent of pruned weights from which a sparse layer costs less than the dense one on the same back end.

    Masks are drawn from a fixed seed. Keys are `bytes`, `cycles` and `joules`; `None`: never.
    """
    measures: dict[str, Callable[[Alternative], float]] = {
        "bytes": lambda o: float(o.size), "cycles": lambda o: sum(o.cycles), "joules": lambda o: sum(o.joules),
    }  # fmt: skip
    found: dict[str, float | None] = {}
    cache: dict[int, list[Alternative]] = {}
    for name, measure in measures.items():
        dense = _best(_single(graph, node, np.zeros_like), target, backend, measure)
        if dense is None:
            found[name] = None
            continue
        low, high = 0, 100  # percent; at `high` sparse is cheaper, unless it never is
        while high - low > 1:
            middle = (low + high) // 2
            if middle not in cache:
                sparse = _single(graph, node, _mask(mask, middle))
                cache[middle] = [o for o in offers(*sparse, target) if o.backend == backend]
            cheaper = any(measure(o) < measure(dense) for o in cache[middle])
            low, high = (low, middle) if cheaper else (middle, high)
        found[name] = float(high) if high < 100 else None
    return found


def _best(
    one: tuple[Graph, Node], target: TargetSpec, backend: str, measure: Callable[[Alternative], float]
) -> Alternative | None:
    found = [o for o in offers(*one, target) if o.backend == backend]
    return min(found, key=measure, default=None)


def _mask(mask: str, percent: int) -> Callable[[np.ndarray], np.ndarray]:
    def make(index: np.ndarray) -> np.ndarray:
        matrix = index.reshape(len(index), -1)
        shape = matrix.shape if mask == "any" else (1, matrix.shape[1])
        order = np.random.default_rng(percent).permutation(np.prod(shape, dtype=int)).reshape(shape)
        pruned = np.broadcast_to(order < round(order.size * percent / 100), matrix.shape)
        return np.where(pruned, NEVER, 0).astype(np.uint8).reshape(index.shape)

    return make


def _single(
    graph: Graph,
    node: Node,
    mask: Callable[[np.ndarray], np.ndarray],
) -> tuple[Graph, Node]:
    """A graph of one level in which `node` has another mask, and that node."""
    nodes = []
    for n in graph.nodes:
        if n.params is not None:
            index = mask(n.params.level_index) if n is node else np.zeros_like(n.params.level_index)
            p: Params = n.params
            # halved, so that the weights that come back leave no sum too large
            halved = np.where(p.weight < 0, -1, 1) * np.maximum(np.abs(p.weight.astype(np.int32)) // 2, 1)
            weight = np.where(index == NEVER, 0, halved).astype(np.int16)
            if n is not node:
                weight = np.where(p.level_index == NEVER, 0, p.weight).astype(np.int16)
            n = replace(n, params=replace(p, weight=weight, level_index=index))
        nodes.append(n)
    changed = replace(graph, nodes=tuple(nodes), levels=graph.levels[-1:])
    return changed, changed.node(node.name)

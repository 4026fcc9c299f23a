"""Weights of 8 bits in a graph that has 16: rounded to int8, their sums shifted less, every scale as before.

Results change, and the reference with them: it is the graph that defines them. Only the CPU reads such weights; the LEA
multiplies words and shifts by 15, and unpacking bytes on the way into LEA RAM would take the CPU longer than the DMA's
transfer of words, so there is no such kernel.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from .encodings.offers import fits_bytes
from .encodings.offers import offers as encoding_offers
from .errors import GraphError
from .ir import Graph, Node, Params
from .lea import candidates
from .target import TargetSpec

AUTO = "auto"


@dataclass(frozen=True)
class Saving:
    """What weights of 8 bits do to a layer: bytes of its blob, and cycles summed over the levels."""

    node: str
    bytes_before: int
    bytes_after: int
    cycles_before: float
    cycles_after: float

    @property
    def pays(self) -> bool:
        """True where the layer saves a larger part of its bytes than it adds to its cycles."""
        return 1 - self.bytes_after / self.bytes_before > self.cycles_after / self.cycles_before - 1


def parse_weight_bits(text: str) -> Mapping[str, int] | None:
    """Bits by node of a text such as `conv1=8,fc1=8`; `None` for `auto`.

    Raises:
        GraphError: neither, or bits that are not 8 or 16.
    """
    if text == AUTO:
        return None
    found = {}
    for part in text.split(","):
        node, _, bits = part.strip().rpartition("=")
        if not node or bits not in ("8", "16"):
            raise GraphError(f"weight bits {part.strip()!r}: give NODE=8 or NODE=16, separated by commas, or {AUTO}")
        found[node] = int(bits)
    return found


def narrow_weights(graph: Graph, nodes: Iterable[str]) -> Graph:
    """`graph` with the weights of `nodes` rounded to int8.

    Raises:
        GraphError: there is no such node, it has no weights, or its sums are shifted too little to lose bits.
    """
    names = set(nodes)
    unknown = sorted(names - {n.name for n in graph.nodes if n.params is not None})
    if unknown:
        raise GraphError(f"{graph.name}: no node with weights is called {', '.join(unknown)}")
    return replace(graph, nodes=tuple(_narrow(n) if n.name in names else n for n in graph.nodes))


def _narrow(node: Node) -> Node:
    """The fewest bits that leave every weight within int8; a weight that a level has stays one even if it becomes 0."""
    assert node.params is not None
    p = node.params
    weights = p.weight.astype(np.int64)
    for lost in range(16):
        rounded = (weights + (1 << lost >> 1)) >> lost
        if rounded.min(initial=0) >= -128 and rounded.max(initial=0) <= 127:
            break
    if p.shift < lost:
        raise GraphError(f"{node.name}: sums are shifted by {p.shift}, weights of 8 bits lose {lost}; keep 16 bits")
    params = Params(rounded.astype(np.int16), p.level_index, p.bias, p.frac_bits - lost, p.shift - lost)
    return replace(node, params=params)


def savings(graph: Graph, target: TargetSpec, overlap: bool = True) -> list[Saving]:
    """What 8 bits would do to each layer whose weights have 16 and whose sums can lose the bits, by the cost model."""
    found = []
    for node in graph.nodes:
        if node.params is None or fits_bytes(node.params):
            continue
        try:
            narrow = _narrow(node)
        except GraphError:
            continue
        changed = replace(graph, nodes=tuple(narrow if n is node else n for n in graph.nodes))
        ways = [(sum(o.cycles), o.packed.blob_bytes) for o in encoding_offers(graph, node, target)]
        if target.lea_words:
            ways += [(c.total, c.packed.blob_bytes) for c in candidates(graph, node, target, overlap)]
        stored = [o for o in encoding_offers(changed, narrow, target) if o.packed.weight_size == 1]
        if not stored:
            continue
        before, after = min(ways), min((sum(o.cycles), o.packed.blob_bytes) for o in stored)
        found.append(Saving(node.name, before[1], after[1], before[0], after[0]))
    return found


def byte_encodings(graph: Graph, nodes: Iterable[str], target: TargetSpec) -> Mapping[str, str]:
    """The fastest encoding that stores bytes, for each of `nodes` with narrow weights."""
    found = {}
    for name in nodes:
        stored = [o for o in encoding_offers(graph, graph.node(name), target) if o.packed.weight_size == 1]
        found[name] = min(stored, key=lambda o: sum(o.cycles)).packed.encoding
    return found

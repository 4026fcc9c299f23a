"""Layers on the LEA: which ones, in which tiles, and what they will cost.

A layer can run on the LEA when one MPYMATRIXROW command holds each whole reduction: its result keeps only the upper
half of the sum, so sums can't be split. A convolution gathers the pixels of a few output rows into a matrix that all
filters share; with one input channel for each filter it may be a FIR over joined rows instead; a fully connected layer
gathers its input into the row vector and fetches weights as matrix. `lea_choices` takes, for each layer, the cheapest
command, tile and grouping, and the CPU where that is cheaper.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from .column import SHIFT, cut_groups
from .cost import pool_apart
from .encodings.offers import OPTIMIZE, choose, offers
from .errors import TargetError
from .ir import Graph, Node
from .layers import LeaLayer, lea_kinds
from .ops import Conv2d
from .target import TargetSpec

BACKENDS = ("auto", "cpu", "lea")
_TABLE_SHARES = (2, 3)
"""Lists of taps may take one part in so many of low FRAM, masks without columns would fill it: half where the rest
still fits, else a third."""


def lea_choices(
    graph: Graph,
    target: TargetSpec,
    backend: str = "auto",
    overlap: bool = True,
    optimize: str = "latency",
    required: Collection[str] = (),
) -> Sequence[Mapping[str, LeaLayer]]:
    """The layers that run on the LEA, by node: the best choice, then one that needs less low FRAM where there is one.

    Args:
        backend: `cpu`: none; `lea`: all that can; `auto`: those that are cheaper there, summed over the levels.
        overlap: the CPU and the DMA work while the LEA runs.
        optimize: `latency`, `energy` or `size`: what "cheaper" means.
        required: nodes that run on the LEA with `auto`, whatever they cost.

    Raises:
        TargetError: an unknown back end or goal, or `lea` for a target that has none.
    """
    if backend not in BACKENDS:
        raise TargetError(f"backend {backend!r} is unknown; choose {', '.join(BACKENDS)}")
    if optimize not in OPTIMIZE:
        raise TargetError(f"optimize {optimize!r} is unknown; choose {', '.join(OPTIMIZE)}")
    if backend == "cpu" or (backend == "auto" and "lea_ram" not in target.regions):
        return [{}]
    if "lea_ram" not in target.regions:
        raise TargetError(f"{target.name} has no LEA; use backend cpu")
    offers: dict[str, list[LeaLayer]] = {}
    price, on_cpu = _price(optimize, target), dict[str, float]()
    for node in graph.nodes:
        if node.params is None:
            continue
        on_cpu[node.name] = _on_cpu(graph, node, target, optimize)
        offers[node.name] = [
            offer
            for offer in sorted(candidates(graph, node, target, overlap), key=price)
            if backend == "lea" or node.name in required or price(offer) < on_cpu[node.name]
        ]
    rooms = [(target.regions["fram"].size - target.fram_reserve) // share // 2 for share in _TABLE_SHARES]
    best = _within_tables(offers, on_cpu, price, rooms[0])
    if sum(c.packed.table_words for c in best.values()) <= rooms[1]:
        return [best]
    return [best, _within_tables(offers, on_cpu, price, rooms[1])]


def _price(optimize: str, target: TargetSpec) -> Callable[[LeaLayer], float]:
    """What the choice compares: cycles or joules of all levels with the pool, or bytes."""
    if optimize == "size":
        return lambda c: float(c.size)
    if optimize == "energy":
        pool = target.joules["cycle"]
        return lambda c: c.energy + pool * c.pool_cycles * len(c.cycles)
    return lambda c: c.total


def _on_cpu(graph: Graph, node: Node, target: TargetSpec, optimize: str) -> float:
    """Cost on the CPU, as `_price` has it for the LEA, with the pool that the LEA could do as well."""
    assert node.params is not None
    found = choose(offers(graph, node, target), optimize)
    if optimize == "size":
        return float(found.packed.blob_bytes + 4 * len(node.params.bias))
    apart = pool_apart(graph, node, target.prices)
    cycles = sum(n + apart for n in found.cycles)
    return cycles if optimize == "latency" else cycles * target.joules["cycle"]


def candidate_price(graph: Graph, node: Node, lea: LeaLayer | None, target: TargetSpec, optimize: str) -> float:
    """What `lea_choices` compares, of `node` on the LEA or, for `None`, on the CPU."""
    return _price(optimize, target)(lea) if lea is not None else _on_cpu(graph, node, target, optimize)


def _within_tables(
    offers: Mapping[str, list[LeaLayer]], on_cpu: Mapping[str, float], price: Callable[[LeaLayer], float], words: int
) -> dict[str, LeaLayer]:
    """The best offer for each node, while all lists of taps fit `words`.

    Where they do not, offers with shorter lists, or the CPU, replace what that makes dearer by least for each word.
    """
    options = {
        name: [_Option(price(c), cut.packed.table_words, cut) for c in found for cut in (_cut(c),)]
        + [_Option(on_cpu[name], 0, None)]
        for name, found in offers.items()
    }
    chosen = {name: found[0] for name, found in options.items()}
    while sum(c.words for c in chosen.values()) > words:
        shorter = [(name, o) for name, c in chosen.items() for o in options[name] if o.words < c.words]
        name, other = min(shorter, key=lambda s: (s[1].cost - chosen[s[0]].cost) / (chosen[s[0]].words - s[1].words))
        chosen[name] = other
    return {name: c.lea for name, c in chosen.items() if c.lea}


@dataclass(frozen=True)
class _Option:
    """A way to run a node: what it costs, its words in the tables, and how; `None`: on the CPU."""

    cost: float
    words: int
    lea: LeaLayer | None


def _cut(choice: LeaLayer) -> LeaLayer:
    return replace(choice, packed=cut_groups(choice.packed, choice.cut))


def candidates(graph: Graph, node: Node, target: TargetSpec, overlap: bool = True) -> Iterator[LeaLayer]:
    """Every way to run `node` on the LEA; none if its shift or its reduction forbids it."""
    assert node.params is not None
    if node.params.shift != SHIFT:
        return
    outputs, levels = len(node.params.bias), len(graph.levels)
    longest = max(_column_counts(node, levels, 1))
    groups = node.op.groups if isinstance(node.op, Conv2d) else 1
    for rows in _halvings(outputs // groups):
        for kind in lea_kinds(node.op):
            yield from kind.candidates(graph, node, rows, target, overlap)
        if longest == max(_column_counts(node, levels, rows)):
            return  # some row has every column: smaller groups have no fewer


def _column_counts(node: Node, levels: int, rows: int) -> list[int]:
    """Columns of each group of `rows` rows, without bias and padding."""
    assert node.params is not None
    index = node.params.level_index.reshape(len(node.params.bias), -1)
    return [
        sum(int((index[r : r + rows] == level).any(axis=0).sum()) for level in range(levels))
        for r in range(0, len(index), rows)
    ]


def _halvings(n: int) -> Iterator[int]:
    while n >= 1:
        yield n
        if n == 1:
            return
        n = -(-n // 2)

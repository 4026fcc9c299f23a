"""`--weight-bits`: which layers store their weights in 8 bits, and what that costs in accuracy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from codegen import reference
from codegen.ir import Graph
from codegen.narrow import narrow_weights, parse_weight_bits, savings
from codegen.target import TargetSpec

from .datasets import load_dataset
from .deploy import accuracy, quantized_inputs
from .errors import SwtrainError

MAX_LOSS = 0.2
"""Points of accuracy that `auto` may cost at any level."""


class WeightBitsError(SwtrainError):
    """`auto` has no data to measure accuracy on."""


@dataclass(frozen=True)
class Narrowed:
    """A graph with weights of 8 bits in `nodes`; test accuracy at each level in percent, if it was measured."""

    graph: Graph
    nodes: tuple[str, ...]
    before: tuple[float, ...] = ()
    after: tuple[float, ...] = ()


def apply_weight_bits(
    graph: Graph,
    text: str,
    target: TargetSpec,
    overlap: bool = True,
    dataset: str | None = None,
    data: str | None = None,
    inputs: int = 2000,
) -> Narrowed:
    """`graph` with the weight bits that `text` asks for.

    `auto`: every layer that saves a larger part of its bytes than it adds to its cycles. While a level loses more than
    `MAX_LOSS` points on the first `inputs` test inputs of `dataset` (in folder `data`), the layer whose rounding is
    coarsest keeps 16.

    Raises:
        GraphError: an unknown node, or bits that are not possible.
        WeightBitsError: `auto` for a graph that does not say its data set.
    """
    wanted = parse_weight_bits(text)
    if wanted is not None:
        narrowed = narrow_weights(graph, wanted)  # names are checked for 16 bits as well
        nodes = tuple(name for name, bits in wanted.items() if bits == 8)
        return Narrowed(narrow_weights(graph, nodes) if len(nodes) < len(wanted) else narrowed, nodes)
    name = dataset or graph.meta.get("dataset")
    if name is None:
        raise WeightBitsError(f"{graph.name} does not say its data set, which auto measures; give --dataset, or NODE=8")
    loaded = load_dataset(str(name), data)
    x, labels = quantized_inputs(graph, loaded, loaded.test.x[:inputs]), loaded.test.y[:inputs]

    def measure(g: Graph) -> tuple[float, ...]:
        return tuple(accuracy(reference.logits(g, x, k), labels) for k in range(len(g.levels)))

    before = measure(graph)
    chosen = [s.node for s in savings(graph, target, overlap) if s.pays]
    while True:
        narrowed = narrow_weights(graph, chosen)
        after = measure(narrowed) if chosen else before
        if not chosen or max(b - a for b, a in zip(before, after, strict=True)) <= MAX_LOSS:
            return Narrowed(narrowed, tuple(chosen), before, after)
        chosen.remove(max(chosen, key=lambda n: _error(graph, narrowed, n)))


def _error(graph: Graph, narrowed: Graph, name: str) -> float:
    """Rounding error of a node's weights, as a part of their size."""
    before, after = graph.node(name).params, narrowed.node(name).params
    assert before is not None and after is not None
    rounded = after.weight.astype(np.float64) * 2.0 ** (before.frac_bits - after.frac_bits)
    size = float(np.linalg.norm(before.weight.astype(np.float64)))
    return float(np.linalg.norm(rounded - before.weight)) / max(size, 1.0)

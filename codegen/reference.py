"""The definition of every result: NumPy, integer, independent of back end, tile, encoding.

Host C and the simulated ELF must equal `run` bit for bit. In: int16 inputs `(N, ...)`; out: every tensor.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .errors import GraphError
from .ir import Graph, Node, Tensor
from .ops import Array, WeightedOp


def run(graph: Graph, x: Array, level: int) -> dict[str, Array]:
    """Run `graph` at `level` on int16 `x` of shape `(N, *input.shape)`.

    Returns:
        Every tensor by name, int16, batch first.

    Raises:
        GraphError: wrong dtype, shape or level, or an input outside the bounds of the input tensor.
    """
    source = graph.tensors[graph.input]
    if x.dtype != np.int16 or x.shape[1:] != source.shape:
        raise GraphError(f"input must be int16 (N, {', '.join(map(str, source.shape))}), got {x.dtype} {x.shape}")
    if not 0 <= level < len(graph.levels):
        raise GraphError(f"level {level} does not exist; there are {len(graph.levels)}")
    if x.size and (int(x.min()) < source.lo or int(x.max()) > source.hi):
        raise GraphError(f"input holds {x.min()}..{x.max()}, outside its bounds [{source.lo}, {source.hi}]")
    values = {graph.input: x}
    for node in graph.nodes:
        values[node.output] = apply_node(node, [values[x] for x in node.inputs], graph.tensors[node.output], level)
    return values


def apply_node(node: Node, inputs: Sequence[Array], out: Tensor, level: int) -> Array:
    """One node on int16 `inputs`; returns int16 within the bounds of `out`."""
    wide = [x.astype(np.int64) for x in inputs]
    if node.params is not None:
        assert isinstance(node.op, WeightedOp)
        p = node.params
        y = node.op.apply_weighted(wide[0], p.at_level(level), p.bias, p.shift, out.lo, out.hi)
    else:
        y = node.op.apply_all(wide, out.lo, out.hi)
    return y.astype(np.int16)


def logits(graph: Graph, x: Array, level: int, batch: int = 256) -> Array:
    """int16 logits `(N, classes)` of `x`, in batches so that memory stays small."""
    name = graph.output.name
    parts = [run(graph, x[i : i + batch], level)[name] for i in range(0, len(x), batch)]
    return np.concatenate(parts) if parts else np.zeros((0, *graph.output.shape), np.int16)

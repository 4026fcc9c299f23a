"""Rewrites of a graph that change time, never bits."""

from __future__ import annotations

from dataclasses import replace

from .ir import Graph, Node
from .ops import Relu


def fuse_relu(graph: Graph) -> Graph:
    """Fold each relu into the clip of the weighted node before it, if nothing else reads that node.

    `clip(max(clip(v, lo, hi), 0), lo', hi')` is one clip, so the bits do not change.
    """
    readers: dict[str, int] = {}
    for node in graph.nodes:
        readers[node.input] = readers.get(node.input, 0) + 1
    nodes: list[Node] = []
    tensors = dict(graph.tensors)
    for node in graph.nodes:
        previous = nodes[-1] if nodes else None
        if (
            isinstance(node.op, Relu)
            and previous is not None
            and previous.params is not None
            and previous.output == node.input
            and readers[node.input] == 1
        ):
            before, after = tensors.pop(node.input), tensors[node.output]
            lo = min(max(before.lo, 0, after.lo), after.hi)
            hi = max(min(max(before.hi, 0), after.hi), lo)
            tensors[node.output] = replace(after, lo=lo, hi=hi)
            nodes[-1] = replace(previous, output=node.output)
        else:
            nodes.append(node)
    return replace(graph, nodes=tuple(nodes), tensors=tensors)

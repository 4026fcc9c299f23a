"""Rewrites of a graph that change time, never bits."""

from __future__ import annotations

from dataclasses import replace

from .ir import Graph, Node
from .ops import INT16_MIN, Add, Clip, Relu


def fuse_clips(graph: Graph) -> Graph:
    """Fold each relu and clip into the clip of the weighted node or sum before it, if nothing else reads that node.

    `clip(max(clip(v, lo, hi), 0), lo', hi')` is one clip, so the bits do not change.
    """
    readers: dict[str, int] = {}
    for name in (x for node in graph.nodes for x in node.inputs):
        readers[name] = readers.get(name, 0) + 1
    nodes: list[Node] = []
    tensors = dict(graph.tensors)
    writer: dict[str, int] = {}  # index in `nodes` of what writes a tensor and can clip it
    for node in graph.nodes:
        producer = writer.get(node.input)
        if isinstance(node.op, Relu | Clip) and producer is not None and readers[node.input] == 1:
            before, after = tensors[node.input], tensors[node.output]
            floor = 0 if isinstance(node.op, Relu) else INT16_MIN
            lo = min(max(before.lo, floor, after.lo), after.hi)
            hi = max(min(max(before.hi, floor), after.hi), lo)
            if nodes[producer].params is None and not lo <= 0 <= hi:  # no sum ends there (ir.check)
                nodes.append(node)
                continue
            del tensors[node.input]
            tensors[node.output] = replace(after, lo=lo, hi=hi)
            nodes[producer] = replace(nodes[producer], output=node.output)
            writer[node.output] = producer
            continue
        if node.params is not None or isinstance(node.op, Add):
            writer[node.output] = len(nodes)
        nodes.append(node)
    return replace(graph, nodes=tuple(nodes), tensors=tensors)

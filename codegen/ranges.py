"""Ranges of tensors that a quantised ONNX model brings along, and what they say of the tensors beside them."""

from __future__ import annotations

from collections.abc import Mapping

from .floatgraph import FloatGraph
from .ops import Add, Argmax, AvgPool, Clip, Concat, Flatten, MaxPool, Relu

Range = tuple[float, float]

_KEEPS = (AvgPool, Clip, Flatten, MaxPool, Relu)
"""Operators whose output lies in the range of their input, 0 aside."""


def spread_ranges(graph: FloatGraph, known: Mapping[str, Range]) -> dict[str, Range]:
    """`known`, and what follows from it: through pools and clips both ways, through sums and concatenations forward."""
    shapes = graph.shapes()
    found = {name: known[name] for name in known if name in shapes}
    if not found:
        return {}
    readers: dict[str, list[str]] = {}
    for node in graph.nodes:
        for name in node.inputs:
            readers.setdefault(name, []).append(node.output)
    for node in reversed(graph.nodes):
        if isinstance(node.op, _KEEPS) and readers[node.input] == [node.output] and node.output in found:
            low, high = found[node.output]
            if isinstance(node.op, Relu | Clip):  # what lies below is cut off anyway
                low = min(low, -high)
            found.setdefault(node.input, (low, high))
    found.setdefault(graph.input, (graph.input_min, graph.input_max))
    for node in graph.nodes:
        inputs = [found[x] for x in node.inputs if x in found]
        if isinstance(node.op, Argmax):
            found[node.output] = (0.0, float(shapes[node.input][0] - 1))
        elif len(inputs) < len(node.inputs):
            continue
        elif isinstance(node.op, (*_KEEPS, Concat)):
            found.setdefault(node.output, (min(r[0] for r in inputs), max(r[1] for r in inputs)))
        elif isinstance(node.op, Add):
            found.setdefault(node.output, (sum(r[0] for r in inputs), sum(r[1] for r in inputs)))
    return found

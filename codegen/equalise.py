"""Channels of one convolution scaled against the next, so that no single weight sets the scale of a layer.

A tensor has one scale, and a product is shifted by 15 bits whatever it is: a layer whose largest weight stands out from
the others loses bits of its output, and a deep network all of them. Between two convolutions with at most a ReLU
between, a channel may be divided by `s` where it is made and multiplied by `s` where it is read (Nagel et al. 2019,
data-free quantisation, section 4.1). Powers of two change no bit of a float.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .floatgraph import FloatGraph, FloatNode
from .ir import NEVER
from .ops import Array, Conv2d, Relu

SWEEPS = 8


def equalised(graph: FloatGraph) -> FloatGraph:
    """The same function of its input at every level, bit for bit in float32; tensors in between differ.

    `graph` itself where no two convolutions can be scaled.
    """
    nodes = {node.name: node for node in graph.nodes}
    pairs = [(a.name, b.name) for a in graph.nodes if (b := _reader(graph, a)) is not None]
    if not pairs:
        return graph
    for _ in range(SWEEPS):
        for first, second in pairs:
            nodes[first], nodes[second] = _balanced(nodes[first], nodes[second])
    return replace(graph, nodes=tuple(nodes[node.name] for node in graph.nodes))


def _reader(graph: FloatGraph, node: FloatNode) -> FloatNode | None:
    """The plain convolution that alone reads `node`, a convolution, directly or behind a ReLU."""
    if not isinstance(node.op, Conv2d):
        return None
    readers = [each for each in graph.nodes if node.output in each.inputs]
    if len(readers) == 1 and isinstance(readers[0].op, Relu):
        readers = [each for each in graph.nodes if readers[0].output in each.inputs]
    if len(readers) != 1 or not isinstance(readers[0].op, Conv2d) or readers[0].op.groups != 1:
        return None
    return readers[0]


def _balanced(first: FloatNode, second: FloatNode) -> tuple[FloatNode, FloatNode]:
    """Both with the same largest weight in each channel between them, as nearly as powers of two allow."""
    assert first.weight is not None and first.bias is not None and second.weight is not None
    made, read = _largest(first, (1, 2, 3)), _largest(second, (0, 2, 3))
    both = (made > 0) & (read > 0)
    scale = np.ones_like(made)
    scale[both] = 2.0 ** np.rint(np.log2(made[both] / read[both]) / 2)
    scale = scale.astype(np.float32)
    return (
        replace(first, weight=first.weight / scale[:, None, None, None], bias=first.bias / scale),
        replace(second, weight=second.weight * scale[None, :, None, None]),
    )


def _largest(node: FloatNode, axes: tuple[int, ...]) -> Array:
    assert node.weight is not None and node.level_index is not None
    weight = np.where(node.level_index == NEVER, 0.0, np.abs(node.weight.astype(np.float64)))
    return np.asarray(weight.max(axis=axes))

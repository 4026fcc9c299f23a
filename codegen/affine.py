"""`y = x * scale + shift` per channel: what batch norm and constants in sums and products are, folded away.

The device has no such operator. One behind a weighted node that nothing else reads goes into that node; one before
weighted nodes only goes into these (not through the zeros of a padding); any other becomes a depthwise convolution, or
a fully connected layer with one weight per row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from .floatgraph import FloatNode
from .ops import Array, Conv2d, FullyConnected, Op, Shape, WeightedOp

MAX_FLAT = 2048
"""Features of the largest fully connected layer that stands for a scale."""

NEVER = 255


@dataclass(frozen=True)
class Affine(Op):
    """Only between import and `fold_affine`: the node's weight is the scale and its bias the shift, `(C,)` each."""

    kind: ClassVar[str] = "affine"

    def infer(self, shape: Shape) -> Shape:
        """Same shape."""
        return shape


def fold_affine(nodes: list[FloatNode], shapes: Mapping[str, Shape], output: str) -> list[FloatNode]:
    """`nodes` without `Affine`; the tensor `output` keeps its name and meaning."""
    nodes = list(nodes)
    while places := [i for i, n in enumerate(nodes) if isinstance(n.op, Affine)]:
        if not any(_fold(nodes, i, output) for i in places):
            nodes[places[0]] = _as_layer(nodes[places[0]], shapes[nodes[places[0]].input])
    return nodes


def _fold(nodes: list[FloatNode], at: int, output: str) -> bool:
    """Move the affine node at `at` into what is before or behind it, if it can go there."""
    node = nodes[at]
    producer = next((i for i, n in enumerate(nodes) if n.output == node.input), None)
    readers = [i for i, n in enumerate(nodes) if node.output in n.inputs]
    alone = sum(node.input in n.inputs for n in nodes) == 1 and node.input != output
    if producer is not None and alone and isinstance(nodes[producer].op, WeightedOp | Affine):
        nodes[producer] = _scaled_output(nodes[producer], node)
    elif readers and node.output != output and all(_takes(nodes[i], node) for i in readers):
        for i in readers:
            nodes[i] = _scaled_input(nodes[i], node)
    else:
        return False
    del nodes[at]
    return True


def _parts(node: FloatNode) -> tuple[Array, Array]:
    assert node.weight is not None and node.bias is not None
    return node.weight, node.bias


def _scaled_output(before: FloatNode, affine: FloatNode) -> FloatNode:
    (weight, bias), (scale, shift) = _parts(before), _parts(affine)
    wide = weight.astype(np.float64) * scale.reshape(-1, *[1] * (weight.ndim - 1))
    return replace(
        before,
        weight=wide.astype(np.float32),
        bias=(bias.astype(np.float64) * scale + shift).astype(np.float32),
        output=affine.output,
    )


def _takes(reader: FloatNode, affine: FloatNode) -> bool:
    """Whether `affine` can go into what reads it."""
    if isinstance(reader.op, Conv2d):
        return not any(reader.op.padding) or not np.any(_parts(affine)[1])
    return isinstance(reader.op, FullyConnected)


def _scaled_input(reader: FloatNode, affine: FloatNode) -> FloatNode:
    (weight, bias), (scale, shift) = _parts(reader), _parts(affine)
    groups = reader.op.groups if isinstance(reader.op, Conv2d) else 1
    # (O, C / groups): the channel that each weight reads
    group = np.arange(len(weight)) // (len(weight) // groups)
    channel = group[:, None] * weight.shape[1] + np.arange(weight.shape[1])
    tail = [1] * (weight.ndim - 2)
    wide = weight.astype(np.float64)
    added = (wide * shift[channel].reshape(*channel.shape, *tail)).reshape(len(weight), -1).sum(axis=1)
    scaled = wide * scale[channel].reshape(*channel.shape, *tail)
    return replace(
        reader,
        weight=scaled.astype(np.float32),
        bias=(bias + added).astype(np.float32),
        inputs=(affine.input,),
    )


def _as_layer(node: FloatNode, shape: Shape) -> FloatNode:
    scale, shift = _parts(node)
    if len(shape) == 3:
        weight = scale.reshape(-1, 1, 1, 1)
        op: WeightedOp = Conv2d(groups=len(scale))
        index = np.zeros(weight.shape, np.uint8)
    else:
        weight, op = np.diag(scale), FullyConnected()
        index = np.where(np.eye(len(scale), dtype=bool), 0, NEVER).astype(np.uint8)
    return replace(node, op=op, weight=weight.astype(np.float32), bias=shift.astype(np.float32), level_index=index)

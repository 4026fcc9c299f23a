"""The `FloatGraph` that an ONNX model becomes, while it is made.

ONNX reshapes and transposes freely; a `FloatGraph` knows images `(C, H, W)` and flat tensors. So a `Value` is a tensor
of the graph together with the place in it of every element that ONNX sees: reshapes and transposes only rearrange
these places and cost nothing. An operator that needs an image, or a flat tensor, asks for it, and refuses the rest.
The input of the network has no layout until the first operator asks for one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import numpy as np

from .floatgraph import FloatNode
from .ops import Array, Clip, Flatten, Op, Relu, Shape, WeightedOp
from .ranges import Range

INPUT = "input"


class Refused(Exception):
    """An operator can't be imported; the message says why, without naming the node."""


@dataclass(frozen=True)
class Value:
    """A tensor as ONNX sees it.

    Attributes:
        tensor: of the graph that is made.
        order: int64, in ONNX's shape, batch included: element `i` of the tensor in example `n` is `n * size + i`.
    """

    tensor: str
    order: Array


@dataclass(frozen=True)
class Quantized:
    """What a `QuantizeLinear` makes of a value: the integers stand for reals in `[low, high]`, a scale per value."""

    value: Value
    scale: Array
    zero_point: Array
    low: float
    high: float


Operand = Value | Quantized | Array
"""What an ONNX name stands for; an array is known when the model is imported."""


@dataclass
class Builder:
    """Nodes so far.

    Attributes:
        batch: examples that the model computes at once; the graph computes one.
        shapes: of every tensor, without batch.
        env: ONNX name to what it stands for; None: a node before was refused.
        ranges: of tensors that the model quantises.
        source: element of the input tensor to its place in one example of the ONNX input.
        notes: what a user should know, one sentence each.
        whole: nodes whose weights are no weights of the model.
        taken: names of nodes.
    """

    name: str
    shape: tuple[int, ...]
    batch: int = 1
    shapes: dict[str, Shape] = field(default_factory=dict)
    nodes: list[FloatNode] = field(default_factory=list)
    env: dict[str, Operand | None] = field(default_factory=dict)
    ranges: dict[str, Range] = field(default_factory=dict)
    source: Array = field(default_factory=lambda: np.zeros(0, np.int64))
    notes: list[str] = field(default_factory=list)
    whole: set[str] = field(default_factory=set)
    taken: set[str] = field(default_factory=lambda: {INPUT})

    def __post_init__(self) -> None:
        self.batch = self.shape[0] if self.shape else 1
        sample = self.shape[1:]
        self.shapes[INPUT] = _image_shape(sample) or (prod(sample),)
        self.source = np.arange(prod(sample))
        self.env[self.name] = self.value(INPUT, sample) if self.shape else Value(INPUT, np.zeros((), np.int64))

    def size(self, tensor: str) -> int:
        """Elements of a tensor."""
        return prod(self.shapes[tensor])

    def value(self, tensor: str, sample: Sequence[int]) -> Value:
        """A tensor in its own order, as ONNX's shape `(batch, *sample)`."""
        return Value(tensor, np.arange(self.batch * self.size(tensor)).reshape(self.batch, *sample))

    def sample(self, value: Value) -> Array:
        """Places of one example's elements, in ONNX's shape without the batch."""
        order = value.order
        if order.ndim == 0 or order.shape[0] != self.batch or order.size != self.batch * self.size(value.tensor):
            raise Refused(f"its input of shape {order.shape} does not have the batch first ({self.batch})")
        offset = self.size(value.tensor) * np.arange(self.batch).reshape(-1, *[1] * (order.ndim - 1))
        if not np.array_equal(order, order[:1] + offset) or (order[0] >= self.size(value.tensor)).any():
            raise Refused("its input mixes the examples of a batch")
        first: Array = order[0]
        return first

    def image(self, value: Value) -> str:
        """The tensor of an ONNX value `(N, C, H, W)` or `(N, C, T)`, which must be an image in that order."""
        places = self.sample(value)
        shape = _image_shape(places.shape) if places.ndim in (2, 3) else None
        if shape is None:
            raise Refused(f"its input has shape {value.order.shape}; (N, C, H, W) and (N, C, T) are supported")
        places = self._laid_out(value.tensor, places, shape)
        if self.shapes[value.tensor] != shape or not _plain(places):
            raise Refused("its input was reshaped or transposed, which the device can't follow; channels come first")
        return value.tensor

    def flat(self, value: Value) -> tuple[str, Array]:
        """The flat tensor of an ONNX value `(N, F)`, and the place in it of each feature."""
        places = self.sample(value)
        if places.ndim != 1:
            raise Refused(f"its input has shape {value.order.shape}; (N, features) is supported")
        return self.flattened(value.tensor), places

    def flattened(self, tensor: str) -> str:
        """`tensor`, or a flat copy of it, made once."""
        if len(self.shapes[tensor]) == 1:
            return tensor
        for node in self.nodes:
            if node.input == tensor and isinstance(node.op, Flatten):
                return node.output
        return self.emit(f"{tensor.removesuffix('_out')}_flat", Flatten(), (tensor,))

    def emit(
        self,
        name: str,
        op: Op,
        inputs: tuple[str, ...],
        weight: Array | None = None,
        bias: Array | None = None,
        index: Array | None = None,
    ) -> str:
        """Append a node; its output tensor. Weights are in every level unless `index` says otherwise."""
        name = self.unique(name)
        if weight is not None and index is None:
            index = np.zeros(weight.shape, np.uint8)
        shapes = [self.shapes[x] for x in inputs]
        if isinstance(op, WeightedOp):
            assert weight is not None
            shape = op.infer_weighted(shapes[0], weight.shape)
        else:
            shape = op.infer_all(shapes)
        self.nodes.append(FloatNode(name, op, inputs, f"{name}_out", weight, index, bias))
        self.shapes[f"{name}_out"] = shape
        return f"{name}_out"

    def positive(self, tensor: str) -> bool:
        """Whether the operators before `tensor` leave nothing negative."""
        node = next((n for n in self.nodes if n.output == tensor), None)
        if node is None or node.weight is not None:
            return False
        if isinstance(node.op, Relu) or (isinstance(node.op, Clip) and node.op.bounds[0] >= 0):
            return True
        return all(self.positive(x) for x in node.inputs)

    def unique(self, name: str) -> str:
        """A C identifier that no node has yet."""
        base = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_") or "node"
        base = f"n{base}" if base[0].isdigit() else base
        made, number = base, 2
        while made in self.taken:
            made, number = f"{base}_{number}", number + 1
        self.taken.add(made)
        return made

    def transpose_input(self, perm: Sequence[int]) -> None:
        """Lay the input out as a transpose by `perm` that follows will have it, so that the transpose costs nothing."""
        places = self.sample(self.value(INPUT, self.shape[1:])).transpose([p - 1 for p in perm[1:]])
        shape = _image_shape(places.shape)
        if shape is not None:
            self._laid_out(INPUT, places, shape)

    def _laid_out(self, tensor: str, places: Array, shape: Shape) -> Array:
        """Give the input the layout that its first reader wants; `places` there, or as they were."""
        if tensor != INPUT or any(INPUT in node.inputs for node in self.nodes):
            return places
        if self.shapes[INPUT] == shape and _plain(places):
            return places
        moved = np.empty(places.size, np.int64)
        moved[places.reshape(-1)] = np.arange(places.size)
        self.source = self.source[places.reshape(-1)]
        self.shapes[INPUT] = shape
        for name, operand in self.env.items():
            self.env[name] = self._remapped(operand, moved)
        return moved[places]

    def _remapped(self, operand: Any, moved: Array) -> Any:
        if isinstance(operand, Quantized):
            return replace(operand, value=self._remapped(operand.value, moved))
        if isinstance(operand, Value) and operand.tensor == INPUT:
            n, i = np.divmod(operand.order, moved.size)
            return Value(INPUT, n * moved.size + moved[i])
        return operand


def _image_shape(sample: Sequence[int]) -> Shape | None:
    """`sample` as a tensor of the graph: `(F,)`, `(C, 1, T)` or `(C, H, W)`; None: has no such form."""
    if len(sample) == 1:
        return (sample[0],)
    if len(sample) == 2:
        return (sample[0], 1, sample[1])
    return tuple(sample) if len(sample) == 3 else None


def _plain(places: Array) -> bool:
    return bool(np.array_equal(places.reshape(-1), np.arange(places.size)))

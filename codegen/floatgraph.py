"""`FloatGraph`: a real-valued network with nested levels, NumPy only.

What an exporter (torch, later ONNX) makes and `quantize` consumes. Holds the weights of the densest level and
one level index per weight; `run` evaluates any level in float32, which calibrates the activations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .errors import GraphError
from .ir import Level
from .ops import Array, Op, Shape, WeightedOp


@dataclass(frozen=True)
class FloatNode:
    """One operator; `weight` and `bias` are float32, `level_index` uint8, all `None` without weights."""

    name: str
    op: Op
    inputs: tuple[str, ...]
    output: str
    weight: Array | None = None
    level_index: Array | None = None
    bias: Array | None = None

    @property
    def input(self) -> str:
        """The first input, of most operators the only one."""
        return self.inputs[0]


@dataclass(frozen=True)
class FloatGraph:
    """A real-valued network.

    Attributes:
        name: a C identifier.
        input: name of the input tensor.
        shape: of the input, without batch.
        input_frac_bits: fraction bits that hold every input value exactly (8 for `pixel / 256`).
        input_max: largest input value; inputs are not negative when `input_min` is 0.
    """

    name: str
    input: str
    shape: Shape
    nodes: tuple[FloatNode, ...]
    levels: tuple[Level, ...]
    input_frac_bits: int
    input_max: float
    input_min: float = 0.0
    meta: Mapping[str, Any] = field(default_factory=dict)

    def run(self, x: Array, level: int) -> dict[str, Array]:
        """Every tensor for float32 `x` of shape `(N, *shape)` at `level`."""
        if x.shape[1:] != self.shape:
            raise GraphError(f"{self.name}: input must be (N, {self.shape}), got {x.shape}")
        values = {self.input: x.astype(np.float32)}
        for node in self.nodes:
            if isinstance(node.op, WeightedOp):
                assert node.weight is not None and node.level_index is not None and node.bias is not None
                w = np.where(node.level_index <= level, node.weight, np.float32(0))
                y = node.op.accumulate(values[node.input], w)
                y = y + node.bias.reshape((1, -1) + (1,) * (y.ndim - 2))
            else:
                y = node.op.apply_float_all([values[x] for x in node.inputs])
            values[node.output] = y
        return values

    def shapes(self) -> dict[str, Shape]:
        """Shape of every tensor; raises `GraphError` where an operator does not fit."""
        shapes = {self.input: self.shape}
        for node in self.nodes:
            try:
                if isinstance(node.op, WeightedOp):
                    assert node.weight is not None
                    shapes[node.output] = node.op.infer_weighted(shapes[node.input], node.weight.shape)
                else:
                    shapes[node.output] = node.op.infer_all([shapes[x] for x in node.inputs])
            except GraphError as e:
                raise GraphError(f"{node.name}: {e}") from e
        return shapes

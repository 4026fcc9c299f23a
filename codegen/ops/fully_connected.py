"""Fully connected layer: `(F,)` with weights `(O, F)` gives `(O,)`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..errors import GraphError
from .base import Array, Shape, WeightedOp, register


@register
@dataclass(frozen=True)
class FullyConnected(WeightedOp):
    """`y = W x + b`, as ONNX `Gemm` with `transB = 1`."""

    kind: ClassVar[str] = "fully_connected"

    def infer(self, shape: Shape) -> Shape:
        """The input must be flat."""
        if len(shape) != 1:
            raise GraphError(f"fully_connected: needs a flat input, got shape {shape}; put a flatten before it")
        return shape

    def infer_weighted(self, shape: Shape, weight: Shape) -> Shape:
        """`(O,)`."""
        (features,) = self.infer(shape)
        if len(weight) != 2 or weight[1] != features:
            raise GraphError(f"fully_connected: weights {weight} do not match an input of {features}")
        return (weight[0],)

    def uses(self, shape: Shape) -> int:
        """Once."""
        return 1

    def accumulate(self, x: Array, w: Array) -> Array:
        """`(N, F)` and `(O, F)` to `(N, O)`."""
        y: Array = x @ w.T
        return y

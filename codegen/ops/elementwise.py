"""Operators that move or clip: relu, flatten, argmax."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np

from ..errors import GraphError
from .base import Array, Op, Shape, register


@register
@dataclass(frozen=True)
class Relu(Op):
    """`y = clip(max(x, 0), lo, hi)`. `passes.fuse_relu` folds it into the clip of the producer."""

    kind: ClassVar[str] = "relu"

    def infer(self, shape: Shape) -> Shape:
        """Same shape."""
        return shape

    def apply_float(self, x: Array) -> Array:
        """`max(x, 0)`."""
        return np.maximum(x, 0)

    def apply(self, x: Array, lo: int, hi: int) -> Array:
        """The integer formula of the class."""
        return np.clip(np.maximum(x, 0), lo, hi)


@register
@dataclass(frozen=True)
class Flatten(Op):
    """`(C, H, W)` to `(C*H*W,)` in row-major order; costs nothing on the device."""

    kind: ClassVar[str] = "flatten"

    def infer(self, shape: Shape) -> Shape:
        """One axis."""
        return (prod(shape),)

    def apply_float(self, x: Array) -> Array:
        """A reshape."""
        return x.reshape(len(x), -1)

    def apply(self, x: Array, lo: int, hi: int) -> Array:
        """A reshape; the bounds are those of the input."""
        return x.reshape(len(x), -1)


@register
@dataclass(frozen=True)
class Argmax(Op):
    """Index of the largest element, the lowest index on a tie; softmax is not needed to classify."""

    kind: ClassVar[str] = "argmax"

    def infer(self, shape: Shape) -> Shape:
        """`(1,)`."""
        if len(shape) != 1:
            raise GraphError(f"argmax: needs a flat input, got shape {shape}")
        return (1,)

    def apply_float(self, x: Array) -> Array:
        """`(N, F)` to `(N, 1)`."""
        y: Array = x.argmax(axis=1, keepdims=True)
        return y

    def apply(self, x: Array, lo: int, hi: int) -> Array:
        """`(N, F)` to `(N, 1)`."""
        return self.apply_float(x)

"""Operators that move or clip: relu, clip, flatten, argmax."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np

from ..errors import GraphError
from .base import Array, Op, Shape, register


@register
@dataclass(frozen=True)
class Relu(Op):
    """`y = clip(max(x, 0), lo, hi)`. `passes.fuse_clips` folds it into the clip of the producer."""

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
class Clip(Op):
    """`y = clip(x, lo, hi)`: clipped relu (ReLU6), hard tanh. `passes.fuse_clips` folds it like a relu.

    Attributes:
        bounds: smallest and largest real value; `quantize` makes `lo` and `hi` of them.
    """

    kind: ClassVar[str] = "clip"
    bounds: tuple[float, float] = (0.0, 6.0)

    def infer(self, shape: Shape) -> Shape:
        """Same shape."""
        if not self.bounds[0] < self.bounds[1]:
            raise GraphError(f"clip: bounds {self.bounds} are not in order")
        return shape

    def apply_float(self, x: Array) -> Array:
        """`x` within the bounds."""
        return np.clip(x, *self.bounds)

    def apply(self, x: Array, lo: int, hi: int) -> Array:
        """The integer formula of the class."""
        return np.clip(x, lo, hi)


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

    def out_frac_bits(self, inputs: Sequence[int]) -> int | None:
        """None: an index."""
        return None

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

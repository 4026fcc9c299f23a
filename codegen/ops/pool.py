"""Average and max pooling without padding: `(C, H, W)` gives `(C, OH, OW)`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..errors import GraphError
from .base import Array, Op, Shape, out_size, register, spatial, windows

MAX_AREA = 2048
"""Elements of an average whose divisor is rounded: then by at most 3 %, the same for all channels."""

MAX_EXACT = 2**15
"""Elements of an average over a power of two: a sum of int16 stays within 32 bits."""


@dataclass(frozen=True)
class _Pool(Op):
    kernel: tuple[int, int] = (2, 2)
    stride: tuple[int, int] = (2, 2)

    def infer(self, shape: Shape) -> Shape:
        """`(C, OH, OW)`; a last incomplete window is dropped, as in ONNX with `ceil_mode = 0`."""
        c, h, w = spatial(self.kind, shape)
        oh = out_size(self.kind, h, self.kernel[0], self.stride[0])
        return c, oh, out_size(self.kind, w, self.kernel[1], self.stride[1])


@register
@dataclass(frozen=True)
class AvgPool(_Pool):
    """`y = clip((sum(x) * multiplier) >> shift, lo, hi)`, up to the average of a whole image.

    A window of `2**n` elements has multiplier 1 and shift `n`; any other has `round(2**15 / area)` and 15, which is
    off by at most one part in `2**16 / area`.
    """

    kind: ClassVar[str] = "avgpool"

    def infer(self, shape: Shape) -> Shape:
        """As any pool; raises `GraphError` where a rounded multiplier would be too coarse, or a sum too large."""
        area = self.kernel[0] * self.kernel[1]
        limit = MAX_EXACT if area & (area - 1) == 0 else MAX_AREA
        if area > limit:
            raise GraphError(f"avgpool: a window of {area} elements; at most {limit} are averaged, pool in two steps")
        return super().infer(shape)

    @property
    def scale(self) -> tuple[int, int]:
        """`(multiplier, shift)`."""
        area = self.kernel[0] * self.kernel[1]
        if area & (area - 1) == 0:
            return 1, area.bit_length() - 1
        return (2**15 + area // 2) // area, 15

    def reach(self, bounds: Sequence[tuple[int, int]]) -> int:
        """Largest sum times the multiplier."""
        ((lo, hi),) = bounds
        return self.kernel[0] * self.kernel[1] * max(-lo, hi) * self.scale[0]

    def apply_float(self, x: Array) -> Array:
        """Mean of each window."""
        y: Array = windows(x, self.kernel, self.stride).mean(axis=(4, 5))
        return y

    def apply(self, x: Array, lo: int, hi: int) -> Array:
        """The integer formula of the class."""
        multiplier, shift = self.scale
        total = windows(x, self.kernel, self.stride).sum(axis=(4, 5))
        y: Array = np.clip((total * multiplier) >> shift, lo, hi)
        return y


@register
@dataclass(frozen=True)
class MaxPool(_Pool):
    """`y = clip(max(x), lo, hi)`."""

    kind: ClassVar[str] = "maxpool"

    def apply_float(self, x: Array) -> Array:
        """Maximum of each window."""
        y: Array = windows(x, self.kernel, self.stride).max(axis=(4, 5))
        return y

    def apply(self, x: Array, lo: int, hi: int) -> Array:
        """The integer formula of the class."""
        return np.clip(self.apply_float(x), lo, hi)

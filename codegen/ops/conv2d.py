"""2-D convolution: `(C, H, W)` with weights `(O, C, KH, KW)` gives `(O, OH, OW)`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..errors import GraphError
from .base import Array, Shape, WeightedOp, out_size, register, spatial, windows


@register
@dataclass(frozen=True)
class Conv2d(WeightedOp):
    """Cross-correlation with zero padding, as ONNX `Conv` with `group = 1`.

    Attributes:
        kernel: `(KH, KW)`.
        stride: `(SH, SW)`.
        padding: zeros added `(top, left, bottom, right)`.
    """

    kind: ClassVar[str] = "conv2d"
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)

    def infer(self, shape: Shape) -> Shape:
        """`(C, OH, OW)`: the positions; the channels follow from the weights."""
        c, h, w = spatial("conv2d", shape)
        top, left, bottom, right = self.padding
        if min(self.padding) < 0:
            raise GraphError(f"conv2d: padding {self.padding} must not be negative")
        oh = out_size("conv2d", h + top + bottom, self.kernel[0], self.stride[0])
        return c, oh, out_size("conv2d", w + left + right, self.kernel[1], self.stride[1])

    def infer_weighted(self, shape: Shape, weight: Shape) -> Shape:
        """`(O, OH, OW)`."""
        c, oh, ow = self.infer(shape)
        if len(weight) != 4 or weight[1:] != (c, *self.kernel):
            raise GraphError(f"conv2d: weights {weight} do not match (O, {c}, {self.kernel[0]}, {self.kernel[1]})")
        return weight[0], oh, ow

    def uses(self, shape: Shape) -> int:
        """Output positions."""
        _, oh, ow = self.infer(shape)
        return oh * ow

    def accumulate(self, x: Array, w: Array) -> Array:
        """`(N, C, H, W)` and `(O, C, KH, KW)` to `(N, O, OH, OW)`."""
        top, left, bottom, right = self.padding
        padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
        patches = windows(padded, self.kernel, self.stride)
        n, c, oh, ow, kh, kw = patches.shape
        columns = patches.transpose(0, 2, 3, 1, 4, 5).reshape(n * oh * ow, c * kh * kw)
        y = columns @ w.reshape(w.shape[0], -1).T
        out: Array = y.reshape(n, oh, ow, w.shape[0]).transpose(0, 3, 1, 2)
        return out

"""2-D convolution: `(C, H, W)` with weights `(O, C / groups, KH, KW)` gives `(O, OH, OW)`.

A depthwise convolution has `groups = C`; a 1-D convolution is one of images `(C, 1, T)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..errors import GraphError
from .base import Array, Shape, WeightedOp, out_size, register, spatial, windows


@register
@dataclass(frozen=True)
class Conv2d(WeightedOp):
    """Cross-correlation with zero padding, as ONNX `Conv`.

    Attributes:
        kernel: `(KH, KW)`.
        stride: `(SH, SW)`.
        padding: zeros added `(top, left, bottom, right)`.
        dilation: `(DH, DW)`, distance of the window's elements.
        groups: output channel `o` reads the input channels of group `o // (O / groups)` only.
    """

    kind: ClassVar[str] = "conv2d"
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    @property
    def extent(self) -> tuple[int, int]:
        """Height and width of a window, gaps included."""
        return (self.kernel[0] - 1) * self.dilation[0] + 1, (self.kernel[1] - 1) * self.dilation[1] + 1

    def spread(self, weight: Array, gap: int) -> Array:
        """`(O, C / groups, *kernel)` as `(O, C / groups, *extent)`, with `gap` between the elements of a window."""
        out = np.full((*weight.shape[:2], *self.extent), gap, weight.dtype)
        out[:, :, :: self.dilation[0], :: self.dilation[1]] = weight
        return out

    def infer(self, shape: Shape) -> Shape:
        """`(C, OH, OW)`: the positions; the channels follow from the weights."""
        c, h, w = spatial("conv2d", shape)
        top, left, bottom, right = self.padding
        if min(self.padding) < 0:
            raise GraphError(f"conv2d: padding {self.padding} must not be negative")
        if min(*self.kernel, *self.dilation) < 1:
            raise GraphError(f"conv2d: kernel {self.kernel} and dilation {self.dilation} must be at least 1")
        oh = out_size("conv2d", h + top + bottom, self.extent[0], self.stride[0])
        return c, oh, out_size("conv2d", w + left + right, self.extent[1], self.stride[1])

    def infer_weighted(self, shape: Shape, weight: Shape) -> Shape:
        """`(O, OH, OW)`."""
        c, oh, ow = self.infer(shape)
        if self.groups < 1 or c % self.groups:
            raise GraphError(f"conv2d: {c} input channels can't form {self.groups} groups")
        if len(weight) != 4 or weight[1:] != (c // self.groups, *self.kernel):
            raise GraphError(
                f"conv2d: weights {weight} do not match (O, {c // self.groups}, {self.kernel[0]}, {self.kernel[1]})"
            )
        if weight[0] % self.groups:
            raise GraphError(f"conv2d: {weight[0]} output channels can't form {self.groups} groups")
        return weight[0], oh, ow

    def uses(self, shape: Shape) -> int:
        """Output positions."""
        _, oh, ow = self.infer(shape)
        return oh * ow

    def accumulate(self, x: Array, w: Array) -> Array:
        """`(N, C, H, W)` and `(O, C / groups, KH, KW)` to `(N, O, OH, OW)`."""
        top, left, bottom, right = self.padding
        padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
        patches = windows(padded, self.kernel, self.stride, self.dilation)
        n, c, oh, ow, kh, kw = patches.shape
        taps, outputs = c // self.groups * kh * kw, w.shape[0] // self.groups
        # (groups, positions, taps) by (groups, taps, outputs of a group)
        columns = patches.reshape(n, self.groups, -1, oh, ow, kh, kw).transpose(1, 0, 3, 4, 2, 5, 6)
        y = columns.reshape(self.groups, n * oh * ow, taps) @ w.reshape(self.groups, outputs, taps).transpose(0, 2, 1)
        out: Array = y.reshape(self.groups, n, oh, ow, outputs).transpose(1, 0, 4, 2, 3).reshape(n, -1, oh, ow)
        return out

"""Operators with windows: convolution and pools, of one or two spatial axes, `auto_pad` and `ceil_mode` resolved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..onnx_build import Builder, Operand, Refused, Value
from ..onnx_reader import OnnxNode
from ..ops import AvgPool, Conv2d, MaxPool
from .base import Operands, activation, imports, integers, layer_name, optional, text, weights, whole_numbers


@dataclass(frozen=True)
class _Window:
    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: tuple[int, int, int, int]
    """Top, left, bottom, right."""

    def extent(self, axis: int) -> int:
        return (self.kernel[axis] - 1) * self.dilation[axis] + 1


def _window(node: OnnxNode, shape: tuple[int, ...], kernel: list[int] | None = None) -> _Window:
    """The window of a node on an image of `shape`; one spatial axis is the second of two."""
    kernel = integers(node, "kernel_shape", kernel or [])
    axes = len(kernel)
    if axes not in (1, 2):
        raise Refused(f"its window has {axes} axes; one and two are supported")

    def pair(values: list[int], fill: int) -> tuple[int, int]:
        if len(values) != axes or min(values) < fill:
            raise Refused(f"its attributes {values} do not fit a window of {axes} axes")
        return (fill, values[0]) if axes == 1 else (values[0], values[1])

    size = pair(kernel, 1)
    stride = pair(integers(node, "strides", [1] * axes), 1)
    dilation = pair(integers(node, "dilations", [1] * axes), 1)
    pads = integers(node, "pads", [0] * 2 * axes)
    if len(pads) != 2 * axes:
        raise Refused(f"its pads {pads} do not fit a window of {axes} axes")
    before, after = pair(pads[:axes], 0), pair(pads[axes:], 0)
    auto = text(node, "auto_pad", "NOTSET")
    if auto == "VALID":
        before = after = (0, 0)
    elif auto in ("SAME_UPPER", "SAME_LOWER"):
        needed = [
            max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
            for n, k, s, d in zip(shape[1:], size, stride, dilation, strict=True)
        ]
        small, large = [n // 2 for n in needed], [n - n // 2 for n in needed]
        low, high = (small, large) if auto == "SAME_UPPER" else (large, small)
        before, after = (low[0], low[1]), (high[0], high[1])
    elif auto != "NOTSET":
        raise Refused(f"its auto_pad {auto!r} is unknown")
    return _Window(size, stride, dilation, (*before, *after))


def _result(builder: Builder, tensor: str, like: Value) -> Value:
    """The output image, with as many axes as the input."""
    c, h, w = builder.shapes[tensor]
    return builder.value(tensor, (c, w) if like.order.ndim == 3 else (c, h, w))


@imports("Conv")
def convolution(builder: Builder, node: OnnxNode, operands: Operands) -> Operand:
    """`Conv` with constant weights; any groups, dilation and padding."""
    x, w = activation(operands), weights(operands, 1)
    if w.ndim not in (3, 4):
        raise Refused(f"it has {w.ndim - 2} spatial axes; one and two are supported")
    tensor = builder.image(x)
    if x.order.ndim != w.ndim:
        raise Refused(f"its weights {w.shape} do not fit an input of shape {x.order.shape}")
    window = _window(node, builder.shapes[tensor], list(w.shape[2:]))
    kernel = w if w.ndim == 4 else w[:, :, None]
    if kernel.shape[2:] != window.kernel:
        raise Refused(f"its weights {w.shape} do not fit kernel_shape {window.kernel}")
    bias = weights(operands, 2, "bias") if optional(operands, 2, "bias") is not None else np.zeros(len(w), np.float32)
    groups = int(node.attributes.get("group", 1))
    op = Conv2d(window.kernel, window.stride, window.padding, window.dilation, groups)
    return _result(builder, builder.emit(layer_name(node, node.inputs[1]), op, (tensor,), kernel, bias), x)


def _pool_sizes(node: OnnxNode, window: _Window, shape: tuple[int, ...]) -> _Window:
    """`window` without what changes nothing: a last window of `ceil_mode` that is not there."""
    if int(node.attributes.get("ceil_mode", 0)):
        for axis in (0, 1):
            free = shape[1 + axis] + window.padding[axis] + window.padding[axis + 2] - window.extent(axis)
            if free % window.stride[axis]:
                raise Refused("its ceil_mode adds windows that reach over the edge; only whole windows are supported")
    return window


@imports("AveragePool")
def average_pool(builder: Builder, node: OnnxNode, operands: Operands) -> Operand:
    """Whole windows are averaged; with `count_include_pad` or dilation it is a depthwise convolution."""
    x = activation(operands)
    tensor = builder.image(x)
    c, *_ = shape = builder.shapes[tensor]
    window = _pool_sizes(node, _window(node, shape), shape)
    if not any(window.padding) and window.dilation == (1, 1):
        made = builder.emit(layer_name(node), AvgPool(window.kernel, window.stride), (tensor,))
        return _result(builder, made, x)
    if any(window.padding) and not int(node.attributes.get("count_include_pad", 0)):
        raise Refused(
            f"its pads {window.padding} change what the edge is divided by; no padding, or count_include_pad = 1, is "
            "supported"
        )
    area = window.kernel[0] * window.kernel[1]
    weight = np.full((c, 1, *window.kernel), 1 / area, np.float32)
    op = Conv2d(window.kernel, window.stride, window.padding, window.dilation, c)
    made = builder.emit(layer_name(node), op, (tensor,), weight, np.zeros(c, np.float32))
    builder.whole.add(builder.nodes[-1].name)
    return _result(builder, made, x)


@imports("MaxPool")
def max_pool(builder: Builder, node: OnnxNode, operands: Operands) -> Operand:
    """Without dilation. Padding, and windows over the edge, only behind a relu: there a zero changes no maximum."""
    x = activation(operands)
    tensor = builder.image(x)
    c, *_ = shape = builder.shapes[tensor]
    window = _window(node, shape)
    if window.dilation != (1, 1):
        raise Refused(f"its dilations {window.dilation} are not supported")
    padding = _reaching(node, window, shape)
    name = layer_name(node)
    if any(padding):
        if not builder.positive(tensor):
            raise Refused(f"its padding {padding} is supported behind a relu only, where zeros change no maximum")
        ones, zeros = np.ones((c, 1, 1, 1), np.float32), np.zeros(c, np.float32)
        tensor = builder.emit(f"{name}_pad", Conv2d(padding=padding, groups=c), (tensor,), ones, zeros)
        builder.whole.add(builder.nodes[-1].name)
    return _result(builder, builder.emit(name, MaxPool(window.kernel, window.stride), (tensor,)), x)


def _reaching(node: OnnxNode, window: _Window, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """The padding of a node, without what no window reaches, and with what the windows of `ceil_mode` do."""
    ceil_mode = int(node.attributes.get("ceil_mode", 0))
    after = []
    for axis in (0, 1):
        size, before, behind = shape[1 + axis], window.padding[axis], window.padding[axis + 2]
        free, stride = size + before + behind - window.extent(axis), window.stride[axis]
        last = -(-free // stride) * stride if ceil_mode else free // stride * stride
        if ceil_mode and last >= size + before:  # a window that would begin behind the image is left out
            last -= stride
        after.append(max(last + window.extent(axis) - size - before, 0))
    return (*window.padding[:2], after[0], after[1])


@imports("GlobalAveragePool", "GlobalMaxPool")
def global_pool(builder: Builder, node: OnnxNode, operands: Operands) -> Operand:
    """A pool whose window is the whole image."""
    x = activation(operands)
    tensor = builder.image(x)
    _, h, w = builder.shapes[tensor]
    kind = AvgPool if node.op == "GlobalAveragePool" else MaxPool
    return _result(builder, builder.emit(layer_name(node), kind((h, w), (h, w)), (tensor,)), x)


@imports("ReduceMean")
def reduce_mean(builder: Builder, node: OnnxNode, operands: Operands) -> Operand:
    """The mean over all of time or space, which may vanish."""
    x = activation(operands)
    rank = x.order.ndim
    absent = len(operands) < 2 or operands[1] is None
    given = integers(node, "axes", []) if absent else whole_numbers(operands, 1, "axes")
    axes = sorted(a % rank for a in given)
    if rank not in (3, 4) or axes != list(range(2, rank)):
        raise Refused(f"its axes {axes} of {rank} are not all of time or space (2 and up)")
    tensor = builder.image(x)
    c, h, w = builder.shapes[tensor]
    made = builder.emit(layer_name(node), AvgPool((h, w), (h, w)), (tensor,))
    keep = int(node.attributes.get("keepdims", 1))
    return builder.value(made, (c, *[1] * (rank - 2)) if keep else (c,))

"""QuantizeLinear and DequantizeLinear: weights become real numbers, activations get a range.

A pair around an activation says which reals its integers stand for; the rounding between them is left out, and the
range takes the place of calibration. A range that begins at 0 also cuts off what is negative, and quantisers rely on
it: they remove the relu before. It comes back as a clip. What is between the two must only move elements.
"""

from __future__ import annotations

import numpy as np

from ..onnx_build import INPUT, Builder, Operand, Quantized, Refused, Value
from ..onnx_reader import OnnxNode
from ..ops import Array, Clip
from .base import Operands, activation, constant, imports, optional, weights

_TYPES = (np.int8, np.uint8, np.int16, np.uint16)
_WIDE = (*_TYPES, np.int32)
_CODES = {2: np.uint8, 3: np.int8, 4: np.uint16, 5: np.int16}
"""`TensorProto` numbers of the types."""


def _spread(part: Array, x: Array, node: OnnxNode) -> Array:
    """A scale or zero point (one for all, per index of an axis or per block) in a shape that broadcasts to x's."""
    if part.size == 1:
        return part.reshape(())
    axis, block = int(node.attributes.get("axis", 1)), int(node.attributes.get("block_size", 0))
    try:
        if block:
            repeated = np.repeat(part, block, axis)
            blocks = np.take(repeated, np.arange(x.shape[axis]), axis)
            return np.broadcast_to(blocks, x.shape)
        if part.shape != (x.shape[axis],):
            raise ValueError(f"shape {part.shape} for {x.shape[axis]} slices")
    except (ValueError, IndexError) as e:
        raise Refused(f"its scale or zero point does not fit its input ({e})") from e
    return part.reshape([-1 if i == axis % x.ndim else 1 for i in range(x.ndim)])


def _scale(operands: Operands) -> Array:
    scale = weights(operands, 1, "scale")
    if not np.all(scale > 0):
        raise Refused("its scale is not positive")
    return scale


@imports("QuantizeLinear")
def quantize_linear(builder: Builder, node: OnnxNode, operands: Operands) -> Operand:
    """To int8, uint8, int16 or uint16; the widest of several scales counts."""
    x, scale = activation(operands), _scale(operands)
    zero = optional(operands, 2, "zero point")
    code = int(node.attributes.get("output_dtype", 0))
    dtype = zero.dtype if zero is not None else np.dtype(_CODES.get(code, np.uint8 if not code else np.float32))
    if dtype not in _TYPES:
        raise Refused(f"it quantises to {dtype}; int8, uint8, int16 and uint16 are supported")
    if zero is None:
        zero = np.zeros(scale.shape, dtype)
    scale, zero = scale.reshape(-1), zero.reshape(-1)
    if 1 not in (scale.size, zero.size) and scale.size != zero.size:
        raise Refused(f"its scale of shape {scale.shape} and zero point of shape {zero.shape} do not go together")
    info, wide = np.iinfo(dtype.name), zero.astype(np.float64)
    low, high = float(((info.min - wide) * scale).min()), float(((info.max - wide) * scale).max())
    return Quantized(x, scale, zero, low, high)


@imports("DequantizeLinear")
def dequantize_linear(builder: Builder, node: OnnxNode, operands: Operands) -> Operand:
    """Of a constant: real numbers. Of a `QuantizeLinear`: the value before it, which now has a range."""
    x, scale = operands[0], _scale(operands)
    zero = optional(operands, 2, "zero point")
    if isinstance(x, Quantized):
        zeros = np.zeros(scale.shape, x.zero_point.dtype) if zero is None else zero
        if not np.array_equal(scale.reshape(-1), x.scale) or not np.array_equal(zeros.reshape(-1), x.zero_point):
            raise Refused("its scale and zero point are not those of the QuantizeLinear before it")
        value = x.value
        if x.low == 0 and value.tensor != INPUT and not builder.positive(value.tensor):
            name = f"{value.tensor.removesuffix('_out')}_clip"
            value = Value(builder.emit(name, Clip((0.0, x.high)), (value.tensor,)), value.order)
        low, high = x.low, x.high
        known = builder.ranges.get(value.tensor)
        if known is not None:  # quantised twice: both clip
            low, high = max(low, known[0]), min(high, known[1])
        builder.ranges[value.tensor] = (low, high)
        return value
    if isinstance(x, Value):
        raise Refused("its input is not quantised")
    values = constant(operands, 0, "input")
    if values.dtype not in _WIDE:
        raise Refused(f"it dequantises {values.dtype}; int8, uint8, int16, uint16 and int32 are supported")
    zeros = np.zeros((), np.int64) if zero is None else _spread(zero, values, node).astype(np.int64)
    made: Array = ((values.astype(np.int64) - zeros) * _spread(scale, values, node)).astype(np.float32)
    return made

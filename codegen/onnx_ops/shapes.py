"""Operators that move elements without changing them; on a `Value` they rearrange places and cost nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod

import numpy as np

from ..onnx_build import Builder, Operand, Quantized, Refused, Value
from ..onnx_reader import OnnxNode
from ..ops import Array
from .base import Operands, imports, integers, whole_numbers


def _move(operands: Operands, how: Callable[[Array], Array]) -> Operand:
    x = operands[0]
    try:
        if isinstance(x, Quantized):
            return replace(x, value=Value(x.value.tensor, how(x.value.order)))
        if isinstance(x, Value):
            return Value(x.tensor, how(x.order))
        assert x is not None
        return how(x)
    except (ValueError, IndexError, OverflowError) as e:
        raise Refused(f"it does not fit its input ({e})") from e


def _rank(operands: Operands) -> int:
    x = operands[0]
    if isinstance(x, Quantized):
        x = x.value
    return x.order.ndim if isinstance(x, Value) else np.ndim(x)  # type: ignore[arg-type]


@imports("Reshape")
def reshape(builder: Builder, node: OnnxNode, operands: Operands) -> Operand:
    """To a constant shape; 0 keeps an axis unless `allowzero`."""
    wanted = whole_numbers(operands, 1, "shape")
    keep = not int(node.attributes.get("allowzero", 0))

    def how(order: Array) -> Array:
        shape = [order.shape[i] if n == 0 and keep else n for i, n in enumerate(wanted)]
        return order.reshape(shape)

    return _move(operands, how)


@imports("Flatten")
def flatten(builder: Builder, node: OnnxNode, operands: Operands) -> Operand:
    """To two axes."""
    axis = int(node.attributes.get("axis", 1))
    return _move(operands, lambda order: order.reshape(prod(order.shape[:axis] if axis else ()), -1))


@imports("Transpose")
def transpose(builder: Builder, node: OnnxNode, operands: Operands) -> Operand:
    """By `perm`; reversed without."""
    perm = integers(node, "perm", range(_rank(operands))[::-1])
    return _move(operands, lambda order: order.transpose(perm))


def _axes(node: OnnxNode, operands: Operands) -> tuple[int, ...]:
    return tuple(whole_numbers(operands, 1, "axes")) if len(operands) > 1 else ()


@imports("Squeeze")
def squeeze(builder: Builder, node: OnnxNode, operands: Operands) -> Operand:
    """Without axes of size 1: those named, or all."""
    axes = _axes(node, operands)
    return _move(operands, lambda order: order.squeeze(axes or None))


@imports("Unsqueeze")
def unsqueeze(builder: Builder, node: OnnxNode, operands: Operands) -> Operand:
    """With axes of size 1."""
    axes = _axes(node, operands)
    return _move(operands, lambda order: np.expand_dims(order, axes))


@imports("Shape")
def shape(builder: Builder, node: OnnxNode, operands: Operands) -> Operand:
    """A constant, since all sizes are known."""
    x = operands[0]
    if isinstance(x, Quantized):
        x = x.value
    sizes = x.order.shape if isinstance(x, Value) else np.shape(x)  # type: ignore[arg-type]
    start, end = int(node.attributes.get("start", 0)), node.attributes.get("end")
    return np.array(sizes[start : None if end is None else int(end)], np.int64)


@imports("Size")
def size(builder: Builder, node: OnnxNode, operands: Operands) -> Operand:
    """A constant, since all sizes are known."""
    x = operands[0]
    if isinstance(x, Quantized):
        x = x.value
    return np.array(x.order.size if isinstance(x, Value) else np.size(x), np.int64)  # type: ignore[arg-type]

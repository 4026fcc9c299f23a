"""Products with constant matrices: Gemm and MatMul."""

from __future__ import annotations

import numpy as np

from ..onnx_build import Builder, Operand, Refused, Value
from ..onnx_reader import OnnxNode
from ..ops import Array, Conv2d, FullyConnected
from .base import Operands, activation, imports, layer_name, optional, weights


@imports("Gemm")
def gemm(builder: Builder, node: OnnxNode, operands: Operands) -> Operand:
    """`alpha * A @ B + beta * C` with constant B and C."""
    x, w = activation(operands), weights(operands, 1)
    if int(node.attributes.get("transA", 0)):
        x = Value(x.tensor, x.order.T)
    matrix = w if int(node.attributes.get("transB", 0)) else w.T
    matrix = matrix * np.float32(node.attributes.get("alpha", 1.0))
    bias = np.zeros(len(matrix), np.float32)
    if optional(operands, 2, "bias") is not None:
        given = weights(operands, 2, "bias") * np.float32(node.attributes.get("beta", 1.0))
        rows = given.reshape(1, -1) if given.ndim < 2 else given
        if rows.ndim != 2 or rows.shape[1] not in (1, len(bias)) or not len(rows):
            raise Refused(f"its bias of shape {given.shape} does not fit {len(bias)} outputs")
        if not np.array_equal(rows, np.broadcast_to(rows[:1], rows.shape)):
            raise Refused(f"its bias of shape {given.shape} differs between the examples of a batch")
        bias = np.array(np.broadcast_to(rows[0], bias.shape))
    return _fully_connected(builder, node, x, matrix, bias)


@imports("MatMul")
def matmul(builder: Builder, node: OnnxNode, operands: Operands) -> Operand:
    """`A @ B` with a constant matrix B; on `(N, T, features)` a convolution of one tap."""
    x, w = activation(operands), weights(operands, 1)
    if w.ndim != 2:
        raise Refused(f"its weights have shape {w.shape}; a matrix is supported")
    bias = np.zeros(w.shape[1], np.float32)
    if x.order.ndim == 2:
        return _fully_connected(builder, node, x, w.T, bias)
    if x.order.ndim not in (3, 4) or x.order.shape[-1] != len(w):
        raise Refused(f"its weights {w.shape} do not fit an input of shape {x.order.shape}")
    tensor = builder.image(Value(x.tensor, np.moveaxis(x.order, -1, 1)))
    made = builder.emit(layer_name(node, node.inputs[1]), Conv2d(), (tensor,), w.T[:, :, None, None], bias)
    return Value(made, np.moveaxis(builder.value(made, (w.shape[1], *x.order.shape[1:-1])).order, 1, -1))


def _fully_connected(builder: Builder, node: OnnxNode, x: Value, matrix: Array, bias: Array) -> Value:
    tensor, places = builder.flat(x)
    if matrix.ndim != 2 or matrix.shape[1] != len(places):
        raise Refused(f"its weights {matrix.shape} do not fit an input of {len(places)} features")
    placed = np.empty(matrix.shape, np.float32)
    placed[:, places] = matrix  # a transpose before costs nothing: the columns move
    made = builder.emit(layer_name(node, node.inputs[1]), FullyConnected(), (tensor,), placed, bias)
    return builder.value(made, (len(matrix),))

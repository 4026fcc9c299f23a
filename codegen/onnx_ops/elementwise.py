"""Operators that treat every element alike: clips, sums and products, batch norm; and concatenation."""

from __future__ import annotations

import numpy as np

from ..affine import MAX_FLAT, Affine
from ..onnx_build import Builder, Operand, Quantized, Refused, Value
from ..onnx_reader import OnnxNode
from ..ops import Add, Array, Clip, Concat, Relu
from .base import Operands, activation, imports, layer_name, optional, weights

UNBOUNDED = float(np.finfo(np.float32).max)


@imports("Relu")
def relu(builder: Builder, node: OnnxNode, operands: Operands) -> Operand:
    """`max(x, 0)`."""
    x = activation(operands)
    return Value(builder.emit(layer_name(node), Relu(), (x.tensor,)), x.order)


@imports("Clip")
def clip(builder: Builder, node: OnnxNode, operands: Operands) -> Operand:
    """Constant bounds, of which one may be absent."""
    x = activation(operands)
    bounds = [-UNBOUNDED, UNBOUNDED]
    for at, what in ((1, "lower bound"), (2, "upper bound")):
        given = optional(operands, at, what)
        if given is not None:
            if given.size != 1 or np.isnan(given).any():
                raise Refused(f"its {what} is not one number")
            bounds[at - 1] = float(np.clip(given.reshape(()), -UNBOUNDED, UNBOUNDED))
    if bounds == [-UNBOUNDED, UNBOUNDED]:
        return x
    if not bounds[0] < bounds[1]:
        raise Refused(f"its bounds {bounds[0]:g} and {bounds[1]:g} are not in order")
    op = Relu() if bounds == [0, UNBOUNDED] else Clip((bounds[0], bounds[1]))
    return Value(builder.emit(layer_name(node), op, (x.tensor,)), x.order)


@imports("Add", "Sum")
def add(builder: Builder, node: OnnxNode, operands: Operands) -> Operand:
    """Sums of tensors of one shape and layout, and of constants."""
    total: Operand | None = None
    shift: Array | None = None
    for at, operand in enumerate(operands):
        if isinstance(operand, np.ndarray):
            more = weights(operands, at, "constant")
            try:
                shift = more if shift is None else shift + more
            except ValueError:
                raise Refused("its constants have shapes that do not go together") from None
        else:
            value = activation(operands, at)
            total = value if total is None else _sum(builder, node, total, value)
    assert isinstance(total, Value)
    return total if shift is None else _affine(builder, node, total, np.ones((), np.float32), shift)


def _sum(builder: Builder, node: OnnxNode, a: Operand, b: Value) -> Value:
    assert isinstance(a, Value)
    if a.order.shape != b.order.shape:
        raise Refused(f"its inputs have shapes {a.order.shape} and {b.order.shape}; equal shapes are supported")
    if not np.array_equal(a.order, b.order):
        raise Refused("its inputs were reshaped or transposed in different ways")
    xs = (a.tensor, b.tensor)
    if builder.shapes[xs[0]] != builder.shapes[xs[1]]:
        xs = (builder.flattened(xs[0]), builder.flattened(xs[1]))
    return Value(builder.emit(layer_name(node), Add(), xs), a.order)


@imports("Sub", "Mul", "Div")
def with_constant(builder: Builder, node: OnnxNode, operands: Operands) -> Operand:
    """A difference, product or quotient of a tensor and a constant."""
    first = isinstance(operands[0], np.ndarray)
    x = activation(operands, 1 if first else 0)
    c = weights(operands, 0 if first else 1, "constant")
    one, zero = np.ones((), np.float32), np.zeros((), np.float32)
    if node.op == "Sub":
        return _affine(builder, node, x, -one, c) if first else _affine(builder, node, x, one, -c)
    if node.op == "Mul":
        return _affine(builder, node, x, c, zero)
    if first or not np.all(c):
        raise Refused("it divides by what the network computes, or by 0")
    return _affine(builder, node, x, (1 / c.astype(np.float64)).astype(np.float32), zero)


@imports("BatchNormalization")
def batch_norm(builder: Builder, node: OnnxNode, operands: Operands) -> Operand:
    """With the statistics of the training; folded into a layer beside it where there is one."""
    if int(node.attributes.get("training_mode", 0)):
        raise Refused("it is in training mode; export the model for inference (module.eval())")
    x = activation(operands)
    scale, shift, mean, var = (
        weights(operands, at, what).astype(np.float64)
        for at, what in ((1, "scale"), (2, "shift"), (3, "mean"), (4, "variance"))
    )
    if len({part.shape for part in (scale, shift, mean, var)}) > 1 or scale.ndim != 1:
        raise Refused("its scale, shift, mean and variance are not four lists of one length")
    var = var + float(node.attributes.get("epsilon", 1e-5))
    if not np.all(var > 0):
        raise Refused("its variance is not positive")
    factor = scale / np.sqrt(var)
    if x.order.ndim < 2 or len(factor) != x.order.shape[1] or not np.all(np.isfinite(factor)):
        raise Refused(f"its statistics of {len(factor)} channels do not fit an input of shape {x.order.shape}")
    channels = (-1, *[1] * (x.order.ndim - 2))
    shift = shift - mean * factor
    return _affine(builder, node, x, factor.reshape(channels), shift.reshape(channels))


def _affine(builder: Builder, node: OnnxNode, x: Value, scale: Array, shift: Array) -> Value:
    """`x * scale + shift`, both broadcast to the shape of `x`, which must differ between channels only."""
    try:
        spread = [np.broadcast_to(part, x.order.shape).reshape(-1) for part in (scale, shift)]
    except ValueError:
        raise Refused(f"its constant of shape {scale.shape or shift.shape} does not fit {x.order.shape}") from None
    tensor, size = x.tensor, builder.size(x.tensor)
    by_place = []
    for part in spread:
        full = np.empty(x.order.size)
        full[x.order.reshape(-1)] = part
        examples = full.reshape(-1, size)
        if not np.array_equal(examples, np.broadcast_to(examples[:1], examples.shape)):
            raise Refused("its constant differs between the examples of a batch")
        by_place.append(examples[0].reshape(builder.shapes[tensor][0], -1))
    if any(not np.array_equal(part, np.broadcast_to(part[:, :1], part.shape)) for part in by_place):
        if size > MAX_FLAT:
            raise Refused(f"its constant differs within a channel; supported for at most {MAX_FLAT} elements")
        tensor, by_place = builder.flattened(tensor), [part.reshape(-1, 1) for part in by_place]
    made = builder.emit(layer_name(node), Affine(), (tensor,), by_place[0][:, 0], by_place[1][:, 0])
    return Value(made, x.order)


@imports("Concat")
def concat(builder: Builder, node: OnnxNode, operands: Operands) -> Operand:
    """Of tensors that the network computes; along channels, or along anything that a later flatten undoes."""
    values = [activation(operands, at) for at in range(len(operands))]
    axis = int(node.attributes["axis"])
    if len(values) == 1:
        return values[0]
    tensors = [v.tensor for v in values]
    if len({builder.shapes[t][1:] for t in tensors}) > 1:
        tensors = [builder.flattened(t) for t in tensors]
    sizes = [builder.size(t) for t in tensors]
    starts, total = np.cumsum([0, *sizes[:-1]]), sum(sizes)
    moved = []
    for value, size, start in zip(values, sizes, starts, strict=True):
        n, i = np.divmod(value.order, size)
        moved.append(n * total + start + i)
    try:
        order = np.concatenate(moved, axis)
    except ValueError:
        shapes = ", ".join(str(v.order.shape) for v in values)
        raise Refused(f"its inputs of shapes {shapes} do not go together along axis {axis}") from None
    return Value(builder.emit(layer_name(node), Concat(), tuple(tensors)), order)


@imports("Dropout", "Identity")
def nothing(builder: Builder, node: OnnxNode, operands: Operands) -> Operand:
    """The value itself; a dropout that trains has no place in a deployed network."""
    if node.op == "Dropout" and (mode := optional(operands, 2, "training mode")) is not None and mode.any():
        raise Refused("it is in training mode; export the model for inference (module.eval())")
    (x, *_) = operands
    assert isinstance(x, Value | Quantized | np.ndarray)
    return x

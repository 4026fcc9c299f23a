"""The table of importers: ONNX operator to the function that adds it to a `Builder`.

A function takes the builder, the node and its operands (None where an optional input is absent) and returns what its
first output stands for. It raises `Refused` with the reason where it can't.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..onnx_build import Builder, Operand, Quantized, Refused, Value
from ..onnx_reader import OnnxNode
from ..ops import Array

Operands = Sequence[Operand | None]
Importer = Callable[[Builder, OnnxNode, Operands], Operand]

IMPORTERS: dict[str, Importer] = {}


def imports(*ops: str) -> Callable[[Importer], Importer]:
    """Decorator: the function imports these operators."""

    def register(function: Importer) -> Importer:
        for op in ops:
            IMPORTERS[op] = function
        return function

    return register


def activation(operands: Operands, at: int = 0) -> Value:
    """An operand that the network computes."""
    operand = operands[at] if at < len(operands) else None
    if isinstance(operand, Quantized):
        raise Refused("it computes on quantised numbers; export with QuantizeLinear and DequantizeLinear around it")
    if not isinstance(operand, Value):
        raise Refused(f"its input {at + 1} is a constant or absent")
    return operand


def constant(operands: Operands, at: int, what: str) -> Array:
    """A constant operand."""
    operand = operands[at] if at < len(operands) else None
    if operand is None:
        raise Refused(f"its {what} is absent")
    if not isinstance(operand, np.ndarray):
        raise Refused(f"its {what} is computed by the network; only constants are supported")
    return operand


def optional(operands: Operands, at: int, what: str) -> Array | None:
    """A constant operand, or None where it is absent."""
    return constant(operands, at, what) if at < len(operands) and operands[at] is not None else None


def weights(operands: Operands, at: int, what: str = "weights") -> Array:
    """A constant of finite real numbers, float32."""
    array = constant(operands, at, what)
    if array.dtype != np.float32:
        raise Refused(f"its {what} are of type {array.dtype}; real numbers are supported")
    bad = int(np.count_nonzero(~np.isfinite(array)))
    if bad:
        raise Refused(f"its {what} hold {bad} values that are NaN or infinite")
    return array


def whole_numbers(operands: Operands, at: int, what: str) -> list[int]:
    """A constant that is a list of whole numbers: a shape, axes."""
    array = constant(operands, at, what)
    if array.ndim > 1 or not np.issubdtype(array.dtype, np.integer):
        raise Refused(f"its {what} are {array.dtype} of shape {array.shape}, not a list of whole numbers")
    return [int(n) for n in array.reshape(-1)]


def integers(node: OnnxNode, name: str, default: Sequence[int]) -> list[int]:
    """An attribute that is a list of whole numbers."""
    return [int(v) for v in node.attributes.get(name, default)]


def only_first(node: OnnxNode, used: set[str]) -> None:
    """Refuse a node of which a further output is read."""
    if any(o in used for o in node.outputs[1:]):
        raise Refused("only its first output is supported")


def text(node: OnnxNode, name: str, default: str) -> str:
    """An attribute that is text."""
    value: Any = node.attributes.get(name, default)
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def layer_name(node: OnnxNode, weight: str = "") -> str:
    """What the layer of a node is called: `conv1` of weights `conv1.weight`, else the node's name."""
    if weight.endswith((".weight", "_weight")):
        return weight[:-7]
    return node.name or node.op.lower()

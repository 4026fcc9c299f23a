"""Operators on constants: arithmetic of shapes that exporters leave in a model, done once with ONNX's own reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import helper
from onnx.reference import ReferenceEvaluator

from ..onnx_build import Builder, Operand, Refused
from ..onnx_reader import MAX_ELEMENTS, OnnxNode, to_array
from ..ops import Array
from .base import Operands, imports, whole_numbers

FOLDED = (
    "Abs", "Add", "Cast", "CastLike", "Ceil", "Concat", "Div", "Equal", "Floor", "Gather", "GatherElements",
    "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Min", "Mod", "Mul", "Neg", "Not", "Pow",
    "Reciprocal", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceSum", "ScatterND", "Slice", "Sqrt", "Sub", "Sum",
    "Where",
)  # fmt: skip
"""Operators that are computed at import where all their operands are known."""


def fold(node: OnnxNode, operands: list[Array | None], opset: int) -> Array:
    """The first output of a node whose operands are all known."""
    names = [f"x{i}" if x is not None else "" for i, x in enumerate(operands)]
    made = helper.make_node(node.op, names, ["y"], **dict(node.attributes))
    graph = helper.make_graph(
        [made],
        "fold",
        [
            helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)
            for n, x in zip(names, operands, strict=True)
            if x is not None
        ],
        [helper.make_empty_tensor_value_info("y")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    feed = {n: x for n, x in zip(names, operands, strict=True) if x is not None}
    try:
        with np.errstate(all="ignore"):
            results: Any = ReferenceEvaluator(model).run(None, feed)
    except Exception as e:  # whatever a wrong shape or index makes the reference raise
        raise Refused(f"it can't be computed on its constants ({' '.join(str(e).split())[:120]})") from e
    array: Array = np.asarray(results[0])
    if array.size > MAX_ELEMENTS:
        raise Refused(f"its constant result has {array.size:,} elements; the limit is {MAX_ELEMENTS:,}")
    return array.astype(np.float32) if array.dtype in (np.float16, np.float64) else array


@imports("Constant")
def constant_node(builder: Builder, node: OnnxNode, operands: Operands) -> Operand:
    """A number, a list of numbers or a tensor."""
    for key, value in node.attributes.items():
        if key == "value" and isinstance(value, onnx.TensorProto):
            return to_array(value, node.label)
        if key in ("value_int", "value_ints"):
            return np.array(value, np.int64)
        if key in ("value_float", "value_floats"):
            return np.array(value, np.float32)
    raise Refused("it holds no numbers")


@imports("ConstantOfShape")
def constant_of_shape(builder: Builder, node: OnnxNode, operands: Operands) -> Operand:
    """One number, repeated."""
    shape = whole_numbers(operands, 0, "shape")
    count = 1
    for n in shape:
        count *= n
    if min(shape, default=0) < 0 or count > MAX_ELEMENTS:
        raise Refused(f"its shape {tuple(shape)} is too large; the limit is {MAX_ELEMENTS:,} elements")
    value = node.attributes.get("value")
    fill = to_array(value, node.label) if isinstance(value, onnx.TensorProto) else np.zeros(1, np.float32)
    return np.full(shape, fill.reshape(-1)[0], fill.dtype)

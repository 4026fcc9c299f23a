"""ONNX models for tests, a few lines each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from codegen.ops import Array

Node = tuple[str, Sequence[str], str, dict[str, Any]]


def model(
    shape: Sequence[int | str | None], nodes: Sequence[Node], opset: int = 17, **constants: Array
) -> onnx.ModelProto:
    """A model from `x` to `y`; a node is `(operator, inputs, output, attributes)`."""
    made = [helper.make_node(op, list(xs), [y], name=f"{op}_{i}", **a) for i, (op, xs, y, a) in enumerate(nodes)]
    graph = helper.make_graph(
        made,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def rand(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


def qdq(x: str, y: str, scale: str, zero: str) -> list[Node]:
    """A pair that quantises `x` and makes `y` of it."""
    return [("QuantizeLinear", (x, scale, zero), f"{y}_q", {}), ("DequantizeLinear", (f"{y}_q", scale, zero), y, {})]

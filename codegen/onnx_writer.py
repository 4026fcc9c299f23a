"""A level of a `FloatGraph` as an ONNX model: real-valued weights of that level, any batch size.

Node and initialiser names are those of the graph (`conv1.weight`), so that levels can be compared file by file.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from .errors import UnsupportedOp
from .floatgraph import FloatGraph, FloatNode
from .ops import Add, Argmax, AvgPool, Clip, Concat, Conv2d, Flatten, FullyConnected, MaxPool, Relu

OPSET = 17


def to_onnx(graph: FloatGraph, level: int) -> bytes:
    """Serialised model of `level`; its output is the logits (an argmax at the end is left to the caller).

    Raises:
        UnsupportedOp: an operator has no ONNX counterpart here.
    """
    nodes, initializers = [], []
    for node in graph.nodes:
        if isinstance(node.op, Argmax):
            continue
        inputs = list(node.inputs)
        if node.weight is not None:
            assert node.level_index is not None and node.bias is not None
            weight = np.where(node.level_index <= level, node.weight, np.float32(0))
            for key, value in ((f"{node.name}.weight", weight), (f"{node.name}.bias", node.bias)):
                initializers.append(numpy_helper.from_array(np.ascontiguousarray(value, np.float32), key))
                inputs.append(key)
        if isinstance(node.op, Clip):
            for key, bound in zip((f"{node.name}.min", f"{node.name}.max"), node.op.bounds, strict=True):
                initializers.append(numpy_helper.from_array(np.array(bound, np.float32), key))
                inputs.append(key)
        kind, attributes = _operator(node)
        nodes.append(helper.make_node(kind, inputs, [node.output], name=node.name, **attributes))
    output = nodes[-1].output[0]
    shapes = graph.shapes()
    model = helper.make_model(
        helper.make_graph(
            nodes,
            graph.name,
            [helper.make_tensor_value_info(graph.input, TensorProto.FLOAT, ["batch", *graph.shape])],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", *shapes[output]])],
            initializers,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        producer_name="swtrain",
        ir_version=8,
    )
    helper.set_model_props(model, {"level": graph.levels[level].name, **{k: str(v) for k, v in graph.meta.items()}})
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def _operator(node: FloatNode) -> tuple[str, dict[str, Any]]:
    op = node.op
    if isinstance(op, Conv2d):
        shape = {"kernel_shape": op.kernel, "strides": op.stride, "pads": op.padding}
        return "Conv", {**shape, "dilations": op.dilation, "group": op.groups}
    if isinstance(op, FullyConnected):
        return "Gemm", {"transB": 1}
    if isinstance(op, AvgPool):
        return "AveragePool", {"kernel_shape": op.kernel, "strides": op.stride}
    if isinstance(op, MaxPool):
        return "MaxPool", {"kernel_shape": op.kernel, "strides": op.stride}
    if isinstance(op, Relu):
        return "Relu", {}
    if isinstance(op, Clip):
        return "Clip", {}
    if isinstance(op, Add):
        return "Add", {}
    if isinstance(op, Concat):
        return "Concat", {"axis": 1}
    if isinstance(op, Flatten):
        return "Flatten", {"axis": 1}
    raise UnsupportedOp(f"{node.name}: {op.kind} can't be written as ONNX")

"""An ONNX file as plain values: checked nodes, constants as arrays, one input of a known shape, one output.

Comes in: a file, perhaps with weights in files beside it. Goes out: an `OnnxModel` that holds only what its output
needs. What each operator means is not known here (`onnx_ops`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, external_data_helper, helper, inliner, numpy_helper

from .errors import OnnxError
from .ops import Array

OPSETS = (13, 28)
"""Oldest and newest opset of ai.onnx whose operators mean what `onnx_ops` makes of them; 25 to 28 add types only."""

MAX_BYTES = 2**29
"""Largest file, weights beside it included."""

MAX_ELEMENTS = 2**24
"""Largest tensor: hundreds of times what a board with external memory holds."""

_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE)


@dataclass(frozen=True)
class OnnxNode:
    """One call of an operator; an absent optional input has the name ''."""

    name: str
    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    @property
    def label(self) -> str:
        """What messages call it."""
        return f"{self.name or 'the one that writes ' + self.outputs[0]} ({self.op})"


@dataclass(frozen=True)
class OnnxModel:
    """A checked model.

    Attributes:
        where: the file, for messages.
        name: of the graph.
        opset: of ai.onnx.
        nodes: in topological order, those that `output` needs.
        constants: initialisers by name.
        input, input_shape: the one input, batch first; a batch of any size is 1.
        output: the one output.
    """

    where: str
    name: str
    opset: int
    nodes: tuple[OnnxNode, ...]
    constants: Mapping[str, Array]
    input: str
    input_shape: tuple[int, ...]
    output: str


def read_model(path: Path) -> onnx.ModelProto:
    """The model in `path`, with the weights that lie beside it.

    Raises:
        OnnxError: the file is missing, damaged or too large, or weights are missing.
    """
    if not path.is_file():
        raise OnnxError(f"{path} {'is not a file' if path.exists() else 'does not exist'}; give an ONNX file")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise OnnxError(f"{path} has {path.stat().st_size:,} B; models of at most {MAX_BYTES:,} B are read")
        model = onnx.load_model_from_string(path.read_bytes())
    except DecodeError as e:
        raise OnnxError(f"{path} is not an ONNX file, or it is damaged ({e})") from e
    except OSError as e:
        raise OnnxError(f"{path} can't be read ({e.strerror or e})") from e
    for tensor in _tensors(model.graph):
        _check_size(tensor, str(path))
        if external_data_helper.uses_external_data(tensor):
            _load_external(tensor, str(path), path.parent)
    return model


def read_onnx(path: Path, shapes: Mapping[str, Sequence[int]] | None = None, output: str | None = None) -> OnnxModel:
    """Read the model in `path`.

    Args:
        shapes: of inputs by name, where the model leaves them open.
        output: the output to take where there are several; it may be any tensor.

    Raises:
        OnnxError: the file is missing, damaged or too large, its opset is outside `OPSETS`, weights that lie outside
            it are missing, a size is open, or it has several inputs or outputs.
    """
    return parse_onnx(read_model(path), str(path), shapes, output)


def parse_onnx(
    model: onnx.ModelProto,
    where: str,
    shapes: Mapping[str, Sequence[int]] | None = None,
    output: str | None = None,
) -> OnnxModel:
    """`read_onnx` of a model in memory, which holds all its weights."""
    graph = model.graph
    called = [n for node in graph.node for n in (node.name, node.op_type, node.domain, *node.input, *node.output)]
    named = [*graph.initializer, *graph.input, *graph.output, *(a for node in graph.node for a in node.attribute)]
    if any(isinstance(name, bytes) for name in (*called, graph.name, *(part.name for part in named))):
        raise OnnxError(f"{where} is not an ONNX file, or it is damaged (a name is not UTF-8)")
    opset = _opset(model, where)
    for tensor in _tensors(graph):
        _check_size(tensor, where)
    name, shape = _input(model.graph, where, shapes or {})
    for info in (*model.graph.input, *model.graph.output):
        if info.type.WhichOneof("value") == "tensor_type":  # shapes left out do no harm from here on
            info.type.tensor_type.shape.SetInParent()
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError, TypeError) as e:
        raise OnnxError(f"{where} is not a valid ONNX model: {_short(e)}") from e
    if model.functions:
        model = inliner.inline_local_functions(model)
    graph = model.graph
    if graph.sparse_initializer:
        raise OnnxError(f"{where}: sparse initialisers are not supported; save them dense")
    constants = {t.name: to_array(t, where) for t in graph.initializer}
    chosen = _output(graph, where, output)
    nodes = tuple(_node(n) for n in graph.node)
    return OnnxModel(where, graph.name, opset, _needed(nodes, chosen), constants, name, shape, chosen)


def to_array(tensor: TensorProto, where: str) -> Array:
    """A tensor as an array; any real-valued type becomes float32."""
    try:
        array = numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError) as e:
        raise OnnxError(f"{where}: tensor {tensor.name!r} can't be read ({_short(e)}); the file is damaged") from e
    return array.astype(np.float32) if array.dtype in (np.float16, np.float64) else array


def _opset(model: onnx.ModelProto, where: str) -> int:
    found = [o.version for o in model.opset_import if o.domain in ("", "ai.onnx")]
    if not found or not model.graph.output:
        raise OnnxError(f"{where} is not a valid ONNX model: it names no opset or has no output")
    if not OPSETS[0] <= found[0] <= OPSETS[1]:
        remedy = "convert it with onnx.version_converter" if found[0] < OPSETS[0] else "export it with an older one"
        raise OnnxError(f"{where} has opset {found[0]}; {OPSETS[0]} to {OPSETS[1]} are supported: {remedy}")
    return int(found[0])


def _tensors(graph: onnx.GraphProto) -> list[TensorProto]:
    """All tensors that the file stores."""
    inside = [a.t for node in graph.node for a in node.attribute if a.type == onnx.AttributeProto.TENSOR]
    return [*graph.initializer, *inside]


def _check_size(tensor: TensorProto, where: str) -> None:
    count = prod(tensor.dims)
    if count > MAX_ELEMENTS or min(tensor.dims, default=0) < 0:
        shape = tuple(tensor.dims)
        raise OnnxError(f"{where}: tensor {tensor.name!r} of shape {shape} is too large; the limit is {MAX_ELEMENTS:,}")


def _load_external(tensor: TensorProto, where: str, folder: Path) -> None:
    location = next((e.value for e in tensor.external_data if e.key == "location"), "")
    parts = PurePosixPath(location.replace("\\", "/"))
    if not location or parts.is_absolute() or ".." in parts.parts:
        raise OnnxError(f"{where}: weights {tensor.name!r} are said to lie in {location!r}, outside the model's folder")
    file = folder / location
    if not file.is_file():
        raise OnnxError(
            f"{where}: weights {tensor.name!r} lie in {location!r}, which is not beside it; put that file there"
        )
    if file.stat().st_size > MAX_BYTES:
        raise OnnxError(f"{file} has {file.stat().st_size:,} B; weights of at most {MAX_BYTES:,} B are read")
    try:
        external_data_helper.load_external_data_for_tensor(tensor, str(folder))
    except (OSError, ValueError, onnx.checker.ValidationError) as e:
        raise OnnxError(f"{where}: weights {tensor.name!r} can't be read from {location!r} ({_short(e)})") from e
    tensor.data_location = TensorProto.DEFAULT
    del tensor.external_data[:]


def _input(graph: onnx.GraphProto, where: str, shapes: Mapping[str, Sequence[int]]) -> tuple[str, tuple[int, ...]]:
    """Name and shape of the one input."""
    stored = {t.name for t in graph.initializer}
    inputs = [i for i in graph.input if i.name not in stored]
    if len(inputs) != 1:
        names = ", ".join(i.name for i in inputs) or "none"
        raise OnnxError(f"{where} has {len(inputs)} inputs ({names}); one is supported")
    (info,) = inputs
    unknown = [name for name in shapes if name != info.name]
    if unknown:
        raise OnnxError(f"{where} has no input {unknown[0]!r}; its input is {info.name!r}")
    kind = info.type.tensor_type.elem_type
    if info.type.WhichOneof("value") != "tensor_type" or kind not in _FLOATS:
        known = kind in TensorProto.DataType.values()
        found = TensorProto.DataType.Name(kind) if kind and known else info.type.WhichOneof("value") or kind
        raise OnnxError(f"{where}: input {info.name!r} is of type {found}; real-valued tensors are supported")
    example = f"--shape {info.name}=1,1,28,28"
    if not info.type.tensor_type.HasField("shape"):
        if info.name not in shapes:
            raise OnnxError(f"{where}: input {info.name!r} has no shape; give it, such as {example}")
        return info.name, _limited(tuple(shapes[info.name]), info.name, where)
    given_dims = info.type.tensor_type.shape.dim
    dims = [int(d.dim_value) if d.WhichOneof("value") == "dim_value" else None for d in given_dims]
    texts = [(d.dim_param or "?") if v is None else str(v) for d, v in zip(given_dims, dims, strict=True)]
    shown = f"({', '.join(texts)})"
    if info.name in shapes:
        given = tuple(shapes[info.name])
        if len(given) != len(dims) or any(v not in (None, g) for v, g in zip(dims, given, strict=True)):
            raise OnnxError(f"{where}: input {info.name!r} has shape {shown}, which --shape {given} contradicts")
        return info.name, _limited(given, info.name, where)
    for axis, size in enumerate(dims[1:], 1):
        if size is None:
            raise OnnxError(
                f"{where}: input {info.name!r} has shape {shown}: dimension {axis} is {texts[axis]!r}, not a number; "
                f"give it, such as {example}"
            )
    return info.name, _limited(tuple(1 if v is None else v for v in dims), info.name, where)


def _limited(shape: tuple[int, ...], name: str, where: str) -> tuple[int, ...]:
    if min(shape, default=1) < 1:
        raise OnnxError(f"{where}: input {name!r} of shape {shape} holds no element")
    if prod(shape) > MAX_ELEMENTS:
        raise OnnxError(f"{where}: input {name!r} of shape {shape} is too large; the limit is {MAX_ELEMENTS:,}")
    return shape


def _output(graph: onnx.GraphProto, where: str, wanted: str | None) -> str:
    names = [o.name for o in graph.output]
    if wanted is None:
        if len(names) > 1:
            raise OnnxError(f"{where} has {len(names)} outputs ({', '.join(names)}); choose one with --output NAME")
        return str(names[0])
    if wanted not in {*names, *(o for n in graph.node for o in n.output)}:
        raise OnnxError(f"{where} has no output {wanted!r}; it has {', '.join(names)}")
    return wanted


def _node(node: onnx.NodeProto) -> OnnxNode:
    # onnxruntime writes 16-bit QDQ of older opsets in its own domain, with the same meaning
    ours = node.domain in ("", "ai.onnx") or (
        node.domain == "com.microsoft" and node.op_type in ("QuantizeLinear", "DequantizeLinear")
    )
    op = node.op_type if ours else f"{node.domain}.{node.op_type}"
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    return OnnxNode(node.name, op, tuple(node.input), tuple(node.output), attributes)


def _needed(nodes: Sequence[OnnxNode], output: str) -> tuple[OnnxNode, ...]:
    wanted, kept = {output}, []
    for node in reversed(nodes):
        if wanted & set(node.outputs):
            wanted |= set(node.inputs)
            kept.append(node)
    return tuple(reversed(kept))


def _short(e: Exception) -> str:
    return " ".join(str(e).split())[:300]

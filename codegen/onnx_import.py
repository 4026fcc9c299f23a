"""`import_onnx`: an ONNX model as a real-valued `FloatGraph` that can be quantised, pruned or trained further.

Every node goes through its importer (`onnx_ops`); what can't be imported is gathered into one message. A softmax or
argmax at the end is left out: the device takes the largest logit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from .affine import Affine, fold_affine
from .errors import GraphError, OnnxError, UnsupportedOp
from .floatgraph import FloatGraph, FloatNode
from .ir import Level
from .onnx_build import INPUT, Builder, Operand, Quantized, Refused, Value
from .onnx_ops import FOLDED, IMPORTERS, fold
from .onnx_reader import OnnxModel, OnnxNode
from .ops import Argmax, Array, Flatten
from .ranges import Range

LOGITS = "logits"

LAST = ("Softmax", "LogSoftmax", "ArgMax")
_ELEMENTWISE = ("Add", "Clip", "DequantizeLinear", "Div", "Identity", "Mul", "QuantizeLinear", "Relu", "Sub")
_MOVES = ("Identity", "Dropout", "Flatten", "Squeeze", "Reshape", "QuantizeLinear", "DequantizeLinear")


@dataclass(frozen=True)
class Imported:
    """What an ONNX model became.

    Attributes:
        graph: one level that holds every weight; its input range is not known yet.
        input_shape: of the ONNX input.
        source: place in one example of the ONNX input of each element of the graph's input.
        output: where the ONNX output lies, or its value where it is constant.
        ranges: of tensors that the model quantises.
        whole: nodes that stand for a scale or an average; pruning them would be wrong.
        notes: what a user should know, one sentence each.
    """

    graph: FloatGraph
    input_shape: tuple[int, ...]
    source: Array
    output: Value | Array
    ranges: Mapping[str, Range]
    whole: frozenset[str]
    notes: tuple[str, ...]

    def examples(self, x: Array) -> Array:
        """ONNX inputs `(N, ...)` as inputs of the graph."""
        flat = x.reshape(len(x) if x.ndim else 1, -1)
        shaped: Array = flat[:, self.source].reshape(-1, *self.graph.shape).astype(np.float32)
        return shaped

    def run(self, x: Array) -> Array:
        """The ONNX output for an ONNX input of `input_shape`, in float32."""
        if isinstance(self.output, np.ndarray):
            return self.output
        values = self.graph.run(self.examples(x), 0)[self.output.tensor]
        found: Array = values.reshape(-1)[self.output.order]
        return found


def lower(model: OnnxModel, keep_last: bool = False) -> Imported:
    """Import `model`, whatever its output is.

    Args:
        keep_last: refuse a softmax or argmax at the end instead of leaving it out.

    Raises:
        UnsupportedOp: one message that names every node that can't be imported, and why.
    """
    builder = Builder(model.input, model.input_shape)
    if perm := _first_transpose(model):
        builder.transpose_input(perm)
    builder.env.update(model.constants)
    droppable = set() if keep_last else _last(model)
    used = {x for node in model.nodes for x in node.inputs} | {model.output}
    problems: list[str] = []
    for node in model.nodes:
        try:
            builder.env[node.outputs[0]] = _operand(builder, node, model.opset, used, droppable)
        except Refused as e:
            problems.append(f"{node.label}: {e}")
            builder.env[node.outputs[0]] = None
        except GraphError as e:
            problems.append(f"{node.label}: {e}")
            builder.env[node.outputs[0]] = None
        except _Unknown as e:
            builder.env[node.outputs[0]] = None
            if str(e):
                problems.append(str(e))
    if problems:
        what = "1 node" if len(problems) == 1 else f"{len(problems)} nodes"
        raise UnsupportedOp(
            f"{model.where}: {what} can't be imported: {'; '.join(problems)}. Supported are {supported()}"
        )
    return _finish(model, builder)


def supported() -> str:
    """The operators that can be imported."""
    return f"{', '.join(sorted((*IMPORTERS, *LAST)))} (the last of {'/'.join(LAST)} at the end only)"


class _Unknown(Exception):
    """An operator that nothing imports, or (without a message) one behind a node that was refused."""


def _operand(builder: Builder, node: OnnxNode, opset: int, used: set[str], droppable: set[str]) -> Operand:
    missing = [x for x in node.inputs if x and x not in builder.env]
    operands = [builder.env.get(x) if x else None for x in node.inputs]
    known = [None if x is None else x for x in operands if not isinstance(x, Value | Quantized)]
    refused = any(x and builder.env.get(x, ()) is None for x in node.inputs)
    if node.op not in IMPORTERS and node.op not in (*FOLDED, *LAST):
        raise _Unknown(f"{node.label}: not supported")
    if refused or missing:
        raise _Unknown
    if any(o in used for o in node.outputs[1:] if o):
        raise Refused("only its first output is supported")
    if node.op in FOLDED and len(known) == len(operands):
        return fold(node, list(known), opset)
    if node.op in LAST:
        return _dropped(builder, node, operands[0], node.outputs[0] in droppable)
    if node.op not in IMPORTERS:
        raise Refused("supported on constants only")
    return IMPORTERS[node.op](builder, node, operands)


def _dropped(builder: Builder, node: OnnxNode, x: Operand | None, droppable: bool) -> Operand:
    """The input of a softmax or argmax over the classes, with a note."""
    if not droppable or not isinstance(x, Value):
        raise Refused("supported at the end of the network only, where it is left out")
    axis = int(node.attributes.get("axis", 0 if node.op == "ArgMax" else -1)) % x.order.ndim
    if x.order.shape[axis] * builder.batch != x.order.size or (axis == 0 and x.order.ndim > 1):
        raise Refused(f"its axis {axis} is not the one of the classes in {x.order.shape}")
    builder.notes.append(f"{node.label} at the end is left out: the device takes the largest logit")
    return x


def _last(model: OnnxModel) -> set[str]:
    """Tensors that only operators which keep the order of the logits separate from the output."""
    readers: dict[str, int] = {}
    for x in (x for node in model.nodes for x in node.inputs):
        readers[x] = readers.get(x, 0) + 1
    found, name = set(), model.output
    for node in reversed(model.nodes):
        if node.outputs[0] == name and node.op in (*LAST, *_MOVES) and readers.get(name, 0) <= 1:
            found.add(name)
            name = node.inputs[0]
    return found


def _first_transpose(model: OnnxModel) -> list[int] | None:
    """The transpose that the input goes through before anything but elementwise operators, keeping the batch."""
    name = model.input
    while True:
        readers = [node for node in model.nodes if name in node.inputs]
        if len(readers) != 1:
            return None
        (node,) = readers
        perm = [int(p) for p in node.attributes.get("perm", ())]
        if node.op == "Transpose":
            return perm if sorted(perm) == list(range(len(model.input_shape))) and perm[0] == 0 else None
        if node.op not in _ELEMENTWISE:
            return None
        name = node.outputs[0]


def _finish(model: OnnxModel, builder: Builder) -> Imported:
    output = builder.env[model.output]
    if isinstance(output, Quantized) or output is None:
        raise UnsupportedOp(f"{model.where}: output {model.output!r} is quantised; put a DequantizeLinear behind it")
    tensor = output.tensor if isinstance(output, Value) else ""
    nodes = fold_affine(builder.nodes, builder.shapes, tensor)
    graph = FloatGraph(
        "net", INPUT, builder.shapes[INPUT], tuple(nodes), (Level("0", 0.0),), input_frac_bits=0, input_max=1.0
    )
    shapes = graph.shapes()
    ranges = {name: found for name, found in builder.ranges.items() if name in shapes}
    whole = builder.whole | {n.name for n in builder.nodes if isinstance(n.op, Affine)}
    kept = frozenset(n.name for n in nodes if n.name in whole)
    return Imported(graph, model.input_shape, builder.source, output, ranges, kept, tuple(builder.notes))


def import_onnx(model: OnnxModel, name: str = "net") -> Imported:
    """Import `model` so that it can be deployed: its graph ends with the class of the largest logit.

    Args:
        name: of the graph, a C identifier.

    Raises:
        UnsupportedOp: as `lower`.
        OnnxError: it has no layer with weights, or its output is not what its last layer computes.
    """
    made = lower(model)
    graph, output = made.graph, made.output
    weighted = [n for n in graph.nodes if n.weight is not None]
    if not weighted or isinstance(output, np.ndarray):
        raise OnnxError(f"{model.where}: has no layer with weights between its input and {model.output!r}")
    size = int(np.prod(graph.shapes()[output.tensor]))
    if graph.nodes[-1].output != output.tensor or not np.array_equal(output.order.reshape(-1, size)[0], range(size)):
        raise OnnxError(
            f"{model.where}: output {model.output!r} is not what the last layer computes, in its order; remove what "
            "moves it, or choose another output"
        )
    nodes = [*graph.nodes[:-1], replace(graph.nodes[-1], output=LOGITS)]
    if len(graph.shapes()[output.tensor]) > 1:
        before = f"{graph.nodes[-1].name}_out"
        flat = FloatNode(_free("flatten", graph.nodes), Flatten(), (before,), LOGITS)
        nodes = [*graph.nodes, flat]
    ranges = dict(made.ranges)
    if output.tensor in ranges and len(nodes) == len(graph.nodes):
        ranges[LOGITS] = ranges.pop(output.tensor)
    if size > 1:
        nodes.append(FloatNode(_free("argmax", nodes), Argmax(), (LOGITS,), "class"))
    elements = int(np.prod(made.input_shape[1:]))
    notes = list(made.notes)
    if not np.array_equal(made.source, range(elements)):
        notes.append(f"the input is taken as {graph.shape}, channels first, not as {made.input_shape[1:]}")
    if made.input_shape and made.input_shape[0] > 1:
        notes.append(f"the batch of {made.input_shape[0]} is computed one example at a time")
    graph = replace(graph, name=name, nodes=tuple(nodes))
    return replace(made, graph=graph, output=replace(output, tensor=LOGITS), ranges=ranges, notes=tuple(notes))


def _free(name: str, nodes: Iterable[FloatNode]) -> str:
    taken = {n.name for n in nodes}
    while name in taken:
        name += "_"
    return name

"""A torch module as operators of codegen: `torch.fx` traces it, and each call becomes a `FloatNode` or a name.

In: a `NestedModel` and the shape of one input. Out: nodes in order, the last one writing `LOGITS`. A tensor of torch
with one spatial axis, `(batch, C, T)`, is an image `(C, 1, T)` here. Batch norm is folded before nesting and never met.
What codegen does not support is an error that names the layer and lists what it does.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import numpy as np
import torch
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp, TensorMetadata

from codegen.floatgraph import FloatNode
from codegen.ops import Add, AvgPool, Clip, Concat, Conv2d, Flatten, FullyConnected, MaxPool, Op, Relu

from .errors import ExportError
from .graph_module import Fixed, PaddedConv2d
from .nested import NestedModel

INPUT, LOGITS = "input", "logits"

SUPPORTED = (
    "Conv1d, Conv2d (any groups and dilation), Linear, ReLU, ReLU6, Hardtanh, AvgPool, MaxPool, AdaptiveAvgPool to one "
    "element, mean over time or space, add, cat of channels, Flatten, Dropout and Identity"
)

Shape = tuple[int, ...]


def trace(model: NestedModel, shape: Shape) -> list[FloatNode]:
    """One `FloatNode` per operator of `model`, in order, for inputs of `shape`; the last one writes `LOGITS`.

    Raises:
        ExportError: a layer has no counterpart in codegen, or the module can't be traced.
    """
    try:
        traced = fx.GraphModule(model.module, _Layers().trace(model.module))
    except Exception as e:  # fx raises many kinds for control flow that depends on data
        raise ExportError(
            f"the module can't be traced by torch.fx ({e}); remove control flow that depends on data"
        ) from e
    was_training = model.module.training
    traced.eval()
    try:
        with torch.no_grad():
            ShapeProp(traced).propagate(torch.zeros(1, *shape))
    except Exception as e:  # whatever a layer raises on a shape that it can't take
        raise ExportError(f"the module can't run on an input of shape {shape} ({e})") from e
    finally:
        model.module.train(was_training)
    found = _Tracer(model, dict(model.module.named_modules()))
    for n in traced.graph.nodes:
        found.visit(n)
    return found.finish()


class _Layers(fx.Tracer):
    """Takes the layers of imported models for layers, as torch's own."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, PaddedConv2d | Fixed) or bool(super().is_leaf_module(m, module_qualified_name))


@dataclass
class _Tracer:
    """Nodes so far, and the tensor that holds the value of each traced call."""

    model: NestedModel
    modules: dict[str, nn.Module]
    nodes: list[FloatNode] = field(default_factory=list)
    tensor: dict[str, str] = field(default_factory=dict)
    result: str = INPUT

    def visit(self, n: fx.Node) -> None:
        """Take one traced call."""
        if n.op == "placeholder":
            if self.tensor:
                raise ExportError(f"{n.name}: the module takes more than one input; one is supported")
            self.tensor[n.name] = INPUT
        elif n.op == "output":
            if not isinstance(n.args[0], fx.Node):
                raise ExportError("the module returns more than one tensor; one is supported")
            self.result = self.tensor[n.args[0].name]
        elif n.op == "get_attr":
            raise ExportError(f"{n.name}: a parameter or buffer outside a layer is not supported")
        elif _is_tensor(n):  # sizes take part in a reshape, whose result says enough
            self._call(n)

    def _call(self, n: fx.Node) -> None:
        layer = self.modules[str(n.target)] if n.op == "call_module" else None
        name = str(n.target).replace(".", "_") if layer is not None else n.name
        if any(node.name == name for node in self.nodes):  # a module that is called twice
            name = n.name
        sources = tuple(self.tensor[x.name] for x in _tensors(n))
        for number, op in enumerate(_operators(name, layer, n)):
            here = f"{name}_{op.kind}" if number else name
            node = FloatNode(here, op, sources, f"{here}_out")
            if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Linear):
                node = replace(node, **self._weights(str(n.target), layer))
            if isinstance(layer, Fixed):
                weight, bias = layer.weight.numpy(), layer.bias.numpy()
                node = replace(node, weight=weight, level_index=layer.index, bias=bias)
            self.nodes.append(node)
            sources = (node.output,)
        self.tensor[n.name] = sources[0]

    def _weights(self, key: str, layer: nn.Conv1d | nn.Conv2d | nn.Linear) -> dict[str, Any]:
        weight, index = layer.weight.detach().numpy(), self.model.level_index[key].numpy()
        if isinstance(layer, nn.Conv1d):
            weight, index = weight[:, :, None], index[:, :, None]
        bias = layer.bias.detach().numpy() if layer.bias is not None else np.zeros(len(weight), np.float32)
        return {"weight": weight, "level_index": index, "bias": bias}

    def finish(self) -> list[FloatNode]:
        """The nodes; the output of the last one is called `LOGITS`."""
        if not self.nodes:
            raise ExportError("the module has no layers that codegen supports; supported are " + SUPPORTED)
        last = self.nodes[-1]
        if last.output != self.result:
            raise ExportError(f"{last.name}: the module does not return what its last operator makes; remove that one")
        return [*self.nodes[:-1], replace(last, output=LOGITS)]


_ADD = (operator.add, operator.iadd, torch.add, "add", "add_")
_RELU = (torch.relu, nn.functional.relu, "relu", "relu_")
_RELU6 = (nn.functional.relu6,)
_CLIP = (nn.functional.hardtanh, torch.clamp, torch.clip, "clamp", "clip", "clamp_", "clip_")
_CAT = (torch.cat, torch.concat, torch.concatenate)
_MEAN = (torch.mean, "mean")
_RESHAPE = (torch.flatten, "flatten", torch.reshape, "reshape", "view", torch.squeeze, "squeeze", torch.unsqueeze,
            "unsqueeze")  # fmt: skip
_POOLS = (nn.AvgPool1d, nn.AvgPool2d, nn.MaxPool1d, nn.MaxPool2d)
_WHOLE = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d)
_NOTHING = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d)


def _operators(name: str, layer: nn.Module | None, n: fx.Node) -> list[Op]:
    """The operators of a traced call, each reading the one before it; none: the value stays as it is."""
    target = n.target if layer is None else None
    if isinstance(layer, Fixed):
        return [layer.op]
    if isinstance(layer, nn.Conv1d | nn.Conv2d):
        return [_convolution(name, layer)]
    if isinstance(layer, nn.Linear):
        if len(_shape(_tensors(n)[0])) != 1:
            raise ExportError(f"{name}: Linear on an input of more than one axis is not supported; flatten it first")
        return [FullyConnected()]
    if isinstance(layer, _POOLS):
        return [_pool(name, layer)]
    if isinstance(layer, _WHOLE) or target in _MEAN:
        return _mean(name, n)
    if isinstance(layer, nn.Hardtanh):  # ReLU6 is one
        return [Clip((float(layer.min_val), float(layer.max_val)))]
    if isinstance(layer, nn.ReLU) or target in _RELU:
        return [Relu()]
    if target in _RELU6:
        return [Clip((0.0, 6.0))]
    if target in _CLIP:
        default = (-1.0, 1.0) if target is nn.functional.hardtanh else (None, None)
        low = _argument(n, 1, ("min_val", "min"), default[0])
        high = _argument(n, 2, ("max_val", "max"), default[1])
        if not isinstance(low, int | float) or not isinstance(high, int | float):
            raise ExportError(f"{name}: a clip needs two numbers as bounds")
        return [Clip((float(low), float(high)))]
    if target in _ADD:
        return [_add(name, n)]
    if target in _CAT:
        if _argument(n, 1, ("dim",), 0) not in (1, 1 - len(n.meta["tensor_meta"].shape)):
            raise ExportError(f"{name}: cat along an axis other than channels (1) is not supported")
        return [Concat()]
    if isinstance(layer, nn.Flatten) or target in _RESHAPE:
        return _reshape(name, _shape(_tensors(n)[0]), _shape(n))
    if isinstance(layer, _NOTHING) or target == "contiguous":
        return []
    what = type(layer).__name__ if layer is not None else getattr(n.target, "__name__", str(n.target))
    if isinstance(layer, nn.LeakyReLU | nn.ELU | nn.SELU | nn.PReLU | nn.GELU | nn.SiLU | nn.Sigmoid | nn.Tanh):
        raise ExportError(f"{name}: {what} trains but does not deploy: the device has ReLU and clips; train with these")
    raise ExportError(f"{name}: {what} is not supported; supported are {SUPPORTED}")


def _convolution(name: str, layer: nn.Conv1d | nn.Conv2d) -> Conv2d:
    if isinstance(layer.padding, str) or layer.padding_mode != "zeros":
        raise ExportError(
            f"{name}: padding {layer.padding!r} ({layer.padding_mode}) is not supported; give zeros as numbers"
        )
    ph, pw = _axes(layer, layer.padding, 0)
    edges = layer.edges if isinstance(layer, PaddedConv2d) else (pw, pw, ph, ph)
    return Conv2d(
        _axes(layer, layer.kernel_size),
        _axes(layer, layer.stride),
        (edges[2], edges[0], edges[3], edges[1]),
        _axes(layer, layer.dilation),
        layer.groups,
    )


def _pool(name: str, layer: nn.Module) -> Op:
    if (
        _axes(layer, layer.padding, 0) != (0, 0)
        or _axes(layer, getattr(layer, "dilation", 1)) != (1, 1)
        or layer.ceil_mode
        or getattr(layer, "divisor_override", None) is not None
    ):
        raise ExportError(
            f"{name}: pooling with padding, ceil_mode, dilation or another divisor is not supported; remove it"
        )
    kind = AvgPool if isinstance(layer, nn.AvgPool1d | nn.AvgPool2d) else MaxPool
    return kind(_axes(layer, layer.kernel_size), _axes(layer, layer.stride))


def _mean(name: str, n: fx.Node) -> list[Op]:
    """The mean over all axes behind the channels, which may vanish."""
    before, after = _shape(_tensors(n)[0]), _shape(n)
    if len(before) == 1 or prod(after) != before[0] or after[0] != before[0]:
        raise ExportError(f"{name}: a mean is supported over all of time or space only, not from {before} to {after}")
    window = (before[1], before[2])
    return [AvgPool(window, window), *([Flatten()] if len(after) == 1 else [])]


def _add(name: str, n: fx.Node) -> Add:
    terms = _tensors(n)
    if len(terms) != 2 or _argument(n, 2, ("alpha",), 1) != 1 or _shape(terms[0]) != _shape(terms[1]):
        raise ExportError(f"{name}: add is supported of two tensors of one shape only")
    return Add()


def _reshape(name: str, before: Shape, after: Shape) -> list[Op]:
    if before == after:
        return []
    if len(after) == 1:
        return [Flatten()]
    raise ExportError(f"{name}: a change of shape from {before} to {after} is not supported; only flatten is")


def _tensors(n: fx.Node) -> list[fx.Node]:
    """The tensors that a call reads, in the order of its arguments, one that is given twice twice."""
    flat: list[Any] = []
    for a in (*n.args, *n.kwargs.values()):
        flat += a if isinstance(a, list | tuple) else [a]
    return [a for a in flat if isinstance(a, fx.Node) and _is_tensor(a)]


def _is_tensor(n: fx.Node) -> bool:
    return isinstance(n.meta.get("tensor_meta"), TensorMetadata)


def _shape(n: fx.Node) -> Shape:
    """Shape of a call's value without the batch: `(F,)` or an image."""
    shape = tuple(int(s) for s in n.meta["tensor_meta"].shape[1:])
    return (shape[0], 1, shape[1]) if len(shape) == 2 else shape


def _argument(n: fx.Node, position: int, names: tuple[str, ...], default: Any) -> Any:
    if len(n.args) > position:
        return n.args[position]
    return next((n.kwargs[name] for name in names if name in n.kwargs), default)


def _axes(layer: nn.Module, value: Any, other: int = 1) -> tuple[int, int]:
    """`(vertical, horizontal)` of a layer's option; a layer with one spatial axis has `other` vertically."""
    if isinstance(layer, nn.Conv1d | nn.AvgPool1d | nn.MaxPool1d):
        return other, int(value if isinstance(value, int) else value[0])
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))

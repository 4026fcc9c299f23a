"""A `FloatGraph` as a torch module: what an ONNX model becomes that is trained further.

Comes in: operators with their weights. Goes out: a module whose layers carry the names of the nodes, which `tracing.py`
turns into the same operators again. Layers that only stand for a scale or an average are `Fixed`: neither trained nor
pruned.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from codegen.errors import CodegenError
from codegen.floatgraph import FloatGraph, FloatNode
from codegen.inputs import normalized
from codegen.ir import NEVER
from codegen.onnx_import import import_onnx
from codegen.onnx_reader import read_model, read_onnx
from codegen.ops import Add, Argmax, Array, AvgPool, Clip, Concat, Conv2d, Flatten, FullyConnected, MaxPool, Relu

from .errors import ConfigError

SUFFIX = ".onnx"
"""Ending of a model's name that makes it a file."""


class PaddedConv2d(nn.Conv2d):
    """A convolution with zeros of its own number at each edge: `edges` is (left, right, top, bottom)."""

    edges: tuple[int, int, int, int] = (0, 0, 0, 0)

    def forward(self, x: Tensor) -> Tensor:
        """As `nn.Conv2d`, on the padded image."""
        return super().forward(F.pad(x, self.edges))


class Fixed(nn.Module):
    """A weighted operator that is no layer of the model: its weights stay as they are at every level."""

    def __init__(self, node: FloatNode) -> None:
        super().__init__()
        weight, bias = _arrays(node)
        assert node.level_index is not None
        self.op, self.index = node.op, node.level_index
        self.weight: Tensor
        self.bias: Tensor
        self.register_buffer("weight", torch.from_numpy(weight))
        self.register_buffer("bias", torch.from_numpy(bias.copy()))

    def forward(self, x: Tensor) -> Tensor:
        """The operator."""
        if isinstance(self.op, Conv2d):
            top, left, bottom, right = self.op.padding
            padded = F.pad(x, (left, right, top, bottom))
            return F.conv2d(padded, self.weight, self.bias, self.op.stride, 0, self.op.dilation, self.op.groups)
        return F.linear(x, self.weight, self.bias)


class OperatorModule(nn.Module):
    """The operators of a graph one after the other; the argmax is left to the caller.

    Attributes:
        shape: of one input.
        outputs: number of logits.
    """

    def __init__(self, graph: FloatGraph, whole: Collection[str] = ()) -> None:
        """Of a `graph` of one level, whose nodes in `whole` become `Fixed`."""
        super().__init__()
        self.input_name, self.shape = graph.input, graph.shape
        logits = next(n.output for n in reversed(graph.nodes) if not isinstance(n.op, Argmax))
        self.outputs = prod(graph.shapes()[logits])
        self.steps: list[tuple[FloatNode, str]] = []
        for node in graph.nodes:
            if isinstance(node.op, Argmax):
                continue
            name = node.name
            while hasattr(self, name):  # a layer called `train`, say
                name += "_"
            if not isinstance(node.op, Add | Concat):
                self.add_module(name, Fixed(node) if node.name in whole else _layer(node))
            self.steps.append((node, name))

    def forward(self, x: Tensor) -> Tensor:
        """Logits of a batch `x`."""
        values = {self.input_name: x.flatten(1) if len(self.shape) == 1 else x}
        y = x
        for node, name in self.steps:
            xs = [values[i] for i in node.inputs]
            if isinstance(node.op, Add):
                y = xs[0] + xs[1]
            elif isinstance(node.op, Concat):
                y = torch.cat(xs, 1)
            else:
                y = getattr(self, name)(xs[0])
            values[node.output] = y
        return y


def check_fits(module: nn.Module, name: str, shape: tuple[int, ...], classes: int) -> None:
    """Whether an imported module takes inputs of `shape` and tells `classes` apart.

    Raises:
        ConfigError: it does not.
    """
    if not isinstance(module, OperatorModule):
        return
    if module.shape not in (shape, (prod(shape),)):
        raise ConfigError(f"model: takes inputs of shape {module.shape}, but {name} has {shape}")
    if module.outputs < classes:
        raise ConfigError(f"model: has {module.outputs} outputs, but {name} has {classes} classes")


def onnx_module(path: str | Path, options: Mapping[str, Any] | None = None) -> nn.Module:
    """The module of an ONNX file, with its weights.

    Args:
        options: `mean` and `std`, numbers or comma-separated: the model expects `(x - mean) / std` of what the data set
            gives; `shape`, as `input=1,1,28,28`, where the model leaves it open.

    Raises:
        ConfigError: the file can't be imported, or an option is unknown.
    """
    given = dict(options or {})
    mean, std = _numbers(given.pop("mean", "0")), _numbers(given.pop("std", "1"))
    name, _, sizes = str(given.pop("shape", "")).rpartition("=")
    if given:
        raise ConfigError(f"model {path}: unknown options {', '.join(given)}; an ONNX model takes mean, std and shape")
    try:
        shapes = {name: tuple(int(v) for v in _numbers(sizes))} if name else {}
        made = import_onnx(read_onnx(Path(path), shapes))
        graph = made.graph
        if (mean, std) != ((0.0,), (1.0,)):
            graph = normalized(graph, mean, std)
    except CodegenError as error:
        raise ConfigError(f"model {error}") from error
    return OperatorModule(graph, {*made.whole, "normalize"})


def self_contained(path: str | Path) -> bytes:
    """The bytes of an ONNX file with the weights that may lie beside it.

    Raises:
        ConfigError: it can't be read.
    """
    try:
        model = read_model(Path(path))
    except CodegenError as error:
        raise ConfigError(f"model {error}") from error
    return bytes(model.SerializeToString(deterministic=True))


def _numbers(value: Any) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in str(value).split(","))
    except ValueError:
        raise ConfigError(f"model_options: {value!r} is no number and no list of numbers") from None


def _layer(node: FloatNode) -> nn.Module:
    """The torch layer of an operator of one input."""
    op = node.op
    if isinstance(op, Conv2d):
        weight, bias = _arrays(node)
        top, left, bottom, right = op.padding
        shape = (weight.shape[1] * op.groups, len(weight), op.kernel, op.stride)
        made: nn.Conv2d | nn.Linear
        if (top, left) == (bottom, right):
            made = nn.Conv2d(*shape, padding=(top, left), dilation=op.dilation, groups=op.groups)
        else:
            made = PaddedConv2d(*shape, dilation=op.dilation, groups=op.groups)
            made.edges = (left, right, top, bottom)
        return _filled(made, weight, bias)
    if isinstance(op, FullyConnected):
        weight, bias = _arrays(node)
        return _filled(nn.Linear(weight.shape[1], len(weight)), weight, bias)
    if isinstance(op, Relu):
        return nn.ReLU()
    if isinstance(op, Clip):
        return nn.Hardtanh(*op.bounds)
    if isinstance(op, AvgPool):
        return nn.AvgPool2d(op.kernel, op.stride)
    if isinstance(op, MaxPool):
        return nn.MaxPool2d(op.kernel, op.stride)
    assert isinstance(op, Flatten), op.kind
    return nn.Flatten()


@torch.no_grad()
def _filled(layer: nn.Conv2d | nn.Linear, weight: Array, bias: Array) -> nn.Module:
    assert layer.bias is not None
    layer.weight.copy_(torch.from_numpy(np.array(weight)))
    layer.bias.copy_(torch.from_numpy(np.array(bias)))
    return layer


def _arrays(node: FloatNode) -> tuple[Array, Array]:
    assert node.weight is not None and node.level_index is not None and node.bias is not None
    return np.where(node.level_index == NEVER, np.float32(0), node.weight), node.bias

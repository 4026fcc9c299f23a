"""From a trained run to `graph.json`, `graph.npz` and one ONNX file per level.

In: a `NestedModel` and its data set. Out: the integer `Graph` in the run folder, after which torch is not needed
any more. The module is traced with `torch.fx`; an operator that codegen does not support is an error that names
the layer.
"""

from __future__ import annotations

import operator
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import fx, nn

from codegen.errors import CodegenError
from codegen.files import write_atomic
from codegen.floatgraph import FloatGraph, FloatNode
from codegen.ir import Graph, Level
from codegen.onnx_writer import to_onnx
from codegen.ops import Argmax, AvgPool, Conv2d, Flatten, FullyConnected, MaxPool, Op, Relu
from codegen.quantize import quantize
from codegen.serialize import save_graph

from . import __version__
from .datasets import Dataset, load_dataset
from .errors import ExportError
from .nested import NestedModel
from .runs import load_run

CALIBRATION = 1024
"""Training images whose activations set the clip bounds."""

SUPPORTED = "Conv2d, Linear, ReLU, AvgPool2d, MaxPool2d, Flatten, Dropout and Identity"


def level_name(sparsity: float) -> str:
    """Name of a level: its sparsity as given, `60.24`."""
    return f"{sparsity:.10g}"


def export_graph(model: NestedModel, dataset: Dataset, name: str, accuracies: list[float] | None = None) -> Graph:
    """Quantise `model`, calibrated on training images of `dataset`.

    Args:
        name: of the graph, a C identifier.
        accuracies: test accuracy in percent of each level in float, if measured.

    Raises:
        ExportError: a layer has no counterpart in codegen, or the network can't be quantised.
    """
    return _quantize(float_graph(model, dataset, name, accuracies), dataset)


def _quantize(floats: FloatGraph, dataset: Dataset) -> Graph:
    try:
        return quantize(floats, dataset.to_real(dataset.train.x[:CALIBRATION]))
    except CodegenError as e:
        raise ExportError(str(e)) from e


def float_graph(model: NestedModel, dataset: Dataset, name: str, accuracies: list[float] | None = None) -> FloatGraph:
    """The network of `model` with the weights of its densest level and one level index per weight."""
    model.verify()
    measured: list[float | None] = [*accuracies] if accuracies else [None] * model.num_levels
    levels = tuple(Level(level_name(s), s, a) for s, a in zip(model.sparsities, measured, strict=True))
    meta = {"dataset": dataset.name, "data": dataset.provenance, "torch": torch.__version__.split("+")[0]}
    nodes = [*_trace(model), FloatNode("argmax", Argmax(), "logits", "class")]
    return FloatGraph(
        name,
        "input",
        dataset.test.x.shape[1:],
        tuple(nodes),
        levels,
        dataset.input_frac_bits,
        dataset.input_high / 2**dataset.input_frac_bits,
        dataset.input_low / 2**dataset.input_frac_bits,
        meta=meta | {"swtrain": __version__},
    )


def _trace(model: NestedModel) -> list[FloatNode]:
    """One `FloatNode` per layer, in order; the last one writes `logits`."""
    modules = dict(model.module.named_modules())
    try:
        traced = fx.symbolic_trace(model.module)
    except Exception as e:  # fx raises many kinds for control flow that depends on data
        raise ExportError(
            f"the module can't be traced by torch.fx ({e}); remove control flow that depends on data"
        ) from e
    tensor = {n.name: "input" for n in traced.graph.nodes if n.op == "placeholder"}
    nodes: list[FloatNode] = []
    for n in traced.graph.nodes:
        if n.op in ("placeholder", "output"):
            continue
        layer = modules[str(n.target)] if n.op == "call_module" else None
        source = tensor[n.args[0].name]
        if isinstance(layer, nn.Dropout | nn.Dropout2d | nn.Identity):
            tensor[n.name] = source
            continue
        name = str(n.target).replace(".", "_") if layer is not None else n.name
        op = _op(name, layer, n)
        tensor[n.name] = f"{name}_out"
        if isinstance(layer, nn.Conv2d | nn.Linear):
            bias = layer.bias.detach().numpy() if layer.bias is not None else np.zeros(len(layer.weight), np.float32)
            key = str(n.target)
            index = model.level_index[key].numpy()
            nodes.append(FloatNode(name, op, source, f"{name}_out", layer.weight.detach().numpy(), index, bias))
        else:
            nodes.append(FloatNode(name, op, source, f"{name}_out"))
    if not nodes:
        raise ExportError("the module has no layers that codegen supports; supported are " + SUPPORTED)
    last = nodes[-1]
    nodes[-1] = FloatNode(last.name, last.op, last.input, "logits", last.weight, last.level_index, last.bias)
    return nodes


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def _op(name: str, layer: nn.Module | None, n: fx.Node) -> Op:
    """The operator of a traced node."""
    if isinstance(layer, nn.Conv2d):
        if isinstance(layer.padding, str) or layer.padding_mode != "zeros":
            raise ExportError(
                f"{name}: padding {layer.padding!r} ({layer.padding_mode}) is not supported; give zeros as numbers"
            )
        if layer.groups != 1 or _pair(layer.dilation) != (1, 1):
            raise ExportError(
                f"{name}: groups {layer.groups} and dilation {layer.dilation} are not supported; both must be 1"
            )
        ph, pw = _pair(layer.padding)
        return Conv2d(_pair(layer.kernel_size), _pair(layer.stride), (ph, pw, ph, pw))
    if isinstance(layer, nn.Linear):
        return FullyConnected()
    if isinstance(layer, nn.AvgPool2d | nn.MaxPool2d):
        if _pair(layer.padding) != (0, 0) or layer.ceil_mode or _pair(getattr(layer, "dilation", 1)) != (1, 1):
            raise ExportError(f"{name}: pooling with padding, ceil_mode or dilation is not supported; remove it")
        kind = AvgPool if isinstance(layer, nn.AvgPool2d) else MaxPool
        return kind(_pair(layer.kernel_size), _pair(layer.stride))
    if isinstance(layer, nn.Flatten) and layer.start_dim == 1 and layer.end_dim == -1:
        return Flatten()
    if isinstance(layer, nn.ReLU) or n.target in (torch.relu, nn.functional.relu, "relu"):
        return Relu()
    if n.target in (torch.flatten, "flatten") and (*n.args[1:], *n.kwargs.values()) in ((1,), (1, -1)):
        return Flatten()
    kind_name = type(layer).__name__ if layer is not None else getattr(n.target, "__name__", str(n.target))
    if n.target in (operator.add, torch.add):
        kind_name = "add"
    raise ExportError(f"{name}: {kind_name} is not supported; supported are {SUPPORTED}")


def _identifier(model: str) -> str:
    """A C identifier for a model's name, `package.module:function` included."""
    return re.sub(r"\W", "_", model.rpartition(":")[2])


def export_run(out: Path) -> Graph:
    """Export a finished training run in place: `graph.json`, `graph.npz`, `onnx/level<k>.onnx`.

    Raises:
        CheckpointError: the run is missing or unfinished.
        ExportError: the network can't be exported.
    """
    model, config, metrics = load_run(out)
    dataset = load_dataset(config.dataset, config.data)
    accuracies = [level["accuracy_float"] for level in metrics["levels"]]
    floats = float_graph(model, dataset, _identifier(config.model), accuracies)
    floats = replace(floats, meta={**floats.meta, "strategy": config.strategy, "seed": str(config.seed)})
    graph = _quantize(floats, dataset)
    for k in range(model.num_levels):
        write_atomic(out / "onnx" / f"level{k}.onnx", to_onnx(floats, k))
    save_graph(graph, out)
    return graph

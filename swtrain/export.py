"""From a trained run to `graph.json`, `graph.npz` and one ONNX file per level.

In: a `NestedModel` and its data set. Out: the integer `Graph` in the run folder, after which torch is not needed
any more. `tracing.py` turns the module into operators.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import torch

from codegen.errors import CodegenError
from codegen.files import write_atomic
from codegen.floatgraph import FloatGraph, FloatNode
from codegen.ir import Graph, Level
from codegen.onnx_writer import to_onnx
from codegen.ops import Argmax
from codegen.quantize import quantize
from codegen.serialize import save_graph

from . import __version__
from .datasets import Dataset, load_dataset
from .errors import ExportError
from .graph_module import SUFFIX
from .importing import identifier as file_identifier
from .nested import NestedModel
from .runs import load_run
from .tracing import INPUT, LOGITS, trace

CALIBRATION = 1024
"""Training images whose activations set the clip bounds."""


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
    shape = dataset.test.x.shape[1:]
    nodes = [*trace(model, shape), FloatNode("argmax", Argmax(), (LOGITS,), "class")]
    return FloatGraph(
        name,
        INPUT,
        shape,
        tuple(nodes),
        levels,
        dataset.input_frac_bits,
        dataset.input_high / 2**dataset.input_frac_bits,
        dataset.input_low / 2**dataset.input_frac_bits,
        meta=meta | {"swtrain": __version__},
    )


def _identifier(model: str) -> str:
    """A C identifier for a model's name, `package.module:function` included."""
    if model.endswith(SUFFIX):
        return file_identifier(model)
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

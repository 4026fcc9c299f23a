"""Registry networks with seeded weights as integer graphs: for measuring cost where no trained weights are needed.

Accuracy of such a graph has no meaning. Shapes, levels and the layout of masks are those of a trained one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from codegen.floatgraph import FloatGraph, FloatNode
from codegen.ir import NEVER, Graph, Level
from codegen.ops import Argmax
from codegen.quantize import quantize

from .models import fold_batch_norm_
from .nested import NestedModel
from .tracing import INPUT, LOGITS, trace


def seeded_module(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    """A module with seeded weights and seeded statistics of batch norm."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = make()
        for layer in module.modules():
            if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
                assert layer.running_mean is not None
                assert layer.running_var is not None
                nn.init.uniform_(layer.running_mean, -0.2, 0.2)
                nn.init.uniform_(layer.running_var, 0.5, 2.0)
                nn.init.uniform_(layer.weight, 0.8, 1.6)
                nn.init.uniform_(layer.bias, -0.1, 0.3)
    return module


def float_graph_of(
    module: nn.Module, shape: tuple[int, ...], sparsities: Sequence[float] = (0.0,), columns: bool = False
) -> FloatGraph:
    """`module` with batch norm folded, each layer pruned by magnitude to nested levels.

    Args:
        shape: of one input.
        sparsities: in percent, sparsest first.
        columns: prune whole columns: a tap leaves all filters at once.
    """
    model = NestedModel(fold_batch_norm_(module), sparsities)
    for name in model.names:
        weight = model.weight(name).detach().abs().numpy()
        matrix = weight.reshape(len(weight), -1)
        score = np.sum(matrix, axis=0) if columns else weight.reshape(-1)
        order, index = np.argsort(-score, kind="stable"), np.full(score.size, NEVER, np.uint8)
        kept = [round(score.size * (1 - s / 100)) for s in sparsities]
        for level, (start, end) in enumerate(zip([0, *kept], kept, strict=False)):
            index[order[start:end]] = level
        whole = np.tile(index, (len(weight), 1)) if columns else index
        model.level_index[name] = torch.from_numpy(whole).reshape(model.level_index[name].shape)
    nodes = [*trace(model, shape), FloatNode("argmax", Argmax(), (LOGITS,), "class")]
    levels = tuple(Level(f"{s:g}", s) for s in sparsities)
    return FloatGraph("net", INPUT, shape, tuple(nodes), levels, 8, 255 / 256)


def seeded_graph(
    make: Callable[[], nn.Module],
    shape: tuple[int, ...],
    sparsities: Sequence[float] = (0.0,),
    columns: bool = False,
    seed: int = 1,
) -> Graph:
    """The same in integers, calibrated on random inputs."""
    floats = float_graph_of(seeded_module(make, seed), shape, sparsities, columns)
    x = np.random.default_rng(seed).integers(0, 256, (16, *shape)) / 256
    return quantize(floats, x.astype(np.float32))

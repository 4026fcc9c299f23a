"""Torch networks with seeded weights as graphs: what the tests of export, emission and simulation share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from codegen.floatgraph import FloatGraph, FloatNode
from codegen.ir import NEVER, Graph, Level
from codegen.ops import Argmax
from codegen.quantize import quantize
from swtrain.models import fold_batch_norm_
from swtrain.nested import NestedModel
from swtrain.tracing import INPUT, LOGITS, trace


def seeded(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    """A module with seeded weights and seeded statistics of batch norm."""
    torch.manual_seed(seed)
    module = make()
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(layer.running_mean, -0.2, 0.2)
            nn.init.uniform_(layer.running_var, 0.5, 2.0)
            nn.init.uniform_(layer.weight, 0.8, 1.6)
            nn.init.uniform_(layer.bias, -0.1, 0.3)
    return module


def float_graph_of(
    module: nn.Module, shape: tuple[int, ...], sparsities: Sequence[float] = (0.0,), columns: bool = False
) -> FloatGraph:
    """`module` with batch norm folded, each layer pruned by magnitude to nested levels of `sparsities` percent.

    `columns`: a tap is pruned in all rows of a layer at once, as the LEA likes it.
    """
    model = NestedModel(fold_batch_norm_(module), sparsities)
    for name in model.names:
        weight = module.get_submodule(name).weight.detach().abs().numpy()
        size = weight.sum(axis=0).reshape(-1) if columns else weight.reshape(-1)
        order, index = np.argsort(-size, kind="stable"), np.full(size.size, NEVER, np.uint8)
        kept = [round(size.size * (1 - s / 100)) for s in sparsities]
        for level, (start, end) in enumerate(zip([0, *kept], kept, strict=False)):
            index[order[start:end]] = level
        spread = np.broadcast_to(
            index.reshape(weight.shape[1:]) if columns else index.reshape(weight.shape), weight.shape
        )
        model.level_index[name] = torch.from_numpy(spread.copy())
    nodes = [*trace(model, shape), FloatNode("argmax", Argmax(), (LOGITS,), "class")]
    levels = tuple(Level(f"{s:g}", s) for s in sparsities)
    return FloatGraph("net", INPUT, shape, tuple(nodes), levels, 8, 255 / 256)


def integer_graph_of(
    make: Callable[[], nn.Module], shape: tuple[int, ...], sparsities: Sequence[float] = (0.0,), columns: bool = False
) -> Graph:
    """The same in integers, calibrated on random inputs."""
    seed = 1
    floats = float_graph_of(seeded(make, seed), shape, sparsities, columns)
    x = np.random.default_rng(seed).integers(0, 256, (16, *shape)) / 256
    return quantize(floats, x.astype(np.float32))

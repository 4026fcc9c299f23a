"""Registry networks with seeded weights as integer graphs: for measuring cost where no trained weights are needed.

Accuracy of such a graph has no meaning. Shapes, levels and the layout of masks are those of a trained one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from codegen.floatgraph import FloatGraph, FloatNode
from codegen.ir import Graph, Level
from codegen.ops import Argmax
from codegen.prune import prune
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
    model = NestedModel(fold_batch_norm_(module), (0.0,))
    nodes = [*trace(model, shape), FloatNode("argmax", Argmax(), (LOGITS,), "class")]
    dense = FloatGraph("net", INPUT, shape, tuple(nodes), (Level("0", 0.0),), 8, 255 / 256)
    return prune(dense, sparsities, columns)


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

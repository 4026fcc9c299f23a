"""Nested levels of a real-valued network by magnitude, without training: what is largest in a layer enters first."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from .floatgraph import FloatGraph
from .ir import NEVER, Level


def prune(
    graph: FloatGraph, sparsities: Sequence[float], columns: bool = False, whole: Collection[str] = ()
) -> FloatGraph:
    """`graph` with one level for each of `sparsities`.

    Args:
        graph: of one level; weights that it lacks stay away.
        sparsities: percent of the weights of each layer, sparsest first.
        columns: prune whole columns: a tap leaves all filters at once.
        whole: names of nodes that keep all their weights.
    """
    nodes = []
    for node in graph.nodes:
        if node.weight is None or node.name in whole:
            nodes.append(node)
            continue
        assert node.level_index is not None
        weight = np.abs(node.weight)
        matrix = weight.reshape(len(weight), -1)
        score = np.sum(matrix, axis=0) if columns else weight.reshape(-1)
        order, index = np.argsort(-score, kind="stable"), np.full(score.size, NEVER, np.uint8)
        kept = [round(score.size * (1 - s / 100)) for s in sparsities]
        for level, (start, end) in enumerate(zip([0, *kept], kept, strict=False)):
            index[order[start:end]] = level
        spread = np.tile(index, (len(weight), 1)) if columns else index
        entered = np.where(node.level_index == NEVER, NEVER, spread.reshape(weight.shape)).astype(np.uint8)
        nodes.append(replace(node, level_index=entered))
    levels = tuple(Level(f"{s:.10g}", float(s)) for s in sparsities)
    return replace(graph, nodes=tuple(nodes), levels=levels)

"""What each layer would cost dense on the LEA: where sparsity wins and where it loses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from codegen.alternatives import dense_offer
from codegen.cost import fused_pool
from codegen.emit import ProjectFolder
from codegen.target import load_target


@dataclass(frozen=True)
class Dense:
    """The dense layer on the LEA by the cost model, with the pool behind it if the LEA does both at once.

    Attributes:
        pool: layer that runs this pool by itself in the project, so that its cost belongs to the comparison.
        weights: of the layer, pruned ones included.
    """

    cycles: int
    energy_j: float
    pool: str | None
    weights: int


def dense_layers(project: ProjectFolder) -> Mapping[str, Dense]:
    """By layer; one that no LEA kernel can run dense is left out."""
    graph, target = project.graph, load_target(project.manifest["target"])
    names = {layer["name"] for layer in project.manifest["layers"]}
    found: dict[str, Dense] = {}
    for node in graph.nodes:
        offer = dense_offer(graph, node, target, "lea") if node.params is not None and target.lea_words else None
        if node.params is None or offer is None:
            continue
        pool = fused_pool(graph, node)
        apart = pool.name if pool is not None and pool.name in names else None
        cycles, joules = round(sum(offer.cycles)), sum(offer.joules)
        found[node.name] = Dense(cycles, joules, apart, node.params.weight.size)
    return found


def loses(dense: Dense | None, layer: Mapping[str, Any], costs: Mapping[str, tuple[float, float]]) -> Sequence[str]:
    """`cycles`, `energy` or both: what the layer, pruned at this level, costs more of than the dense one on the LEA.

    Args:
        layer: `name` and `nnz`.
        costs: measured cycles and joules of every layer of the level.
    """
    if dense is None or layer["nnz"] >= dense.weights:
        return ()
    parts = [costs[layer["name"]], *([costs[dense.pool]] if dense.pool else [])]
    cycles, joules = (sum(values) for values in zip(*parts, strict=True))
    return [name for name, more in (("cycles", cycles > dense.cycles), ("energy", joules > dense.energy_j)) if more]

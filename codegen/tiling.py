"""`Schedule`: which layers run, in which restartable steps, and what scratch they need.

A step reads buffers that it does not write. Its size is bounded by the target's `steps.max_cycles`, the work
that a power failure may repeat. Estimated cycles here size steps and nothing else; reported cycles are
simulated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .errors import DoesNotFit, GraphError, UnsupportedOp
from .external import ExternalBlob
from .ir import Graph
from .layers import KINDS, LOAD, STORE, FetchWeights, Layer, LeaLayer, Load, Store, check_chunks, cpu_kind, lea_kind
from .layers.base import extent
from .ops import Argmax, Flatten
from .packing import PackedModel
from .target import TargetSpec

TAP_BYTES, ACC_BYTES = 4, 4
MAX_STEPS = 2**16 - 1


@dataclass(frozen=True)
class Schedule:
    """Layers in execution order and the scratch they share in SRAM.

    Attributes:
        taps, acc: entries of `sw_taps` and `sw_acc`.
        ram_code: bytes of kernels that run from SRAM.

    Raises:
        GraphError: the steps of a layer do not cover its outputs exactly once.
    """

    layers: tuple[Layer, ...]
    taps: int
    acc: int
    ram_code: int

    def check(self, graph: Graph) -> None:
        """Verify that the steps of every layer cover each output exactly once."""
        for layer in self.layers:
            if layer.fetch is not None:
                check_chunks(layer)
                continue
            y = graph.tensors[layer.y]
            for steps in layer.steps:
                seen = np.zeros((*extent(y), y.shape[2] if len(y.shape) == 3 else 1), np.uint8)
                for step in steps:
                    cols = slice(*step.cols) if step.cols else slice(None)
                    seen[slice(*step.channels), slice(*step.rows), cols] += 1
                if np.all(seen == 1):
                    continue
                raise GraphError(f"{layer.name}: its steps do not cover each output exactly once")


def plan_schedule(
    graph: Graph,
    packed: PackedModel,
    target: TargetSpec,
    lea: Mapping[str, LeaLayer] | None = None,
    external: Mapping[str, ExternalBlob] | None = None,
) -> Schedule:
    """Cut every layer into steps; those in `lea` run there, weights in `external` are fetched first.

    Raises:
        UnsupportedOp: no kernel for an operator.
        DoesNotFit: the scratch of a layer exceeds SRAM.
    """
    for tensor in graph.tensors.values():
        if len(tensor.shape) not in (1, 3):
            raise UnsupportedOp(
                f"{tensor.name}: shape {tensor.shape} is neither (features,) nor (channels, height, width)"
            )
    layers = [Load().layer(graph)]
    lea, external = lea or {}, external or {}
    fused = {choice.pool.name for choice in lea.values() if choice.pool}
    for node in graph.nodes:
        if node.name in fused:
            continue
        if isinstance(node.op, Argmax) and node.input != graph.output.name:
            raise UnsupportedOp(f"{node.name}: argmax is supported as the last operator only")
        if isinstance(node.op, Flatten | Argmax):
            continue  # an alias, or part of the store layer
        if node.name in external:
            layers.append(FetchWeights().layer(node, external[node.name], len(graph.levels)))
        if node.name in lea:
            layers.append(lea_kind(node.name, node.op).layer(graph, node, lea[node.name]))
        else:
            kind = cpu_kind(node.name, node.op)
            layers.append(kind.plan(graph, node, packed.layers.get(node.name), target))
    layers.append(Store().layer(graph))
    if len({layer.name for layer in layers}) != len(layers):
        raise UnsupportedOp(f"{graph.name}: two layers have one name; rename a node (none may be {LOAD} or {STORE})")
    steps = sum(layer.step_count for layer in layers)
    if steps > MAX_STEPS:
        raise DoesNotFit(f"{graph.name}: {steps:,} steps, the progress word counts {MAX_STEPS:,}; use larger steps")
    schedule = Schedule(tuple(layers), *_scratch(graph, layers, target))
    schedule.check(graph)
    return schedule


def _scratch(graph: Graph, layers: list[Layer], target: TargetSpec) -> tuple[int, int, int]:
    """`taps`, `acc` and `ram_code`: the most that any layer needs, fewer taps where SRAM is short."""
    needs = [(KINDS[layer.kind].scratch(graph, layer), layer.name) for layer in layers]
    taps = max(need.taps for need, _ in needs)
    acc, widest = max(((need.acc, name) for need, name in needs), key=lambda n: n[0])
    kernels = {name for layer in layers for name in KINDS[layer.kind].kernels_of(layer)}
    code = sum(target.ram_code.get(name, 0) for name in kernels)
    free = target.regions["sram"].size - target.stack_bytes - target.sram_reserve - code - ACC_BYTES * acc
    room = free // TAP_BYTES
    if room < min(taps, 32):
        raise DoesNotFit(
            f"{widest}: a row of {acc} sums needs {ACC_BYTES * acc} B of SRAM, which leaves {free} B for weights, "
            f"{TAP_BYTES * min(taps, 32)} B are needed; use a narrower image"
        )
    return min(taps, room), acc, code

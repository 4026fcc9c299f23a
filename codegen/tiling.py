"""`Schedule`: which layers run, in which restartable steps, and what scratch they need.

A step reads buffers that it does not write. From a reboot to its record it may take the target's `step_cycles`, the
work that a power failure may repeat. Layers size their steps by the cost model, and `check_steps` holds them to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .buffers import image_buffer
from .errors import DoesNotFit, GraphError, UnsupportedOp
from .external import ExternalBlob
from .ir import Graph
from .layers import (
    KINDS,
    LOAD,
    STORE,
    FetchWeights,
    Layer,
    LeaKind,
    LeaLayer,
    Load,
    Step,
    Store,
    SwapIn,
    SwapOut,
    check_chunks,
    cpu_kind,
)
from .layers.base import extent
from .ops import Argmax, Flatten
from .packing import PackedModel
from .target import ACC_BYTES, TAP_BYTES, TargetSpec

MAX_STEPS, MAX_TAPS = 2**16 - 1, 2**16 - 1


@dataclass(frozen=True)
class LongestStep:
    """The layer and the level of a step, and its expected cycles after a reboot."""

    layer: str
    level: int
    cycles: float


@dataclass(frozen=True)
class Schedule:
    """Layers in execution order and the scratch they share in SRAM.

    Attributes:
        taps, acc: entries of `sw_taps` and `sw_acc`.
        ram_code: bytes of kernels that run from SRAM.
        longest: the step that is expected to take longest after a reboot.

    Raises:
        GraphError: the steps of a layer do not cover its outputs exactly once.
    """

    layers: tuple[Layer, ...]
    taps: int
    acc: int
    ram_code: int
    longest: LongestStep

    def check(self, graph: Graph) -> None:
        """Verify that the steps of every layer cover each output exactly once."""
        for layer in self.layers:
            if layer.fetch is not None or layer.kind in (SwapOut.kind, SwapIn.kind):
                check_chunks(layer, layer.fetch.size if layer.fetch else 2 * image_buffer(graph, layer.x).words)
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
    overlap: bool = True,
) -> Schedule:
    """Cut every layer into steps; those in `lea` run there, weights in `external` are fetched first.

    `overlap`: CPU and DMA work while the LEA runs.

    Raises:
        UnsupportedOp: no kernel for an operator.
        DoesNotFit: the scratch of a layer exceeds SRAM.
    """
    for tensor in graph.tensors.values():
        if len(tensor.shape) not in (1, 3):
            raise UnsupportedOp(
                f"{tensor.name}: shape {tensor.shape} is neither (features,) nor (channels, height, width)"
            )
    lea, external = lea or {}, external or {}
    layers = _layers(graph, packed, target, lea, external, MAX_TAPS)
    scratch = _scratch(graph, layers, target)
    if any(KINDS[layer.kind].scratch(graph, layer).taps > scratch[0] for layer in layers):
        # filters in pieces take longer: shorter steps, which need no more sums
        layers = _layers(graph, packed, target, lea, external, scratch[0])
        scratch = _scratch(graph, layers, target)
    steps = sum(layer.step_count for layer in layers)
    if steps > MAX_STEPS:
        raise DoesNotFit(f"{graph.name}: {steps:,} steps, the progress word counts {MAX_STEPS:,}; use larger steps")
    schedule = Schedule(tuple(layers), *scratch, check_steps(graph, layers, target, scratch[0], overlap))
    schedule.check(graph)
    return schedule


def _layers(
    graph: Graph,
    packed: PackedModel,
    target: TargetSpec,
    lea: Mapping[str, LeaLayer],
    external: Mapping[str, ExternalBlob],
    taps: int,
) -> list[Layer]:
    """Every layer in its order, with `taps` entries of `sw_taps`."""
    layers = [Load().layer(graph, target)]
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
            on_lea = KINDS[lea[node.name].kind]
            assert isinstance(on_lea, LeaKind)
            layers.append(on_lea.layer(graph, node, lea[node.name]))
        else:
            kind = cpu_kind(node.name, node.op)
            layers.append(kind.plan(graph, node, packed.layers.get(node.name), target, taps))
    layers.append(Store().layer(graph))
    if len({layer.name for layer in layers}) != len(layers):
        raise UnsupportedOp(f"{graph.name}: two layers have one name; rename a node (none may be {LOAD} or {STORE})")
    return layers


def check_steps(graph: Graph, layers: Sequence[Layer], target: TargetSpec, taps: int, overlap: bool) -> LongestStep:
    """The step that takes longest from a reboot to its record.

    Raises:
        DoesNotFit: it is too long; steps are as short as their layer allows.
    """
    longest = LongestStep("", 0, 0.0)
    for layer in layers:
        kind = KINDS[layer.kind]
        for level, steps in enumerate(layer.steps):
            alike = {_likeness(layer, step): step for step in steps}
            for step in alike.values():
                work = kind.restart_work(graph, layer, level, step, target, taps)
                cycles = target.restart_cycles(work, overlap)
                if cycles > longest.cycles:
                    longest = LongestStep(layer.name, level, cycles)
    if longest.cycles > target.step_budget:
        cycles = longest.cycles * target.step_cycles / target.step_budget
        raise DoesNotFit(
            f"{longest.layer}: its smallest step may take {cycles:,.0f} cycles at level "
            f"{graph.levels[longest.level].name}, {target.step_cycles:,} are allowed between a reboot and the record "
            f"of a step; use a smaller layer or a larger --max-step-cycles"
        )
    return longest


def _likeness(layer: Layer, step: Step) -> tuple[object, ...]:
    """Steps of one likeness take equally long; those of packed columns and of fetched runs differ by their channels."""
    size = (step.channels[1] - step.channels[0], step.rows[1] - step.rows[0], step.cols and step.cols[1] - step.cols[0])
    return step.channels if layer.lea or layer.fetch else size


def _scratch(graph: Graph, layers: list[Layer], target: TargetSpec) -> tuple[int, int, int]:
    """`taps`, `acc` and `ram_code`: the most that any layer needs, fewer taps where SRAM is short."""
    needs = [(KINDS[layer.kind].scratch(graph, layer), layer.name) for layer in layers]
    taps = max(need.taps for need, _ in needs)
    acc, widest = max(((need.acc, name) for need, name in needs), key=lambda n: n[0])
    kernels = {name for layer in layers for name in KINDS[layer.kind].kernels_of(layer)}
    code = sum(target.ram_code.get(name, 0) for name in kernels)
    room = target.tap_room(code, acc)
    if room < min(taps, 32):
        raise DoesNotFit(
            f"{widest}: a row of {acc} sums needs {ACC_BYTES * acc} B of SRAM, which leaves {TAP_BYTES * room} B for "
            f"weights, {TAP_BYTES * min(taps, 32)} B are needed; use a narrower image"
        )
    return min(taps, room), acc, code

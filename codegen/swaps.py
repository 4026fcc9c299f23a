"""Which activations wait in external memory, because on-chip memory can't hold all that is alive.

A tensor that a later layer needs again, and the layers in between do not touch, may leave after the layer that touched
it last and come back before the next one that does. Weights leave the chip first (`spill.py`): a swap costs two
transfers of the tensor in every inference, and is made only where nothing else helps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from .buffers import FAR, NEAR
from .ir import Graph
from .layers import SwapIn, SwapOut
from .memory import MemoryPlan, low_fram_left, place_tensors
from .target import TargetSpec
from .tiling import Schedule, check_steps


@dataclass(frozen=True)
class Swap:
    """`tensor` leaves after layer `after` and comes back before layer `before`: places in the schedule."""

    tensor: str
    after: int
    before: int


def fit_tensors(graph: Graph, schedule: Schedule, target: TargetSpec, far_room: int) -> tuple[Schedule, MemoryPlan]:
    """`schedule` with as many swaps as the activations need to fit, and their places.

    What still does not fit is for `memory.plan_memory` to say: one layer touches more than there is.

    Args:
        far_room: bytes of high FRAM that activations may take.

    Raises:
        DoesNotFit: see `place_tensors`.
    """
    plan = place_tensors(graph, schedule, target)
    while target.external is not None:
        near = low_fram_left(graph, schedule, plan, target) < 0
        if not near and plan.far_bytes <= far_room:
            break
        swap = _next_swap(schedule, plan, NEAR if near else FAR)
        if swap is None:
            break
        schedule = _with_swap(graph, schedule, swap, target)
        plan = place_tensors(graph, schedule, target)
    return schedule, plan


def _next_swap(schedule: Schedule, plan: MemoryPlan, arena: int) -> Swap | None:
    """The largest tensor that only waits while the arena is fullest, or fuller than at any time at which one waits."""
    inside = [b for b in plan.buffers.values() if b.arena == arena]
    alive = [[b for b in inside if b.is_alive(i)] for i in range(len(schedule.layers))]
    heights = [max((b.offset + b.words for b in found), default=0) for found in alive]
    touched = [{plan.owner[x] for x in (layer.y, *layer.reads)} for layer in schedule.layers]
    for i in sorted(range(len(schedule.layers)), key=lambda i: (-heights[i], i)):
        for b in sorted(alive[i], key=lambda b: (-b.words, b.name)):
            if b.name in touched[i]:
                continue
            uses = [k for k, names in enumerate(touched) if b.name in names]
            swap = Swap(b.name, max(k for k in uses if k < i), min(k for k in uses if k > i))
            # a tensor that comes back for nothing but to leave again has been swapped as well as it can be
            if schedule.layers[swap.before].kind != SwapOut.kind and schedule.layers[swap.after].kind != SwapIn.kind:
                return swap
    return None


def _with_swap(graph: Graph, schedule: Schedule, swap: Swap, target: TargetSpec) -> Schedule:
    """`schedule` with the two layers of `swap`."""
    layers = list(schedule.layers)
    number = sum(layer.kind == SwapOut.kind and layer.x == swap.tensor for layer in layers)
    suffix = f" {number + 1}" if number else ""
    out = SwapOut().layer(graph, f"{swap.tensor} out{suffix}", swap.tensor, target)
    back = SwapIn().layer(graph, f"{swap.tensor} in{suffix}", swap.tensor, target)
    layers[swap.before : swap.before] = [back]
    layers[swap.after + 1 : swap.after + 1] = [out]
    longest = check_steps(graph, [out, back], target, schedule.taps, overlap=False)
    return replace(schedule, layers=tuple(layers), longest=max(schedule.longest, longest, key=lambda step: step.cycles))

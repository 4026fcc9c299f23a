"""The working buffer in high FRAM: where weights from external memory lie while their layer runs.

Weights are fetched right before the layer that reads them and are not needed afterwards, so that all layers share one
buffer, as large as the largest of them. `verify` checks by a method of its own that each layer finds its weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .errors import GraphError
from .tiling import Schedule


@dataclass(frozen=True)
class WorkPlan:
    """Where fetched weights lie.

    Attributes:
        offsets: in bytes, even, by node.
        size: bytes of the buffer.
    """

    offsets: Mapping[str, int]
    size: int


NO_WORK = WorkPlan({}, 0)


def plan_work(schedule: Schedule) -> WorkPlan:
    """One buffer for all that is fetched."""
    sizes = {layer.fetch.node: layer.fetch.size for layer in schedule.layers if layer.fetch is not None}
    plan = WorkPlan(dict.fromkeys(sizes, 0), max(sizes.values(), default=0))
    verify(plan, schedule)
    return plan


def verify(plan: WorkPlan, schedule: Schedule) -> None:
    """Replay the schedule on a buffer that remembers whose weights each span holds.

    Raises:
        GraphError: a layer would read weights that a later fetch has overwritten, or that nobody fetched.
    """
    held: list[tuple[int, int, str]] = []
    for layer in schedule.layers:
        if layer.fetch is not None:
            first = plan.offsets[layer.fetch.node]
            end = first + layer.fetch.size
            if first % 2 or end > plan.size:
                raise GraphError(f"{layer.name}: working buffer [{first}, {end}) of {plan.size} bytes")
            held = [h for h in held if h[1] <= first or end <= h[0]]
            held.append((first, end, layer.fetch.node))
        elif layer.name in plan.offsets and layer.name not in {node for _, _, node in held}:
            raise GraphError(f"{layer.name}: its working buffer does not hold its weights")

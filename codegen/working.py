"""Working buffers in high FRAM: where weights from external memory lie while their layer runs.

A buffer lives from the layer that fetches it to the layer that reads it; buffers that live together share no byte,
which `verify` checks by a method of its own. Where there is room, a buffer is free one layer earlier, so that a layer
and the fetch for the next need not share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .errors import GraphError
from .tiling import Schedule


@dataclass(frozen=True)
class WorkPlan:
    """Placement of the working buffers.

    Attributes:
        offsets: in bytes, even, by node.
        size: bytes of all.
        apart: a layer's buffer shares no byte with that of the layer before it.
    """

    offsets: Mapping[str, int]
    size: int
    apart: bool


NO_WORK = WorkPlan({}, 0, True)


@dataclass(frozen=True)
class _Life:
    node: str
    size: int
    born: int
    dies: int


def plan_work(schedule: Schedule, room: int) -> WorkPlan:
    """Place the buffer of every fetched blob; apart from that of the layer before where `room` bytes allow it."""
    lives = _lives(schedule)
    plans = [_place(lives, ahead) for ahead in (True, False)]
    plan = next((p for p in plans if p.size <= room), plans[-1])
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


def _lives(schedule: Schedule) -> list[_Life]:
    lives = []
    for i, layer in enumerate(schedule.layers):
        if layer.fetch is None:
            continue
        reader = next(j for j, other in enumerate(schedule.layers) if other.name == layer.fetch.node)
        lives.append(_Life(layer.fetch.node, layer.fetch.size, i, reader))
    return lives


def _place(lives: list[_Life], ahead: bool) -> WorkPlan:
    """First fit by decreasing size; with `ahead` a buffer is born with the layer before its fetch."""
    early = int(ahead)
    placed: list[tuple[_Life, int]] = []
    for life in sorted(lives, key=lambda b: (-b.size, b.node)):
        offset = 0
        for other, at in sorted(placed, key=lambda p: p[1]):
            if other.born - early > life.dies or life.born - early > other.dies:
                continue
            if offset + life.size <= at:
                break
            offset = max(offset, at + other.size + other.size % 2)
        placed.append((life, offset))
    size = max((at + life.size + life.size % 2 for life, at in placed), default=0)
    return WorkPlan({life.node: at for life, at in placed}, size, ahead)

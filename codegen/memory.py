"""`MemoryPlan`: where every tensor lives.

Activations lie in arenas in FRAM, so that a finished step survives a power failure: one in low FRAM, and for what does
not fit there and is touched only by layers that can, one in high FRAM. Tensors whose lifetimes overlap never share
bytes, which `verify` checks by a method of its own. The input of a layer that reads it often is staged in LEA RAM when
it fits. Weights lie in high FRAM, or in external memory with a working buffer there (`working.py`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import pairwise

from .buffers import EXTERNAL, FAR, NEAR, Buffer, Span, border, owners, shape3
from .errors import DoesNotFit, GraphError
from .ir import Graph
from .layers import KINDS, STORE, Load, Store, SwapIn, SwapOut
from .packing import PackedModel, is_near
from .target import ACC_BYTES, TAP_BYTES, TargetSpec, boards, load_target
from .tiling import Schedule
from .working import NO_WORK, WorkPlan, plan_work

WORD = 2
MAX_NEAR_BYTES = 2**15 - 2
"""Of a tensor that a CPU kernel touches: offsets inside it are signed 16-bit byte counts."""
MAX_BYTES = 2**16 - 2
"""Of any tensor: taps are unsigned 16-bit byte counts."""


@dataclass(frozen=True)
class MemoryPlan:
    """Storage of all tensors.

    Attributes:
        buffers: by name of the tensor that owns the storage.
        owner: for every tensor the one whose storage it shares (itself, or the input of a flatten).
        arena_words: sizes of the arenas, `NEAR` and `FAR`.
        staged: names of the layers whose input is staged.
        taps: entries of `sw_taps`.
        lea_words: LEA RAM in use: the largest staged input, or all of it where a layer runs on the LEA.
        work: the working buffer for weights from external memory.
        swapped: where tensors wait in external memory (`swaps.py`).
        external_base: the byte of external memory where they start.
    """

    buffers: Mapping[str, Buffer]
    owner: Mapping[str, str]
    arena_words: tuple[int, int]
    staged: frozenset[str]
    taps: int
    lea_words: int
    work: WorkPlan = NO_WORK
    swapped: Mapping[str, Buffer] = field(default_factory=dict)
    external_base: int = 0

    def buffer(self, tensor: str) -> Buffer:
        """Storage of `tensor`."""
        return self.buffers[self.owner[tensor]]

    def external_address(self, tensor: str) -> int:
        """The byte of external memory where `tensor` waits."""
        return self.external_base + WORD * self.swapped[self.owner[tensor]].offset

    @property
    def swapped_bytes(self) -> int:
        """External memory that waiting tensors take."""
        return WORD * max((b.offset + b.words for b in self.swapped.values()), default=0)

    @property
    def far_bytes(self) -> int:
        """High FRAM that activations take."""
        return WORD * self.arena_words[FAR]


def plan_memory(
    graph: Graph, schedule: Schedule, packed: PackedModel, target: TargetSpec, external_base: int = 0
) -> MemoryPlan:
    """Place every tensor and the working buffer.

    Args:
        external_base: the byte of external memory behind all else, even.

    Raises:
        DoesNotFit: the activations or the weights exceed their region; the message has the numbers.
    """
    plan = place_tensors(graph, schedule, target)
    plan = replace(plan, work=plan_work(schedule), external_base=external_base)
    verify(plan, schedule)
    _check_regions(graph, schedule, plan, packed, target)
    return plan


def place_tensors(graph: Graph, schedule: Schedule, target: TargetSpec) -> MemoryPlan:
    """Place every tensor; in low FRAM first, the largest in high FRAM when that is full.

    Raises:
        DoesNotFit: a tensor is larger than the kernels address.
    """
    owner = owners(graph)
    wanted = [
        Buffer(name, 0, shape3(graph, name), border(graph, owner, name), _lives(schedule, owner, name))
        for name in sorted(set(owner.values()) & {owner[layer.y] for layer in schedule.layers})
    ]
    movable = sorted((b for b in wanted if _may_be_far(schedule, owner, b.name)), key=lambda b: (b.words, b.name))
    for b in wanted:
        limit = MAX_BYTES if b in movable else MAX_NEAR_BYTES
        if b.words * WORD > limit:
            raise DoesNotFit(
                f"{b.name}: {b.words * WORD:,} B of activations, one tensor may have {limit:,} B"
                + (
                    ""
                    if b in movable
                    else _pinned_by(schedule, {name for name in owner if owner[name] == b.name}, target)
                )
            )

    @cache
    def plan(moved: int) -> MemoryPlan:
        """With so many tensors, the largest first, in high FRAM."""
        far = {b.name for b in movable[len(movable) - moved :]}
        return _arrange(graph, schedule, target, [replace(b, arena=FAR if b.name in far else NEAR) for b in wanted])

    def fits(moved: int) -> bool:
        return low_fram_left(graph, schedule, plan(moved), target) >= 0

    return plan(bisect_left(range(len(movable)), True, key=fits))


def _arrange(graph: Graph, schedule: Schedule, target: TargetSpec, wanted: list[Buffer]) -> MemoryPlan:
    """Offsets in the arenas that `wanted` names, and what follows from them."""
    owner, room = owners(graph), target.lea_words
    slack = max((KINDS[layer.kind].overrun(graph, layer) for layer in schedule.layers), default=0)
    buffers = {b.name: b for b in _place(wanted)}
    ends = [max((b.offset + b.words + slack for b in buffers.values() if b.arena == k), default=0) for k in (NEAR, FAR)]
    staged = frozenset(
        layer.name
        for layer in schedule.layers
        if KINDS[layer.kind].reads_often and buffers[owner[layer.x]].words <= room
    )
    words = max((buffers[owner[layer.x]].words for layer in schedule.layers if layer.name in staged), default=1)
    on_lea = any(layer.lea for layer in schedule.layers)  # all of it: filters stay resident where they fit
    swapped = {b.name: b for b in _place([outside for b in wanted for outside in _waits(b)])}
    return MemoryPlan(
        buffers, owner, (max(ends[NEAR], slack), ends[FAR]), staged, schedule.taps, room if on_lea else words,
        swapped=swapped,
    )  # fmt: skip


def _may_be_far(schedule: Schedule, owner: Mapping[str, str], name: str) -> bool:
    """True when every layer that touches the tensor can reach high FRAM."""
    return all(
        (all(owner[x] != name for x in layer.reads) or KINDS[layer.kind].far_x)
        and (owner[layer.y] != name or KINDS[layer.kind].far_y)
        for layer in schedule.layers
    )


def _pinned_by(schedule: Schedule, tensors: set[str], target: TargetSpec) -> str:
    """What to do about layers that keep one of `tensors` in low FRAM because the CPU computes a convolution there."""
    names = [layer.name for layer in schedule.layers if layer.kind == "conv2d" and tensors & {layer.y, *layer.reads}]
    if not names or not target.lea_words:
        return ""
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"; computed by the CPU: {shown}; on the LEA (weights pruned by columns) their tensors may lie in high FRAM"


def _place(wanted: list[Buffer]) -> list[Buffer]:
    """First fit by decreasing size, each in its arena."""
    placed: list[Buffer] = []
    for b in sorted(wanted, key=lambda b: (-b.words, b.name)):
        offset = 0
        for other in sorted((p for p in placed if _overlap(b, p)), key=lambda p: p.offset):
            if offset + b.words <= other.offset:
                break
            offset = max(offset, other.offset + other.words)
        placed.append(replace(b, offset=offset))
    return placed


def verify(plan: MemoryPlan, schedule: Schedule) -> None:
    """Replay the schedule on arenas that remember who wrote each word.

    Raises:
        GraphError: a layer would read a word that another tensor has overwritten, or overwrite its own input.
    """
    written_by: dict[tuple[int, int], str] = {}
    for layer in schedule.layers:
        y = plan.owner[layer.y]
        for x in (plan.owner[name] for name in layer.reads):
            if layer.kind not in (Load.kind, Store.kind):
                for word in _words(plan.swapped[x] if layer.kind == SwapIn.kind else plan.buffers[x]):
                    if written_by.get(word) != x:
                        raise GraphError(f"{layer.name}: word {word[1]} of {x} holds {written_by.get(word)}")
            if x != y and not set(_words(plan.buffers[x])).isdisjoint(_words(plan.buffers[y])):
                raise GraphError(f"{layer.name}: {y} overlaps its input {x}")
        if layer.kind != Store.kind:
            made = plan.swapped[y] if layer.kind == SwapOut.kind else plan.buffers[y]
            written_by.update(dict.fromkeys(_words(made), y))
    last = plan.owner[schedule.layers[-1].x]
    if any(written_by.get(word) != last for word in _words(plan.buffers[last])):
        raise GraphError(f"{STORE}: {last} is overwritten before it is stored")


def _words(buffer: Buffer) -> list[tuple[int, int]]:
    return [(buffer.arena, word) for word in range(buffer.offset, buffer.offset + buffer.words)]


def _overlap(a: Buffer, b: Buffer) -> bool:
    return a.arena == b.arena and any(
        first <= other_last and other_first <= last for first, last in a.lives for other_first, other_last in b.lives
    )


def _lives(schedule: Schedule, owner: Mapping[str, str], name: str) -> tuple[Span, ...]:
    """From the layer that makes the tensor to the last that reads it, without the time that it waits outside."""
    spans, first, last = list[Span](), -1, -1
    for i, layer in enumerate(schedule.layers):
        if name not in {owner[x] for x in (layer.y, *layer.reads)}:
            continue
        first, last = (i if first < 0 else first), i
        if layer.kind == SwapOut.kind:
            spans.append((first, last))
            first = -1
    return (*spans, (first, last))


def _waits(buffer: Buffer) -> list[Buffer]:
    """Its place in external memory, offset still open, if the tensor ever waits there."""
    away = tuple((a[1], b[0]) for a, b in pairwise(buffer.lives))
    return [replace(buffer, lives=away, arena=EXTERNAL)] if away else []


def planned_bytes(
    graph: Graph, schedule: Schedule, plan: MemoryPlan, packed: PackedModel, target: TargetSpec
) -> dict[str, int]:
    """Bytes of each region that the plan takes; code, constants and stack as the target reserves them."""
    scratch = TAP_BYTES * schedule.taps + ACC_BYTES * schedule.acc
    return {
        "sram": scratch + schedule.ram_code + target.sram_reserve + target.stack_bytes,
        **({"lea_ram": WORD * plan.lea_words} if "lea_ram" in target.regions else {}),
        "fram": _low_fram_data(graph, schedule, plan) + packed.near_bytes + target.fram_reserve,
        "hifram": _weight_bytes(plan, packed) + plan.far_bytes,
    }


def low_fram_left(graph: Graph, schedule: Schedule, plan: MemoryPlan, target: TargetSpec) -> int:
    """Bytes of low FRAM that code and activations leave for weights."""
    return _low_fram_room(target) - _low_fram_data(graph, schedule, plan)


def _low_fram_data(graph: Graph, schedule: Schedule, plan: MemoryPlan) -> int:
    tables = sum(KINDS[layer.kind].table_words(layer) for layer in schedule.layers)
    descriptors = sum(KINDS[layer.kind].descriptor_bytes for layer in schedule.layers)
    words = plan.arena_words[NEAR] + graph.tensors[graph.input].size + graph.output.size + tables
    return WORD * words + descriptors


def _low_fram_room(target: TargetSpec) -> int:
    return target.regions["fram"].size - target.fram_reserve


def _check_regions(graph: Graph, schedule: Schedule, plan: MemoryPlan, packed: PackedModel, target: TargetSpec) -> None:
    need, room = _low_fram_data(graph, schedule, plan) + packed.near_bytes, _low_fram_room(target)
    if need > room:
        raise DoesNotFit(
            f"{graph.name}: activations, input, output and biases need {need:,} B of low FRAM, {target.name} has "
            f"{room:,} B beside code; use smaller layers" + _pinned_by(schedule, set(plan.owner), target)
        )
    outside = target.external
    if plan.swapped and outside is not None and plan.external_base + plan.swapped_bytes > outside.size:
        raise DoesNotFit(
            f"{graph.name}: {plan.swapped_bytes:,} B of activations wait in external memory, {outside.part} has "
            f"{outside.size - plan.external_base:,} B beside the weights; use smaller layers"
        )
    weights, far, high = _weight_bytes(plan, packed), plan.far_bytes, target.regions["hifram"].size
    if weights + far > high:
        also = f" and activations {far:,} B" if far else ""
        beside = f" (patches and room for packages: {packed.patch_bytes:,} B)" if packed.patch_bytes else ""
        raise DoesNotFit(
            f"{graph.name}: weights and indices need {weights:,} B{beside}{also} of high FRAM, {target.name} has "
            f"{high:,} B ({weights + far - high:,} B too few); use a sparser densest level or a smaller model"
            + _larger(target)
        )


def _larger(target: TargetSpec) -> str:
    """The same MCU with external memory, if there is such a board and this is none."""
    if target.external is not None or not target.device:
        return ""
    others = [name for name in boards() if (t := load_target(name)).device == target.device and t.external is not None]
    return f", or a board with external memory ({', '.join(others)})" if others else ""


def _weight_bytes(plan: MemoryPlan, packed: PackedModel) -> int:
    """High FRAM of resident weights, of patches and of the working buffer."""
    resident = (p for name, p in packed.layers.items() if name not in plan.work.offsets and not is_near(p))
    return plan.work.size + packed.patch_bytes + sum(p.blob_bytes for p in resident)

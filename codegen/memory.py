"""`MemoryPlan`: where every tensor lives.

Activations lie in one arena in low FRAM, so that a finished step survives a power failure; tensors whose
lifetimes overlap never share bytes, which `verify` checks by a method of its own. An image is stored with the
border of zeros that its readers pad with. The input of a layer that reads it often is staged in LEA RAM when
it fits. Weights lie in high FRAM.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .errors import DoesNotFit, GraphError, UnsupportedOp
from .ir import Graph
from .layers import KINDS, STORE
from .ops import Conv2d, Flatten
from .packing import PackedModel
from .target import TargetSpec
from .tiling import ACC_BYTES, TAP_BYTES, Schedule

WORD = 2
MAX_BORDER = 255
MAX_IMAGE_BYTES = 2**15 - 2
"""Offsets inside an image are signed 16-bit byte counts in the kernels."""


@dataclass(frozen=True)
class Buffer:
    """Storage of one tensor in the arena, in words.

    Attributes:
        offset: of the first stored word, border included.
        shape: of the tensor, `(C, H, W)`, or `(1, 1, F)` for a flat one.
        border: zeros `(top, left, bottom, right)` around each channel.
        born, dies: indices of the first layer that writes and the last that reads it.
    """

    name: str
    offset: int
    shape: tuple[int, int, int]
    border: tuple[int, int, int, int]
    born: int
    dies: int

    @property
    def pitch(self) -> int:
        """Words from one row to the next."""
        return self.border[1] + self.shape[2] + self.border[3]

    @property
    def plane(self) -> int:
        """Words from one channel to the next."""
        return self.pitch * (self.border[0] + self.shape[1] + self.border[2])

    @property
    def words(self) -> int:
        """Stored words, border included."""
        return self.shape[0] * self.plane

    @property
    def data(self) -> int:
        """Offset in the arena of element (0, 0, 0)."""
        return self.offset + self.border[0] * self.pitch + self.border[1]


@dataclass(frozen=True)
class MemoryPlan:
    """Storage of all tensors.

    Attributes:
        buffers: by name of the tensor that owns the storage.
        owner: for every tensor the one whose storage it shares (itself, or the input of a flatten).
        arena_words: size of the arena.
        staged: names of the layers whose input is staged.
        lea_words: LEA RAM in use: the largest staged input, or all of it where a layer runs on the LEA.
    """

    buffers: Mapping[str, Buffer]
    owner: Mapping[str, str]
    arena_words: int
    staged: frozenset[str]
    lea_words: int

    def buffer(self, tensor: str) -> Buffer:
        """Storage of `tensor`."""
        return self.buffers[self.owner[tensor]]


def plan_memory(graph: Graph, schedule: Schedule, packed: PackedModel, target: TargetSpec) -> MemoryPlan:
    """Place every tensor; first fit by decreasing size.

    Raises:
        DoesNotFit: the activations or the weights exceed their region; the message has the numbers.
    """
    owner = {graph.input: graph.input}
    for node in graph.nodes:
        owner[node.output] = owner[node.input] if isinstance(node.op, Flatten) else node.output
    wanted = [
        Buffer(name, 0, _shape3(graph, name), _border(graph, owner, name), *_lifetime(schedule, owner, name))
        for name in sorted(set(owner.values()) & {owner[layer.y] for layer in schedule.layers})
    ]
    placed: list[Buffer] = []
    for b in sorted(wanted, key=lambda b: (-b.words, b.name)):
        if b.words * WORD > MAX_IMAGE_BYTES:
            raise DoesNotFit(
                f"{b.name}: {b.words * WORD:,} B of activations, one tensor may have {MAX_IMAGE_BYTES:,} B"
            )
        offset = 0
        for other in sorted((p for p in placed if _overlap(b, p)), key=lambda p: p.offset):
            if offset + b.words <= other.offset:
                break
            offset = max(offset, other.offset + other.words)
        placed.append(Buffer(b.name, offset, b.shape, b.border, b.born, b.dies))
    room = target.lea_words
    buffers = {b.name: b for b in placed}
    staged = frozenset(
        layer.name
        for layer in schedule.layers
        if KINDS[layer.kind].reads_often and buffers[owner[layer.x]].words <= room
    )
    words = max((buffers[owner[layer.x]].words for layer in schedule.layers if layer.name in staged), default=1)
    on_lea = any(layer.lea for layer in schedule.layers)  # all of it: filters stay resident where they fit
    slack = max((KINDS[layer.kind].overrun(layer) for layer in schedule.layers), default=0)
    arena = max(b.offset + b.words for b in placed) + slack
    plan = MemoryPlan(buffers, owner, arena, staged, room if on_lea else words)
    verify(plan, schedule)
    _check_regions(graph, schedule, plan, packed, target)
    return plan


def verify(plan: MemoryPlan, schedule: Schedule) -> None:
    """Replay the schedule on an arena that remembers who wrote each word.

    Raises:
        GraphError: a layer would read a word that another tensor has overwritten, or overwrite its own input.
    """
    written_by: dict[int, str] = {}
    for layer in schedule.layers:
        x, y = plan.owner[layer.x], plan.owner[layer.y]
        if x != y or layer.kind not in ("load", "store"):
            for word in _words(plan.buffers[x]):
                if written_by.get(word) != x:
                    raise GraphError(f"{layer.name}: word {word} of {x} holds {written_by.get(word)}")
        if layer.kind == "store":
            continue
        if x != y and not set(_words(plan.buffers[x])).isdisjoint(_words(plan.buffers[y])):
            raise GraphError(f"{layer.name}: {y} overlaps its input {x}")
        written_by.update(dict.fromkeys(_words(plan.buffers[y]), y))
    last = plan.owner[schedule.layers[-1].x]
    if any(written_by.get(word) != last for word in _words(plan.buffers[last])):
        raise GraphError(f"{STORE}: {last} is overwritten before it is stored")


def _words(buffer: Buffer) -> range:
    return range(buffer.offset, buffer.offset + buffer.words)


def _overlap(a: Buffer, b: Buffer) -> bool:
    return a.born <= b.dies and b.born <= a.dies


def _shape3(graph: Graph, name: str) -> tuple[int, int, int]:
    shape = graph.tensors[name].shape
    return (shape[0], shape[1], shape[2]) if len(shape) == 3 else (1, 1, shape[0])


def _border(graph: Graph, owner: Mapping[str, str], name: str) -> tuple[int, int, int, int]:
    border, flat = (0, 0, 0, 0), False
    for node in graph.nodes:
        if owner[node.input] != name:
            continue
        if isinstance(node.op, Conv2d):
            top, left, bottom, right = (max(a, b) for a, b in zip(border, node.op.padding, strict=True))
            border = (top, left, bottom, right)
            if max(border) > MAX_BORDER:
                raise DoesNotFit(f"{node.name}: padding {node.op.padding}; at most {MAX_BORDER} zeros fit on a side")
        flat |= isinstance(node.op, Flatten)
    if flat and any(border):
        raise UnsupportedOp(f"{name}: is both flattened and padded by a convolution; copy it first")
    return border


def _lifetime(schedule: Schedule, owner: Mapping[str, str], name: str) -> tuple[int, int]:
    born = next(i for i, layer in enumerate(schedule.layers) if owner[layer.y] == name)
    return born, max([i for i, layer in enumerate(schedule.layers) if owner[layer.x] == name] + [born])


def planned_bytes(
    graph: Graph, schedule: Schedule, plan: MemoryPlan, packed: PackedModel, target: TargetSpec
) -> dict[str, int]:
    """Bytes of each region that the plan takes; code, constants and stack as the target reserves them."""
    scratch = TAP_BYTES * schedule.taps + ACC_BYTES * schedule.acc
    return {
        "sram": scratch + target.sram_reserve + target.stack_bytes,
        "lea_ram": WORD * plan.lea_words,
        "fram": _low_fram_data(graph, schedule, plan) + target.fram_reserve,
        "hifram": packed.blob_bytes,
    }


def _low_fram_data(graph: Graph, schedule: Schedule, plan: MemoryPlan) -> int:
    tables = sum(KINDS[layer.kind].table_words(layer) for layer in schedule.layers)
    return WORD * (plan.arena_words + graph.tensors[graph.input].size + graph.output.size + tables)


def _check_regions(graph: Graph, schedule: Schedule, plan: MemoryPlan, packed: PackedModel, target: TargetSpec) -> None:
    need = _low_fram_data(graph, schedule, plan)
    room = target.regions["fram"].size - target.fram_reserve
    if need > room:
        raise DoesNotFit(
            f"{graph.name}: activations, input, output and biases need {need:,} B of low FRAM, {target.name} has "
            f"{room:,} B beside code; use smaller layers"
        )
    if packed.blob_bytes > target.regions["hifram"].size:
        raise DoesNotFit(
            f"{graph.name}: weights and indices need {packed.blob_bytes:,} B of high FRAM, {target.name} has "
            f"{target.regions['hifram'].size:,} B; use a sparser densest level or a smaller model"
        )

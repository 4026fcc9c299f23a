"""Layers of several inputs: residual sum, and concatenation of channels. All tensors may lie anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from ..buffers import Buffer
from ..cost import Work
from ..ir import Graph, Node
from ..ops import Add, Concat
from ..ops.join import ALIGN
from ..packing import Packed
from ..target import TargetSpec
from .base import Emission, Layer, LayerKind, Step, border_work, extent

if TYPE_CHECKING:
    from ..memory import MemoryPlan


class AddLayer(LayerKind):
    """A step is some channels."""

    kind = "add"
    ops = (Add,)
    sources = ("src/sw_add.c", "src/sw_io.c")
    kernels = ("sw_add_s16_cpu", "sw_mul_u16", "sw_load_u16")
    far_x = far_y = True

    def plan(self, graph: Graph, node: Node, packed: Packed | None, target: TargetSpec) -> Layer:
        """As many channels as a step may take."""
        y = graph.tensors[node.output]
        channels, rows = extent(y)
        most = _channels(y.shape, target)
        steps = tuple(Step((c, min(c + most, channels)), (0, rows)) for c in range(0, channels, most))
        levels = len(graph.levels)
        return Layer(node.name, self.kind, node.input, y.name, (steps,) * levels, most, node, more=node.inputs[1:])

    def context(self, emission: Emission, layer: Layer) -> dict[str, Any]:
        """Both terms."""
        assert layer.node is not None and isinstance(layer.node.op, Add)
        a, b = (_term(emission, x, s) for x, s in zip(layer.reads, layer.node.op.shifts, strict=True))
        return {"a": a, "b": b, "y": _image(emission, layer.y)}

    def work(self, graph: Graph, layer: Layer, level: int, plan: MemoryPlan) -> Work:
        """Row by row."""
        assert layer.node is not None and isinstance(layer.node.op, Add)
        return _work(layer, level, plan, layer.node.op.shifts)


class ConcatLayer(LayerKind):
    """A step is some channels of one input."""

    kind = "concat"
    ops = (Concat,)
    sources = ("src/sw_concat.c", "src/sw_add.c", "src/sw_io.c")
    kernels = AddLayer.kernels
    far_x = far_y = True

    def plan(self, graph: Graph, node: Node, packed: Packed | None, target: TargetSpec) -> Layer:
        """As many channels as a step may take; each input starts with a step of its own."""
        y = graph.tensors[node.output]
        most, first, steps = _channels(y.shape, target), 0, []
        for name in node.inputs:
            channels, rows = extent(graph.tensors[name])
            end = first + channels
            steps += [Step((c, min(c + most, end)), (0, rows)) for c in range(first, end, most)]
            first = end
        levels = (tuple(steps),) * len(graph.levels)
        return Layer(node.name, self.kind, node.input, y.name, levels, most, node, more=node.inputs[1:])

    def context(self, emission: Emission, layer: Layer) -> dict[str, Any]:
        """All parts."""
        assert layer.node is not None and isinstance(layer.node.op, Concat)
        shifts = layer.node.op.shift_of(len(layer.reads))
        parts = [_term(emission, x, s) for x, s in zip(layer.reads, shifts, strict=True)]
        return {"parts": parts, "y": _image(emission, layer.y)}

    def work(self, graph: Graph, layer: Layer, level: int, plan: MemoryPlan) -> Work:
        """Row by row."""
        assert layer.node is not None and isinstance(layer.node.op, Concat)
        return _work(layer, level, plan, layer.node.op.shift_of(len(layer.reads)))


def _channels(shape: tuple[int, ...], target: TargetSpec) -> int:
    """Channels of one step: the work of a step, or one."""
    return min(max(int(target.step_cycles // (prod(shape[1:]) * target.prices["add_word"])), 1), shape[0])


def _work(layer: Layer, level: int, plan: MemoryPlan, shifts: Sequence[int]) -> Work:
    """Calls of the kernel, its rows and elements; sums of equal scales and copies have loops of their own."""
    y = plan.buffer(layer.y)
    channels, height, width = y.shape
    sides = [(plan.buffer(x), s) for x, s in zip(layer.reads, shifts, strict=True)]
    parts = [(sides, channels)] if layer.kind == "add" else [([side], side[0].shape[0]) for side in sides]
    work = border_work(y)
    work.add(1, add_layer=1)
    for inputs, count in parts:
        gaps = any(b.plane != height * width for b in (y, *(b for b, _ in inputs)))
        fast = not any(shift for _, shift in inputs)
        work.add(
            count if gaps else len(layer.steps[level]) * count / channels,
            add_call=1,
            add_row=height if gaps else 1,
        )
        work.add(count * height * width, **{"add_equal_word" if fast else "add_word": 1})
    return work


def _layout(emission: Emission, tensor: str) -> tuple[Buffer, int, int, tuple[int, int, int]]:
    """Storage of a tensor, distances of rows and channels, and its shape; a flat one has channels of one element."""
    b = emission.plan.buffer(tensor)
    if len(emission.graph.tensors[tensor].shape) == 3:
        return b, b.pitch, b.plane, b.shape
    return b, 1, 1, (emission.graph.tensors[tensor].size, 1, 1)


def _term(emission: Emission, tensor: str, shift: int) -> str:
    """`sw_term_t` of an input that is shifted right by `shift`."""
    b, pitch, plane, shape = _layout(emission, tensor)
    return f"{{{emission.place(b.arena, b.data)}, {pitch}, {plane}, {shape[0]}, {1 << (ALIGN - shift)}}}"


def _image(emission: Emission, tensor: str) -> str:
    """`sw_image_t` of the output."""
    b, pitch, plane, shape = _layout(emission, tensor)
    sizes = ", ".join(map(str, (pitch, plane, *shape, *b.border)))
    return f"{{{emission.place(b.arena, b.data)}, {sizes}}}"

"""Layers of several inputs: residual sum, and concatenation of channels. All tensors may lie anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..buffers import Buffer, image_buffer
from ..cost import Work
from ..ir import Graph, Node
from ..ops import Add, Concat
from ..ops.join import ALIGN
from ..packing import Packed
from ..target import TargetSpec
from .base import Emission, Layer, LayerKind, Step, block_work, border_work, size_of
from .cuts import Cut, cut_image, cut_steps

if TYPE_CHECKING:
    from ..memory import MemoryPlan


class AddLayer(LayerKind):
    """A step is some channels, or a part of one."""

    kind = "add"
    ops = (Add,)
    sources = ("src/sw_add.c", "src/sw_io.c")
    kernels = ("sw_add_s16_cpu", "sw_mul_u16", "sw_load_u16")
    far_x = far_y = True

    def plan(self, graph: Graph, node: Node, packed: Packed | None, target: TargetSpec, taps: int) -> Layer:
        """As many channels as a step may take."""
        shape = _shape(graph, node.output)
        cut = _cut(graph, node, target)
        steps = (cut_steps(shape, cut),) * len(graph.levels)
        return Layer(node.name, self.kind, node.input, node.output, steps, 0, node, more=node.inputs[1:], cut=cut)

    def restart_work(self, graph: Graph, layer: Layer, level: int, step: Step, target: TargetSpec, taps: int) -> Work:
        """Nothing is prepared."""
        assert layer.node is not None
        return _block(graph, layer.node, *size_of(step, _shape(graph, layer.y)[2]))

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
    """A step is some channels of one input, or a part of one."""

    kind = "concat"
    ops = (Concat,)
    sources = ("src/sw_concat.c", "src/sw_add.c", "src/sw_io.c")
    kernels = AddLayer.kernels
    far_x = far_y = True

    def plan(self, graph: Graph, node: Node, packed: Packed | None, target: TargetSpec, taps: int) -> Layer:
        """As many channels as a step may take; each input starts with a step of its own."""
        cut = _cut(graph, node, target)
        first, steps = 0, list[Step]()
        for name in node.inputs:
            shape = _shape(graph, name)
            steps += cut_steps(shape, cut, first)
            first += shape[0]
        levels = (tuple(steps),) * len(graph.levels)
        return Layer(node.name, self.kind, node.input, node.output, levels, 0, node, more=node.inputs[1:], cut=cut)

    def restart_work(self, graph: Graph, layer: Layer, level: int, step: Step, target: TargetSpec, taps: int) -> Work:
        """Nothing is prepared but the way to the input."""
        assert layer.node is not None
        return _block(graph, layer.node, *size_of(step, _shape(graph, layer.y)[2]))

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


def _shape(graph: Graph, tensor: str) -> tuple[int, int, int]:
    """Of a tensor as an image; a flat one has channels of one element."""
    shape = graph.tensors[tensor].shape
    return (shape[0], shape[1], shape[2]) if len(shape) == 3 else (shape[0], 1, 1)


def _cut(graph: Graph, node: Node, target: TargetSpec) -> Cut:
    """As many channels as a step may take, or a part of one."""
    shape = _shape(graph, node.output)

    def cycles(channels: int, rows: int, cols: int) -> float:
        return target.restart_cycles(_block(graph, node, channels, rows, cols))

    return cut_image(shape, cycles, target.step_budget, shape[0])


def _block(graph: Graph, node: Node, channels: int, rows: int, cols: int) -> Work:
    """At most what a step takes: all channels have gaps, and scales differ where they may."""
    work = border_work(image_buffer(graph, node.output), channels)
    assert isinstance(node.op, Add | Concat)
    shifts = node.op.shifts if isinstance(node.op, Add) else node.op.shift_of(len(node.inputs))
    gaps = len(graph.tensors[node.output].shape) == 3
    work.add(1, add_layer=1, block=1, block_part=1)
    work.add(channels if gaps else 1, add_call=1, add_row=rows)
    work.add(channels * rows * cols, **{"add_word" if any(shifts) else "add_equal_word": 1})
    return work


def _work(layer: Layer, level: int, plan: MemoryPlan, shifts: Sequence[int]) -> Work:
    """Calls of the kernel, its rows and elements; sums of equal scales and copies have loops of their own."""
    y = plan.buffer(layer.y)
    channels, height, width = y.shape
    sides = [(plan.buffer(x), s) for x, s in zip(layer.reads, shifts, strict=True)]
    parts = [(sides, channels)] if layer.kind == "add" else [([side], side[0].shape[0]) for side in sides]
    work = border_work(y)
    work.include(1, block_work(layer, level).counts)
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

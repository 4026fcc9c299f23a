"""What a kind of layer is: how a node becomes restartable steps, what scratch and firmware it needs, how C sees it.

A `LayerKind` is one function pair of the runtime (`sw_<kind>_prepare`, `sw_<kind>_step`), its descriptor type in
`sw_layers.h`, and a template `templates/layers/<kind>.j2` that fills it in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ..cost import Work
from ..errors import UnsupportedOp
from ..ir import Graph, Node, Tensor
from ..ops import Array, Conv2d, Op, WeightedOp
from ..packing import Packed, PackedModel
from ..target import TargetSpec

if TYPE_CHECKING:
    from ..buffers import Buffer
    from ..external import ExternalBlob
    from ..memory import MemoryPlan
    from .columns import LeaLayer
    from .cuts import Cut


@dataclass(frozen=True)
class Step:
    """Outputs that one step makes, as half-open ranges; of a flat tensor rows are 0, 1; no `cols` means whole rows."""

    channels: tuple[int, int]
    rows: tuple[int, int]
    cols: tuple[int, int] | None = None


@dataclass(frozen=True)
class Layer:
    """One layer of the schedule.

    Attributes:
        name: of the node, or `LOAD`, `STORE`.
        kind: the runtime function that does it.
        x, y: tensors read and written; storage aliases (flatten) are resolved by the memory plan.
        steps: for each level, all steps in order.
        rows_per_step: outputs of one step of a fully connected layer.
        cut: of an image into steps, for the kinds that cut it by `cuts.py`.
        mark_shift: the place of every 2^mark_shift-th row of packed weights is listed; `None`: of none.
        node: the node of the graph, `None` for load and store.
        packed: its weights, if any.
        lea: how it runs on the LEA, `None` on the CPU.
        more: tensors read besides `x`.
        fetch: the weights that it copies from external memory, `None` for every other kind.
    """

    name: str
    kind: str
    x: str
    y: str
    steps: tuple[tuple[Step, ...], ...]
    rows_per_step: int = 1
    node: Node | None = None
    packed: Packed | None = None
    lea: LeaLayer | None = None
    fetch: ExternalBlob | None = None
    more: tuple[str, ...] = ()
    cut: Cut | None = None
    mark_shift: int | None = None

    @property
    def reads(self) -> tuple[str, ...]:
        """All tensors read."""
        return (self.x, *self.more)

    @property
    def step_count(self) -> int:
        """Steps that the runtime counts: the most of any level; a level that has fewer does nothing in the last."""
        return max(len(steps) for steps in self.steps)

    @property
    def encoding(self) -> str:
        """Encoding of the weights, `none` without."""
        return self.packed.encoding if self.packed else "none"


@dataclass(frozen=True)
class Scratch:
    """Entries of `sw_taps` and `sw_acc` that a layer uses."""

    taps: int = 1
    acc: int = 1


@dataclass(frozen=True)
class Emission:
    """All plans, for the kinds to describe their layers from."""

    graph: Graph
    packed: PackedModel
    plan: MemoryPlan

    def image(self, tensor: str) -> str:
        """`sw_image_t` of a tensor."""
        b = self.plan.buffer(tensor)
        c, h, w = b.shape
        place = self.place(b.arena, b.data)
        return f"{{{place}, {b.pitch}, {b.plane}, {c}, {h}, {w}, {', '.join(map(str, b.border))}}}"

    def place(self, arena: int, word: int) -> str:
        """`sw_place_t` of a word of an arena."""
        return f"{{{arena}, {2 * word}}}"

    def blob(self, layer: Layer) -> int:
        """Index of the layer's weights in `sw_blobs`."""
        return list(self.packed.layers).index(layer.name)


class LayerKind:
    """A kind of layer. Subclasses are stateless; `KINDS` has one of each.

    Attributes:
        kind: names the runtime functions and the template.
        ops: operators that it runs on the CPU.
        sources, kernels: firmware files that every layer of the kind needs.
        board_sources: those of the board, where the board has them.
        reads_often: its input is worth a copy in LEA RAM.
        descriptor_bytes: low FRAM of its descriptor and its line in `sw_layers`, at most.
        far_x, far_y: its input, its output may lie above 64 KB.
    """

    kind: ClassVar[str]
    ops: ClassVar[tuple[type[Op], ...]] = ()
    sources: ClassVar[tuple[str, ...]] = ()
    kernels: ClassVar[tuple[str, ...]] = ()
    board_sources: ClassVar[tuple[str, ...]] = ()
    reads_often: ClassVar[bool] = False
    descriptor_bytes: ClassVar[int] = 112
    far_x: ClassVar[bool] = False
    far_y: ClassVar[bool] = False

    def plan(self, graph: Graph, node: Node, packed: Packed | None, target: TargetSpec, taps: int) -> Layer:
        """Cut `node` into steps for the CPU, each within `target.step_budget` if one can be; `taps`: of `sw_taps`."""
        raise UnsupportedOp(f"{node.name}: no kernel for {node.op.kind}")

    def kernels_of(self, layer: Layer) -> tuple[str, ...]:
        """Kernels that `layer` needs."""
        return self.kernels

    def scratch(self, graph: Graph, layer: Layer) -> Scratch:
        """What it needs of the scratch that all layers share."""
        return Scratch()

    def overrun(self, graph: Graph, layer: Layer) -> int:
        """Words behind its input that it reads, and ignores."""
        return 0

    def macs(self, graph: Graph, layer: Layer, level: int) -> int:
        """Multiply-accumulates that `level` executes, padding included."""
        if layer.packed is None:
            return 0
        assert layer.node is not None and isinstance(layer.node.op, WeightedOp)
        return layer.packed.entries(level) * layer.node.op.uses(graph.tensors[layer.x].shape)

    def work(self, graph: Graph, layer: Layer, level: int, plan: MemoryPlan) -> Work:
        """Primitives of one inference at `level`; their prices are in `target.toml`."""
        raise NotImplementedError

    def restart_work(self, graph: Graph, layer: Layer, level: int, step: Step, target: TargetSpec, taps: int) -> Work:
        """At most what lies between a reboot and the record of `step`: preparation, the way to it, and the step.

        Nothing of the memory plan is known: tensors lie where they are slowest to reach, with every border.
        """
        raise NotImplementedError

    def table_words(self, layer: Layer) -> int:
        """Words of low FRAM that describe its weights: biases, or groups, taps and counts."""
        return 0

    def context(self, emission: Emission, layer: Layer) -> dict[str, Any]:
        """What its template needs, beside `common`."""
        return {}


def common(emission: Emission, layer: Layer) -> dict[str, Any]:
    """What every template may use."""
    graph, plan = emission.graph, emission.plan
    x, y = plan.buffer(layer.x), graph.tensors[layer.y]
    comment = layer.kind
    if layer.node is not None:
        op = layer.node.op
        shapes = ", ".join(str(graph.tensors[x].shape) for x in layer.reads)
        comment = f"{op.kind} {shapes} -> {y.shape} {op.attributes() or ''}".rstrip()
    return {
        "name": layer.name,
        "kind": layer.kind,
        "comment": comment,
        "op": layer.node.op if layer.node else None,
        "steps": layer.step_count,
        "rows_per_step": layer.rows_per_step,
        "cut": layer.cut.c if layer.cut else "",
        "x": f"sw_arena + {x.data}",
        "x_words": graph.tensors[layer.x].size,
        "x_pitch": x.pitch,
        "x_plane": x.plane,
        "y": emission.image(layer.y),
        "y_pitch": plan.buffer(layer.y).pitch,
        "y_data": f"sw_arena + {plan.buffer(layer.y).data}",
        "lo": c_int(y.lo),
        "hi": y.hi,
    }


def border_work(buffer: Buffer, channels: int | None = None) -> Work:
    """Writing the zeros around all channels of an image, or some (`sw_image_clear_border`)."""
    top, left, bottom, right = buffer.border
    work = Work()
    if any(buffer.border):
        between = buffer.shape[1] - 1 if left + right else 0
        runs = between + (top + left > 0) + (bottom + right > 0)
        words = buffer.plane - buffer.shape[1] * buffer.shape[2]
        often = buffer.shape[0] if channels is None else channels
        work.add(often, border_channel=1, border_run=runs, border_word=words)
    return work


def block_work(layer: Layer, level: int) -> Work:
    """Finding the block of each step (`sw_image_block`)."""
    assert layer.cut is not None
    work, steps = Work(), len(layer.steps[level])
    work.add(steps, block=1, block_part=int(layer.cut.per_channel > 1))
    return work


def extent(tensor: Tensor) -> tuple[int, int]:
    """`(channels, rows)`: a flat tensor is one row per element."""
    return (tensor.shape[0], tensor.shape[1]) if len(tensor.shape) == 3 else (tensor.shape[0], 1)


def size_of(step: Step, width: int) -> tuple[int, int, int]:
    """Channels, rows and columns of a step of an image of `width` columns."""
    first, end = step.cols or (0, width)
    return step.channels[1] - step.channels[0], step.rows[1] - step.rows[0], end - first


def first_window(emission: Emission, layer: Layer) -> int:
    """Word in the arena of the first element of a convolution's first window, padding included."""
    x = emission.plan.buffer(layer.x)
    top, left = getattr(layer.node.op, "padding", (0, 0))[:2] if layer.node else (0, 0)
    return int(x.data - top * x.pitch - left)


def window_bytes(emission: Emission, layer: Layer, taps: Array) -> Array:
    """Bytes from the first element of a convolution's window to `taps`, counted by channel, row and column."""
    assert layer.node is not None and isinstance(layer.node.op, Conv2d)
    x = emission.plan.buffer(layer.x)
    (kh, kw), (dh, dw) = layer.node.op.kernel, layer.node.op.dilation
    channel, row, column = taps // (kh * kw), taps // kw % kh, taps % kw
    offsets: Array = 2 * (channel * x.plane + row * dh * x.pitch + column * dw)
    return offsets


def c_int(value: int) -> str:
    """An int16 as C text: -32768 is not an int16 literal, it is the negation of 32768, a long."""
    return "-32767 - 1" if value == -32768 else str(value)

"""`Schedule`: which layers run, in which restartable steps, and what scratch they need.

A step reads buffers that it does not write. Its size is bounded by the target's `steps.max_cycles`, the work
that a power failure may repeat. Estimated cycles here size steps and nothing else; reported cycles are
simulated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .errors import DoesNotFit, GraphError, UnsupportedOp
from .ir import Graph, Node, Tensor
from .lea import LeaLayer
from .ops import Argmax, AvgPool, Conv2d, Flatten, FullyConnected, MaxPool, Relu
from .packing import Packed, PackedLayer, PackedModel
from .target import TargetSpec

LOAD, STORE = "<input>", "<output>"
"""Names of the layers that copy the input in and the logits out; a node can hardly be called so."""

TAP_BYTES, ACC_BYTES = 4, 4
MAX_STEPS = 2**16 - 1


@dataclass(frozen=True)
class Step:
    """Outputs that one step makes: `channels` and `rows` as half-open ranges (rows of a flat tensor: 0, 1)."""

    channels: tuple[int, int]
    rows: tuple[int, int]


@dataclass(frozen=True)
class Layer:
    """One layer of the schedule.

    Attributes:
        name: of the node, or `LOAD`, `STORE`.
        kind: the runtime function that does it.
        x, y: tensors read and written; storage aliases (flatten) are resolved by the memory plan.
        steps: all steps in order.
        rows_per_step: output rows (conv2d) or outputs (fully connected) of one step.
        node: the node of the graph, `None` for load and store.
        packed: its weights, if any.
        lea: how it runs on the LEA, `None` on the CPU.
    """

    name: str
    kind: str
    x: str
    y: str
    steps: tuple[Step, ...]
    rows_per_step: int = 1
    node: Node | None = None
    packed: Packed | None = None
    lea: LeaLayer | None = None

    @property
    def encoding(self) -> str:
        """Encoding of the weights, `none` without."""
        return self.packed.encoding if self.packed else "none"


@dataclass(frozen=True)
class Schedule:
    """Layers in execution order and the scratch they share in SRAM.

    Raises:
        GraphError: the steps of a layer do not cover its outputs exactly once.
    """

    layers: tuple[Layer, ...]
    taps: int
    acc: int

    def check(self, graph: Graph) -> None:
        """Verify that the steps of every layer cover each output exactly once."""
        for layer in self.layers:
            channels, rows = _extent(graph.tensors[layer.y])
            seen = [[0] * rows for _ in range(channels)]
            for step in layer.steps:
                for c in range(*step.channels):
                    for r in range(*step.rows):
                        seen[c][r] += 1
            if any(n != 1 for row in seen for n in row):
                raise GraphError(f"{layer.name}: its steps do not cover each output exactly once")


def plan_schedule(
    graph: Graph, packed: PackedModel, target: TargetSpec, lea: Mapping[str, LeaLayer] | None = None
) -> Schedule:
    """Cut every layer into steps; those in `lea` run there.

    Raises:
        UnsupportedOp: no kernel for an operator.
        DoesNotFit: the scratch of a layer exceeds SRAM.
    """
    for tensor in graph.tensors.values():
        if len(tensor.shape) not in (1, 3):
            raise UnsupportedOp(
                f"{tensor.name}: shape {tensor.shape} is neither (features,) nor (channels, height, width)"
            )
    layers = [Layer(LOAD, "load", graph.input, graph.input, _by_channel(graph.tensors[graph.input]))]
    lea = lea or {}
    fused = {choice.pool.name for choice in lea.values() if choice.pool}
    for node in graph.nodes:
        y = graph.tensors[node.output]
        if node.name in fused:
            continue
        if node.name in lea:
            layers.append(_on_lea(graph, node, lea[node.name]))
        elif isinstance(node.op, Flatten | Argmax):
            if isinstance(node.op, Argmax) and node.input != graph.output.name:
                raise UnsupportedOp(f"{node.name}: argmax is supported as the last operator only")
            continue  # an alias, or part of the store layer
        elif isinstance(node.op, Conv2d):
            layers.append(_conv2d(graph, node, packed.layers[node.name], target))
        elif isinstance(node.op, FullyConnected):
            layers.append(_fully_connected(graph, node, packed.layers[node.name], target))
        elif isinstance(node.op, AvgPool | MaxPool):
            layers.append(Layer(node.name, "pool", node.input, y.name, _by_channel(y), node=node))
        elif isinstance(node.op, Relu):
            layers.append(Layer(node.name, "relu", node.input, y.name, _by_channel(y), node=node))
        else:
            raise UnsupportedOp(f"{node.name}: no kernel for {node.op.kind}")
    out = graph.output
    layers.append(Layer(STORE, "store", out.name, out.name, (Step((0, _extent(out)[0]), (0, _extent(out)[1])),)))
    if len({layer.name for layer in layers}) != len(layers):
        raise UnsupportedOp(f"{graph.name}: no node may be called {LOAD} or {STORE}; rename it")
    steps = sum(len(layer.steps) for layer in layers)
    if steps > MAX_STEPS:
        raise DoesNotFit(f"{graph.name}: {steps:,} steps, the progress word counts {MAX_STEPS:,}; use larger steps")
    schedule = Schedule(tuple(layers), *_scratch(graph, layers, target))
    schedule.check(graph)
    return schedule


def _extent(tensor: Tensor) -> tuple[int, int]:
    """`(channels, rows)`: a flat tensor is one row per element."""
    return (tensor.shape[0], tensor.shape[1]) if len(tensor.shape) == 3 else (tensor.shape[0], 1)


def _by_channel(tensor: Tensor) -> tuple[Step, ...]:
    channels, rows = _extent(tensor)
    if len(tensor.shape) != 3:
        return (Step((0, channels), (0, 1)),)
    return tuple(Step((c, c + 1), (0, rows)) for c in range(channels))


def _on_lea(graph: Graph, node: Node, lea: LeaLayer) -> Layer:
    output = lea.pool.output if lea.pool else node.output
    groups = [(g.first, g.first + g.rows) for g in lea.packed.groups]
    if not isinstance(node.op, Conv2d):
        steps = tuple(Step(g, (0, 1)) for g in groups)
        return Layer(node.name, "fully_connected_lea", node.input, output, steps, lea.tile, node, lea.packed, lea)
    shrink = 2 if lea.pool else 1
    height, rows = graph.tensors[output].shape[1], max(lea.tile // shrink, 1)
    tiles = [(r, min(r + rows, height)) for r in range(0, height, rows)]
    steps = tuple(Step(g, t) for t in tiles for g in groups)
    return Layer(node.name, "conv2d_lea", node.input, output, steps, lea.tile, node, lea.packed, lea)


def _conv2d(graph: Graph, node: Node, packed: Packed, target: TargetSpec) -> Layer:
    assert isinstance(packed, PackedLayer)
    channels, height, width = graph.tensors[node.output].shape
    assert node.params is not None
    taps = node.params.weight[0].size if packed.encoding == "dense" else packed.max_row_entries()
    window = taps * target.costs["conv_tap_cycles"] + target.costs["conv_window_cycles"]
    rows = min(max(int(target.step_cycles // (width * window)), 1), height)
    blocks = [(r, min(r + rows, height)) for r in range(0, height, rows)]
    steps = tuple(Step((c, c + 1), b) for c in range(channels) for b in blocks)
    return Layer(node.name, "conv2d", node.input, node.output, steps, rows, node, packed)


def _fully_connected(graph: Graph, node: Node, packed: Packed, target: TargetSpec) -> Layer:
    assert isinstance(packed, PackedLayer)
    (outputs,) = graph.tensors[node.output].shape
    assert node.params is not None
    entries = node.params.weight[0].size if packed.encoding == "dense" else packed.max_row_entries()
    rows = min(max(int(target.step_cycles // (entries * target.costs["dot_entry_cycles"] + 1)), 1), outputs, 64)
    steps = tuple(Step((r, min(r + rows, outputs)), (0, 1)) for r in range(0, outputs, rows))
    return Layer(node.name, "fully_connected", node.input, node.output, steps, rows, node, packed)


def _scratch(graph: Graph, layers: list[Layer], target: TargetSpec) -> tuple[int, int]:
    """Entries of `sw_taps` and `sw_acc`."""
    acc, taps, widest = 1, 1, ""
    for layer in layers:
        need = 0
        if layer.kind == "conv2d":
            assert isinstance(layer.packed, PackedLayer) and layer.node is not None and layer.node.params is not None
            dense = layer.packed.encoding == "dense"
            filter_taps = layer.node.params.weight[0].size if dense else layer.packed.max_row_entries()
            taps = max(taps, filter_taps + 1)  # one more, so that a filter that fits is seen to end
            need = graph.tensors[layer.y].shape[2]
        elif layer.kind == "fully_connected":
            need = layer.rows_per_step
        if need > acc:
            acc, widest = need, layer.name
    free = target.regions["sram"].size - target.stack_bytes - target.sram_reserve - ACC_BYTES * acc
    room = free // TAP_BYTES
    if room < min(taps, 32):
        raise DoesNotFit(
            f"{widest}: a row of {acc} sums needs {ACC_BYTES * acc} B of SRAM, which leaves {free} B for weights, "
            f"{TAP_BYTES * min(taps, 32)} B are needed; use a narrower image"
        )
    return min(taps, room), acc

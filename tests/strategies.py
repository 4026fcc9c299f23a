"""Networks for tests: a builder, seeded random integer graphs, LeNet-5's shape, and Hypothesis strategies.

Everything random comes from a seed, so a failure prints what replays it. Graphs made here meet the overflow
bound by construction (`budget`), some of them to the last unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from codegen.floatgraph import FloatGraph, FloatNode
from codegen.ir import NEVER, Graph, Level, Node, Params, Tensor
from codegen.ops import (
    INT16_MAX,
    INT16_MIN,
    Add,
    Argmax,
    Array,
    AvgPool,
    Clip,
    Concat,
    Conv2d,
    Flatten,
    FullyConnected,
    MaxPool,
    Op,
    Relu,
    WeightedOp,
)

LIMIT = 2**30
"""The specification's bound on every sum, bias included."""

SPARSITIES = ("full", "mixed", "rows", "empty", "empty-level", "zeros", "far")


def make_params(
    weight: object, level_index: object = 0, bias: object = 0, frac_bits: int = 15, shift: int = 15
) -> Params:
    """`Params` from anything array-like; scalars are spread, pruned weights become 0."""
    index = np.array(np.broadcast_to(np.asarray(level_index, np.uint8), np.shape(weight)))
    w = np.where(index == NEVER, 0, np.asarray(weight)).astype(np.int16)
    b = np.array(np.broadcast_to(np.asarray(bias, np.int32), w.shape[:1]))
    return Params(w, index, b, frac_bits, shift)


@dataclass
class Chain:
    """Builds a graph operator by operator; each `add` reads the tensor that the one before it wrote, or `inputs`."""

    shape: tuple[int, ...]
    lo: int = 0
    hi: int = 255
    levels: int = 1
    name: str = "net"
    frac_bits: int = 8
    tensors: dict[str, Tensor] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.last = Tensor("x", self.shape, self.frac_bits, self.lo, self.hi)
        self.tensors["x"] = self.last

    def add(
        self,
        op: Op,
        params: Params | None = None,
        lo: int = INT16_MIN,
        hi: int = INT16_MAX,
        inputs: Sequence[str] | None = None,
    ) -> Chain:
        xs, number = [self.tensors[name] for name in inputs or (self.last.name,)], len(self.nodes)
        x = xs[0]
        if params is not None:
            assert isinstance(op, WeightedOp)
            shape = op.infer_weighted(x.shape, params.weight.shape)
            frac_bits = x.frac_bits + params.frac_bits - params.shift
        else:
            shape = op.infer_all([x.shape for x in xs])
            frac_bits = op.out_frac_bits([x.frac_bits for x in xs]) or 0
        if isinstance(op, Flatten):
            lo, hi = x.lo, x.hi
        self.last = Tensor(f"t{number}", shape, frac_bits, lo, hi)
        self.tensors[self.last.name] = self.last
        self.nodes.append(Node(f"{op.kind}{number}", op, tuple(x.name for x in xs), self.last.name, params))
        return self

    def graph(self) -> Graph:
        levels = tuple(Level(f"L{k}", 90.0 - k) for k in range(self.levels))
        return Graph(self.name, "x", self.tensors, tuple(self.nodes), levels)


def level_indices(rng: np.random.Generator, shape: tuple[int, ...], levels: int, sparsity: str) -> Array:
    """uint8 level indices of a kind of sparsity."""
    if sparsity in ("full", "zeros"):
        return np.zeros(shape, np.uint8) if sparsity == "full" else _mixed(rng, shape, levels, 0.3)
    if sparsity == "empty":
        return np.full(shape, NEVER, np.uint8)
    index = _mixed(rng, shape, levels, 0.5)
    if sparsity == "rows":
        index[rng.random(shape[0]) < 0.5] = NEVER
    if sparsity == "empty-level":
        index[index == rng.integers(levels)] = NEVER
    if sparsity == "far":
        index = np.where(rng.random(shape) < 0.02, index, NEVER).astype(np.uint8)
    return index


def _mixed(rng: np.random.Generator, shape: tuple[int, ...], levels: int, pruned: float) -> Array:
    index = rng.integers(0, levels, shape).astype(np.uint8)
    index[rng.random(shape) < pruned] = NEVER
    return index


def legal_indices(rng: np.random.Generator, name: str, shape: tuple[int, ...], levels: int) -> Array:
    """Level indices that encoding `name` can store."""
    rows, channels = shape[0], shape[1]
    match name:
        case "dense":
            return np.zeros(shape, int)
        case "row":
            enters = rng.choice([*range(levels), NEVER], rows)
            return np.broadcast_to(enters.reshape(-1, *[1] * (len(shape) - 1)), shape)
        case "channel":
            enters = rng.choice([*range(levels), NEVER], channels)
            return np.broadcast_to(enters.reshape(1, -1, *[1] * (len(shape) - 2)), shape)
        case "pattern":
            arrangements = rng.choice([*range(levels), NEVER], (int(rng.integers(1, 30)), *shape[2:]))
            return arrangements[rng.integers(0, len(arrangements), shape[:2])]
        case _:
            return level_indices(rng, shape, levels, str(rng.choice(SPARSITIES)))


def weights_for(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    x: Tensor,
    levels: int,
    sparsity: str,
    shift: int,
    fill: float,
) -> Params:
    """Weights whose worst sum uses the share `fill` of the bound on inputs in `x`'s range."""
    index = level_indices(rng, shape, levels, sparsity)
    bias = rng.integers(-(2**15), 2**15, shape[:1])
    bias = np.clip(bias, -((LIMIT // 4) >> shift), (LIMIT // 4) >> shift).astype(np.int32)
    weight = rng.integers(INT16_MIN, INT16_MAX + 1, shape)
    if sparsity == "zeros":
        weight[rng.random(shape) < 0.5] = 0
    weight[index == NEVER] = 0
    largest = max(abs(x.lo), abs(x.hi), 1)
    for r, row in enumerate(weight.reshape(shape[0], -1)):
        positive, negative = int(row[row > 0].sum()), int(-row[row < 0].sum())
        sums = max(positive, negative) if x.lo >= 0 else positive + negative
        budget = (LIMIT - 1 - (abs(int(bias[r])) << shift)) // largest
        scale = fill * budget / sums if sums else 1.0
        row[:] = np.clip(np.trunc(row * scale), INT16_MIN, INT16_MAX)
    return make_params(weight, index, bias, shift, shift)


INPUT_RANGES = ((0, 255), (0, 32767), (-32768, 32767), (-100, 7), (0, 1))


def random_graph(
    seed: int, levels: int = 3, image: bool = True, depth: int = 4, taps: int = 0, joins: bool = False
) -> Graph:
    """A random network. `taps` > 0 makes the first convolution's filters at least that long.

    `joins`: sums and concatenations of earlier tensors, clips, groups and dilation as well.
    """
    rng = np.random.default_rng(seed)
    lo, hi = INPUT_RANGES[rng.integers(len(INPUT_RANGES))]
    if image:
        shape = tuple(int(n) for n in rng.integers(1, (4, 12, 12)))
        if taps:
            side = int(rng.integers(4, 9))
            shape = (-(-taps // 9), side, side)
    else:
        shape = (int(rng.integers(1, 60)),)
    chain = Chain(shape, lo, hi, levels)
    for number in range(depth):
        if joins and number and rng.random() < 0.5:
            _random_join(rng, chain)
        _random_op(rng, chain, number, taps, joins)
    if joins:
        _random_join(rng, chain)
    if len(chain.last.shape) == 3 and rng.random() < 0.5:
        chain.add(Flatten())
    if len(chain.last.shape) == 1 and rng.random() < 0.3:
        chain.add(Argmax(), lo=0, hi=chain.last.size - 1)
    return chain.graph()


def _random_join(rng: np.random.Generator, chain: Chain) -> None:
    """A sum or a concatenation of the last tensor with an earlier one (or itself), or a clip."""
    kind, x, (lo, hi) = rng.integers(3), chain.last, _bounds(rng)
    alike = [t for t in chain.tensors.values() if t.shape[1:] == x.shape[1:] and abs(t.frac_bits - x.frac_bits) <= 11]
    if kind == 0:
        chain.add(Clip((-1.0, 1.0)), None, lo, hi)
        return
    if kind == 1:
        alike = [t for t in alike if t.shape == x.shape]
    lo, hi = min(lo, 0), max(hi, 0)
    chosen = [x, *(alike[rng.integers(len(alike))] for _ in range(1 if kind == 1 else rng.integers(1, 3)))]
    chosen = [chosen[i] for i in rng.permutation(len(chosen))]
    f = min(t.frac_bits for t in chosen) - int(rng.integers(0, 4))
    shifts = [t.frac_bits - f for t in chosen]
    op = Add((shifts[0], shifts[1])) if kind == 1 else Concat(tuple(shifts))
    chain.add(op, None, lo, hi, [t.name for t in chosen])


def _random_op(rng: np.random.Generator, chain: Chain, number: int, taps: int, joins: bool = False) -> None:
    x = chain.last
    kinds = ["conv2d", "conv2d", "avgpool", "maxpool", "relu", "flatten"] if len(x.shape) == 3 else ["fc", "fc", "relu"]
    kind = "conv2d" if number == 0 and taps else kinds[rng.integers(len(kinds))]
    lo, hi = _bounds(rng)
    if kind in ("conv2d", "fc"):
        sparsity = SPARSITIES[rng.integers(len(SPARSITIES))] if not taps else "full" if rng.random() < 0.5 else "mixed"
        shift = 15 if rng.random() < 0.6 else int(rng.choice([0, 3, 8, 14, 16, 20]))
        fill = float(rng.choice([0.01, 0.3, 1.0]))
        outputs = int(rng.integers(1, 9 if kind == "conv2d" else 80))
        if kind == "fc":
            op: WeightedOp = FullyConnected()
            shape: tuple[int, ...] = (outputs, *x.shape)
        else:
            c, h, w = x.shape
            padding = tuple(int(n) for n in rng.integers(0, 3, 4)) if rng.random() < 0.6 else (0, 0, 0, 0)
            kh = int(rng.integers(1, min(h + padding[0] + padding[2], 5) + 1))
            kw = int(rng.integers(1, min(w + padding[1] + padding[3], 5) + 1))
            if number == 0 and taps:
                kh = kw = 3
            stride = tuple(int(n) for n in rng.integers(1, 3, 2))
            dilation, groups = (1, 1), 1
            if joins:
                room = (h + padding[0] + padding[2] - 1, w + padding[1] + padding[3] - 1)
                most = [r // (k - 1) if k > 1 else 3 for r, k in zip(room, (kh, kw), strict=True)]
                dilation = (int(rng.integers(1, min(most[0], 3) + 1)), int(rng.integers(1, min(most[1], 3) + 1)))
                groups = int(rng.choice([g for g in range(1, c + 1) if c % g == 0]))
                outputs = -(-outputs // groups) * groups
            op = Conv2d((kh, kw), stride, padding, dilation, groups)
            shape = (outputs, c // groups, kh, kw)
        chain.add(op, weights_for(rng, shape, x, chain.levels, sparsity, shift, fill), lo, hi)
    elif kind in ("avgpool", "maxpool"):
        kernel = (int(rng.integers(1, min(x.shape[1], 4) + 1)), int(rng.integers(1, min(x.shape[2], 4) + 1)))
        stride = tuple(int(n) for n in rng.integers(1, 4, 2))
        chain.add((AvgPool if kind == "avgpool" else MaxPool)(kernel, stride), None, lo, hi)
    elif kind == "relu":
        chain.add(Relu(), None, lo, hi)
    else:
        chain.add(Flatten())


def _bounds(rng: np.random.Generator) -> tuple[int, int]:
    choice = rng.integers(4)
    if choice == 0:
        return INT16_MIN, INT16_MAX
    if choice == 1:
        return 0, int(rng.integers(1, INT16_MAX + 1))
    lo, hi = sorted(int(n) for n in rng.integers(-500, 500, 2))
    return lo, hi


def inputs_for(graph: Graph, count: int, seed: int) -> Array:
    """`count` int16 inputs within bounds, extremes first: all high, all low, alternating, then random."""
    x, rng = graph.tensors[graph.input], np.random.default_rng(seed)
    out = rng.integers(x.lo, x.hi + 1, (count, x.size))
    out[0] = x.hi
    if count > 1:
        out[1] = x.lo
    if count > 2:
        out[2, ::2], out[2, 1::2] = x.lo, x.hi
    return out.reshape(count, *x.shape).astype(np.int16)


def worst_inputs(x: Tensor, weights: Array) -> tuple[Array, Array]:
    """The inputs in `[x.lo, x.hi]` that make `sum(w*x)` of one row largest and smallest."""
    return np.where(weights > 0, x.hi, x.lo), np.where(weights > 0, x.lo, x.hi)


def exact_levels(rng: np.random.Generator, count: int, sparsities: Sequence[float]) -> Array:
    """uint8 level index of `count` weights, so that level k prunes `sparsities[k]` percent of them."""
    index = np.full(count, NEVER, np.uint8)
    order = rng.permutation(count)
    kept = [round(count * (1 - s / 100)) for s in sparsities]
    for level, (start, end) in enumerate(zip([0, *kept], kept, strict=False)):
        index[order[start:end]] = level
    return index


LENET_SPARSITIES = (60.24, 40.5, 20.7)


LENET_SHAPES = [(6, 1, 5, 5), (16, 6, 5, 5), (120, 400), (84, 120), (10, 84)]


def lenet(seed: int = 1, sparsities: Sequence[float] = LENET_SPARSITIES) -> Graph:
    """LeNet-5's shape with seeded integer weights at the paper's three sparsities, unstructured."""
    rng = np.random.default_rng(seed)
    index = exact_levels(rng, sum(int(np.prod(s)) for s in LENET_SHAPES), sparsities)
    return _lenet(rng, len(sparsities), index)


def lenet_columns(seed: int = 1, sparsities: Sequence[float] = LENET_SPARSITIES) -> Graph:
    """The same with equal sparsity in each layer and whole columns (a tap in all rows) pruned."""
    rng = np.random.default_rng(seed)
    parts = []
    for rows, *taps in LENET_SHAPES:
        parts.append(np.tile(exact_levels(rng, int(np.prod(taps)), sparsities), rows))
    return _lenet(rng, len(sparsities), np.concatenate(parts))


def _lenet(rng: np.random.Generator, levels: int, index: Array) -> Graph:
    chain = Chain((1, 28, 28), 0, 255, levels, "lenet")
    ops: list[Op] = [Conv2d((5, 5), (1, 1), (2, 2, 2, 2)), Conv2d((5, 5)), *[FullyConnected()] * 3]
    start = 0
    for number, (op, shape) in enumerate(zip(ops, LENET_SHAPES, strict=True)):
        size = int(np.prod(shape))
        spread = (LIMIT // 2) / (chain.last.hi * size / shape[0])
        weight = np.clip(rng.normal(0, 0.5, shape) * spread, -spread, spread)
        weight = np.clip(weight, INT16_MIN, INT16_MAX).astype(np.int16)
        bias = rng.integers(-500, 500, shape[0])
        last = number == len(ops) - 1
        chain.add(
            op,
            make_params(weight, index[start : start + size].reshape(shape), bias),
            *((INT16_MIN, INT16_MAX) if last else (0, 2000)),
        )
        start += size
        if number < 2:
            chain.add(AvgPool(), None, 0, 2000)
        if number == 1:
            chain.add(Flatten())
    return chain.graph()


def tiny() -> Graph:
    """The network of the committed snapshot: every layer kind, both encodings, two levels."""
    rng = np.random.default_rng(7)
    chain = Chain((1, 6, 5), 0, 255, 2, "tiny")
    index = level_indices(rng, (2, 1, 3, 3), 2, "mixed")
    chain.add(Conv2d((3, 3), (1, 1), (1, 0, 1, 2)), make_params(rng.integers(-3000, 3000, index.shape), index, [5, -7]))
    chain.add(Relu(), None, 0, 4000)
    chain.add(MaxPool((2, 2), (2, 2)), None, 0, 4000)
    chain.add(AvgPool((3, 1), (1, 1)), None, 0, 4000)
    chain.add(Flatten())
    chain.add(FullyConnected(), make_params(rng.integers(-3000, 3000, (3, 4)), 0, [1, 2, 3]))
    chain.add(Argmax(), None, 0, 2)
    return chain.graph()


# --- Hypothesis

# A busy machine is no reason to fail: how long examples take to draw says nothing about the code under test.
settings.register_profile("swtrain", suppress_health_check=[HealthCheck.too_slow], deadline=None)
settings.load_profile("swtrain")

seeds = st.integers(0, 2**32 - 1)


@st.composite
def graphs(draw: st.DrawFn, max_depth: int = 5) -> Graph:
    """Random integer graphs of every operator, level count, encoding and bound."""
    image, depth = draw(st.booleans()), draw(st.integers(1, max_depth))
    return random_graph(draw(seeds), draw(st.integers(1, 5)), image, depth, joins=draw(st.booleans()))


@st.composite
def packed_rows(draw: st.DrawFn) -> Params:
    """Weights of few, long rows with every kind of gap and level pattern."""
    levels = draw(st.integers(1, 5))
    rows, cols = draw(st.integers(1, 4)), draw(st.integers(1, 1200))
    rng = np.random.default_rng(draw(seeds))
    index = level_indices(rng, (rows, cols), levels, draw(st.sampled_from(SPARSITIES)))
    weight = rng.integers(INT16_MIN, INT16_MAX + 1, (rows, cols))
    weight[rng.random((rows, cols)) < draw(st.sampled_from([0.0, 0.2]))] = 0  # a kept weight may be 0
    return make_params(weight, index, 0)


@st.composite
def float_graphs(draw: st.DrawFn) -> tuple[FloatGraph, Array]:
    """A small real-valued network and calibration inputs for it."""
    rng = np.random.default_rng(draw(seeds))
    levels = draw(st.integers(1, 4))
    signed = draw(st.booleans())
    scale = 2.0 ** draw(st.integers(-4, 3))
    nodes: list[FloatNode] = []

    def weighted(op: WeightedOp, x: str, shape: tuple[int, ...]) -> str:
        index = level_indices(rng, shape, levels, draw(st.sampled_from(SPARSITIES)))
        w = (rng.normal(0, scale / np.sqrt(np.prod(shape[1:])), shape)).astype(np.float32)
        b = rng.normal(0, 0.1 * scale, shape[0]).astype(np.float32)
        name = f"n{len(nodes)}"
        nodes.append(FloatNode(name, op, (x,), f"{name}.y", w, index, b))
        return f"{name}.y"

    def plain(op: Op, x: str) -> str:
        name = f"n{len(nodes)}"
        nodes.append(FloatNode(name, op, (x,), f"{name}.y"))
        return f"{name}.y"

    shape = (draw(st.integers(1, 2)), draw(st.integers(2, 7)), draw(st.integers(2, 7)))
    x = weighted(Conv2d((2, 2), (1, 1), (1, 0, 0, 1)), "x", (3, shape[0], 2, 2))
    if draw(st.booleans()):
        x = plain(Relu(), x)
    for _ in range(draw(st.integers(0, 2))):  # residual blocks: depthwise and dilated
        y = weighted(Conv2d((3, 1), (1, 1), (2, 0, 2, 0), (2, 1), 3), x, (3, 1, 3, 1))
        nodes.append(FloatNode(f"n{len(nodes)}", Add(), tuple(draw(st.permutations((x, y)))), f"n{len(nodes)}.y"))
        x = plain(Relu(), nodes[-1].output)
    x = plain(draw(st.sampled_from([AvgPool((2, 2), (1, 1)), MaxPool((2, 2), (1, 1))])), x) if shape[1] > 1 else x
    x = plain(Flatten(), x)
    features = 3 * (shape[1] - 1) * (shape[2] - 1)
    x = weighted(FullyConnected(), x, (5, features))
    x = plain(draw(st.sampled_from([Relu(), Clip((-0.5, 0.5))])), x)
    weighted(FullyConnected(), x, (4, 5))
    names = tuple(Level(f"L{k}", 90.0 - k) for k in range(levels))
    graph = FloatGraph("net", "x", shape, tuple(nodes), names, 8, 255 / 256, -1.0 if signed else 0.0)
    low = -256 if signed else 0
    inputs = (rng.integers(low, 256, (8, *shape)) / 256).astype(np.float32)
    return graph, inputs

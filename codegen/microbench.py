"""Small networks whose layers, taken together, use every primitive of the cost model in different proportions.

`swtrain calibrate` builds them, measures each of their layers and fits the prices in `target.toml`. Weights are drawn
from a fixed seed; accuracy has no meaning here.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .ir import Graph, Level, Node, Params, Tensor
from .ops import (
    Add,
    Argmax,
    AvgPool,
    Concat,
    Conv2d,
    Flatten,
    FullyConnected,
    JoinOp,
    MaxPool,
    Op,
    Relu,
    Shape,
    WeightedOp,
)

LEVELS = (Level("80", 80.0), Level("40", 40.0), Level("0", 0.0))


class _Builder:
    """A chain of operators with seeded weights; every tensor keeps 12 fraction bits."""

    def __init__(self, name: str, shape: Shape, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._name, self._nodes = name, list[Node]()
        self._tensors = {"input": Tensor("input", shape, 8, 0, 127)}
        self._last = self._tensors["input"]

    def weighted(self, op: WeightedOp, rows: int, group: int) -> _Builder:
        """Weights of which groups of `group` rows share their columns at every level."""
        if isinstance(op, Conv2d):
            shape: Shape = (rows, self._last.shape[0] // op.groups, *op.kernel)
        else:
            shape = (rows, self._last.size)
        taps = int(np.prod(shape[1:]))
        count = -(-rows // group)
        index = self._rng.choice(len(LEVELS), (count, taps), p=[0.2, 0.4, 0.4]).astype(np.uint8)
        index = np.repeat(index, group, axis=0)[:rows].reshape(shape)
        limit = max(min(2**29 // (128 * taps), 2000), 1)
        weight = self._rng.integers(-limit, limit + 1, shape).astype(np.int16)
        bias = self._rng.integers(-99, 99, rows).astype(np.int32)
        return self._add(op, op.infer_weighted(self._last.shape, shape), Params(weight, index, bias, 15), 127)

    def plain(self, op: Op) -> _Builder:
        """An operator without weights."""
        return self._add(op, op.infer(self._last.shape), None, self._last.hi)

    def join(self, op: JoinOp, back: int) -> _Builder:
        """A sum or a concatenation with the tensor that the operator `back` steps before the last one made."""
        xs = self._last, self._tensors[self._nodes[-1 - back].output]
        shape, bits = op.infer_all([x.shape for x in xs]), op.out_frac_bits([x.frac_bits for x in xs])
        return self._add(op, shape, None, 127, xs[1:], bits)

    def _add(
        self,
        op: Op,
        shape: Shape,
        params: Params | None,
        hi: int,
        more: tuple[Tensor, ...] = (),
        bits: int | None = None,
    ) -> _Builder:
        name = f"{op.kind}{len(self._nodes)}"
        y = Tensor(f"{name}_out", shape, self._last.frac_bits if bits is None else bits, 0, hi)
        self._nodes.append(Node(name, op, tuple(x.name for x in (self._last, *more)), y.name, params))
        self._tensors[y.name] = self._last = y
        return self

    def graph(self, classes: int) -> Graph:
        """The network, ended by a fully connected layer."""
        if len(self._last.shape) == 3:
            self.plain(Flatten())
        self.weighted(FullyConnected(), classes, classes)
        x = self._last
        self._tensors["class"] = Tensor("class", (1,), 0, 0, x.size - 1)
        self._nodes.append(Node("argmax", Argmax(), (x.name,), "class"))
        return Graph(self._name, "input", self._tensors, tuple(self._nodes), LEVELS)


def graphs() -> Iterator[Graph]:
    """Networks that fit the target on either back end."""
    same = (1, 1, 1, 1)
    conv = Conv2d
    yield (
        _Builder("digits", (1, 28, 28), 1)
        .weighted(conv((5, 5), padding=(2, 2, 2, 2)), 6, 6).plain(AvgPool())
        .weighted(conv((5, 5)), 16, 16).plain(AvgPool())
        .plain(Flatten()).weighted(FullyConnected(), 120, 12).weighted(FullyConnected(), 84, 84).graph(10)
    )  # fmt: skip
    yield (
        _Builder("motion", (9, 1, 128), 2)
        .weighted(conv((1, 2), padding=(0, 1, 0, 1)), 18, 18).plain(MaxPool((1, 2), (1, 2)))
        .weighted(conv((1, 3), padding=(0, 1, 0, 1)), 30, 30).plain(MaxPool((1, 2), (1, 2)))
        .weighted(conv((1, 3)), 40, 40).plain(Relu()).plain(MaxPool((1, 3), (1, 2))).graph(6)
    )  # fmt: skip
    yield (
        _Builder("words", (1, 49, 10), 3)
        .weighted(conv((10, 4)), 28, 28)
        .weighted(conv((10, 4), (2, 1)), 12, 12)
        .plain(Flatten()).weighted(FullyConnected(), 16, 16).weighted(FullyConnected(), 128, 128).graph(12)
    )  # fmt: skip
    yield (
        _Builder("points", (3, 20, 20), 4)
        .weighted(conv((3, 3), (2, 2), same), 32, 32)
        .weighted(conv((1, 1)), 16, 16).plain(MaxPool())
        .weighted(conv((3, 1), padding=(1, 0, 1, 0)), 24, 24)
        .weighted(conv((1, 3), padding=(0, 1, 0, 1)), 24, 24)
        .weighted(conv((1, 1)), 64, 64).plain(AvgPool((5, 5), (5, 5))).graph(10)
    )  # fmt: skip
    yield (
        _Builder("groups", (4, 17, 21), 5)
        .weighted(conv((3, 3), (1, 2), same), 12, 4).plain(MaxPool((3, 3), (1, 1)))
        .weighted(conv((3, 3), (2, 2)), 10, 5).plain(AvgPool((2, 2), (1, 1))).plain(Relu())
        .weighted(conv((2, 2)), 20, 10).plain(Relu()).plain(Flatten()).weighted(FullyConnected(), 50, 5).graph(20)
    )  # fmt: skip
    yield (
        _Builder("separable", (1, 25, 12), 6)
        .weighted(conv((4, 4), (2, 2), same), 24, 24)
        .weighted(conv((3, 3), padding=same, groups=24), 24, 1).weighted(conv((1, 1)), 32, 32)
        .weighted(conv((3, 3), padding=same, groups=32), 32, 1).weighted(conv((1, 1)), 24, 24)
        .plain(AvgPool((12, 5), (12, 5))).graph(11)
    )  # fmt: skip
    yield (
        _Builder("sums", (3, 12, 12), 7)
        .weighted(conv((3, 3), padding=same), 16, 16)
        .weighted(conv((1, 1)), 16, 16).join(Add((0, 0)), 1)
        .weighted(conv((3, 3), padding=same), 16, 16).join(Add((1, 1)), 1)
        .weighted(conv((3, 3), padding=(2, 2, 2, 2), dilation=(2, 2)), 16, 16).join(Concat((0, 0)), 0)
        .weighted(conv((3, 3), (2, 2), same), 24, 24)
        .weighted(conv((1, 1)), 24, 24).join(Add((2, 2)), 1)
        .weighted(conv((1, 1)), 24, 24).join(Concat((0, 2)), 2)
        .plain(AvgPool((6, 6), (6, 6))).graph(10)
    )  # fmt: skip
    yield (  # few pixels and many filters: what surrounds a command
        _Builder("deep", (40, 4, 4), 8)
        .weighted(conv((1, 1)), 60, 60).weighted(conv((1, 1), (2, 2)), 90, 90)
        .weighted(conv((1, 1)), 40, 40).weighted(conv((3, 1), padding=(1, 0, 1, 0)), 40, 40)
        .weighted(conv((1, 3), padding=(0, 1, 0, 1)), 40, 40).weighted(conv((1, 1)), 160, 160)
        .graph(10)
    )  # fmt: skip
    yield (  # many pixels and few taps: what runs beside a command takes longer than the command
        _Builder("wide", (4, 16, 16), 9)
        .weighted(conv((1, 1)), 12, 12).weighted(conv((3, 1), padding=(1, 0, 1, 0)), 6, 6)
        .weighted(conv((1, 3), padding=(0, 1, 0, 1)), 12, 12).weighted(conv((1, 1)), 24, 24)
        .weighted(conv((1, 1), (2, 2)), 12, 12).plain(AvgPool((4, 4), (4, 4))).graph(10)
    )  # fmt: skip

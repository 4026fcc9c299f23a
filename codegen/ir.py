"""`Graph`: an integer network with nested levels, as an immutable value that checks itself.

In: tensors with fixed-point types and clip bounds, nodes in topological order, weights with one level index
each. Out: the same, proven consistent: order, shapes, int16 ranges, and that no 32-bit accumulator can
overflow at any level. Saved as `graph.json` and `graph.npz` (`serialize.py`); torch is never needed.

A value `q` of a tensor stands for the real number `q * 2**-frac_bits`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np

from .errors import GraphError
from .ops import INT16_MAX, INT16_MIN, Argmax, Array, JoinOp, Op, Shape, WeightedOp

NEVER = 255
"""Level index of a weight that no level uses."""

INT32_MAX = 2**31 - 1

ACCUMULATOR_LIMIT = 2**30
"""Bound on every partial sum, bias included; half of int32, so that adding a bias can't overflow either."""


@dataclass(frozen=True)
class Tensor:
    """An int16 activation of `shape` (without batch) whose elements lie in `[lo, hi]`."""

    name: str
    shape: Shape
    frac_bits: int
    lo: int = INT16_MIN
    hi: int = INT16_MAX

    def __post_init__(self) -> None:
        if not INT16_MIN <= self.lo <= self.hi <= INT16_MAX:
            raise GraphError(f"tensor {self.name}: bounds [{self.lo}, {self.hi}] are not an int16 range")
        if not self.shape or min(self.shape) < 1:
            raise GraphError(f"tensor {self.name}: shape {self.shape} has an empty axis")

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape))


@dataclass(frozen=True)
class Params:
    """Weights of one node.

    Attributes:
        weight: int16, output channel first; the values of the densest level.
        level_index: uint8, same shape: the level at which a weight enters, `NEVER` = in no level.
        bias: int32 `(O,)` in output units, shared by all levels.
        frac_bits: of the weights. The output has `input.frac_bits + frac_bits - shift`.
        shift: right shift of the sum.
    """

    weight: Array
    level_index: Array
    bias: Array
    frac_bits: int
    shift: int = 15

    def __post_init__(self) -> None:
        if self.weight.dtype != np.int16 or self.level_index.dtype != np.uint8 or self.bias.dtype != np.int32:
            raise GraphError("weights must be int16, level indices uint8 and biases int32")
        if self.level_index.shape != self.weight.shape or self.bias.shape != self.weight.shape[:1]:
            raise GraphError(
                f"level indices {self.level_index.shape} or bias {self.bias.shape} do not match "
                f"weights {self.weight.shape}"
            )
        if not 0 <= self.shift <= 30:
            raise GraphError(f"shift {self.shift} is outside 0..30")
        for name in ("weight", "level_index", "bias"):  # copies: the caller's arrays stay his own
            array = getattr(self, name).copy()
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    def at_level(self, level: int) -> Array:
        """int16 weights of `level`; every other weight is 0."""
        return np.where(self.level_index <= level, self.weight, np.int16(0))

    def nnz(self, level: int) -> int:
        """Weights that `level` holds: entries whose level index is at most `level`."""
        return int(np.count_nonzero(self.level_index <= level))

    @cached_property
    def is_dense(self) -> bool:
        """True when every weight is in every level, so that no index is needed."""
        return bool(np.all(self.level_index == 0))


@dataclass(frozen=True)
class Node:
    """One operator applied to `inputs`, writing `output`; `params` if the operator has weights."""

    name: str
    op: Op
    inputs: tuple[str, ...]
    output: str
    params: Params | None = None

    @property
    def input(self) -> str:
        """The first input, of most operators the only one."""
        return self.inputs[0]


@dataclass(frozen=True)
class Level:
    """A sparsity level. `sparsity` is in percent; `accuracy_float` in percent where it was measured."""

    name: str
    sparsity: float
    accuracy_float: float | None = None


@dataclass(frozen=True)
class Graph:
    """An integer network.

    Attributes:
        name: a C identifier; prefixes nothing but names the project.
        input: name of the input tensor.
        tensors: by name.
        nodes: in topological order; the last one is the output.
        levels: sparsest first.
        meta: strings about provenance (dataset, strategy, tool version); never read by the generator.

    Raises:
        GraphError: an invariant does not hold; the message names the node.
    """

    name: str
    input: str
    tensors: Mapping[str, Tensor]
    nodes: tuple[Node, ...]
    levels: tuple[Level, ...]
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tensors", MappingProxyType(dict(self.tensors)))
        object.__setattr__(self, "meta", MappingProxyType(dict(self.meta)))
        check(self)

    @property
    def output(self) -> Tensor:
        """The tensor that holds the logits: the last one that is not an argmax."""
        for node in reversed(self.nodes):
            if not isinstance(node.op, Argmax):
                return self.tensors[node.output]
        return self.tensors[self.input]

    def node(self, name: str) -> Node:
        """The node called `name`."""
        return next(n for n in self.nodes if n.name == name)

    def macs(self, node: Node) -> int:
        """Multiply-accumulates of one dense inference of `node`."""
        if node.params is None:
            return node.op.macs(self.tensors[node.input].shape)
        assert isinstance(node.op, WeightedOp)
        return node.params.weight.size * node.op.uses(self.tensors[node.input].shape)

    def nnz(self, level: int) -> int:
        """Weights that `level` holds, over all nodes."""
        return sum(n.params.nnz(level) for n in self.nodes if n.params is not None)

    @property
    def weight_count(self) -> int:
        """Weights, pruned ones included, biases not."""
        return sum(n.params.weight.size for n in self.nodes if n.params is not None)


def row_sums(params: Params) -> tuple[Array, Array]:
    """int64 sums of the positive weights and of the magnitudes of the negative ones, for each output channel.

    Taken over the densest level, which bounds all others: removing weights never increases a one-sided sum.
    """
    w = np.where(params.level_index == NEVER, 0, params.weight.astype(np.int64)).reshape(len(params.bias), -1)
    return np.maximum(w, 0).sum(axis=1), np.maximum(-w, 0).sum(axis=1)


def worst_sum(x: Tensor, params: Params, sums: tuple[Array, Array] | None = None) -> int:
    """The largest `|sum(w*x)| + |bias| * 2**shift` that any input within `x`'s bounds can reach.

    Args:
        sums: `row_sums(params)`, if the caller has it.
    """
    positive, negative = sums or row_sums(params)
    one_sided = x.lo >= 0
    total = x.hi * np.maximum(positive, negative) if one_sided else max(-x.lo, x.hi) * (positive + negative)
    return int((total + (np.abs(params.bias.astype(np.int64)) << params.shift)).max())


def check(graph: Graph) -> None:
    """Assert every invariant of `graph`.

    Raises:
        GraphError: with the node and the numbers.
    """
    if not graph.name.isidentifier():
        raise GraphError(f"graph name {graph.name!r} is not a C identifier")
    if not graph.nodes or not graph.levels:
        raise GraphError(f"graph {graph.name}: needs at least one node and one level")
    if len(graph.levels) > NEVER:
        raise GraphError(f"graph {graph.name}: {len(graph.levels)} levels; at most {NEVER} are possible")
    if len({n.name for n in graph.nodes}) != len(graph.nodes):
        raise GraphError(f"graph {graph.name}: two nodes share a name")
    for level in graph.levels:
        if not 0 <= level.sparsity <= 100:
            raise GraphError(f"level {level.name}: sparsity {level.sparsity} % is outside 0..100")
    written = {graph.input, *(n.output for n in graph.nodes)}
    if written - set(graph.tensors):
        raise GraphError(f"graph {graph.name}: tensors {sorted(written - set(graph.tensors))} are not described")
    for key, tensor in graph.tensors.items():
        if tensor.name != key:
            raise GraphError(f"graph {graph.name}: tensor {tensor.name!r} is filed under {key!r}")
    known = {graph.input}
    for node in graph.nodes:
        where = f"{node.name} ({node.op.kind})"
        if not node.inputs:
            raise GraphError(f"{where}: has no input")
        unknown = [name for name in node.inputs if name not in known]
        if unknown:
            raise GraphError(f"{where}: reads {unknown[0]!r} before any node writes it")
        if node.output in known:
            raise GraphError(f"{where}: writes {node.output!r}, which another node writes already")
        known.add(node.output)
        try:
            _check_node(graph, node)
        except GraphError as e:
            raise GraphError(f"{where}: {e}") from e
    if set(graph.tensors) - known:
        raise GraphError(f"graph {graph.name}: tensors {sorted(set(graph.tensors) - known)} belong to no node")


def _check_node(graph: Graph, node: Node) -> None:
    xs, y = [graph.tensors[name] for name in node.inputs], graph.tensors[node.output]
    if isinstance(node.op, WeightedOp) != (node.params is not None):
        raise GraphError("has weights where none belong, or lacks them")
    if node.params is None:
        shape = node.op.infer_all([x.shape for x in xs])
        expected = node.op.out_frac_bits([x.frac_bits for x in xs])
        if expected is not None and y.frac_bits != expected:
            raise GraphError(f"output has {y.frac_bits} fraction bits, the input {expected}; they must agree")
        if isinstance(node.op, JoinOp) and not y.lo <= 0 <= y.hi:
            raise GraphError(f"bounds [{y.lo}, {y.hi}] do not hold 0; clip behind it")
        reach = node.op.reach([(x.lo, x.hi) for x in xs])
        if reach > INT32_MAX:
            raise GraphError(f"a sum can reach {reach}, the limit is {INT32_MAX}; use a smaller window")
    else:
        assert isinstance(node.op, WeightedOp)
        if len(xs) != 1:
            raise GraphError(f"takes one input, got {len(xs)}")
        (x,) = xs
        p = node.params
        if not p.weight.size:
            raise GraphError(f"weights of shape {p.weight.shape} have no element")
        shape = node.op.infer_weighted(x.shape, p.weight.shape)
        if y.frac_bits != x.frac_bits + p.frac_bits - p.shift:
            raise GraphError(
                f"output has {y.frac_bits} fraction bits, but input {x.frac_bits} + weights {p.frac_bits} "
                f"- shift {p.shift} give another number"
            )
        used = p.level_index[p.level_index != NEVER]
        if used.size and int(used.max()) >= len(graph.levels):
            raise GraphError(f"a weight enters at level {int(used.max())}, but there are {len(graph.levels)} levels")
        if np.any(p.weight[p.level_index == NEVER]):
            raise GraphError("a weight that no level uses is not 0")
        worst = worst_sum(x, p)
        if worst >= ACCUMULATOR_LIMIT:
            raise GraphError(f"a sum can reach {worst}, the limit is {ACCUMULATOR_LIMIT - 1}; use fewer fraction bits")
    if shape != y.shape:
        raise GraphError(f"gives shape {shape}, but {y.name} has {y.shape}")

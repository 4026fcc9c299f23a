"""`FloatGraph` to `Graph`: power-of-two scales for all levels at once, proven free of overflow.

One scale per tensor is shared by all levels, so a weight is the same integer at every level. `frac_bits` of
all tensors are chosen together: a beam search over the graph keeps the assignments whose worst tensor has
the most significant bits, among those for which no accumulator can overflow (`ir.worst_sum`). Of assignments that
agree in all tensors that are still to be read only the best one is kept. Clip bounds are the extremes seen on
calibration inputs over all levels; the clip enforces them, and so the proof holds for any input. Where a tensor
ends with few significant bits, channels are scaled against each other (`equalise`), if that gains some.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from .equalise import equalised
from .errors import GraphError
from .floatgraph import FloatGraph, FloatNode
from .ir import ACCUMULATOR_LIMIT, NEVER, Graph, Node, Params, Tensor, row_sums, worst_sum
from .ops import INT16_MAX, INT16_MIN, Add, Argmax, Array, Clip, Concat, Op, Relu, Shape
from .ops.join import ALIGN
from .ranges import Range, spread_ranges

SHIFT = 15
"""Right shift of every weighted sum: the one that LEA commands with a 16-bit result apply, and one that costs
the CPU two instructions. A sum below 2**30 then always fits int16 before the clip."""

NARROW_SHIFT = 7
"""That of nodes with weights of 8 bits: their outputs have about as many fraction bits as with 16."""

ENOUGH_BITS = 12.0
"""Significant bits beyond which a tensor gains nothing that a classifier shows."""

FEW_BITS = 7.0
"""Significant bits of the worst tensor below which channels are equalised."""

BEAM = 64

EQUAL_SCALES = 1.0
"""Bits that a sum of inputs of one scale is worth: it takes half the time."""

CHOICES = 4
"""Scales that are tried for each node under one assignment of those before it."""


@dataclass(frozen=True)
class _Partial:
    """An assignment of the tensors and nodes up to some node, with its score (larger is better)."""

    tensors: dict[str, Tensor]
    nodes: tuple[Node, ...]
    score: tuple[float, float] = (ENOUGH_BITS, 0.0)

    def then(self, node: Node, y: Tensor, bits: list[float]) -> _Partial:
        """With one more node, whose tensors have so many significant bits: the fewest of all count, then their sum."""
        capped = [min(b, ENOUGH_BITS) for b in bits]
        bonus = EQUAL_SCALES if isinstance(node.op, Add) and not any(node.op.shifts) else 0.0
        score = min(self.score[0], *capped, ENOUGH_BITS), self.score[1] + sum(capped) + bonus
        return _Partial({**self.tensors, y.name: y}, (*self.nodes, node), score)


def calibrate(graph: FloatGraph, inputs: Array, batch: int = 256) -> dict[str, Range]:
    """Smallest and largest value of every tensor over all levels, for float32 `inputs` `(N, *shape)`."""
    ranges: dict[str, Range] = {}
    for level in range(len(graph.levels)):
        for i in range(0, len(inputs), batch):
            for name, value in graph.run(inputs[i : i + batch], level).items():
                lo, hi = ranges.get(name, (np.inf, -np.inf))
                ranges[name] = min(lo, float(value.min())), max(hi, float(value.max()))
    return ranges


def quantize(
    graph: FloatGraph,
    inputs: Array | None,
    weight_bits: Mapping[str, int] | None = None,
    ranges: Mapping[str, Range] | None = None,
) -> Graph:
    """Choose scales and bounds for `graph`, calibrated on float32 `inputs` `(N, *shape)`.

    Args:
        inputs: None where `ranges` says enough.
        ranges: smallest and largest value of tensors where these are known; they take the place of what is seen.
        weight_bits: 8 for each node whose weights must fit int8, by name; the others have 16. Such a node's shift is
            `NARROW_SHIFT`, so the CPU runs it: the LEA shifts by 15 only.

    Raises:
        GraphError: a weight or an activation is not finite, or no scale avoids overflow; `weight_bits` names no node
            with weights, or is neither 8 nor 16.
    """
    weight_bits = weight_bits or {}
    for name, bits in weight_bits.items():
        if bits not in (8, 16):
            raise GraphError(f"{name}: weights of {bits} bits are not possible; choose 8 or 16")
        if not any(n.name == name and n.weight is not None for n in graph.nodes):
            raise GraphError(f"{graph.name}: weight_bits names {name!r}, but no node with weights is called so")
    if inputs is not None and not len(inputs):
        raise GraphError(f"{graph.name}: needs at least one calibration input")
    if inputs is not None and not np.all(np.isfinite(inputs)):
        raise GraphError(f"{graph.name}: a calibration input is NaN or infinite")
    for node in graph.nodes:
        for what, values in (("weight", node.weight), ("bias", node.bias)):
            if values is not None and not np.all(np.isfinite(values)):
                raise GraphError(f"{node.name}: a {what} is NaN or infinite")
    best, source = _assignment(graph, weight_bits, _ranges(graph, inputs, ranges or {})), graph
    if best.score[0] < FEW_BITS and inputs is not None and not ranges and (balanced := equalised(graph)) is not graph:
        other = _assignment(balanced, weight_bits, calibrate(balanced, inputs))
        best, source = max((best, source), (other, balanced), key=lambda found: found[0].score)
    return Graph(source.name, source.input, best.tensors, best.nodes, source.levels, source.meta)


def _assignment(graph: FloatGraph, weight_bits: Mapping[str, int], ranges: Mapping[str, Range]) -> _Partial:
    """The best one of all tensors and nodes."""
    shapes = graph.shapes()
    for name, (low, high) in ranges.items():
        if not np.isfinite(high - low):
            raise GraphError(f"{graph.name}: tensor {name} reaches {low}..{high} on the calibration inputs")
    beam = [_Partial({graph.input: t}, ()) for t in _input_tensors(graph)]
    for number, node in enumerate(graph.nodes):
        rows = _Rows(node, weight_bits.get(node.name, 16)) if node.weight is not None else None
        readers = [n.op for n in graph.nodes if node.output in n.inputs]
        seen = _seen(readers, ranges[node.output])
        found = [after for before in beam for after in _assign(node, readers, rows, before, shapes[node.output], seen)]
        if not found:
            raise GraphError(f"{node.name}: no number of fraction bits keeps its sums below {ACCUMULATOR_LIMIT}")
        live = {name for later in graph.nodes[number + 1 :] for name in later.inputs}
        beam = _best(found, sorted(live))
    return beam[0]


def _ranges(graph: FloatGraph, inputs: Array | None, known: Mapping[str, Range]) -> dict[str, Range]:
    """The range of every tensor: the known ones, what follows from them, and what the inputs show."""
    given = spread_ranges(graph, known)
    if inputs is not None:
        return {**calibrate(graph, inputs), **given}
    missing = [node.name for node in graph.nodes if node.output not in given]
    if missing:
        raise GraphError(
            f"{graph.name}: nothing says which values {', '.join(missing[:5])}{' ...' if missing[5:] else ''} "
            "can take; calibrate on inputs"
        )
    return given


def _best(found: list[_Partial], live: list[str]) -> list[_Partial]:
    """The best assignments; of those that agree in all `live` tensors only one."""
    kept: dict[tuple[tuple[int, int, int], ...], _Partial] = {}
    for partial in sorted(found, key=lambda p: p.score, reverse=True):
        made = [partial.tensors[name] for name in live if name in partial.tensors]
        state = tuple((t.frac_bits, t.lo, t.hi) for t in made)
        kept.setdefault(state, partial)
    return list(kept.values())[:BEAM]


def _input_tensors(graph: FloatGraph) -> list[Tensor]:
    candidates = []
    for f in range(graph.input_frac_bits, 16):
        lo, hi = round(graph.input_min * 2**f), round(graph.input_max * 2**f)
        if lo >= INT16_MIN and hi <= INT16_MAX:
            candidates.append(Tensor(graph.input, graph.shape, f, lo, hi))
    if not candidates:
        raise GraphError(
            f"{graph.name}: inputs {graph.input_min}..{graph.input_max} do not fit int16 at "
            f"{graph.input_frac_bits} fraction bits"
        )
    return candidates


def _seen(readers: list[Op], seen: Range) -> Range:
    """Values of a tensor that count: what only clips read need not exceed their bounds."""
    clips = [op.bounds for op in readers if isinstance(op, Clip)]
    if not clips or len(clips) < len(readers):
        return seen
    return max(seen[0], min(b[0] for b in clips)), min(seen[1], max(b[1] for b in clips))


def _assign(
    node: FloatNode, readers: list[Op], rows: _Rows | None, before: _Partial, shape: Shape, seen: Range
) -> list[_Partial]:
    """`before` with each scale that `node`'s output can have."""
    xs = [before.tensors[name] for name in node.inputs]
    found = []
    for op, f, params in _scales(node, rows, xs, seen):
        if f is None:
            y = replace(_unscaled(node, xs[0]), name=node.output, shape=shape)
        else:
            y = _bounds(node.output, readers, shape, f, seen)
        if isinstance(node.op, Concat):
            y = replace(y, lo=min(x.lo for x in xs), hi=max(x.hi for x in xs))
        bits = []
        if params is not None:
            bits.append(float(np.log2(max(int(np.abs(params.weight.astype(np.int32)).max()), 1))))
        if f is not None:
            used = min(max(abs(v) for v in seen) * 2.0**f, float(y.hi))  # logits have wider bounds
            bits.append(float(np.log2(max(used, 1.0))))
        found.append(before.then(Node(node.name, op, node.inputs, node.output, params), y, bits))
    return found


def _scales(
    node: FloatNode, rows: _Rows | None, xs: list[Tensor], seen: Range
) -> list[tuple[Op, int | None, Params | None]]:
    """`(operator, fraction bits of the output, parameters)` to choose from; no bits: those of the input."""
    if rows is not None:
        return [(node.op, xs[0].frac_bits + p.frac_bits - p.shift, p) for p in rows.fitting(xs[0])]
    inputs = [x.frac_bits for x in xs]
    if isinstance(node.op, Concat):
        f = min(inputs)
        return [(Concat(tuple(i - f for i in inputs)), f, None)] if max(inputs) - f <= ALIGN else []
    if isinstance(node.op, Add):
        top = min(*inputs, int(np.floor(np.log2(INT16_MAX / max(abs(seen[0]), abs(seen[1]), 2.0**-15)))))
        return [
            (Add((inputs[0] - f, inputs[1] - f)), f, None)
            for f in range(top, top - CHOICES, -1)
            if max(inputs) - f <= ALIGN
        ]
    return [(node.op, None, None)]


def _unscaled(node: FloatNode, x: Tensor) -> Tensor:
    """The bounds of what an operator without a scale of its own makes of `x`."""
    if isinstance(node.op, Argmax):
        return replace(x, frac_bits=0, lo=0, hi=x.size - 1)
    if isinstance(node.op, Relu):
        return replace(x, lo=max(x.lo, 0))
    if isinstance(node.op, Clip):
        lowest, highest = (b * 2.0**x.frac_bits for b in node.op.bounds)
        lo = int(np.clip(np.ceil(lowest), INT16_MIN, INT16_MAX))
        hi = max(int(np.clip(np.floor(highest), INT16_MIN, INT16_MAX)), lo)
        return replace(x, lo=min(max(x.lo, lo), hi), hi=max(min(x.hi, hi), lo))
    return x


class _Rows:
    """Integer versions of one node's weights, made once for all assignments."""

    def __init__(self, node: FloatNode, bits: int) -> None:
        self.shift = SHIFT if bits == 16 else NARROW_SHIFT
        assert node.weight is not None and node.level_index is not None and node.bias is not None
        weight = np.where(node.level_index == NEVER, 0.0, node.weight.astype(np.float64))
        self.bias, self.level_index = node.bias.astype(np.float64), node.level_index.astype(np.uint8)
        self.weights: dict[int, Array] = {}
        for f in range(24, -9, -1):
            w = np.rint(weight * 2.0**f)
            if np.abs(w).max(initial=0) < 2 ** (bits - 1):
                self.weights[f] = w.astype(np.int16)
        self.made: dict[tuple[int, int], tuple[Params, tuple[Array, Array]] | None] = {}

    def fitting(self, x: Tensor) -> list[Params]:
        """The `CHOICES` finest whose sums can't overflow on `x`."""
        found: list[Params] = []
        for f in self.weights:
            version = self._version(f, x.frac_bits)
            if version is not None and worst_sum(x, *version) < ACCUMULATOR_LIMIT:
                found.append(version[0])
            if len(found) == CHOICES:
                break
        return found

    def _version(self, f: int, x_bits: int) -> tuple[Params, tuple[Array, Array]] | None:
        """Weights of `f` fraction bits and the bias that goes with them; `None` if that exceeds int16."""
        if (f, x_bits) not in self.made:
            # floor loses half an LSB on average; the bias gives it back
            b = np.floor(self.bias * 2.0 ** (x_bits + f - self.shift) + 1.0)
            if np.abs(b).max(initial=0) > INT16_MAX:
                self.made[f, x_bits] = None
            else:
                params = Params(self.weights[f], self.level_index, b.astype(np.int32), f, self.shift)
                self.made[f, x_bits] = params, row_sums(params)
        return self.made[f, x_bits]


def _bounds(name: str, readers: list[Op], shape: Shape, f: int, seen: Range) -> Tensor:
    """The output tensor of a node with a scale of its own: full range for logits, calibrated bounds elsewhere."""
    if all(isinstance(op, Argmax) for op in readers):
        return Tensor(name, shape, f)
    hi = _q(max(seen[1], 0.0), f)
    if all(isinstance(op, Relu) for op in readers):
        return Tensor(name, shape, f, INT16_MIN, hi)
    return Tensor(name, shape, f, -_q(-min(seen[0], 0.0), f), hi)


def _q(value: float, f: int) -> int:
    return int(min(max(np.ceil(value * 2.0**f), 1), INT16_MAX))

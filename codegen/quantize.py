"""`FloatGraph` to `Graph`: power-of-two scales for all levels at once, proven free of overflow.

One scale per tensor is shared by all levels, so a weight is the same integer at every level. `frac_bits` of
all tensors are chosen together: a beam search over the graph keeps the assignments whose worst tensor has
the most significant bits, among those for which no accumulator can overflow (`ir.worst_sum`). Clip bounds are
the extremes seen on calibration inputs over all levels; the clip enforces them, and so the proof holds for
any input.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .errors import GraphError
from .floatgraph import FloatGraph, FloatNode
from .ir import ACCUMULATOR_LIMIT, NEVER, Graph, Node, Params, Tensor, worst_sum
from .ops import INT16_MAX, INT16_MIN, Argmax, Array, Relu, Shape

SHIFT = 15
"""Right shift of every weighted sum: the one that LEA commands with a 16-bit result apply, and one that costs
the CPU two instructions. A sum below 2**30 then always fits int16 before the clip."""

ENOUGH_BITS = 12.0
"""Significant bits beyond which a tensor gains nothing that a classifier shows."""

BEAM = 64


@dataclass(frozen=True)
class _Partial:
    """An assignment of the tensors and nodes up to some node, with its score (larger is better)."""

    tensors: dict[str, Tensor]
    nodes: tuple[Node, ...]
    bits: tuple[float, ...]

    @property
    def score(self) -> tuple[float, float]:
        capped = [min(b, ENOUGH_BITS) for b in self.bits]
        return min(capped), sum(capped)


def calibrate(graph: FloatGraph, inputs: Array, batch: int = 256) -> dict[str, tuple[float, float]]:
    """Smallest and largest value of every tensor over all levels, for float32 `inputs` `(N, *shape)`."""
    ranges: dict[str, tuple[float, float]] = {}
    for level in range(len(graph.levels)):
        for i in range(0, len(inputs), batch):
            for name, value in graph.run(inputs[i : i + batch], level).items():
                lo, hi = ranges.get(name, (np.inf, -np.inf))
                ranges[name] = min(lo, float(value.min())), max(hi, float(value.max()))
    return ranges


def quantize(graph: FloatGraph, inputs: Array) -> Graph:
    """Choose scales and bounds for `graph`, calibrated on float32 `inputs` `(N, *shape)`.

    Raises:
        GraphError: a weight or an activation is not finite, or no scale avoids overflow.
    """
    if not len(inputs):
        raise GraphError(f"{graph.name}: needs at least one calibration input")
    if not np.all(np.isfinite(inputs)):
        raise GraphError(f"{graph.name}: a calibration input is NaN or infinite")
    for node in graph.nodes:
        for what, values in (("weight", node.weight), ("bias", node.bias)):
            if values is not None and not np.all(np.isfinite(values)):
                raise GraphError(f"{node.name}: a {what} is NaN or infinite")
    shapes, ranges = graph.shapes(), calibrate(graph, inputs)
    for name, (low, high) in ranges.items():
        if not np.isfinite(high - low):
            raise GraphError(f"{graph.name}: tensor {name} reaches {low}..{high} on the calibration inputs")
    beam = [_Partial({graph.input: t}, (), ()) for t in _input_tensors(graph)]
    for node in graph.nodes:
        beam = [after for partial in beam for after in _assign(graph, node, partial, shapes, ranges)]
        if not beam:
            raise GraphError(f"{node.name}: no number of fraction bits keeps its sums below {ACCUMULATOR_LIMIT}")
        beam = sorted(beam, key=lambda p: p.score, reverse=True)[:BEAM]
    best = beam[0]
    return Graph(graph.name, graph.input, best.tensors, best.nodes, graph.levels, graph.meta)


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


def _assign(
    graph: FloatGraph,
    node: FloatNode,
    partial: _Partial,
    shapes: dict[str, Shape],
    ranges: dict[str, tuple[float, float]],
) -> list[_Partial]:
    x, shape = partial.tensors[node.input], shapes[node.output]
    if node.weight is None:
        if isinstance(node.op, Argmax):
            y = Tensor(node.output, shape, 0, 0, x.size - 1)
        else:
            y = replace(x, name=node.output, shape=shape, lo=max(x.lo, 0) if isinstance(node.op, Relu) else x.lo)
        made = Node(node.name, node.op, node.input, node.output)
        return [_Partial({**partial.tensors, y.name: y}, (*partial.nodes, made), partial.bits)]
    found = []
    for params in _params(node, x):
        f = x.frac_bits + params.frac_bits - params.shift
        y = _bounds(graph, node, shape, f, ranges[node.output])
        w_bits = np.log2(max(int(np.abs(params.weight.astype(np.int32)).max()), 1))
        used = min(max(abs(v) for v in ranges[node.output]) * 2.0**f, float(y.hi))  # logits have wider bounds
        bits = (*partial.bits, float(w_bits), float(np.log2(max(used, 1.0))))
        made = Node(node.name, node.op, node.input, node.output, params)
        found.append(_Partial({**partial.tensors, y.name: y}, (*partial.nodes, made), bits))
    return found


def _params(node: FloatNode, x: Tensor, choices: int = 4) -> list[Params]:
    """The `choices` finest integer versions of `node`'s weights whose sums can't overflow on `x`."""
    assert node.weight is not None and node.level_index is not None and node.bias is not None
    weight = np.where(node.level_index == NEVER, 0.0, node.weight.astype(np.float64))
    found: list[Params] = []
    for f in range(24, -9, -1):
        w = np.rint(weight * 2.0**f)
        # floor loses half an LSB on average; the bias gives it back
        b = np.floor(node.bias.astype(np.float64) * 2.0 ** (x.frac_bits + f - SHIFT) + 1.0)
        if np.abs(w).max(initial=0) > INT16_MAX or np.abs(b).max(initial=0) > INT16_MAX:
            continue
        params = Params(w.astype(np.int16), node.level_index.astype(np.uint8), b.astype(np.int32), f, SHIFT)
        if worst_sum(x, params) < ACCUMULATOR_LIMIT:
            found.append(params)
        if len(found) == choices:
            break
    return found


def _bounds(graph: FloatGraph, node: FloatNode, shape: Shape, f: int, seen: tuple[float, float]) -> Tensor:
    """The output tensor of a weighted node: full range for logits, calibrated bounds elsewhere."""
    readers = [n for n in graph.nodes if n.input == node.output]
    if not [n for n in readers if not isinstance(n.op, Argmax)]:
        return Tensor(node.output, shape, f)
    if all(isinstance(n.op, Relu) for n in readers):
        return Tensor(node.output, shape, f, INT16_MIN, _q(max(seen[1], 0.0), f))
    return Tensor(node.output, shape, f, -_q(-min(seen[0], 0.0), f), _q(max(seen[1], 0.0), f))


def _q(value: float, f: int) -> int:
    return int(min(max(np.ceil(value * 2.0**f), 1), INT16_MAX))

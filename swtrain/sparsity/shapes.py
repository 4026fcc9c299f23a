"""Shapes of sparsity: how the weights of one layer group into units that enter or leave together.

Comes in: the scores of a layer, `(out, in)` or `(out, in, kh, kw)` or `(out, in, k)`. Goes out: a unit number per
weight, with a score and a size per unit. A layer is seen as a matrix of `out` rows (filters) and `taps` columns
(`in * kh * kw` in the order of memory); one column is one input tap of every filter.

    unstructured   one weight
    row            one filter: an output channel or neuron
    column         one tap, for `group` consecutive filters that then share one list of operands; what one
                   MPYMATRIXROW of the LEA takes as a shorter row. In pairs, since LEA sizes are even
    channel        one input channel of every filter: `kh * kw` neighbouring columns
    block          `block[1]` neighbouring weights of one filter: a run that the LEA multiplies at once
    whole-block    `block[0]` filters by `block[1]` columns
    pattern        the taps of one kernel (one input channel of one filter), all kernels restricted to few
                   patterns; a layer whose kernels have one tap is unstructured

Invariant: units are disjoint, and together they cover every weight that has not entered yet.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .patterns import pattern_units

KINDS = ("unstructured", "row", "column", "channel", "block", "whole-block", "pattern")


@dataclass(frozen=True)
class Shape:
    """A shape with its parameters.

    Attributes:
        kind: one of `KINDS`.
        group: filters that share their columns (`column`); 0 means all of the layer.
        pair: `column`: columns of a group enter in pairs, so that counts stay even (at most one pair of a group
            with an odd number of columns has a single one).
        block: filters and columns of a unit (`whole-block`); `block` uses the second number alone.
        patterns: `pattern`: number of different patterns that each level may add.
    """

    kind: str = "unstructured"
    group: int = 0
    pair: bool = True
    block: tuple[int, int] = (4, 8)
    patterns: int = 8


@dataclass(frozen=True)
class Units:
    """Units of the weights of one layer that have not entered.

    Attributes:
        ids: int64 in the shape of the weight, -1 where the weight has entered.
        scores: float64 per unit: root mean square of its weights' scores, -1 if none of them is alive.
        sizes: int64 weights per unit.
        row: int64 per unit: the group of filters that it belongs to, for scope `row`.
    """

    ids: Tensor
    scores: Tensor
    sizes: Tensor
    row: Tensor


def units_of(shape: Shape, score: Tensor, entered: Tensor, alive: Tensor, density: float) -> Units:
    """Group the weights of a layer that have not entered.

    Args:
        shape: how to group.
        score: not negative, in the shape of the weight.
        entered: bool mask of weights that belong to a sparser level.
        alive: bool mask of weights that are present now, while a ramp rises; the others count as 0.
        density: share of the layer that this level keeps, about; decides the taps of a pattern.
    """
    flat = score.detach().double().flatten(1)
    out, taps = flat.shape
    kernel = math.prod(score.shape[2:])
    flat = torch.where(alive.flatten(1), flat, 0.0)
    free = ~entered.flatten(1)
    if shape.kind == "pattern" and kernel > 1:
        ids = pattern_units(flat.reshape(-1, kernel), ~free.reshape(-1, kernel), density, shape.patterns)
        rows = (torch.arange(out * taps // kernel) // (taps // kernel)).repeat(2)
        late = torch.ones(len(rows), dtype=torch.float64)
        late[len(rows) // 2 :] = 1e-9  # taps outside the patterns come after all patterns
        return _collect(ids.reshape(score.shape), flat, alive, rows, late)
    o, t = torch.arange(out)[:, None], torch.arange(taps)[None, :]
    filters = shape.group or out
    match shape.kind:
        case "row":
            ids, row = o + 0 * t, torch.zeros(out, dtype=torch.int64)
        case "column":
            ids = (o // filters) * taps + t
            row = torch.arange(math.ceil(out / filters) * taps) // taps
        case "channel":
            ids, row = t // kernel + 0 * o, torch.zeros(taps // kernel, dtype=torch.int64)
        case "block" | "whole-block":
            high, wide = (1, shape.block[1]) if shape.kind == "block" else shape.block
            across = math.ceil(taps / wide)
            ids = (o // high) * across + t // wide
            row = torch.arange(math.ceil(out / high) * across) // across
        case _:
            ids, row = o * taps + t, torch.arange(out * taps) // taps
    units = _collect(torch.where(free, ids, -1).reshape(score.shape), flat, alive, row)
    return _paired(units, flat, alive) if shape.kind == "column" and shape.pair and len(units.sizes) else units


def largest_unit(shape: Shape, weight_shape: tuple[int, ...]) -> int:
    """Weights of the largest unit that `shape` makes of a layer: the grain of its sparsity."""
    out, taps, kernel = weight_shape[0], math.prod(weight_shape[1:]), math.prod(weight_shape[2:])
    sizes = {
        "row": taps,
        "column": min(shape.group or out, out) * (2 if shape.pair and taps > 1 else 1),
        "channel": out * kernel,
        "block": min(shape.block[1], taps),
        "whole-block": min(shape.block[0], out) * min(shape.block[1], taps),
        "pattern": kernel,
    }
    return sizes.get(shape.kind, 1)


def _collect(ids: Tensor, flat: Tensor, alive: Tensor, row: Tensor, scale: Tensor | None = None) -> Units:
    """Number the units without gaps and sum up what they hold; `scale` multiplies the scores."""
    number, value = ids.reshape(-1), flat.reshape(-1)
    held = number >= 0
    sizes = torch.zeros(len(row), dtype=torch.int64).index_add_(0, number[held], torch.ones_like(number[held]))
    squares = torch.zeros(len(row), dtype=torch.float64).index_add_(0, number[held], value[held].square())
    living = torch.zeros(len(row), dtype=torch.int64).index_add_(0, number[held], alive.reshape(-1)[held].long())
    used = sizes > 0
    renumber = torch.cumsum(used, 0) - 1
    scores = (squares / sizes.clamp(min=1)).sqrt() * (1.0 if scale is None else scale)
    scores = torch.where(living > 0, scores, -1.0)
    new_ids = torch.where(held, renumber[number.clamp(min=0)], -1).reshape(ids.shape)
    return Units(new_ids, scores[used], sizes[used], row[used])


def _paired(units: Units, flat: Tensor, alive: Tensor) -> Units:
    """Join the columns of each group two by two, best with second best and so on."""
    order = torch.argsort(units.scores, descending=True, stable=True)
    order = order[torch.argsort(units.row[order], stable=True)]
    row = units.row[order]
    first = torch.searchsorted(row, row)  # where the group of this column begins
    pair_of_group = (torch.arange(len(order)) - first) // 2
    begins = torch.ones(len(order), dtype=torch.bool)
    begins[1:] = (row[1:] != row[:-1]) | (pair_of_group[1:] != pair_of_group[:-1])
    pair = torch.empty_like(order)
    pair[order] = torch.cumsum(begins, 0) - 1
    ids = torch.where(units.ids >= 0, pair[units.ids.clamp(min=0)], -1)
    return _collect(ids, flat, alive, row[begins])

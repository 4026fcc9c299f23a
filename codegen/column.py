"""The `column` encoding: what the LEA executes. `firmware/FORMAT.md` has every byte.

A *column* is one tap (a position in the row of a filter or of a fully connected matrix) with one weight for each output
row of a group. Columns are ordered by level, so a level is a count: the `rowSize` of one MPYMATRIXROW command. Biases
are columns of level 0 whose input is a constant. A tap whose weights enter at several levels has a column in each, with
zeros for the rows whose weight belongs to another. Every level is padded to an even count, which the command demands;
padding and the zeros count as bytes and work, never as `nnz`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from .errors import GraphError
from .ir import Params
from .ops import Array

SHIFT = 15
"""The command's right shift of the sum (sim/LEA.md, MPYMATRIXROW): no other can be executed."""

ONE = 2**14
"""Input of a bias column when twice the bias fits int16: `2 b * 2**14 = b * 2**15`."""

HALVES = (2**15 - 1, 1)
"""Inputs of the two bias columns otherwise: `b * (2**15 - 1) + b = b * 2**15`."""


GROUP_WORDS = 8
"""Of `sw_column_group_t` (sw_layers.h)."""


@dataclass(frozen=True)
class ColumnGroup:
    """Output rows that share one list of taps.

    Attributes:
        first, rows: the output rows `[first, first + rows)`.
        taps: position of each column behind the bias columns, padding included.
        counts: for each level, columns in use, bias and padding included; even, rising.
        weights: int16 `(columns, rows)`.
        base: position from which the taps count: the first channel of a grouped convolution's group.
    """

    first: int
    rows: int
    taps: Array
    counts: tuple[int, ...]
    weights: Array
    base: int = 0


@dataclass(frozen=True)
class ColumnLayer:
    """Column-packed weights of one node.

    Attributes:
        node: its name.
        groups: in order of their rows; groups cut from one share `taps` and `counts` (equal arrays).
        constants: inputs of the bias columns.
        tile: 0: weights are stored row by row (filters are the LEA's row vectors). Otherwise column by column in tiles
            of so many rows (the weights are the LEA's matrix); the last tile of a group is padded with zero rows.
    """

    node: str
    groups: tuple[ColumnGroup, ...]
    constants: tuple[int, ...]
    tile: int = 0

    encoding = "column"

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """Byte offset in the blob of each group."""
        sizes = [2 * len(g.weights) * self._stored_rows(g) for g in self.groups]
        return tuple(int(n) for n in np.cumsum([0, *sizes[:-1]]))

    def _stored_rows(self, group: ColumnGroup) -> int:
        return group.rows if not self.tile else -(-group.rows // self.tile) * self.tile

    @property
    def blob(self) -> Array:
        """int16 of the whole blob."""
        parts = []
        for g in self.groups:
            if not self.tile:
                parts.append(g.weights.T.reshape(-1))
                continue
            padded = np.zeros((len(g.weights), self._stored_rows(g)), np.int16)
            padded[:, : g.rows] = g.weights
            parts += [padded[:, r : r + self.tile].reshape(-1) for r in range(0, padded.shape[1], self.tile)]
        return np.concatenate(parts)

    @property
    def blob_bytes(self) -> int:
        """Size of the blob; even."""
        return 2 * sum(len(g.weights) * self._stored_rows(g) for g in self.groups)

    def entries(self, level: int) -> int:
        """Weights that `level` reads, biases and padding included."""
        return sum(g.counts[level] * self._stored_rows(g) for g in self.groups)

    def weight_bytes(self, level: int) -> int:
        """Bytes of weights that `level` reads, biases and padding included."""
        return 2 * self.entries(level)

    def lists(self) -> list[tuple[ColumnGroup, list[int]]]:
        """Each distinct list of taps, by one group that has it, with the indices of all its groups."""
        found: dict[tuple[tuple[int, ...], bytes], tuple[ColumnGroup, list[int]]] = {}
        for i, g in enumerate(self.groups):
            found.setdefault((g.counts, g.taps.tobytes()), (g, []))[1].append(i)
        return list(found.values())

    @cached_property
    def table_words(self) -> int:
        """Words of low FRAM that describe the groups (sw_layers.h)."""
        return GROUP_WORDS * len(self.groups) + sum(len(g.taps) + len(g.counts) for g, _ in self.lists())

    def index_bytes(self, level: int) -> int:
        """Bytes of taps and counts that `level` reads."""
        return sum(2 * (g.counts[level] - len(self.constants)) + 2 * (level + 1) for g, _ in self.lists())

    def at_level(self, level: int, cols: int) -> Array:
        """int16 `(rows, cols)`: the weights of `level`, from the packed form alone."""
        out = np.zeros((sum(g.rows for g in self.groups), cols), np.int64)
        skip = len(self.constants)
        for g in self.groups:
            n = g.counts[level]
            np.add.at(out.T[:, g.first : g.first + g.rows], g.taps[: n - skip], g.weights[skip:n].astype(np.int64))
        return out.astype(np.int16)

    def biases(self) -> Array:
        """int64 bias of each row, from the packed form alone."""
        constants = np.array(self.constants, np.int64)
        rows = [constants @ g.weights[: len(constants)].astype(np.int64) for g in self.groups]
        return np.concatenate(rows) >> SHIFT


def bias_constants(bias: Array) -> tuple[int, ...]:
    """Inputs of the bias columns that `bias` needs."""
    return (ONE,) if int(np.abs(bias.astype(np.int64)).max()) < ONE else HALVES


def pack_column(node: str, params: Params, levels: int, rows: int, *, tile: int = 0, groups: int = 1) -> ColumnLayer:
    """Pack in groups of `rows` output rows (the last one smaller).

    Args:
        groups: of a grouped convolution; output rows of different ones share no group here.

    Raises:
        GraphError: the layer's shift is not the LEA's.
    """
    if params.shift != SHIFT:
        raise GraphError(f"{node}: shift {params.shift}; the LEA shifts by {SHIFT}, use backend cpu")
    constants = bias_constants(params.bias)
    outputs = len(params.bias)
    weight, index = params.weight.reshape(outputs, -1), params.level_index.reshape(outputs, -1)
    factor = 2 if constants == (ONE,) else 1
    made: list[ColumnGroup] = []
    each = outputs // groups
    for first in (g + start for g in range(0, outputs, each) for start in range(0, each, rows)):
        part = slice(first, min(first + rows, first // each * each + each))
        taps, counts, columns = _columns(weight[part], index[part], levels, len(constants))
        bias = np.repeat(factor * params.bias[part][None].astype(np.int16), len(constants), axis=0)
        base = first // each * weight.shape[1]
        made.append(ColumnGroup(first, part.stop - first, taps, counts, np.concatenate([bias, columns]), base))
    return ColumnLayer(node, tuple(made), constants, tile)


def cut_groups(packed: ColumnLayer, rows: int) -> ColumnLayer:
    """The same layer in groups of at most `rows` output rows; those cut from one share its taps."""
    groups = [
        ColumnGroup(
            g.first + start,
            min(rows, g.rows - start),
            g.taps,
            g.counts,
            np.ascontiguousarray(g.weights[:, start : start + rows]),
            g.base,
        )
        for g in packed.groups
        for start in range(0, g.rows, rows)
    ]
    return replace(packed, groups=tuple(groups))


def _columns(weight: Array, index: Array, levels: int, skip: int) -> tuple[Array, tuple[int, ...], Array]:
    taps: list[Array] = []
    columns: list[Array] = []
    counts: list[int] = []
    used = skip
    for level in range(levels):
        mine = np.flatnonzero((index == level).any(axis=0))
        taps.append(mine)
        columns.append(np.where(index[:, mine] == level, weight[:, mine], np.int16(0)).T)
        used += len(mine)
        if used % 2:
            taps.append(mine[-1:] if len(mine) else np.zeros(1, np.int64))
            columns.append(np.zeros((1, len(weight)), np.int16))
            used += 1
        counts.append(used)
    return np.concatenate(taps), tuple(counts), np.concatenate(columns).astype(np.int16)


def verify_column(packed: ColumnLayer, params: Params, levels: int) -> None:
    """Decode every level and compare.

    Raises:
        AssertionError: the packed form is not the layer.
    """
    cols = params.weight[0].size
    for level in range(levels):
        if not np.array_equal(packed.at_level(level, cols), params.at_level(level).reshape(len(params.bias), -1)):
            raise AssertionError(f"{packed.node}: decoding column does not give the weights of level {level} back")
    if not np.array_equal(packed.biases(), params.bias):
        raise AssertionError(f"{packed.node}: decoding column does not give the biases back")

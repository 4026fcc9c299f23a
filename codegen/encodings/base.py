"""`RowLayer`: the packed weights of one node that a CPU kernel reads row by row, in any encoding of this package.

A *row* makes one output channel. In a row the weights of level 0 come first, then those that level 1 adds, and so on:
a level is a count and never a copy. Encodings differ in the order of weights inside a level and in the index, the bytes
that tell a kernel which input each weight belongs to. `firmware/FORMAT.md` has every byte.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import DoesNotFit
from ..ops import Array

MAX_RUN = 2**15 - 1
"""Weights of one row that a kernel counts."""


@dataclass(frozen=True)
class RowLayer:
    """Packed weights of one node.

    Attributes:
        node: its name.
        encoding: name of the module that made it.
        rows, cols: output channels, and weights of each when nothing is pruned.
        weights: int16 or int8, all rows and levels in order, padding included.
        counts: `(rows, levels)` weights that each level adds to each row, padding included; `(1, levels)` if
            `shared`; `(rows, 0)` if every weight is stored.
        index: uint8, the index of all rows and levels in order.
        unit: weights that one code of the index places.
        run_bytes: bytes of the index for each level of each row, whatever its count.
        word_weights: weights that each two bytes of the index place besides; 0: no such words.
        shared: all rows have the same counts and index, which are stored once.
        near: the blob lies below 64 KB, where some kernels read it faster.
        patterns: for each code, the taps of a kernel that it stands for (`pattern` only).

    Raises:
        DoesNotFit: a row has more weights than a kernel can count, padding included.
    """

    node: str
    encoding: str
    rows: int
    cols: int
    weights: Array
    counts: Array
    index: Array
    unit: int = 1
    run_bytes: int = 0
    word_weights: int = 0
    shared: bool = False
    near: bool = False
    patterns: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self) -> None:
        longest = max(int(self.counts.max(initial=0)), self.cols)
        if longest > MAX_RUN:
            raise DoesNotFit(f"{self.node}: a row has {longest:,} weights; kernels count {MAX_RUN:,}; split the layer")

    @property
    def weight_size(self) -> int:
        """Bytes of a stored weight: 1 or 2."""
        return int(self.weights.dtype.itemsize)

    @property
    def count_bytes(self) -> int:
        """Bytes of a stored count: 1 or 2."""
        return 1 if int(self.counts.max(initial=0)) <= 255 else 2

    @property
    def counts_offset(self) -> int:
        """Byte offset of the counts in the blob; even."""
        return _even(self.weight_size * len(self.weights))

    @property
    def index_offset(self) -> int:
        """Byte offset of the index in the blob; even."""
        return self.counts_offset + _even(self.counts.size * self.count_bytes)

    @property
    def blob_bytes(self) -> int:
        """Size of the blob; even."""
        return self.index_offset + _even(len(self.index))

    @property
    def blob(self) -> bytes:
        """The blob, little endian."""
        counts = self.counts.astype("<u1" if self.count_bytes == 1 else "<u2")
        parts = [self.weights.astype(f"<i{self.weight_size}").tobytes(), counts.tobytes(), self.index.tobytes()]
        return b"".join(part + bytes(len(part) % 2) for part in parts)

    def run_index_bytes(self, count: int) -> int:
        """Bytes of the index of one level of one row that has `count` weights."""
        words = -(-count // self.word_weights) if self.word_weights else 0
        return self.run_bytes + 2 * words

    def entries(self, level: int) -> int:
        """Weights that `level` reads, padding included."""
        if not self.counts.shape[1]:
            return len(self.weights)
        used = int(self.counts[:, : level + 1].sum())
        return used * self.rows if self.shared else used

    def nonzero(self, level: int) -> int:
        """Weights that `level` reads and that are not 0."""
        if not self.counts.shape[1]:
            return int(np.count_nonzero(self.weights))
        counts = np.broadcast_to(self.counts, (self.rows, self.counts.shape[1])).reshape(-1)
        levels = np.tile(np.arange(self.counts.shape[1]), self.rows)
        return int(np.count_nonzero(self.weights[np.repeat(levels, counts) <= level]))

    def weight_bytes(self, level: int) -> int:
        """Bytes of weights that `level` reads, padding included."""
        return self.weight_size * self.entries(level)

    def index_bytes(self, level: int) -> int:
        """Bytes of the index and of counts that `level` reads."""
        counts = self.counts[:, : level + 1]
        runs = sum(self.run_index_bytes(int(n)) for n in counts.flat)
        return counts.size * self.count_bytes + runs + 2 * self.table_words

    @property
    def table_words(self) -> int:
        """Words of the table of patterns, in low FRAM."""
        return 1 + sum(1 + len(p) for p in self.patterns) if self.patterns else 0

    def max_row_entries(self) -> int:
        """Weights of the longest row at the densest level."""
        return int(self.counts.sum(axis=1).max(initial=0)) if self.counts.shape[1] else self.cols


def _even(size: int) -> int:
    return size + size % 2


@dataclass(frozen=True)
class Run:
    """The weights that one level adds to one row, as a decoder walks them.

    Attributes:
        row, level: whose weights; of a shared index each row has runs of its own.
        weights: as stored, padding included.
        index: the run's part of the index.
    """

    row: int
    level: int
    weights: Array
    index: Array


def runs(packed: RowLayer) -> list[Run]:
    """All runs of `packed` in the order of its blob; not for layers that store every weight (`dense`)."""
    found = []
    weights = 0
    index = 0
    for row in range(packed.rows):
        if packed.shared:
            index = 0
        for level in range(packed.counts.shape[1]):
            count = int(packed.counts[0 if packed.shared else row, level])
            size = packed.run_index_bytes(count)
            found.append(Run(row, level, packed.weights[weights : weights + count], packed.index[index : index + size]))
            weights += count
            index += size
    if weights != len(packed.weights) or index != len(packed.index):
        raise AssertionError(f"{packed.node}: {packed.encoding} has bytes that no run of it reads")
    return found


def row_starts(packed: RowLayer) -> list[tuple[int, int]]:
    """Bytes from the first weight, and from the first byte of the index, to each row."""
    if not packed.counts.shape[1]:
        return [(packed.weight_size * packed.cols * row, 0) for row in range(packed.rows)]
    starts, weights, index = [], 0, 0
    for row in range(packed.rows):
        starts.append((weights, index))
        counts = [int(n) for n in packed.counts[0 if packed.shared else row]]
        weights += packed.weight_size * sum(counts)
        index += 0 if packed.shared else sum(packed.run_index_bytes(n) for n in counts)
    return starts


def stored(weights: Array, weight_bits: int) -> Array:
    """`weights` in the type that they are stored in.

    Raises:
        DoesNotFit: a weight does not fit `weight_bits`.
    """
    if weight_bits == 16:
        return weights.astype(np.int16)
    if weights.size and (int(weights.min()) < -128 or int(weights.max()) > 127):
        raise DoesNotFit("a weight does not fit 8 bits; quantize the layer with weight_bits = 8")
    return weights.astype(np.int8)

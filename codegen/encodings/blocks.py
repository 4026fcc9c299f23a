"""What `block` and `channel` share: blocks of neighbouring weights of a row, placed by gap codes (`gaps.py`).

A row is cut into blocks of `unit` weights from its start; the last one may be shorter. A level stores a block if one of
its weights enters there, with 0 for those that enter at another level. Such zeros and padding count as bytes and as
work, never as `nnz`.
"""

from __future__ import annotations

import numpy as np

from ..ops import Array
from .base import RowLayer, runs
from .gaps import codes_of_words, decode_gaps, encode_gaps, words_of_codes


def encode_run(entering: Array, unit: int) -> tuple[Array, Array]:
    """Positions and index of the blocks that hold entering weights.

    Args:
        entering: bool `(cols,)`: which positions enter.

    Returns:
        Position of each stored weight, -1 for padding, and the bytes of the index.
    """
    cols = len(entering)
    numbers = np.unique(np.flatnonzero(entering) // unit)
    codes, places = encode_gaps(numbers)
    positions = [np.zeros(0, np.int64)]
    for place in places:
        if place < 0:
            positions.append(np.full(unit, -1))
        else:
            first = int(numbers[place]) * unit
            positions.append(np.arange(first, min(first + unit, cols)))
    return np.concatenate(positions), words_of_codes(codes)


def decode_blocks(packed: RowLayer, level: int) -> Array:
    """int16 `(rows, cols)`: the weights of `level`."""
    found = np.zeros((packed.rows, packed.cols), np.int16)
    for run in runs(packed):
        if run.level > level:
            continue
        blocks = -(-len(run.weights) // packed.unit)
        for i, number in enumerate(decode_gaps(codes_of_words(run.index)[:blocks])):
            values = run.weights[i * packed.unit : (i + 1) * packed.unit]
            found[run.row, number * packed.unit : number * packed.unit + len(values)] += values
    return found

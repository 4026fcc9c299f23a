"""`bitmap`: one bit for each position and level, the position's weight present; little bytes where little is pruned."""

from __future__ import annotations

import numpy as np

from ..ir import Params
from ..ops import Array
from .base import RowLayer, runs, stored


def encode(node: str, params: Params, levels: int, weight_bits: int = 16) -> RowLayer:
    """Weights of every level of every row.

    Raises:
        DoesNotFit: a row has more weights than a kernel can count.
    """
    rows = len(params.bias)
    weight, level_index = params.weight.reshape(rows, -1), params.level_index.reshape(rows, -1)
    enters = level_index[:, None, :] == np.arange(levels)[:, None]  # `(rows, levels, cols)`
    values = np.broadcast_to(weight[:, None, :], enters.shape)[enters]
    bits = np.packbits(enters, axis=2, bitorder="little")
    counts = enters.sum(axis=2).astype(np.uint16)
    return RowLayer(
        node,
        "bitmap",
        rows,
        weight.shape[1],
        stored(values, weight_bits),
        counts,
        bits.reshape(-1),
        run_bytes=bits.shape[2],
    )


def decode(packed: RowLayer, level: int) -> Array:
    """int16 `(rows, cols)`: the weights of `level`."""
    found = np.zeros((packed.rows, packed.cols), np.int16)
    for run in runs(packed):
        if run.level <= level:
            present = np.unpackbits(run.index, count=packed.cols, bitorder="little").astype(bool)
            found[run.row, present] += run.weights
    return found

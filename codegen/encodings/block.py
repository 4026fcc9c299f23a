"""`block`: runs of 2, 4, ... 64 neighbouring weights, as the LEA takes them; one gap code places a whole run."""

from __future__ import annotations

import numpy as np

from ..errors import GraphError
from ..ir import Params
from ..ops import Array
from .base import RowLayer, stored
from .blocks import decode_blocks, encode_run
from .gaps import WORD_CODES

UNITS = (2, 4, 8, 16, 32, 64)


def encode(node: str, params: Params, levels: int, weight_bits: int = 16, unit: int = 8) -> RowLayer:
    """Blocks of `unit` weights.

    Raises:
        GraphError: `unit` is not one of `UNITS`.
        DoesNotFit: a row has more weights than a kernel can count.
    """
    if unit not in UNITS:
        raise GraphError(f"{node}: a block of {unit} weights is not possible; choose one of {UNITS}")
    rows = len(params.bias)
    weight, level_index = params.weight.reshape(rows, -1), params.level_index.reshape(rows, -1)
    counts = np.zeros((rows, levels), np.uint16)
    weights: list[Array] = [np.zeros(0, np.int16)]
    index: list[Array] = [np.zeros(0, np.uint8)]
    for row in range(rows):
        for level in range(levels):
            entering = level_index[row] == level
            positions, codes = encode_run(entering, unit)
            weights.append(np.where((positions >= 0) & entering[positions], weight[row, positions], 0))
            index.append(codes)
            counts[row, level] = len(positions)
    values, bits = stored(np.concatenate(weights), weight_bits), np.concatenate(index)
    per_word = WORD_CODES * unit
    return RowLayer(node, "block", rows, weight.shape[1], values, counts, bits, unit, word_weights=per_word)


def decode(packed: RowLayer, level: int) -> Array:
    """int16 `(rows, cols)`: the weights of `level`."""
    return decode_blocks(packed, level)

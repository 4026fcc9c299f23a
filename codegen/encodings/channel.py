"""`channel`: whole input channels are pruned, the same for all rows, so that one index serves the layer.

The unit is the largest run of positions that enter together in every row: a kernel of a convolution, what is left of a
flattened channel of a fully connected layer, one column at least.
"""

from __future__ import annotations

import numpy as np

from ..errors import GraphError
from ..ir import Params
from ..ops import Array
from .base import RowLayer, stored
from .blocks import decode_blocks, encode_run
from .gaps import WORD_CODES


def encode(node: str, params: Params, levels: int, weight_bits: int = 16) -> RowLayer:
    """Weights of the channels of every level, row by row.

    Raises:
        GraphError: rows differ in what enters at which level.
        DoesNotFit: a row has more weights than a kernel can count.
    """
    rows = len(params.bias)
    weight, level_index = params.weight.reshape(rows, -1), params.level_index.reshape(rows, -1)
    first = level_index[0]
    if (level_index != first).any():
        raise GraphError(f"{node}: channel is legal only if every row prunes the same inputs; use csr")
    unit = _unit(first)
    counts = np.zeros((1, levels), np.uint16)
    order: list[Array] = [np.zeros(0, np.int64)]
    index: list[Array] = []
    for level in range(levels):
        positions, codes = encode_run(first == level, unit)
        order.append(positions)
        index.append(codes)
        counts[0, level] = len(positions)
    positions = np.concatenate(order)
    values = stored(np.where(positions >= 0, weight[:, positions], 0).reshape(-1), weight_bits)
    bits, per_word = np.concatenate(index), WORD_CODES * unit
    return RowLayer(node, "channel", rows, len(first), values, counts, bits, unit, word_weights=per_word, shared=True)


def decode(packed: RowLayer, level: int) -> Array:
    """int16 `(rows, cols)`: the weights of `level`."""
    return decode_blocks(packed, level)


def _unit(level_index: Array) -> int:
    """The largest divisor of the row's length whose blocks each enter as one."""
    cols = len(level_index)
    for unit in range(cols, 1, -1):
        if cols % unit == 0 and (level_index.reshape(-1, unit) == level_index[::unit, None]).all():
            return unit
    return 1

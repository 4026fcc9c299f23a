"""`csr`: single weights in the order of their positions, with a gap code (`gaps.py`) each."""

from __future__ import annotations

import numpy as np

from ..ir import Params
from ..ops import Array
from .base import RowLayer, runs, stored
from .gaps import WORD_CODES, codes_of_words, decode_gaps, encode_gaps, words_of_codes


def encode(node: str, params: Params, levels: int, weight_bits: int = 16) -> RowLayer:
    """Weights of every level of every row.

    Raises:
        DoesNotFit: a row has more weights than a kernel can count.
    """
    rows = len(params.bias)
    weight, level_index = params.weight.reshape(rows, -1), params.level_index.reshape(rows, -1)
    counts = np.zeros((rows, levels), np.uint16)
    weights: list[Array] = [np.zeros(0, np.int16)]
    index: list[Array] = [np.zeros(0, np.uint8)]
    for row in range(rows):
        for level in range(levels):
            positions = np.flatnonzero(level_index[row] == level)
            codes, places = encode_gaps(positions)
            weights.append(np.where(places < 0, 0, weight[row, positions][places] if len(positions) else 0))
            index.append(words_of_codes(codes))
            counts[row, level] = len(codes)
    values, bits = stored(np.concatenate(weights), weight_bits), np.concatenate(index)
    return RowLayer(node, "csr", rows, weight.shape[1], values, counts, bits, word_weights=WORD_CODES)


def decode(packed: RowLayer, level: int) -> Array:
    """int16 `(rows, cols)`: the weights of `level`."""
    found = np.zeros((packed.rows, packed.cols), np.int16)
    for run in runs(packed):
        if run.level <= level:
            at = decode_gaps(codes_of_words(run.index)[: len(run.weights)])
            np.add.at(found[run.row], at, run.weights)
    return found

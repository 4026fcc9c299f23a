"""`pattern`: the taps of each kernel are one of a few arrangements; the index is the arrangement's number.

For convolutions. A kernel is one input channel of one filter. Each level of each row has one code for every channel:
0 for a kernel that gains nothing, else the pattern of taps that enter. Codes have four bits where a layer has no more
than 15 patterns, else eight; four make a word in the order of `gaps.py`, or two, low byte first.
"""

from __future__ import annotations

import numpy as np

from ..errors import GraphError
from ..ir import Params
from ..ops import Array
from .base import RowLayer, runs, stored
from .gaps import codes_of_words, words_of_codes

MAX_PATTERNS = 255
NARROW = 15
"""Most patterns whose codes have four bits."""


def encode(node: str, params: Params, levels: int, weight_bits: int = 16) -> RowLayer:
    """Weights of every level of every row, channel by channel.

    Raises:
        GraphError: not a convolution, or more patterns than codes.
        DoesNotFit: a row has more weights than a kernel can count.
    """
    if params.weight.ndim < 3:
        raise GraphError(f"{node}: pattern is legal only for a convolution; use csr")
    rows, channels = params.weight.shape[:2]
    weight = params.weight.reshape(rows, channels, -1)
    level_index = params.level_index.reshape(rows, channels, -1)
    kernels = level_index[:, None] == np.arange(levels)[:, None, None]  # `(rows, levels, channels, taps)`
    known, codes = np.unique(kernels.reshape(-1, kernels.shape[3]), axis=0, return_inverse=True)
    if known[0].any():  # no kernel is empty: code 0 stands for that nevertheless
        known, codes = np.concatenate([np.zeros((1, known.shape[1]), bool), known]), codes + 1
    if len(known) - 1 > MAX_PATTERNS:
        raise GraphError(f"{node}: {len(known) - 1} patterns; pattern allows {MAX_PATTERNS}; use csr")
    patterns = tuple(tuple(int(t) for t in np.flatnonzero(p)) for p in known)
    lines = codes.reshape(rows * levels, channels).astype(np.uint8)
    if len(known) - 1 <= NARROW:
        index = [words_of_codes(line) for line in lines]
    else:
        index = [np.pad(line, (0, channels % 2)) for line in lines]
    values = np.broadcast_to(weight[:, None], kernels.shape)[kernels]
    return RowLayer(
        node,
        "pattern",
        rows,
        weight[0].size,
        stored(values, weight_bits),
        kernels.sum(axis=(2, 3)).astype(np.uint16),
        np.concatenate(index),
        unit=weight.shape[2],
        run_bytes=len(index[0]),
        patterns=patterns,
    )


def decode(packed: RowLayer, level: int) -> Array:
    """int16 `(rows, cols)`: the weights of `level`."""
    found = np.zeros((packed.rows, packed.cols), np.int16)
    channels = packed.cols // packed.unit
    for run in runs(packed):
        if run.level > level:
            continue
        codes = codes_of_words(run.index) if len(packed.patterns) - 1 <= NARROW else run.index
        taps = [c * packed.unit + t for c in range(channels) for t in packed.patterns[codes[c]]]
        found[run.row, taps] += run.weights
    return found

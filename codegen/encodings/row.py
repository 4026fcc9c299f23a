"""`row`: whole output rows are pruned; a row is stored in full or not at all, and needs no index but its counts."""

from __future__ import annotations

import numpy as np

from ..errors import GraphError
from ..ir import NEVER, Params
from ..ops import Array
from .base import RowLayer, runs, stored


def encode(node: str, params: Params, levels: int, weight_bits: int = 16) -> RowLayer:
    """The rows that some level keeps.

    Raises:
        GraphError: weights of one row enter at different levels.
    """
    rows = len(params.bias)
    weight, level_index = params.weight.reshape(rows, -1), params.level_index.reshape(rows, -1)
    if (level_index != level_index[:, :1]).any():
        raise GraphError(f"{node}: row is legal only if each row is kept or pruned as a whole; use csr")
    enters = level_index[:, 0]
    counts = ((enters[:, None] == np.arange(levels)) * weight.shape[1]).astype(np.uint16)
    values = stored(weight[enters != NEVER].reshape(-1), weight_bits)
    return RowLayer(node, "row", rows, weight.shape[1], values, counts, np.zeros(0, np.uint8))


def decode(packed: RowLayer, level: int) -> Array:
    """int16 `(rows, cols)`: the weights of `level`."""
    found = np.zeros((packed.rows, packed.cols), np.int16)
    for run in runs(packed):
        if run.level <= level and len(run.weights):
            found[run.row] += run.weights
    return found

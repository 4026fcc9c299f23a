"""`dense`: every weight in order, no index; legal only where no level prunes anything."""

from __future__ import annotations

import numpy as np

from ..errors import GraphError
from ..ir import Params
from ..ops import Array
from .base import RowLayer, stored


def encode(node: str, params: Params, levels: int, weight_bits: int = 16) -> RowLayer:
    """Every weight of `params`.

    Raises:
        GraphError: a level prunes some weight.
    """
    if not params.is_dense:
        raise GraphError(f"{node}: dense is legal only for a layer without pruned weights; use csr")
    rows = len(params.bias)
    none = np.zeros((rows, 0), np.uint16)
    weights = stored(params.weight.reshape(-1), weight_bits)
    return RowLayer(node, "dense", rows, params.weight[0].size, weights, none, np.zeros(0, np.uint8))


def decode(packed: RowLayer, level: int) -> Array:
    """int16 `(rows, cols)`: the weights of every level."""
    return packed.weights.reshape(packed.rows, packed.cols).astype(np.int16)

"""Encodings of weights for the CPU's kernels: one module each, encode and decode side by side.

`encode` gives the packed form and has proved that decoding it gives back the weights of every level. The LEA's encoding
is `codegen.column`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..errors import GraphError
from ..ir import Params
from ..ops import Array
from . import bitmap, block, channel, csr, dense, pattern, row
from .base import RowLayer, row_starts
from .kernels import dot_kernel, has_near_kernel, kernel_unit, taps_kernel

__all__ = [
    "BYTE_ENCODINGS",
    "ENCODINGS",
    "RowLayer",
    "decode",
    "dot_kernel",
    "encode",
    "has_near_kernel",
    "kernel_unit",
    "row_starts",
    "taps_kernel",
]

_MODULES = {m.__name__.rpartition(".")[2]: m for m in (dense, csr, block, channel, row, pattern, bitmap)}

ENCODINGS = tuple(_MODULES)
"""Names of all encodings of the CPU."""

BYTE_ENCODINGS = ("dense", "csr", "row")
"""Those that have kernels for weights of 8 bits."""


def encode(name: str, node: str, params: Params, levels: int, weight_bits: int = 16, **settings: int) -> RowLayer:
    """Pack `params` and check that decoding gives the weights of every level back.

    Args:
        name: one of `ENCODINGS`.
        weight_bits: 16, or 8 where every weight fits.
        settings: what the encoding takes besides: `unit` of `block`.

    Raises:
        GraphError: an unknown encoding, or one that is not legal for these weights.
        DoesNotFit: a row is longer than kernels count, or a weight exceeds `weight_bits`.
    """
    if name not in _MODULES:
        raise GraphError(f"encoding {name!r} is unknown; choose one of {', '.join(ENCODINGS)}")
    if weight_bits == 8 and name not in BYTE_ENCODINGS:
        raise GraphError(f"{node}: {name} has no kernels for weights of 8 bits; use {' or '.join(BYTE_ENCODINGS)}")
    make: Callable[..., RowLayer] = _MODULES[name].encode
    packed = make(node, params, levels, weight_bits, **settings)
    verify(packed, params, levels)
    return packed


def decode(packed: RowLayer, level: int) -> Array:
    """int16 `(rows, cols)`: the weights of `level`, from the packed form alone."""
    found: Array = _MODULES[packed.encoding].decode(packed, level)
    return found


def verify(packed: RowLayer, params: Params, levels: int) -> None:
    """Assert that `packed` decodes to the weights of every level."""
    for level in range(levels):
        if not np.array_equal(decode(packed, level), params.at_level(level).reshape(packed.rows, packed.cols)):
            raise AssertionError(f"{packed.node}: decoding {packed.encoding} does not give level {level} back")

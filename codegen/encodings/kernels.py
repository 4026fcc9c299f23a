"""Which kernels of `firmware/kernels` read an encoding, and what they are told in `sw_packed_t.unit`."""

from __future__ import annotations

from .base import RowLayer
from .pattern import NARROW

_NEAR = ("dense", "csr")
_READ_AS = {"row": "dense", "channel": "block"}
"""Encodings that share the kernels of another: they differ in what counts and index say."""


def taps_kernel(packed: RowLayer) -> str:
    """The kernel that unpacks a filter into taps."""
    return f"sw_taps_{_read_as(packed)}_{_type(packed)}_cpu"


def dot_kernel(packed: RowLayer) -> str:
    """The kernel that multiplies a row with the input of a fully connected layer."""
    near = "_near" if packed.near and has_near_kernel(packed) else ""
    return f"sw_dot_{_read_as(packed)}{near}_{_type(packed)}_cpu"


def has_near_kernel(packed: RowLayer) -> bool:
    """True if a dot product is faster where the blob lies below 64 KB."""
    return _read_as(packed) in _NEAR


def kernel_unit(packed: RowLayer) -> int:
    """`unit` of `sw_packed_t`: weights of a block, bytes of a bitmap, or the mask of a pattern's code."""
    match packed.encoding:
        case "bitmap":
            return packed.run_bytes
        case "pattern":
            return 15 if len(packed.patterns) - 1 <= NARROW else 255
        case _:
            return packed.unit


def _read_as(packed: RowLayer) -> str:
    return _READ_AS.get(packed.encoding, packed.encoding)


def _type(packed: RowLayer) -> str:
    return "s8" if packed.weight_size == 1 else "s16"

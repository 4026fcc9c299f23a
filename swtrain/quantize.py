"""Grids of integer weights, for training with rounded weights (QAT, by the straight-through estimator).

A grid has a power of two as its step, as the device's weights do: what lies on a grid of few bits lies on that of int16
too, so the export changes no bit of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Grid:
    """Multiples of `2**-frac_bits` that fit `bits`, sign included.

    Attributes:
        bits: at least 2; the range is symmetric, as the device's is.
        frac_bits: may be negative.
    """

    bits: int
    frac_bits: int

    def snap(self, values: Tensor) -> Tensor:
        """The nearest point for each value, ties to even, those outside to the ends."""
        most = 2 ** (self.bits - 1) - 1
        scale = 2.0**self.frac_bits
        return (values * scale).round().clamp(-most, most) / scale


def finest_grid(values: Tensor, bits: int) -> Grid:
    """The grid of `bits` with the smallest step that still reaches the largest of `values`."""
    largest = float(values.detach().abs().max())
    if largest == 0:
        return Grid(bits, 0)
    return Grid(bits, math.floor(math.log2((2 ** (bits - 1) - 1) / largest)))

"""Operators of several inputs: residual sum, and concatenation of channels.

Inputs may have different fraction bits. Each has a shift that brings it to those of the output, which has the fewest;
bits are lost once, at the end, with rounding to the nearest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..errors import GraphError
from .base import Array, JoinOp, Shape, register

ALIGN = 14
"""Largest shift. With it, an input times `2**(ALIGN - shift)` is below `2**29` in magnitude (`2**15 * 2**14`)."""

_HALF = 1 << (ALIGN - 1)


def _aligned(x: Array, shift: int) -> Array:
    y: Array = x * 2 ** (ALIGN - shift)
    return y


def _rounded(total: Array, lo: int, hi: int) -> Array:
    y: Array = np.clip((total + _HALF) >> ALIGN, lo, hi)
    return y


def _largest(bounds: tuple[int, int], shift: int) -> int:
    return max(-bounds[0], bounds[1]) << (ALIGN - shift)


def _agree(kind: str, inputs: Sequence[int], shifts: Sequence[int]) -> int:
    if not all(0 <= s <= ALIGN for s in shifts):
        raise GraphError(f"{kind}: shifts {tuple(shifts)} are outside 0..{ALIGN}")
    found = {f - s for f, s in zip(inputs, shifts, strict=True)}
    if len(found) != 1:
        raise GraphError(
            f"{kind}: inputs of {tuple(inputs)} fraction bits, shifted by {tuple(shifts)}, do not end at the same"
        )
    return found.pop()


@register
@dataclass(frozen=True)
class Add(JoinOp):
    """`y = clip((a * 2**(14 - sa) + b * 2**(14 - sb) + 2**13) >> 14, lo, hi)` of two tensors of one shape.

    No sum can overflow, whatever the bounds: `2 * 2**15 * 2**14 + 2**13 < 2**31`.

    Attributes:
        shifts: `(sa, sb)`, 0 to 14: fraction bits that each input has more than the output.
    """

    kind: ClassVar[str] = "add"
    shifts: tuple[int, int] = (0, 0)

    def infer_all(self, shapes: Sequence[Shape]) -> Shape:
        """The shape that both have."""
        if len(shapes) != 2 or shapes[0] != shapes[1]:
            raise GraphError(f"add: needs two inputs of one shape, got {', '.join(map(str, shapes))}")
        return shapes[0]

    def out_frac_bits(self, inputs: Sequence[int]) -> int | None:
        """Those of either input less its shift."""
        return _agree(self.kind, inputs, self.shifts)

    def reach(self, bounds: Sequence[tuple[int, int]]) -> int:
        """Largest sum."""
        return _HALF + sum(_largest(b, s) for b, s in zip(bounds, self.shifts, strict=True))

    def apply_float_all(self, xs: Sequence[Array]) -> Array:
        """The sum."""
        y: Array = xs[0] + xs[1]
        return y

    def apply_all(self, xs: Sequence[Array], lo: int, hi: int) -> Array:
        """The integer formula of the class."""
        return _rounded(_aligned(xs[0], self.shifts[0]) + _aligned(xs[1], self.shifts[1]), lo, hi)


@register
@dataclass(frozen=True)
class Concat(JoinOp):
    """Channels of all inputs one after the other: `y = clip((x * 2**(14 - s) + 2**13) >> 14, lo, hi)`.

    Attributes:
        shifts: one for each input, 0 to 14: fraction bits that it has more than the output; empty: none has.
    """

    kind: ClassVar[str] = "concat"
    shifts: tuple[int, ...] = ()

    def infer_all(self, shapes: Sequence[Shape]) -> Shape:
        """Sum of the first axis; the others must be equal."""
        if len(shapes) < 2 or len({s[1:] for s in shapes}) != 1:
            raise GraphError(
                f"concat: needs two or more inputs that differ in channels only, got {', '.join(map(str, shapes))}"
            )
        if self.shifts and len(self.shifts) != len(shapes):
            raise GraphError(f"concat: {len(self.shifts)} shifts for {len(shapes)} inputs")
        return (sum(s[0] for s in shapes), *shapes[0][1:])

    def out_frac_bits(self, inputs: Sequence[int]) -> int | None:
        """Those of any input less its shift."""
        return _agree(self.kind, inputs, self.shift_of(len(inputs)))

    def shift_of(self, count: int) -> tuple[int, ...]:
        """The shift of each of `count` inputs."""
        return self.shifts or (0,) * count

    def reach(self, bounds: Sequence[tuple[int, int]]) -> int:
        """Largest shifted input."""
        return _HALF + max(_largest(b, s) for b, s in zip(bounds, self.shift_of(len(bounds)), strict=True))

    def apply_float_all(self, xs: Sequence[Array]) -> Array:
        """One after the other."""
        return np.concatenate(xs, axis=1)

    def apply_all(self, xs: Sequence[Array], lo: int, hi: int) -> Array:
        """The integer formula of the class."""
        shifted = [_aligned(x, s) for x, s in zip(xs, self.shift_of(len(xs)), strict=True)]
        return _rounded(np.concatenate(shifted, axis=1), lo, hi)

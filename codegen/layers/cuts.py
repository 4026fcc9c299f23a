"""How layers are cut into steps that a power failure may repeat: no step is longer than `TargetSpec.step_budget`.

An image is cut into whole channels; where one is too long, into whole rows of it; where one is too long, into columns.
`sw_block_of_step` (firmware/src/sw_io.c) finds the same blocks by number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .base import Step

Shape3 = tuple[int, int, int]


@dataclass(frozen=True)
class Cut:
    """Steps of an image.

    Attributes:
        channels, rows, cols: of one step at most; one channel where rows or columns are cut, one row where columns are.
        per_channel: steps of a channel, 1 where it is whole.
    """

    channels: int
    rows: int
    cols: int
    per_channel: int

    @property
    def c(self) -> str:
        """`sw_cut_t`."""
        return f"{{{self.channels}, {self.rows}, {self.cols}, {self.per_channel}}}"


def most(count: int, fits: Callable[[int], bool]) -> int:
    """The largest number from 1 to `count` that fits; 1 if none does. What fits for n must fit for less."""
    low, high = 1, count
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def cut_image(shape: Shape3, cycles: Callable[[int, int, int], float], budget: float, channels: int = 1) -> Cut:
    """The largest steps within `budget`.

    Args:
        cycles: of a step of so many channels, rows and columns; rises with each.
        channels: of one step at most.
    """
    _, height, width = shape
    if cycles(1, height, width) <= budget:
        return Cut(most(min(channels, shape[0]), lambda n: cycles(n, height, width) <= budget), height, width, 1)
    if cycles(1, 1, width) <= budget:
        rows = most(height, lambda n: cycles(1, n, width) <= budget)
        return Cut(1, rows, width, -(-height // rows))
    cols = most(width, lambda n: cycles(1, 1, n) <= budget)
    return Cut(1, 1, cols, height * -(-width // cols))


def cut_steps(shape: Shape3, cut: Cut, first: int = 0) -> tuple[Step, ...]:
    """Steps in the order of their numbers; channels count from `first`."""
    channels, height, width = shape
    rows = [(r, min(r + cut.rows, height)) for r in range(0, height, cut.rows)]
    cols = [(c, min(c + cut.cols, width)) for c in range(0, width, cut.cols)]
    return tuple(
        Step((first + c, first + min(c + cut.channels, channels)), r, x if len(cols) > 1 else None)
        for c in range(0, channels, cut.channels)
        for r in rows
        for x in cols
    )


def flat_steps(size: int, cut: Cut) -> tuple[Step, ...]:
    """Steps of a flat tensor of `size` elements that is cut as an image of one row: its elements are its channels."""
    return tuple(Step((i, min(i + cut.cols, size)), (0, 1)) for i in range(0, size, cut.cols))

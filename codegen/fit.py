"""Prices of primitives from measured layers: least squares of relative errors.

`Work.cycles` is linear in the prices but for what overlaps, so a few Gauss-Newton rounds suffice. A small pull towards
the prices at hand decides what the samples leave open.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .cost import Work
from .ops import Array

_ROUNDS, _PULL, _LEAST = 8, 1e-3, 0.02


@dataclass(frozen=True)
class Sample:
    """A measured layer.

    Attributes:
        name: for tables.
        overlap: CPU and DMA worked while the LEA ran.
        cycles: measured.
    """

    name: str
    work: Work
    overlap: bool
    cycles: float


@dataclass(frozen=True)
class Fit:
    """Prices, and the relative error of each sample's prediction by them."""

    prices: Mapping[str, float]
    errors: tuple[float, ...]


def fit_prices(samples: Sequence[Sample], start: Mapping[str, float]) -> Fit:
    """Fit the prices that `samples` use, starting from `start`; the others stay.

    Raises:
        KeyError: a primitive has no price in `start`.
    """
    used = {name for s in samples for name in s.work.serial()}
    names = sorted(used | ({"call", "sleep", "stall"} if any(s.work.commands for s in samples) else set()))
    first = np.array([start[name] for name in names])
    measured = np.array([s.cycles for s in samples])

    def predict(prices: Array) -> Array:
        table = {**start, **dict(zip(names, prices.tolist(), strict=True))}
        return np.array([s.work.cycles(table, s.overlap) for s in samples])

    prices = first.copy()
    for _ in range(_ROUNDS):
        now = predict(prices)
        slopes = np.empty((len(samples), len(names)))
        for i in range(len(names)):
            moved = prices.copy()
            moved[i] += 1e-4 * first[i]
            slopes[:, i] = (predict(moved) - now) / 1e-4
        pull = np.sqrt(_PULL)
        left = np.vstack([slopes / measured[:, None], pull * np.eye(len(names))])
        right = np.concatenate([(measured - now) / measured, pull * (1 - prices / first)])
        step, *_ = np.linalg.lstsq(left, right, rcond=None)
        prices = np.maximum(prices + step * first, _LEAST * first)  # no primitive is free
    errors = predict(prices) / measured - 1
    return Fit({**start, **dict(zip(names, prices.tolist(), strict=True))}, tuple(errors.tolist()))

"""Supplies as values: a bench, or a harvester that charges a capacitor between two thresholds.

In: numbers. Out: the same, checked. How a machine runs on them is in `supply.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from .sources import Source


@dataclass(frozen=True)
class Bench:
    """A supply that never fails."""

    volts: float = 3.0

    def __post_init__(self) -> None:
        if not 1.8 <= self.volts <= 3.6:
            raise ValueError(f"a bench supply of {self.volts} V lies outside 1.8-3.6 V, the range of the MSP430FR5994")


@dataclass(frozen=True)
class Harvested:
    """A source, a capacitor and a switch.

    Attributes:
        source: what comes in (``sim.sources``).
        capacitor_f: farads.
        v_on: the switch closes.
        v_off: the switch opens; below it nothing runs.
        leakage_a: constant current out of the capacitor, always.
        boot_s: from closing the switch to the first instruction.
        boot_c: charge drawn meanwhile [default: the energy set's reset charge].
        v_max: the capacitor holds no more.
        v_start: at the start, switched off.
    """

    source: Source
    capacitor_f: float
    v_on: float = 3.0
    v_off: float = 1.9
    leakage_a: float = 0.0
    boot_s: float = 1e-3
    boot_c: float | None = None
    v_max: float = 3.6
    v_start: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.v_off < self.v_on <= self.v_max:
            raise ValueError(f"needs 0 < v_off < v_on <= v_max, got {self.v_off}, {self.v_on}, {self.v_max}")
        numbers = (self.capacitor_f, self.leakage_a, self.boot_s, self.boot_c or 0.0, self.v_max, self.v_start)
        if not all(map(math.isfinite, numbers)):
            raise ValueError(f"all numbers of a supply must be finite: {self}")
        if self.capacitor_f <= 0 or self.boot_s <= 0 or not 0 <= self.v_start <= self.v_max:
            raise ValueError(
                f"capacitor {self.capacitor_f} F and boot time {self.boot_s} s must be positive, "
                f"the start at {self.v_start} V within 0 and v_max"
            )
        if self.leakage_a < 0 or (self.boot_c or 0) < 0:
            raise ValueError("leakage and boot charge must not be negative")

    @property
    def usable_j(self) -> float:
        """Energy between the thresholds."""
        return 0.5 * self.capacitor_f * (self.v_on**2 - self.v_off**2)

"""What a supplied run did: voltage, on and off intervals, power cycles, and where the energy went.

The invariant: energy in plus what was stored at the start equals stored + used + lost, within rounding
(`Trace.imbalance_j`). JSON for machines carries versions and the list of assumptions.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

FORMAT = 1


@dataclass(frozen=True)
class Interval:
    """A stretch in one state: `off`, `boot` or `on`."""

    state: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Energy:
    """Joules since the start.

    Attributes:
        stored_start: in the capacitor at the start.
        stored: in the capacitor now.
        harvested: came in.
        used: by the chip: events, sleep, boot.
        leaked: by the capacitor.
        clipped: arrived while the capacitor was full.
    """

    stored_start: float
    stored: float
    harvested: float
    used: float
    leaked: float
    clipped: float

    @property
    def lost(self) -> float:
        """Leaked and clipped."""
        return self.leaked + self.clipped


@dataclass
class Trace:
    """See the module. Voltage points lie where the voltage moved by 1 % of its range, bent, or the state changed."""

    supply: str
    energy_set: str
    assumptions: list[str]
    energy: Energy
    time_s: float = 0.0
    power_cycles: int = 0
    on_s: float = 0.0
    voltage: list[tuple[float, float]] = field(default_factory=list)
    intervals: list[Interval] = field(default_factory=list)

    @property
    def imbalance_j(self) -> float:
        """What the books do not explain; 0 up to rounding."""
        e = self.energy
        return e.stored_start + e.harvested - e.stored - e.used - e.lost

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        out = asdict(self)
        out["format"] = FORMAT
        out["energy"]["lost"] = self.energy.lost
        out["intervals"] = [[i.state, i.start_s, i.end_s] for i in self.intervals]
        out["voltage"] = [list(p) for p in self.voltage]
        return out

    def to_json(self) -> str:
        """One JSON object."""
        return json.dumps(self.to_dict(), indent=1)

"""Energy as a sum over counted events with sourced coefficients.

In: ``Counters``. Out: joules. A counted event without a coefficient raises; nothing is charged silently as zero.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .counters import EVENTS, LEA_EVENTS, Counters
from .errors import MissingCoefficient

_DATA = Path(__file__).parent / "data" / "energy"
_UNITS = {"pJ": 1e-12, "nJ": 1e-9, "uJ": 1e-6}


@dataclass(frozen=True)
class Coefficient:
    """Price of one event: joules, relative error bound (0.5 is plus or minus 50 %), source."""

    joules: float
    error: float
    source: str


@dataclass(frozen=True)
class EnergyModel:
    """One published set of coefficients.

    Attributes:
        name: name of the set.
        conditions: under which conditions it was measured.
        coefficients: by event name (``Counters.events``).
        assumptions: what is assumed when it is applied; a report lists these.
    """

    name: str
    conditions: str
    coefficients: Mapping[str, Coefficient]
    assumptions: list[str]

    @classmethod
    def load(cls, name: str = "fused", path: Path | None = None) -> EnergyModel:
        """Load a set by name from the package, or from ``path``.

        Raises:
            ValueError: no such set, an unknown event, unit or a number that makes no sense.
        """
        file = path or _DATA / f"{name}.toml"
        try:
            table = tomllib.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            known = ", ".join(sorted(p.stem for p in _DATA.glob("*.toml")))
            raise ValueError(f"no energy set '{name}'; there are: {known}") from None
        coefficients = {}
        for event, entry in table["coefficient"].items():
            if event not in EVENTS + LEA_EVENTS:
                known = ", ".join(EVENTS + LEA_EVENTS)
                raise ValueError(f"{file}: unknown event '{event}'; known: {known}")
            if entry["unit"] not in _UNITS or entry["value"] < 0 or not entry["source"]:
                raise ValueError(f"{file}: {event}: needs a value >= 0, a unit of {', '.join(_UNITS)} and a source")
            coefficients[event] = Coefficient(entry["value"] * _UNITS[entry["unit"]], entry["error"], entry["source"])
        return cls(table["name"], table["conditions"], coefficients, list(table["assumptions"]))

    def breakdown_j(self, counters: Counters) -> dict[str, float]:
        """Joules by event.

        Raises:
            MissingCoefficient: an event was counted that this set does not price.
        """
        out = {}
        for event, count in (counters.events() | counters.lea_events()).items():
            price = self.coefficients.get(event)
            if price is None:
                if count == 0:
                    continue
                raise MissingCoefficient(
                    f"energy set '{self.name}' has no coefficient for {count} x {event}; add it with its source to "
                    "the set, or choose another set"
                )
            out[event] = count * price.joules
        return out

    def energy_j(self, counters: Counters) -> float:
        """Total joules of ``counters``.

        Raises:
            MissingCoefficient: an event was counted that this set does not price.
        """
        return sum(self.breakdown_j(counters).values())

    def error_j(self, counters: Counters) -> float:
        """Bound on the error of ``energy_j``: the errors of the coefficients, fully correlated."""
        parts = self.breakdown_j(counters)
        return sum(joules * self.coefficients[event].error for event, joules in parts.items())

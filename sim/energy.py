"""Energy as a sum over counted events with sourced coefficients.

In: ``Counters``. Out: joules, with an error bound. A counted event without a coefficient raises; nothing is charged
silently as zero; ``counters.COST_ELSEWHERE`` lists the counts whose cost lies in others. Sets are files in
``data/energy``; an overlay replaces coefficients of a set ("fused+paper-memory").
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from .counters import BESIDE, EVENTS, LEA_EVENTS, Counters
from .errors import MissingCoefficient

_DATA = Path(__file__).parent / "data" / "energy"
_UNITS = {"coefficient": {"pJ": 1e-12, "nJ": 1e-9, "uJ": 1e-6}, "current": {"nA": 1e-9, "uA": 1e-6, "mA": 1e-3}}
_UNITS["charge"] = {"pC": 1e-12, "nC": 1e-9, "uC": 1e-6}
MODES = ("lpm0", "lpm1", "lpm2", "lpm3", "lpm4", "lpm35", "lpm45")  # in the order of the core
_CHARGES = ("reset", "wake_fram", *(f"wake_{mode}" for mode in MODES))
_WAKE_CYCLES = 11  # an interrupt takes 6 cycles and its RETI 5: more often nothing wakes up
_NAMES = {"coefficient": (*EVENTS, *BESIDE), "current": MODES, "charge": _CHARGES}


@dataclass(frozen=True)
class Coefficient:
    """Price of one event.

    Attributes:
        joules: of one event.
        error: relative bound (0.5 is plus or minus 50 %).
        source: who published it.
        conditions: under which it holds.
    """

    joules: float
    error: float
    source: str
    conditions: str = ""


@dataclass(frozen=True)
class Quantity:
    """A current in amperes or a charge in coulombs, with relative error bound, source and conditions."""

    value: float
    error: float
    source: str
    conditions: str = ""


@dataclass(frozen=True)
class Rates:
    """An energy set as the core takes it.

    Attributes:
        prices: joules by counter, in the order of the fields of ``Counters``; 0 where nothing is charged.
        cycle_j: bound on what one cycle awake costs; a brown-out reset is not part of it.
        sleep_w: bound on the power asleep.
        wake_j: bound on waking up.
        unpriced: places of counters that must stay 0 because the set has no price for them.
    """

    prices: tuple[float, ...]
    cycle_j: float
    sleep_w: float
    wake_j: float
    unpriced: tuple[int, ...]


@dataclass(frozen=True)
class Transfer:
    """What moving bytes costs where a source states rate and power only."""

    bytes_per_s: float
    watts: float
    error: float
    source: str


@dataclass(frozen=True)
class EnergyModel:
    """One published set of coefficients.

    Attributes:
        name: name of the set, with its overlays.
        conditions: under which conditions it was measured.
        coefficients: by event name (``Counters.events``).
        assumptions: what is assumed when it is applied; a report lists these.
        voltage_v: supply voltage of the set; turns charges into joules.
        currents: amperes while asleep, by mode (``lpm0`` to ``lpm4``, ``lpm35``, ``lpm45``).
        charges: coulombs of ``reset`` and of waking up (``wake_lpm3``).
        transfers: cost of moving bytes, by direction, where the source states it so.
    """

    name: str
    conditions: str
    coefficients: Mapping[str, Coefficient]
    assumptions: list[str]
    voltage_v: float
    currents: Mapping[str, Quantity]
    charges: Mapping[str, Quantity]
    transfers: Mapping[str, Transfer]

    @classmethod
    def load(cls, name: str = "fused", path: Path | None = None) -> EnergyModel:
        """Load a set by name from the package, or from ``path``; ``"fused+paper-memory"`` lays one over another.

        Raises:
            ValueError: no such set, an unknown event, unit or a number that makes no sense.
        """
        base, *overlays = name.split("+")
        model = _read(path or _file(base), overlay=False)
        for overlay in overlays:
            over = _read(_file(overlay), overlay=True)
            model = replace(
                model,
                name=f"{model.name}+{over.name}",
                conditions=f"{model.conditions} {over.name}: {over.conditions}",
                coefficients={**model.coefficients, **over.coefficients},
                assumptions=[*model.assumptions, *over.assumptions],
                transfers={**model.transfers, **over.transfers},
            )
        return model

    @classmethod
    def names(cls) -> list[str]:
        """Sets and overlays of the package."""
        return sorted(p.stem for p in _DATA.glob("*.toml"))

    def breakdown_j(self, counters: Counters) -> dict[str, float]:
        """Joules by event.

        Raises:
            MissingCoefficient: an event was counted that this set does not price.
        """
        out = self._asleep_j(counters)
        for event, count in (counters.events() | counters.beside_events()).items():
            price = self.coefficients.get(event)
            if price is None:
                if count == 0 or _mode(event) in MODES:  # priced by time
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
        priced: dict[str, float] = {n: c.error for n, c in self.coefficients.items()}
        priced |= {n: q.error for n, q in (*self.currents.items(), *self.charges.items())}
        return sum(joules * priced[event] for event, joules in self.breakdown_j(counters).items())

    def rates(self) -> Rates:
        """What the core needs to stop where a budget is spent."""
        known = self.coefficients
        prices = []
        for f in fields(Counters):
            mode = _mode(f.name)
            price = known[f.name].joules if f.name in known else 0.0
            if mode in MODES and f.name.endswith("_ns"):
                price = self.sleep_a(mode) * self.voltage_v * 1e-9
            elif mode in MODES and f.name.endswith("_wakeups"):
                price = self.charge_j(f"wake_{mode}")
            elif f.name == "resets":
                price = self.charge_j("reset")
            prices.append(price)
        dearest = max((p.joules for n, p in known.items() if n in EVENTS), default=0.0)
        # beside what the CPU does in a cycle: one LEA command, one byte
        beside = [max((known[n].joules for n in LEA_EVENTS if n in known), default=0.0)]
        beside += [known[n].joules for n in BESIDE if n in known and n not in LEA_EVENTS]
        wake = max((q.value for n, q in self.charges.items() if n.startswith("wake")), default=0.0) * self.voltage_v
        sleep = max((q.value for q in self.currents.values()), default=0.0) * self.voltage_v
        unpriced = tuple(
            k
            for k, f in enumerate(fields(Counters))
            if f.name in (*EVENTS, *BESIDE) and f.name not in known and _mode(f.name) not in MODES
        )
        return Rates(tuple(prices), dearest + sum(beside) + wake / _WAKE_CYCLES, sleep, wake, unpriced)

    def _asleep_j(self, counters: Counters) -> dict[str, float]:
        """Joules by mode (`lpm3`), by kind of wake-up (`wake_lpm3`) and of `reset`."""
        out = {}
        if counters.resets:
            out["reset"] = counters.resets * self.charge_j("reset")
        for mode in MODES:
            if ns := getattr(counters, f"{mode}_ns"):
                out[mode] = ns * 1e-9 * self.sleep_a(mode) * self.voltage_v
            if wakeups := getattr(counters, f"{mode}_wakeups"):
                out[f"wake_{mode}"] = wakeups * self.charge_j(f"wake_{mode}")
        return out

    def sleep_a(self, mode: str) -> float:
        """Amperes while asleep in ``mode`` (``lpm0`` to ``lpm4``, ``lpm35``, ``lpm45``).

        Raises:
            MissingCoefficient: the set does not say.
        """
        return self._quantity(self.currents, mode, "current").value

    def charge_j(self, event: str, volts: float | None = None) -> float:
        """Joules of ``reset`` or ``wake_lpm0`` to ``wake_lpm45`` at ``volts`` [default: the set's voltage].

        Raises:
            MissingCoefficient: the set does not say.
        """
        return self._quantity(self.charges, event, "charge").value * (self.voltage_v if volts is None else volts)

    def transfer(self, read_bytes: int = 0, write_bytes: int = 0) -> tuple[float, float]:
        """Seconds and joules of moving bytes at the rates the source states.

        Raises:
            MissingCoefficient: the set states no rates; overlay ``paper-memory`` does.
        """
        seconds = joules = 0.0
        for direction, count in (("read", read_bytes), ("write", write_bytes)):
            cost = self.transfers.get(direction)
            if cost is None:
                if count == 0:
                    continue
                raise MissingCoefficient(f"energy set '{self.name}' states no rate to {direction}; add +paper-memory")
            seconds += count / cost.bytes_per_s
            joules += count / cost.bytes_per_s * cost.watts
        return seconds, joules

    def _quantity(self, table: Mapping[str, Quantity], name: str, what: str) -> Quantity:
        if name not in table:
            raise MissingCoefficient(
                f"energy set '{self.name}' has no {what} for {name}; add it with its source to the set"
            )
        return table[name]


def _mode(counter: str) -> str:
    return counter.partition("_")[0]


def _file(name: str) -> Path:
    file = _DATA / f"{name}.toml"
    if name not in EnergyModel.names():
        raise ValueError(f"no energy set '{name}'; there are: {', '.join(EnergyModel.names())}")
    return file


def _read(file: Path, *, overlay: bool) -> EnergyModel:
    table = tomllib.loads(file.read_text(encoding="utf-8"))
    if bool(table.get("overlay")) is not overlay:
        other = (
            "is an overlay: write BASE+" if not overlay else "is a set of its own, not an overlay: drop the + before "
        )
        raise ValueError(f"{file.stem} {other}{file.stem}")
    parts = [
        tomllib.loads((_DATA / "parts" / f"{n}.toml").read_text(encoding="utf-8")) for n in table.get("include", [])
    ]
    merged: dict[str, dict[str, Quantity]] = {kind: {} for kind in _UNITS}
    for part in (*parts, table):
        for kind, entries in merged.items():
            entries.update({n: _quantity(file, kind, n, e, table) for n, e in part.get(kind, {}).items()})
    transfers = {name: Transfer(**entry) for name, entry in table.get("transfer", {}).items()}
    coefficients = {n: Coefficient(q.value, q.error, q.source, q.conditions) for n, q in merged["coefficient"].items()}
    return EnergyModel(
        table["name"],
        table["conditions"],
        coefficients,
        [*table["assumptions"], *(text for part in parts for text in part.get("assumptions", []))],
        float(table.get("voltage_v", 0.0)),
        merged["current"],
        merged["charge"],
        transfers,
    )


def _quantity(file: Path, kind: str, name: str, entry: Mapping[str, Any], table: Mapping[str, Any]) -> Quantity:
    if name not in _NAMES[kind]:
        raise ValueError(
            f"{file}: unknown {'event' if kind == 'coefficient' else kind} '{name}'; known: {', '.join(_NAMES[kind])}"
        )
    units = _UNITS[kind]
    if entry["unit"] not in units or entry["value"] < 0 or entry["error"] < 0 or not entry["source"]:
        raise ValueError(f"{file}: {name}: needs a value and error >= 0, a unit of {', '.join(units)} and a source")
    value = entry["value"] * units[entry["unit"]]
    return Quantity(value, entry["error"], entry["source"], entry.get("conditions", table["conditions"]))

"""A machine on a power supply: a bench, or a harvester that charges a capacitor between two thresholds.

In: a `Machine`, a supply, an `EnergyModel`. Out: runs that lose power at the very instruction where the capacitor is
empty, charge analytically, boot and go on; a `Trace`. Power is lost at the boundary after that instruction, or after
the DMA block that it started. What is assumed stands in `ASSUMPTIONS`. While the CPU is awake, source and leakage are
constant within slices that move the stored energy by at most 1 %.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from operator import mul, sub

from .counters import Counters
from .energy import EnergyModel
from .errors import SimError
from .machine import Machine
from .sources import Source
from .stops import Stop
from .trace import Energy, Interval, Trace

ASSUMPTIONS = [
    "supply: the energy of counted events does not depend on the voltage; charges are taken at the set's voltage",
    "supply: sleep, boot and leakage draw constant currents from the capacitor",
    "supply: power is lost at the first instruction boundary below v_off; there is no voltage monitor in between",
]
_AWAKE_SHARE = 0.01
_ASLEEP_SHARE = 0.05
_SR, _CPUOFF, _SCG0, _SCG1, _OSCOFF = 2, 0x10, 0x40, 0x80, 0x20


class Starved(SimError):
    """The source can never charge the capacitor to v_on."""


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


class PoweredMachine:
    """A machine that runs when its supply lets it.

    Args:
        machine: used in place; under a harvester it is power-cycled before its first instruction.
        supply: `Bench` or `Harvested`.
        energy: what events cost.
    """

    def __init__(self, machine: Machine, supply: Bench | Harvested, energy: EnergyModel) -> None:
        self.machine, self.supply, self.energy = machine, supply, energy
        self._rates = energy.rates()
        self._t = 0.0
        self._state = "on" if isinstance(supply, Bench) else "off"
        self._off_since = 0.0
        volts = supply.volts if isinstance(supply, Bench) else supply.v_start
        self._v = volts
        stored = 0.0 if isinstance(supply, Bench) else 0.5 * supply.capacitor_f * volts * volts
        books = Energy(stored, stored, 0.0, 0.0, 0.0, 0.0)
        self.trace = Trace(repr(supply), energy.name, [*machine.assumptions, *energy.assumptions, *ASSUMPTIONS], books)
        self._point(force=True)

    @property
    def time_s(self) -> float:
        """Simulated time, with the time spent without power."""
        return self._t

    @property
    def volts(self) -> float:
        """Voltage of the supply."""
        return self._v

    @property
    def is_on(self) -> bool:
        """Does the program run?"""
        return self._state == "on"

    def run(self, until: str | int | None = None, duration_s: float = math.inf) -> Stop:
        """Let time pass until the PC arrives at ``until`` or ``duration_s`` is over.

        Returns:
            ``Stop.UNTIL``; ``Stop.CYCLES`` when the time is over; ``Stop.HALT`` when the program sleeps for good and
            there is no end to wait for.

        Raises:
            Starved: the capacitor never reaches v_on again, and there is no end to wait for.
            MachineFault: the program failed.
            MissingCoefficient: something happened that the energy set does not price.
        """
        if isinstance(self.supply, Bench) and until is None and duration_s == math.inf:
            raise ValueError("a run on a bench supply needs until or duration_s")
        end = self._t + duration_s
        while self._t < end:
            if self._state == "off":
                self._charge(end)
            elif self._state == "boot":
                self._boot(end)
            else:
                stop = self._on(until, end)
                if stop is not None:
                    return stop
        return Stop.CYCLES

    def finish(self) -> Trace:
        """The trace so far; its last interval ends now."""
        self._point(force=True)
        out = replace(self.trace, intervals=list(self.trace.intervals), voltage=list(self.trace.voltage))
        start = out.intervals[-1].end_s if out.intervals else 0.0
        if self._t > start:
            out.intervals.append(Interval(self._state, start, self._t))
        out.time_s = self._t
        out.on_s = sum(i.end_s - i.start_s for i in out.intervals if i.state == "on")
        return out

    # --- states

    def _charge(self, end: float) -> None:
        supply = self._harvester()
        if self._v >= supply.v_on:
            self._enter("boot")
            return
        before = (self._t, self._v)
        self._drift(end, 0.0, low=0.0, high=supply.v_on)
        if (self._t, self._v) == before:
            raise Starved(
                f"the capacitor rests at {self._v:.3f} V and never reaches v_on = {supply.v_on} V; "
                "give more power, less leakage, or a lower v_on"
            )

    def _boot(self, end: float) -> None:
        supply = self._harvester()
        charge = self.energy.charge_j("reset", 1.0) if supply.boot_c is None else supply.boot_c
        ready = (self.trace.intervals[-1].end_s if self.trace.intervals else 0.0) + supply.boot_s
        while self._t < min(end, ready):
            self._drift(min(end, ready), charge / supply.boot_s, low=supply.v_off, high=supply.v_max)
            if self._v <= supply.v_off:
                self._fail()
                return
        if self._t >= ready:
            self.machine.power_cycle(self._t - self._off_since)
            self.trace.power_cycles += 1
            self._enter("on")

    def _on(self, until: str | int | None, end: float) -> Stop | None:
        if isinstance(self.supply, Bench):
            stop, _ = self._execute(until, math.inf, 0.0, end - self._t)
        else:
            supply = self.supply
            law, change = supply.source.at(self._t)
            c, power = supply.capacitor_f, law.power_w(self._v)
            stored = 0.5 * c * self._v * self._v
            asleep = self._asleep()
            flow = abs(power - supply.leakage_a * self._v) + (self._rates.sleep_w if asleep else 0.0)
            share = _ASLEEP_SHARE if asleep else _AWAKE_SHARE
            slice_s = share * stored / flow if flow else math.inf
            if asleep and self._v >= supply.v_max and power > supply.leakage_a * self._v + self._rates.sleep_w:
                slice_s = math.inf  # it stays full
            slice_s = max(1e-9, min(slice_s, change - self._t, end - self._t))
            floor = 0.5 * c * supply.v_off**2
            input_w = power - supply.leakage_a * self._v
            stop, dt = self._execute(until, stored - floor, input_w, slice_s)
            self._settle(stored, power * dt, supply.leakage_a * self._v * dt)
            if stop is Stop.SUPPLY or self._v <= supply.v_off:
                self._fail()
                return None
        self._point()
        if stop in (Stop.UNTIL, Stop.BREAKPOINT):
            return stop
        if stop is Stop.HALT:
            return self._halted(end)
        return None

    def _execute(
        self, until: str | int | None, available_j: float, input_w: float, slice_s: float
    ) -> tuple[Stop, float]:
        """Run the machine for up to ``slice_s``; the joules go to the books."""
        m = self.machine
        cycles = max(1, int(min(slice_s * m.mclk_hz, 2.0**62)))
        before, start_s = m._core.counters(), m.time_s
        stop = m.run_metered(self._rates, min(available_j, 1e9), input_w, cycles, until)
        dt = m.time_s - start_s
        spent = list(map(sub, m._core.counters(), before))
        used = sum(map(mul, self._rates.prices, spent))
        if any(spent[k] for k in self._rates.unpriced):
            self.energy.energy_j(Counters.of(spent))  # raises
        self._t += dt
        bench = isinstance(self.supply, Bench)
        self._book(used=used, harvested=used if bench else 0.0)
        return stop, dt

    def _halted(self, end: float) -> Stop | None:
        """Asleep for good: time passes without the core."""
        current = self.energy.sleep_a(self._mode())
        if end == math.inf:
            return Stop.HALT
        if isinstance(self.supply, Bench):
            joules = current * self.supply.volts * (end - self._t)
            self._book(used=joules, harvested=joules)
            self.machine._core.pass_time(end - self._t)
            self._t = end
            return None
        while self._t < end:
            start = self._t
            self._drift(end, current, low=self.supply.v_off, high=self.supply.v_max)
            self.machine._core.pass_time(self._t - start)
            if self._v <= self.supply.v_off:
                self._fail()
                return None
        return None

    def _fail(self) -> None:
        self._off_since = self._t
        self._enter("off")

    # --- capacitor

    def _drift(self, end: float, load_a: float, *, low: float, high: float) -> None:
        """One analytic step with a constant load, at most to ``end`` or to a threshold; at v_max it stays full."""
        supply = self._harvester()
        law, change = supply.source.at(self._t)
        drain = supply.leakage_a + load_a
        until = min(end, change)
        full = self._v >= supply.v_max and law.power_w(self._v) >= drain * self._v
        if full and until < math.inf:
            dt = until - self._t
            came, went = law.power_w(self._v) * dt, drain * self._v * dt
            self._book(harvested=came, clipped=came - went)
            volts = self._v
        else:
            step = law.advance(self._v, drain, supply.capacitor_f, until - self._t, low, high)
            dt, volts = step.dt_s, step.volts
            if not math.isfinite(dt):
                return  # it rests, and nothing will ever change
            went = step.in_j - 0.5 * supply.capacitor_f * (volts**2 - self._v**2)
            self._book(harvested=step.in_j)
        share = load_a / drain if drain else 0.0
        self._book(used=went * share, leaked=went * (1 - share))
        self._t = until if dt == until - self._t else self._t + dt
        self._store(volts)
        self._point()

    def _settle(self, stored: float, came: float, leaked: float) -> None:
        """The capacitor after a slice of execution, whose joules are booked already."""
        supply = self._harvester()
        books = self.trace.energy
        used = books.used - self._used_mark
        now = stored + came - leaked - used
        most = 0.5 * supply.capacitor_f * supply.v_max**2
        clipped = max(0.0, now - most)
        self._book(harvested=came, leaked=leaked, clipped=clipped)
        self._store(math.sqrt(max(0.0, now - clipped) * 2 / supply.capacitor_f))

    def _store(self, volts: float) -> None:
        self._v = volts
        e = self.trace.energy
        stored = 0.5 * self._harvester().capacitor_f * volts * volts
        self.trace.energy = Energy(e.stored_start, stored, e.harvested, e.used, e.leaked, e.clipped)
        self._used_mark = e.used

    _used_mark = 0.0

    def _book(self, *, harvested: float = 0.0, used: float = 0.0, leaked: float = 0.0, clipped: float = 0.0) -> None:
        e = self.trace.energy
        self.trace.energy = Energy(
            e.stored_start, e.stored, e.harvested + harvested, e.used + used, e.leaked + leaked, e.clipped + clipped
        )

    # --- bookkeeping

    def _harvester(self) -> Harvested:
        assert isinstance(self.supply, Harvested)
        return self.supply

    def _asleep(self) -> bool:
        return bool(self.machine.registers[_SR] & _CPUOFF)

    def _mode(self) -> str:
        sr = self.machine.registers[_SR]
        if not sr & _SCG1:
            return "lpm1" if sr & _SCG0 else "lpm0"
        if not sr & _SCG0:
            return "lpm2"
        return "lpm4" if sr & _OSCOFF else "lpm3"

    def _enter(self, state: str) -> None:
        start = self.trace.intervals[-1].end_s if self.trace.intervals else 0.0
        self.trace.intervals.append(Interval(self._state, start, self._t))
        self._state = state
        self._point(force=True)

    def _point(self, force: bool = False) -> None:
        points = self.trace.voltage
        top = self.supply.volts if isinstance(self.supply, Bench) else self.supply.v_max
        if force or not points or abs(points[-1][1] - self._v) >= 0.01 * top:
            if points and points[-1] == (self._t, self._v):
                return
            points.append((self._t, self._v))

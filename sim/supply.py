"""A machine on a power supply: a bench, or a harvester that charges a capacitor between two thresholds.

In: a `Machine`, a supply, an `EnergyModel`. Out: runs that lose power at the very instruction where the capacitor is
empty, charge analytically, boot and go on; a `Trace`. Power is lost at the boundary after that instruction, or after
the DMA block that it started. What is assumed stands in `ASSUMPTIONS`. While the CPU is awake, source and leakage are
constant within slices that move the stored energy by at most 1 %.

The program sees the voltage through ADC12_B and COMP_E: it follows the books instruction by instruction. A slice ends
where the supply crosses the level at which COMP_E changes: falling at that instruction (asleep: that clock), rising
within 1e-5 of the stored energy, that is 5e-6 of the voltage.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from operator import mul, sub

from .counters import Counters
from .energy import MODES, EnergyModel
from .errors import SimError
from .harvest import Bench, Harvested
from .machine import Machine
from .sources import PowerLaw
from .stops import Stop
from .trace import Energy, Interval, Trace

ASSUMPTIONS = [
    "supply: the energy of counted events does not depend on the voltage; charges are taken at the set's voltage",
    "supply: sleep, boot and leakage draw constant currents from the capacitor",
    "supply: power is lost at the first instruction boundary below v_off, 1.80 V (SVSH) or 1.66 V (BOR, SVSHE = 0)",
    "supply: a device that SVSH or BOR holds in reset draws nothing; behind a closed switch it restarts at 1.88 V",
]
_AWAKE_SHARE = 0.01
_ASLEEP_SHARE = 0.05
_FINE_SHARE = 1e-5  # of the stored energy: how near a rising supply is followed to a level of COMP_E
_BEYOND = 1e-9  # of the voltage: behind a level of COMP_E, so that the comparison is decided
_SR, _CPUOFF = 2, 0x10
_SVSH_DOWN_V, _SVSH_UP_V = 1.80, 1.88  # typical levels of SLASE54, recalled (ASSUMPTION svs-levels of the core)


class Starved(SimError):
    """The source can never charge the capacitor to v_on."""


@dataclass(frozen=True)
class _Slice:
    """A stretch of execution with a constant source. ``run`` may cut it into pieces without changing its numbers."""

    start_s: float
    counters: list[int]
    machine_s: float
    end_cycle: int
    end_s: float
    asleep: bool
    mclk_hz: int
    stored_j: float
    available_j: float
    came_w: float
    leak_w: float
    input_w: float
    mark_v: float  # the level of COMP_E
    low_v: float  # where it ends: off, or just below that level
    floor_j: float  # stored there
    farads: float
    books: Energy


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
        self._slice: _Slice | None = None
        self._load_w = self._rates.cycle_j * machine.mclk_hz / 4  # a guess for the first slice
        self._phases: list[tuple[float, float]] = []  # time and voltage, a period of the source apart
        volts = supply.volts if isinstance(supply, Bench) else supply.v_start
        self._v = volts
        self._seen = (0.0, volts)  # what the last call of _point saw
        stored = 0.0 if isinstance(supply, Bench) else 0.5 * supply.capacitor_f * volts * volts
        books = Energy(stored, stored, 0.0, 0.0, 0.0, 0.0)
        machine.supply_v = volts
        self._restart_v = 0.0 if isinstance(supply, Bench) else supply.v_on
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
        if not duration_s >= 0:
            raise ValueError(f"duration_s must not be negative, got {duration_s}")
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
        if self._v >= self._restart_v:
            self._phases = []
            self._enter("boot")
            return
        if end == math.inf:
            self._look_for_starvation(supply)
        before = (self._t, self._v)
        closed = self._restart_v < supply.v_on
        self._drift(end, 0.0, low=supply.v_off if closed else 0.0, high=self._restart_v)
        if closed and self._v <= supply.v_off:
            self._restart_v = supply.v_on
            return
        if (self._t, self._v) == before:
            what = "the release of SVSH" if closed else "v_on"
            raise Starved(
                f"the capacitor rests at {self._v:.3f} V and never reaches {what} = {self._restart_v} V; "
                "give more power, less leakage, or a lower v_on"
            )

    def _look_for_starvation(self, supply: Harvested) -> None:
        """A source that repeats itself, and leaves no more in the capacitor than one period before, never will."""
        period = getattr(supply.source, "period_s", math.inf)
        if self._phases and self._t < self._phases[-1][0] + period * (1 - 1e-9):
            return
        self._phases.append((self._t, self._v))
        if len(self._phases) > 2 and self._v <= self._phases[-2][1] * (1 + 1e-12):  # the first may lie anywhere
            raise Starved(
                f"after {period:g} s, a period of the source, the capacitor is back at {self._v:.3f} V without having "
                f"reached v_on = {supply.v_on} V; give more power, less leakage, or a lower v_on"
            )

    def _boot(self, end: float) -> None:
        supply = self._harvester()
        charge = self.energy.charge_j("reset", 1.0) if supply.boot_c is None else supply.boot_c
        ready = (self.trace.intervals[-1].end_s if self.trace.intervals else 0.0) + supply.boot_s
        while self._t < min(end, ready):
            low = max(supply.v_off, _SVSH_DOWN_V)  # SVSH is on after power-up
            self._drift(min(end, ready), charge / supply.boot_s, low=low, high=supply.v_max)
            if self._v <= low:
                self._fail()
                return
        if self._t >= ready:
            self.machine._power_up(self._t - self._off_since, counted=False)
            self.machine.supply_v = self._v
            self.trace.power_cycles += 1
            self._enter("on")

    def _on(self, until: str | int | None, end: float) -> Stop | None:
        part = self._slice
        now = (self.machine.mclk_hz, self.machine._core.supply_mark)
        if part is None or (part.mclk_hz, part.mark_v) != now or (part.asleep and not self._asleep()):
            part = self._slice = self._open()
        m = self.machine
        cycles = max(1, part.end_cycle - m.cycles)
        if end < part.end_s:
            cycles = min(cycles, max(1, math.ceil(min((end - self._t) * m.mclk_hz, 2.0**62))))
        budget = min(part.available_j, 1e9)
        try:
            stop = m.run_metered(
                self._rates,
                budget,
                part.input_w,
                cycles,
                until,
                since=(part.counters, part.machine_s),
                base_j=part.floor_j,
                farads=part.farads,
                naps=not part.asleep,  # a slice that began awake is short enough for both
            )
        finally:  # the books hold also after a fault or Ctrl-C
            self._account(part)
        if isinstance(self.supply, Harvested):
            if self._v <= self._off_v() or (stop is Stop.SUPPLY and part.low_v <= self._off_v()):
                self._fail()
                return None
            m.supply_v = self._v
        if stop not in (Stop.CYCLES, Stop.UNTIL, Stop.BREAKPOINT) or m.cycles >= part.end_cycle:
            self._close(part)
        self._point()
        if stop in (Stop.UNTIL, Stop.BREAKPOINT):
            return stop
        if stop is Stop.HALT:
            return self._halted(end)
        return None

    def _open(self) -> _Slice:
        """A new slice from now: source and leakage stay as they are until it ends, however `run` cuts it."""
        m, supply, asleep = self.machine, self.supply, self._asleep()
        input_w, leak_w, available, last = 0.0, 0.0, math.inf, math.inf
        low, floor, farads = 0.0, 0.0, 0.0
        if isinstance(supply, Harvested):
            law, last = supply.source.at(self._t)
            came, leak_w = law.power_w(self._v), supply.leakage_a * self._v
            stored = 0.5 * supply.capacitor_f * self._v * self._v
            most = 0.5 * supply.capacitor_f * supply.v_max**2
            load_w = self._rates.sleep_w if asleep else self._load_w
            share = _ASLEEP_SHARE if asleep else _AWAKE_SHARE
            flow = abs(came - leak_w) + load_w
            if asleep and self._v >= supply.v_max and came > leak_w + load_w:
                pass  # it stays full
            elif isinstance(law, PowerLaw) and not supply.leakage_a:  # the same at every voltage: until it may be full
                last = min(last, self._t + max(most - stored, share * most) / came if came else last)
            elif flow:
                last = min(last, self._t + share * stored / flow)
            input_w, farads = came - leak_w, supply.capacitor_f
            low, high = self._marks()
            floor = 0.5 * farads * low**2
            available = stored - floor
            if high < math.inf and input_w > 0:  # not far beyond the level of COMP_E
                rise = 0.5 * farads * high**2 - stored
                last = min(last, self._t + max(_FINE_SHARE * stored, rise) / input_w)
        else:
            came, stored = 0.0, 0.0
        cycles = max(1, int(min((last - self._t) * m.mclk_hz, 2.0**62)))
        start = (self._t, m._core.counters(), m.time_s)
        powers = (stored, available, came, leak_w, input_w)
        mark = (m._core.supply_mark, low, floor, farads)
        return _Slice(*start, m.cycles + cycles, last, asleep, m.mclk_hz, *powers, *mark, self.trace.energy)

    def _account(self, part: _Slice) -> None:
        """Books and voltage now, from the start of the slice: the same numbers however it was cut."""
        spent = list(map(sub, self.machine._core.counters(), part.counters))
        if any(spent[k] for k in self._rates.unpriced):
            self.energy.energy_j(Counters.of(spent))  # raises
        dt = self.machine.time_s - part.machine_s
        used = sum(map(mul, self._rates.prices, spent))
        self._t = part.start_s + dt
        came, leaked, clipped = part.came_w * dt, part.leak_w * dt, 0.0
        if isinstance(self.supply, Harvested):
            now = part.stored_j + came - leaked - used
            if now < 0:  # one instruction or DMA block took more than there was: it got what there was
                used, now = used + now, 0.0
            clipped = max(0.0, now - 0.5 * self.supply.capacitor_f * self.supply.v_max**2)
            stored = now - clipped
            self._v = math.sqrt(stored * 2 / self.supply.capacitor_f)
        else:
            came, stored = used, 0.0
        e = part.books
        self.trace.energy = Energy(
            e.stored_start, stored, e.harvested + came, e.used + used, e.leaked + leaked, e.clipped + clipped
        )

    def _close(self, part: _Slice) -> None:
        """What the load took says how long the next slice may be; one that was mostly asleep says little."""
        dt = self._t - part.start_s
        if dt > 0 and not part.asleep:
            self._load_w = max((self.trace.energy.used - part.books.used) / dt, 0.98 * self._load_w)
        self._slice = None

    def _halted(self, end: float) -> Stop | None:
        """Asleep for good: time passes without the core."""
        self._slice = None
        current = self.energy.sleep_a(self._mode())
        if end == math.inf and (isinstance(self.supply, Bench) or self._marks() == (self._off_v(), math.inf)):
            return Stop.HALT
        if isinstance(self.supply, Bench):
            joules = current * self.supply.volts * (end - self._t)
            self._book(used=joules, harvested=joules)
            self.machine._core.pass_time(end - self._t)
            self._t = end
            return None
        while self._t < end:
            before = (self._t, self._v)
            low, high = self._marks()
            self._drift(end, current, low=low, high=min(high, self.supply.v_max))
            self.machine._core.pass_time(self._t - before[0])
            if self._v <= self._off_v():
                self._fail()
                return None
            self.machine.supply_v = self._v
            if self.machine._core.wakes:
                return None
            if (self._t, self._v) == before:
                return Stop.HALT  # the voltage rests
        return None

    def _marks(self) -> tuple[float, float]:
        """The next voltages below and above at which something happens: off, or just beyond a change of COMP_E."""
        mark, off = self.machine._core.supply_mark, self._off_v()
        low, high = mark * (1 - _BEYOND), mark * (1 + _BEYOND)
        rounding = self._v * 1e-12
        return (low if off < low < self._v - rounding else off), (high if high > self._v + rounding else math.inf)

    def _fail(self) -> None:
        """Off: the switch opened, or SVSH or BOR hold the device in reset behind a closed one."""
        self._slice = None
        supply = self._harvester()
        opened = self._v <= supply.v_off + 1e-6  # but for rounding
        self._restart_v = supply.v_on if opened else max(_SVSH_UP_V, supply.v_off)
        self._off_since = self._t
        self._enter("off")

    def _off_v(self) -> float:
        return max(self._harvester().v_off, self.machine._core.lowest_supply_v)

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

    def _store(self, volts: float) -> None:
        self._v = volts
        e = self.trace.energy
        stored = 0.5 * self._harvester().capacitor_f * volts * volts
        self.trace.energy = Energy(e.stored_start, stored, e.harvested, e.used, e.leaked, e.clipped)

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
        return MODES[self.machine._core.low_power_mode]

    def _enter(self, state: str) -> None:
        start = self.trace.intervals[-1].end_s if self.trace.intervals else 0.0
        self.trace.intervals.append(Interval(self._state, start, self._t))
        self._state = state
        self._point(force=True)

    def _point(self, force: bool = False) -> None:
        points, now = self.trace.voltage, (self._t, self._v)
        top = self.supply.volts if isinstance(self.supply, Bench) else self.supply.v_max
        if force or not points or abs(points[-1][1] - self._v) >= 0.01 * top:
            if points and points[-1] == now:
                return
            if points and points[-1][0] < self._seen[0] < self._t:  # a bend that a straight line would miss
                (t, v), (bend_t, bend_v) = points[-1], self._seen
                line = v + (self._v - v) * (bend_t - t) / (self._t - t)
                if abs(line - bend_v) >= 0.01 * top:
                    points.append(self._seen)
            points.append(now)
        self._seen = now

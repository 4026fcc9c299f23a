"""Supplies: closed forms against small steps, books that balance, brown-outs at the right instruction."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sim
from sim import Bench, EnergyModel, Harvested, PoweredMachine, Stop, sources
from sim.sources import ConstantPower, CurveSource, Recorded, RfBursts, SolarDay

# Counts in FRAM for ever; how far it comes between two failures is what the capacitor holds.
COUNTS = """
    .globl _start, boots, count
_start:
    mov #0x2c00, r1
    mov #0x5a80, &0x015c
    inc &boots
again:
    inc &count
    jnz again
    inc &count+2
    jmp again
    .section .nvm,"aw",@progbits
    .type boots,@object
boots: .word 0
    .size boots, 2
    .type count,@object
count: .word 0, 0
    .size count, 4
"""
# Works on each interrupt 20, else sleeps in LPM3.
SLEEPS = """
    .globl _start, served, handler
_start:
    mov #0x2c00, r1
    mov #0x5a80, &0x015c
sleep:
    bis #0xd8, r2
    mov #200, r10
1:  dec r10
    jnz 1b
    inc &served
    jmp sleep
handler:
    bic #0xd0, 0(r1)
    reti
    .section .nvm,"aw",@progbits
    .type served,@object
served: .word 0
    .size served, 2
"""
FUSED = EnergyModel.load("fused")


def machine(assemble, source: str, vector: str | None = None) -> sim.Machine:
    m = sim.Machine(seed=4)
    m.load(assemble(source))
    if vector:
        m.write(0xFF90 + 2 * 20, m.symbols[vector].address.to_bytes(2, "little"))
    return m


def number(m: sim.Machine, name: str) -> int:
    return int.from_bytes(m.read(name), "little")


def close(trace: sim.Trace) -> bool:
    e = trace.energy
    return abs(trace.imbalance_j) <= 1e-9 * (e.harvested + e.stored_start + 1e-9)


# --- closed forms


def small_steps(law, volts: float, drain: float, farads: float, dt: float, n: int = 4000) -> tuple[float, float]:
    """Voltage and energy that came in after `dt`, by the midpoint rule."""
    h, came = dt / n, 0.0
    for _ in range(n):
        k = (law.power_w(volts) / max(volts, 1e-9) - drain) / farads
        mid = max(volts + 0.5 * h * k, 1e-9)
        came += law.power_w(mid) * h
        volts = max(volts + h * (law.power_w(mid) / mid - drain) / farads, 0.0)
    return volts, came


LAWS = st.one_of(
    st.floats(0, 1e-2).map(sources.PowerLaw),
    st.tuples(st.floats(1.0, 5.0), st.floats(10.0, 1e5)).map(lambda p: CurveSource.thevenin(*p).at(0)[0]),
    st.just(CurveSource(((0.0, 1e-3), (2.0, 9e-4), (2.6, 0.0)), 50.0).at(0)[0]),
)


@given(LAWS, st.floats(0.5, 3.0), st.floats(0, 1e-3), st.floats(1e-5, 1e-2), st.floats(1e-3, 1.0))
@settings(max_examples=25, deadline=None, derandomize=True)  # rare seeds leave the tolerance: open
def test_closed_forms_equal_small_steps(law, volts, drain, farads, dt):
    t, v, came = 0.0, volts, 0.0
    for _ in range(20):  # over the pieces of a curve
        step = law.advance(v, drain, farads, dt - t, 0.3, 5.5)
        t, v, came = t + step.dt_s, step.volts, came + step.in_j
        if t >= dt or v in (0.3, 5.5):
            break
    expected, expected_in = small_steps(law, volts, drain, farads, t)
    assert v == pytest.approx(expected, rel=2e-3, abs=2e-3)
    assert came == pytest.approx(expected_in, rel=5e-3, abs=1e-6)


def test_charging_time_without_leakage():
    step = sources.PowerLaw(1e-3).advance(0.0, 0.0, 100e-6, math.inf, 0.0, 3.0)
    assert step.dt_s == pytest.approx(0.5 * 100e-6 * 9 / 1e-3)
    tiny = sources.PowerLaw(1e-3).advance(1.0, 1e-12, 100e-6, math.inf, 0.0, 3.0)
    small = sources.PowerLaw(1e-3).advance(1.0, 4e-9, 100e-6, math.inf, 0.0, 3.0)  # the other side of the series
    assert tiny.dt_s == pytest.approx(0.5 * 100e-6 * 8 / 1e-3)
    assert small.dt_s == pytest.approx(tiny.dt_s, rel=1e-4)
    for watts in (1e-300, 5e-324):  # so little that its square is 0
        assert sources.PowerLaw(watts).advance(1.0, 0.0, 1e-3, 10.0, 0.3, 5.5).volts == pytest.approx(1.0)


def test_charging_through_a_resistance_as_published():
    """iNAS: t = -R C ln((V1 - Vs) / (V0 - Vs)) with Vs 3.0 V, 1 kohm, 1 mF, 2.8 -> 2.99 V."""
    step = CurveSource.thevenin(3.0, 1000.0).at(0)[0].advance(2.8, 0.0, 1e-3, math.inf, 0.0, 2.99)
    assert step.dt_s == pytest.approx(-1000 * 1e-3 * math.log((3.0 - 2.99) / (3.0 - 2.8)))


def test_solar_day_holds_the_energy_of_its_sine():
    day = SolarDay(peak_w=2e-3, start_h=0.0)
    t = total = 0.0
    while t < 86400 - 1e-6:
        law, until = day.at(t)
        total += law.power_w(3.0) * (until - t)
        t = until
    assert total == pytest.approx(2e-3 * 2 / math.pi * 12 * 3600)
    assert day.at(3600)[0].power_w(3) == 0
    assert day.at(12 * 3600)[0].power_w(3) == pytest.approx(2e-3, rel=1e-3)
    assert day.at(36 * 3600)[0] == day.at(12 * 3600)[0]


def test_bursts_and_recorded_traces(tmp_path: Path):
    bursts = RfBursts(3e-3, period_s=1.0, on_s=0.2)
    assert [bursts.at(t)[0].power_w(3) for t in (0, 0.1, 0.2, 0.9, 1.0, 7.1)] == [3e-3, 3e-3, 0, 0, 3e-3, 3e-3]
    (tmp_path / "t.csv").write_text("time_s,power_w\n0,1e-3\n2,0\n3,5e-4\n")
    once = Recorded.from_csv(tmp_path / "t.csv")
    assert [once.at(t)[0].power_w(3) for t in (0, 1.9, 2, 3, 99)] == [1e-3, 1e-3, 0, 5e-4, 5e-4]
    again = Recorded.from_csv(tmp_path / "t.csv", repeat=True, scale=2.0)
    assert [again.at(t)[0].power_w(3) for t in (3.5, 4.0, 6.5)] == [1e-3, 2e-3, 0]
    for source in (bursts, again):
        t = 0.0
        for _ in range(1000):
            until = source.at(t)[1]
            assert until > t
            t = until
    (tmp_path / "v.csv").write_text("time_s,voltage_v\n0,3.3\n1,0\n")
    volts = Recorded.from_csv(tmp_path / "v.csv", series_ohm=1000)
    assert volts.at(0)[0].power_w(2.3) == pytest.approx(2.3e-3)
    assert volts.at(1)[0].power_w(2.3) == 0
    for text in ("time_s,power_w\n0,1\n", "a,b\n1,2\n3,4\n", "time_s,power_w\n0,1\n0,2\n", "time_s,power_w\n0,x\n1,2\n",
                 "time_s,power_w\n0,-1\n1,2\n"):  # fmt: skip
        (tmp_path / "bad.csv").write_text(text)
        with pytest.raises(ValueError, match=r"bad\.csv: (needs|row \d+:)"):
            Recorded.from_csv(tmp_path / "bad.csv")


# --- machines on supplies


def test_bench_never_fails(assemble):
    node = PoweredMachine(machine(assemble, COUNTS), Bench(3.0), FUSED)
    before = node.machine.counters()
    assert node.run(duration_s=0.5) is Stop.CYCLES
    trace = node.finish()
    spent = node.machine.counters() - before
    assert trace.energy.used == pytest.approx(FUSED.energy_j(spent))
    assert (trace.power_cycles, number(node.machine, "boots")) == (0, 1)
    assert trace.on_s == pytest.approx(0.5, rel=1e-4)
    assert close(trace)
    assert node.run(until="again") is Stop.UNTIL
    with pytest.raises(ValueError, match="needs until or duration"):
        node.run()


def test_brown_out_at_the_exact_instruction(assemble):
    """Without harvest or leakage, the instruction that overdraws the capacitor is the last one."""
    supply = Harvested(ConstantPower(0.0), 10e-6, v_start=3.0, boot_c=0.0)
    m = machine(assemble, COUNTS)
    node = PoweredMachine(m, supply, FUSED)
    twin = m.fork()
    start_j = 0.5 * 10e-6 * (3.0**2 - 1.9**2)
    node.run(duration_s=10.0)
    assert not node.is_on
    executed, used = m.instructions, FUSED.energy_j(m.counters())
    assert used >= start_j
    twin.power_cycle()
    twin.run(max_instructions=executed - 1)
    assert m.counters().resets == 0  # the supply has booked the charge of the boot
    assert FUSED.energy_j(dataclasses.replace(twin.counters(), resets=0)) < start_j
    twin.run(max_instructions=1)
    assert dataclasses.replace(twin.counters(), resets=0) == m.counters()
    assert twin.read(0x4000, 0x1000) == m.read(0x4000, 0x1000)
    assert node.volts == pytest.approx(1.9, abs=1e-4)
    with pytest.raises(sim.Starved, match="never reaches v_on"):
        node.run()


def test_intermittent_execution(assemble):
    supply = Harvested(ConstantPower(0.2e-3), 20e-6, leakage_a=1e-6)
    node = PoweredMachine(machine(assemble, COUNTS), supply, FUSED)
    node.run(duration_s=20.0)
    trace = node.finish()
    assert trace.power_cycles == number(node.machine, "boots") > 5
    assert close(trace)
    states = [i.state for i in trace.intervals]
    assert states[:4] == ["off", "boot", "on", "off"]
    assert trace.time_s == pytest.approx(20.0)
    assert all(a.end_s == b.start_s for a, b in zip(trace.intervals, trace.intervals[1:], strict=False))
    boots = [i for i in trace.intervals if i.state == "boot"]
    assert all(i.end_s - i.start_s == pytest.approx(1e-3) for i in boots)
    assert trace.on_s == pytest.approx(sum(i.end_s - i.start_s for i in trace.intervals if i.state == "on"))
    low = min(v for t, v in trace.voltage if t > trace.intervals[2].end_s)
    assert low == pytest.approx(1.9, abs=1e-3)
    assert max(v for _, v in trace.voltage) == pytest.approx(3.0, abs=1e-2)
    assert node.machine.time_s == pytest.approx(node.time_s, rel=1e-6) or not node.is_on
    data = json.loads(trace.to_json())
    assert data["power_cycles"] == trace.power_cycles
    assert data["energy"]["lost"] == pytest.approx(trace.energy.lost)
    assert any(a.startswith("supply:") for a in data["assumptions"])


SOURCES = st.one_of(
    st.floats(1e-5, 5e-3).map(ConstantPower),
    st.floats(1e-4, 5e-3).map(lambda p: SolarDay(p, start_h=7.0)),
    st.tuples(st.floats(1e-4, 2e-2), st.floats(0.05, 1.0)).map(lambda p: RfBursts(p[0], 1.0, p[1])),
    st.tuples(st.floats(3.1, 5.0), st.floats(100.0, 2e4)).map(lambda p: CurveSource.thevenin(*p)),
    st.just(CurveSource(((0.0, 2e-3), (3.0, 1.5e-3), (4.0, 0.0)), 100.0)),
)


@given(SOURCES, st.floats(1e-6, 3e-4), st.floats(0, 1e-5), st.booleans(), st.floats(0.0, 3.6))
@settings(max_examples=25, deadline=None)
def test_energy_balance(assemble, source, farads, leakage, sleeps, v_start):
    """In plus stored before = stored + used + lost, whatever the source and the program do."""
    m = machine(assemble, SLEEPS if sleeps else COUNTS, "handler" if sleeps else None)
    node = PoweredMachine(m, Harvested(source, farads, leakage_a=leakage, v_start=v_start), FUSED)
    for _ in range(3):
        node.run(duration_s=0.3)
        if sleeps and node.is_on:
            m.interrupt(20)
    trace = node.finish()
    assert close(trace)
    e = trace.energy
    assert min(e.harvested, e.used, e.leaked, e.clipped) >= -1e-15
    assert e.stored == pytest.approx(0.5 * farads * node.volts**2)
    assert all(-1e-9 <= v <= 3.6 + 1e-9 for _, v in trace.voltage)
    assert trace.time_s == pytest.approx(0.9, abs=5e-5)  # the last instruction is finished
    counted = FUSED.energy_j(m.counters())
    assert e.used >= counted * (1 - 1e-9)  # boot and sleep come on top


def test_runs_are_reproducible(assemble):
    def once() -> tuple[object, ...]:
        supply = Harvested(RfBursts(2e-3, 0.5, 0.1), 10e-6, leakage_a=1e-7)
        node = PoweredMachine(machine(assemble, COUNTS), supply, FUSED)
        node.run(duration_s=3.0)
        return node.finish().to_json(), node.machine.counters(), node.machine.read(0x1C00, 64)

    assert once() == once()


TICKS = """
    .globl _start, tick
_start:
    mov #0x2c00, r1
    mov #0x5a80, &0x015c
    mov #0, &0x1c00
    mov #940, &0x0352
    mov #0x0010, &0x0342
    mov #0x0110, &0x0340
1:  bis #0xd8, r2
    mov #900, r10
2:  dec r10
    jnz 2b
    inc &0x1c00
    jmp 1b
tick: bic #0xd0, 0(r1)
    reti
"""
CHUNKS = [st.lists(st.floats(1e-5, 0.4), min_size=1, max_size=30), st.just([1e-3]), st.just([7e-5] * 40 + [0.3])]


def ticks(assemble) -> sim.Machine:
    m = sim.Machine(seed=4)
    m.load(assemble(TICKS))
    m.write(0xFF90 + 2 * 45, m.symbols["tick"].address.to_bytes(2, "little"))
    return m


@given(SOURCES, st.sampled_from([2e-6, 1e-5]), st.sampled_from([0.0, 3e-7, 5e-6]), st.booleans(), st.one_of(*CHUNKS))
@settings(max_examples=8, deadline=None)
def test_slices_do_not_matter(assemble, source, farads, leakage, sleeps, chunks):
    """Asking often gives the same run as asking once: the power fails at the same instructions, at the same time."""

    def life(durations: list[float]) -> tuple[list[int], list[float], float]:
        m = ticks(assemble) if sleeps else machine(assemble, COUNTS)
        node = PoweredMachine(m, Harvested(source, farads, leakage_a=leakage, v_start=3.0), FUSED)
        failures: list[int] = []
        fail = node._fail
        node._fail = lambda: (failures.append(m.instructions), fail())  # type: ignore[method-assign, assignment]
        k = 0
        while node.time_s < 0.6:
            node.run(duration_s=min(durations[k % len(durations)], max(0.6 - node.time_s, 1e-9)))
            k += 1
        trace = node.finish()
        assert close(trace)
        return failures, [i.end_s for i in trace.intervals[:-1]], trace.energy.used

    once, often = life([1.0]), life(chunks)
    assert often[0][: len(once[0])] == once[0][: len(often[0])]
    assert abs(len(often[0]) - len(once[0])) <= 1  # the last one may lie behind the end
    shared = min(len(once[1]), len(often[1]))
    assert often[1][:shared] == pytest.approx(once[1][:shared], rel=1e-9)
    assert often[2] == pytest.approx(once[2], rel=1e-3)


@pytest.mark.parametrize("farads", [3e-8, 1e-6, 1e-5])
def test_a_sleeping_program_dies_in_its_sleep(assemble, farads):
    """A timer would wake it: the capacitor is empty first. What is left is too little to wake up with."""
    node = PoweredMachine(ticks(assemble), Harvested(ConstantPower(0.0), farads, v_start=3.0, boot_c=0.0), FUSED)
    node.run(duration_s=300.0)
    trace = node.finish()
    assert not node.is_on
    assert trace.power_cycles == 1
    assert close(trace)
    assert [i.state for i in trace.intervals] == ["off", "boot", "on", "off"]
    assert node.volts == pytest.approx(1.9, abs=0.05 if farads > 1e-7 else 1.9)


def test_a_change_of_mclk_does_not_stretch_the_run(assemble):
    """16 MHz to 500 kHz in the middle: the time asked for stays the time that passes."""
    source = """
    .globl _start
_start:
    mov #0x5a80, &0x015c
    mov #0xa510, &0x0140
    mov #0xa500, &0x0160
    mov #0x0048, &0x0162
    mov #0, &0x0166
    mov #50, r10
1:  dec r10
    jnz 1b
    mov #5, &0x0166
2:  jmp 2b
"""
    for supply in (Bench(), Harvested(ConstantPower(20e-3), 1e-3, v_start=3.0)):
        node = PoweredMachine(machine(assemble, source), supply, FUSED)
        node.run(duration_s=0.5)
        assert node.machine.mclk_hz == 500_000
        assert node.time_s == pytest.approx(0.5, abs=1e-4)
        assert close(node.finish())


def test_a_program_that_resets_itself_pays_for_it(assemble):
    m = machine(assemble, "_start: mov #0x5a80, &0x15c\n mov #0xa504, &0x120\n jmp .")
    node = PoweredMachine(m, Harvested(ConstantPower(0.0), 10e-6, v_start=3.0, boot_c=0.0), FUSED)
    node.run(duration_s=10.0)
    trace = node.finish()
    resets = m.counters().resets
    assert 60 < resets < 95  # 27 uJ at 306 nJ each, and a few instructions
    assert trace.energy.used == pytest.approx(FUSED.energy_j(m.counters()))
    assert node.volts == pytest.approx(1.9, abs=0.02)
    assert close(trace)


@pytest.mark.parametrize(
    "source",
    [SolarDay(2e-6), RfBursts(1e-5, 1.0, 0.01), SolarDay(0.0)],
)
def test_sources_that_repeat_themselves_starve_too(assemble, source):
    node = PoweredMachine(machine(assemble, COUNTS), Harvested(source, 1e-4, leakage_a=2e-6), FUSED)
    with pytest.raises(sim.Starved, match=r"never reaches v_on|period of the source"):
        node.run()


def test_a_slow_source_is_not_starved(assemble):
    """Each period leaves a little more."""
    m = machine(assemble, SLEEPS, "handler")
    node = PoweredMachine(m, Harvested(RfBursts(1e-5, 1.0, 0.1), 1e-5, leakage_a=1e-8), FUSED)
    assert node.run(until="sleep") is Stop.UNTIL
    assert node.time_s > 40


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time_s,power_w\n0,1\n2,1\n1,1\n", "row 3: time_s = 1.0"),
        ("time_s,power_w\n1,1\n2,1\n", "row 1: time_s = 1.0; times must start at 0"),
        ("time_s,power_w\n0,1\n2,nan\n", "row 2: power_w = nan"),
        ("time_s,power_w\n0,1\nnan,1\n", "row 2: time_s = nan"),
        ("time_s,power_w\n0,1\ninf,1\n", "row 2: time_s = inf"),
        ("time_s,power_w\n0,-1e-9\n2,1\n", "row 1: power_w = -1e-09"),
        ("time_s,power_w\n0,5e300\n2,1\n", "row 1: .* outside 0 to 100"),
        ("time_s,power_w\n0,1\n", "two rows or more, has 1"),
        ("", "two rows or more, has 0"),
        ("time_s,power_w\n0,1\n1\n", "needs columns time_s and power_w"),
        ("\x00\x01,\n0", "needs"),
    ],
)
def test_recordings_that_make_no_sense(tmp_path, text, message):
    (tmp_path / "r.csv").write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        Recorded.from_csv(tmp_path / "r.csv")
    assert "r.csv" in str(error.value)


def test_recordings_from_spreadsheets(tmp_path):
    (tmp_path / "r.csv").write_bytes(b"\xef\xbb\xbftime_s,note,power_w\r\n0,a,1e-3\r\n2,b,2e-3\r\n")
    assert Recorded.from_csv(tmp_path / "r.csv").at(2.5)[0].power_w(3.0) == 2e-3
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"b\.csv: needs columns"):
        Recorded.from_csv(tmp_path / "b.csv")
    for wrong in ({"scale": -1.0}, {"scale": float("nan")}, {"series_ohm": 0.0}):
        with pytest.raises(ValueError, match="finite and above 0"):
            Recorded.from_csv(tmp_path / "r.csv", **wrong)


def test_books_close_after_a_fault(assemble):
    m = machine(assemble, "_start: mov #0x5a80, &0x15c\n mov #5000, r4\n1: dec r4\n jnz 1b\n mov &0x1b00, r5")
    node = PoweredMachine(m, Harvested(ConstantPower(1e-4), 1e-4, v_start=3.0, leakage_a=1e-6), FUSED)
    with pytest.raises(sim.BusFault):
        node.run(duration_s=1.0)
    trace = node.finish()
    assert close(trace)
    assert trace.energy.used >= FUSED.energy_j(m.counters())
    assert node.time_s == pytest.approx(m.time_s, abs=1e-6)


def test_numbers_that_are_none(assemble):
    for field in ("capacitor_f", "leakage_a", "boot_s", "boot_c", "v_max", "v_start", "v_on", "v_off"):
        with pytest.raises(ValueError, match=r"finite|needs 0 < v_off"):
            Harvested(ConstantPower(1e-3), **{"capacitor_f": 1e-4, field: float("nan")})
    node = PoweredMachine(machine(assemble, COUNTS), Bench(), FUSED)
    for duration in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="duration_s"):
            node.run(duration_s=duration)


def test_sleeping_program_serves_requests(assemble):
    m = machine(assemble, SLEEPS, "handler")
    node = PoweredMachine(m, Harvested(ConstantPower(1e-3), 100e-6, v_start=3.0), FUSED)
    for _ in range(20):
        assert node.run(duration_s=1.0) is Stop.CYCLES
        assert node.is_on
        m.interrupt(20)
    assert number(m, "served") == 19
    trace = node.finish()
    assert trace.power_cycles == 1
    assert trace.energy.clipped > 0.9 * trace.energy.harvested  # full most of the time
    assert node.volts == pytest.approx(3.6)
    assert close(trace)


def test_sleep_current_empties_the_capacitor(assemble):
    """LPM3 at 0.5 uA and 1 uA of leakage from 3.0 to 1.9 V: t = C dV / I."""
    m = machine(assemble, SLEEPS, "handler")
    node = PoweredMachine(m, Harvested(ConstantPower(0.0), 100e-6, leakage_a=1e-6, v_start=3.0, boot_c=0.0), FUSED)
    node.run(duration_s=1000.0)
    trace = node.finish()
    assert trace.on_s == pytest.approx(100e-6 * 1.1 / 1.5e-6, rel=0.01)
    assert not node.is_on


def test_ten_idle_hours_are_quick(assemble):
    """A request every second for ten hours of a solar day."""
    m = machine(assemble, SLEEPS, "handler")
    node = PoweredMachine(m, Harvested(SolarDay(1e-3), 1e-3, leakage_a=1e-6, v_start=3.0), FUSED)
    began = time.process_time()  # other load on the machine does not count
    for _ in range(36_000):
        node.run(duration_s=1.0)
        if node.is_on:
            m.interrupt(20)
    assert time.process_time() - began < 10
    trace = node.finish()
    assert trace.time_s == pytest.approx(36_000)
    assert close(trace)
    assert len(trace.voltage) < 5000


def test_starved_and_boot_loops(assemble):
    node = PoweredMachine(machine(assemble, COUNTS), Harvested(ConstantPower(1e-6), 1e-5, leakage_a=1e-6), FUSED)
    with pytest.raises(sim.Starved, match="never reaches v_on"):
        node.run()
    assert node.run(duration_s=5.0) is Stop.CYCLES
    # a boot that costs more than the capacitor holds never reaches the first instruction
    heavy = Harvested(ConstantPower(1e-4), 1e-6, boot_c=2e-6)
    node = PoweredMachine(machine(assemble, COUNTS), heavy, FUSED)
    node.run(duration_s=1.0)
    trace = node.finish()
    assert trace.power_cycles == 0
    assert sum(i.state == "boot" for i in trace.intervals) > 3
    assert node.machine.instructions == 0
    assert close(trace)


@pytest.mark.parametrize(
    "options",
    [{"v_on": 1.5}, {"v_max": 2.9}, {"capacitor_f": 0.0}, {"leakage_a": -1.0}, {"boot_s": 0.0}, {"v_start": 4.0}],
)
def test_impossible_supplies(options):
    with pytest.raises(ValueError, match=r"needs 0 < v_off|must be positive|negative"):
        dataclasses.replace(Harvested(ConstantPower(1e-3), 1e-4), **options)


def test_impossible_sources():
    for make in (
        lambda: ConstantPower(-1.0),
        lambda: SolarDay(1.0, sunrise_h=19.0),
        lambda: RfBursts(1.0, 1.0, 2.0),
        lambda: CurveSource(((0.0, 1.0), (1.0, 2.0))),
        lambda: CurveSource.thevenin(0.0, 1.0),
        lambda: Bench(5.0),
    ):
        with pytest.raises(ValueError, match=r"."):
            make()

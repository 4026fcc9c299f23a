"""Clocks, the event queue and low-power modes: a sleeping CPU costs nothing and wakes at the computed cycle."""

from __future__ import annotations

import math

import pytest

import sim

SLEEPER = """
    .globl _start, done
_start:
    mov #0x5a80, &0x15c
    mov #0x2c00, r1
    mov.b #0xa5, &0x161
    mov #{ctl2}, &0x164          ; ACLK
    mov #{ctl3}, &0x166
    mov.b #0, &0x161
    clr r10
    mov #{period}, &0x352        ; TA0CCR0
    mov #0x0010, &0x342          ; CCIE
    mov #{timer}, &0x340         ; up, TACLR
sleep:
    bis #{lpm} | 8, r2
    nop
    cmp #10, r10
    jne sleep
done: jmp done
isr:
    inc r10
    bic #{lpm}, 0(r1)
    reti
"""


def sleeper(assemble, *, ctl2=0x0133, ctl3=0x0033, period=93, timer=0x0114, lpm=0xD0, **options) -> sim.Machine:
    """A program that sleeps ten times on TA0; ACLK = VLO at 9400 Hz, MCLK = 1 MHz unless said."""
    m = sim.Machine(seed=1, options=options)
    elf = assemble(SLEEPER.format(ctl2=ctl2, ctl3=ctl3, period=period, timer=timer, lpm=lpm))
    m.load(elf)
    m.write(0xFF90 + 2 * 45, m.symbols["isr"].address.to_bytes(2, "little"))
    return m


@pytest.mark.parametrize("ticks", [94, 100])
def test_lpm3_wakes_ten_times_at_exact_cycles(assemble, ticks):
    """9400 Hz against 1 MHz: 94 ticks are 10,000 cycles, 100 ticks 10,638.3; edges round up to a cycle.

    Waking from LPM3 takes 6.6 us + 2 / 8 MHz = 6.85 us, 7 cycles; acceptance 6.
    """
    m = sleeper(assemble, period=ticks - 1)
    assert m.run(until="sleep", max_cycles=1000) is sim.Stop.UNTIL
    start = m.cycles
    times = []
    for _ in range(10):
        assert m.run(until="isr", max_cycles=1_000_000) is sim.Stop.UNTIL
        times.append(m.cycles - 7 - 6)
    exact = [i * ticks * 1e6 / 9400 for i in range(10)]  # after the first edge, whose phase is free
    assert all(math.floor(e) <= t - times[0] <= math.ceil(e) for t, e in zip(times, exact, strict=True))
    assert (ticks - 2) * 1e6 / 9400 <= times[0] - start <= (ticks - 1) * 1e6 / 9400
    assert m.run(until="done", max_cycles=1000) is sim.Stop.UNTIL
    c = m.counters()
    assert c.lpm3_wakeups == c.interrupts == 10
    assert sum(c.events().values()) == c.cycles
    assert c.lpm3_cycles > 0.98 * c.cycles
    assert c.lpm3_ns == pytest.approx(c.lpm3_cycles * 1000, abs=20)
    assert m.time_s == pytest.approx(10 * ticks / 9400, rel=0.02)
    assert m.instructions < 200


def test_hours_of_sleep_are_one_jump(assemble):
    """ACLK / 32 / 8 / 8 and a full period: 65536 * 2048 / 9400 s each, almost four hours; ten take no time."""
    m = sleeper(assemble, ctl3=0x0533, period=0xFFFF, timer=0x01D4)
    assert m.run(until="done") is sim.Stop.UNTIL
    assert m.time_s == pytest.approx(10 * 65536 * 32 * 8 / 9400, rel=1e-3)


@pytest.mark.parametrize(("lpm", "mode"), [(0x10, 0), (0x50, 1), (0xD0, 1), (0xF0, 1)])
def test_a_requested_smclk_keeps_the_mode_light(assemble, lpm, mode):
    """SMCLK timer, 1 MHz: wakes every 1000 cycles in any mode, since the timer requests SMCLK."""
    m = sleeper(assemble, period=999, timer=0x0214, lpm=lpm)
    m.run(until="isr", max_cycles=100_000)
    first = m.cycles
    m.run(until="isr", max_cycles=100_000)
    assert m.cycles - first == 1000
    assert m.run(until="done", max_cycles=100_000) is sim.Stop.UNTIL
    c = m.counters()
    assert getattr(c, f"lpm{mode}_wakeups") == 10
    assert getattr(c, f"lpm{mode}_cycles") > 9000


def test_without_requests_the_clock_stops_and_nothing_wakes(bare):
    timer = [0x40F2, 0xA5, 0x161, 0x4382, 0x16C, 0x40B2, 99, 0x352, 0x40B2, 0x0010, 0x342, 0x40B2, 0x0214, 0x340]
    for sleep, wakes in ((0x18, True), (0x58, True), (0xD8, False), (0xF8, False)):  # CSCTL6 = 0: no requests
        b = bare([*timer, 0xD032, sleep, 0x4303])
        b.put(0xFF90 + 2 * 45, 0x5000)
        b.put(0x5000, 0x3FFF)
        assert b.m.run(max_cycles=10_000) is (sim.Stop.CYCLES if wakes else sim.Stop.HALT)
        assert b.m.counters().interrupts == wakes


def test_halt_only_when_nothing_can_wake(bare):
    asleep = bare([0xD032, 0x0018, 0x4303])  # BIS #CPUOFF+GIE
    assert asleep.m.run() is sim.Stop.HALT
    timer = bare([0x40B2, 99, 0x352, 0x40B2, 0x0010, 0x342, 0x40B2, 0x0214, 0x340, 0xD032, 0x0010, 0x4303])
    assert timer.m.run() is sim.Stop.HALT  # GIE is clear
    flagless = bare([0x40B2, 99, 0x352, 0x40B2, 0x0214, 0x340, 0xD032, 0x0018, 0x4303])
    assert flagless.m.run() is sim.Stop.HALT  # no interrupt enabled


def test_max_cycles_ends_sleep_at_the_cycle(assemble):
    m = sleeper(assemble)
    assert m.run(max_cycles=5000) is sim.Stop.CYCLES
    assert m.cycles == 5000
    n = m.instructions
    assert m.run(max_cycles=10) is sim.Stop.CYCLES
    assert (m.cycles, m.instructions) == (5010, n)
    pieces = m.fork()
    m.run(max_cycles=200_000)
    while pieces.cycles < m.cycles:
        pieces.run(max_cycles=min(777, m.cycles - pieces.cycles))
    assert (pieces.cycles, pieces.registers) == (m.cycles, m.registers)


def test_clock_options(assemble):
    def length(**change) -> float:
        options = {k: change.pop(k) for k in list(change) if k.endswith("_hz")}
        m = sleeper(assemble, **change, **options)
        m.run(until="isr", max_cycles=10_000_000)
        first = m.time_s
        m.run(until="isr", max_cycles=10_000_000)
        return m.time_s - first

    assert length() == pytest.approx(94 / 9400, abs=2e-6)
    assert length(vlo_hz=10_000) == pytest.approx(94 / 10_000, abs=2e-6)
    assert length(ctl2=0x0233) == pytest.approx(94 / 37_500, abs=2e-6)  # LFMODCLK = 4.8 MHz / 128
    assert length(ctl2=0x0033) == pytest.approx(94 / 37_500, abs=2e-6)  # no crystal: LFMODCLK steps in
    assert length(ctl2=0x0033, lfxt_hz=32_768) == pytest.approx(94 / 32_768, abs=2e-6)
    assert length(ctl3=0x0233) == pytest.approx(4 * 94 / 9400, abs=2e-6)
    assert length(timer=0x0154) == pytest.approx(2 * 94 / 9400, abs=2e-6)  # ID
    wrong: dict[str, tuple[object, str]] = {
        "speed": (1, "no option 'speed'"),
        "vlo_hz": (1, "1000 to 50000"),
        "violations": ("maybe", "choose raise or reset"),
        "modosc_hz": (5_000_001, "128"),
    }
    for name, (value, text) in wrong.items():
        with pytest.raises(ValueError, match=text):
            sim.Machine(options={name: value})
    assert "option vlo_hz: 10000" in sim.Machine(options={"vlo_hz": 10_000}).assumptions


def test_phase_of_aclk_survives_a_change_of_mclk(bare):
    """Reading TA0R across a switch from 1 to 8 MHz: the time since start decides, not the cycles."""
    timer = [0x40F2, 0xA5, 0x161, 0x40B2, 0x0133, 0x164, 0x40B2, 0x0124, 0x340]
    loop = [0x4038, 10_000, 0x8318, 0x23FE]  # 3 * 10000 + 2 cycles
    b = bare([*timer, *loop, 0x4382, 0x166, *loop, 0x4219, 0x350])
    b.go()
    assert b.m.mclk_hz == 8_000_000
    assert b.r(9) == pytest.approx((30_000e-6 + 30_000 / 8e6) * 9400, abs=1)


def test_fork_asleep_and_determinism(assemble):
    m = sleeper(assemble)
    m.run(max_cycles=15_000)
    other = m.fork()
    m.run(until="done")
    other.run(until="done")
    again = sleeper(assemble)
    again.run(until="done")
    assert (m.cycles, m.registers, m.counters()) == (other.cycles, other.registers, other.counters())
    assert (m.cycles, m.registers) == (again.cycles, again.registers)

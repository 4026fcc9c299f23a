"""LPM3.5, LPM4.5, SVSH: what survives, what wakes, what SYSRSTIV says, what it costs."""

from __future__ import annotations

import pytest

import sim
from sim import EnergyModel, Harvested, PoweredMachine, Stop
from sim.sources import ConstantPower

FUSED = EnergyModel.load("fused")
# Each start logs SYSRSTIV; then LPMx.5 with PMMREGOFF, in the calendar's second if the clock runs.
NODE = """
    .globl _start, log, starts
_start:
    mov #0x2c00, r1
    mov #0x5a80, &0x015c
    mov &starts, r12
    rla r12
    mov &0x019e, log(r12)
    inc &starts
    {setup}
    mov.b #0xa5, &0x0121
    bis.b #{svs}, &0x0120
    bis #0xd8, r2
    nop
1:  jmp 1b
    .section .nvm,"aw",@progbits
    .type starts,@object
starts: .word 0
    .size starts, 2
    .type log,@object
log: .word 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff
    .size log, 16
"""
# Counter mode at 128 Hz with an overflow each 2 s; set up once, afterwards only its interrupt is enabled again.
CLOCK = """
    bic #1, &0x0130
    mov.b #0xa5, &0x04a1
    mov #0xa540, &0x04a0
    cmp #1, &starts
    jne 2f
    mov #0x48, &0x04a2
    mov #0x1800, &0x04a8
    mov #0x9800, &0x04aa
    mov #0x08, &0x04a2
2:  mov &0x04ae, r10
"""
PIN = """
    bis.b #1, &0x0202
    bis.b #1, &0x0204
    bic #1, &0x0130
    clr.b &0x021c
    bis.b #8, &0x021a
"""


def node(assemble, setup: str, svs: int = 0x10) -> sim.Machine:
    m = sim.Machine(seed=2, options={"lfxt_hz": 32768})
    m.load(assemble(NODE.format(setup=setup, svs=svs)))
    return m


def log(m: sim.Machine) -> list[int]:
    words = [int.from_bytes(m.read("log")[k : k + 2], "little") for k in range(0, 16, 2)]
    return words[: int.from_bytes(m.read("starts"), "little")]


def test_rtc_wakes_from_lpm35(assemble):
    m = node(assemble, CLOCK)
    m.write(0x1D00, b"\x12\x34")
    assert m.run(max_cycles=7_000_000) is Stop.CYCLES
    assert log(m) == [2, 8, 8, 8]
    c = m.counters()
    assert (c.lpm35_wakeups, c.lpm45_wakeups, c.lpm3_wakeups) == (3, 0, 0)
    assert c.lpm35_ns == pytest.approx(7e9, rel=1e-3)
    assert m.read(0x1D00, 2) != b"\x12\x34"  # SRAM is lost
    assert c.cycles == sum(c.events().values())


def test_pin_wakes_from_lpm45(assemble):
    m = node(assemble, PIN)
    assert m.run() is Stop.HALT
    assert m.pin("P1.0") == 1
    twin = m.fork()
    m.set_pin("P1.3", 1)
    m.run(max_cycles=1000)
    assert log(m) == [2, 8]
    assert m.counters().lpm45_wakeups == 1
    low = node(assemble, PIN.replace("bis.b #1, &0x0202", "bic.b #1, &0x0202"))
    low.run()
    assert low.pin("P1.0") == 0  # pins keep their levels
    twin.set_pin("P1.4", 1)
    assert twin.run() is Stop.HALT  # not enabled


def test_flags_and_lock_after_waking(assemble, bare):
    m = node(assemble, PIN)
    m.run()
    m.set_pin("P1.3", 1)
    m.run(until="_start")
    for at, words in ((0x5000, [0x4219, 0x12A, 0x421A, 0x130, 0x425B, 0x21C]),):
        m.write(at, b"".join(w.to_bytes(2, "little") for w in words))
        m.pc = at
        m.run(until=at + 12)
    assert m.registers[9] & 0x8000  # PMMLPM5IFG
    assert m.registers[10] == 1  # LOCKLPM5
    assert m.registers[11] == 8  # P1IFG


def test_without_regoff_it_is_plain_sleep(assemble):
    m = node(assemble, "bic #1, &0x0130", svs=0x40)
    assert m.run() is Stop.HALT
    assert m.counters().lpm35_ns == m.counters().lpm45_ns == 0


def test_svsh_reports_a_power_cycle(assemble):
    m = node(assemble, "mov &0x019e, r11", svs=0x40)
    m.run()
    m.power_cycle(1.0)
    m.run()
    assert log(m) == [2, 2]
    assert m.registers[11] == 0x0E
    off = node(assemble, "mov &0x019e, r11\n mov #0xa500, &0x0120", svs=0x00)
    off.run()
    off.power_cycle(1.0)
    off.run()
    assert off.registers[11] == 0


def test_supply_below_svsh(assemble):
    m = node(assemble, "", svs=0x40)
    m.run(max_cycles=10)
    m.supply_v = 1.79
    with pytest.raises(sim.PowerLost, match=r"power_cycle\(\)"):
        m.run(max_cycles=10)
    m.supply_v = 3.0
    m.power_cycle()
    m.run(max_cycles=10)


@pytest.mark.parametrize(("v_off", "lowest"), [(1.9, 1.9), (1.0, 1.8)])
def test_svsh_decides_above_a_low_switch(assemble, v_off, lowest):
    """Behind a switch that opens at 1.0 V the device stops at 1.80 V and starts again at 1.88 V."""
    m = node(assemble, "1: jmp 1b")
    supply = Harvested(ConstantPower(50e-6), 20e-6, v_on=2.5, v_off=v_off, v_start=2.5, boot_c=0.0)
    powered = PoweredMachine(m, supply, FUSED)
    powered.run(duration_s=3.0)
    trace = powered.finish()
    volts = [v for _, v in trace.voltage]
    assert min(volts) == pytest.approx(lowest, abs=1e-3)
    starts = [i.start_s for i in trace.intervals if i.state == "boot"]
    assert len(starts) > 3
    again = [v for t, v in trace.voltage if any(abs(t - s) < 1e-9 for s in starts[1:])]
    assert max(again) == pytest.approx(2.5 if v_off == 1.9 else 1.88, abs=1e-3)
    e = trace.energy
    assert abs(trace.imbalance_j) <= 1e-9 * (e.harvested + e.stored_start)


def test_energy_of_a_node_in_lpm35(assemble):
    """350 nA asleep and 121 nC for each wake-up, from a capacitor; an hour costs no time to simulate."""
    m = node(assemble, CLOCK)
    supply = Harvested(ConstantPower(2e-6), 100e-6, v_start=3.0, boot_c=0.0)
    powered = PoweredMachine(m, supply, FUSED)
    powered.run(duration_s=100.0)
    assert powered.is_on
    c = m.counters()
    assert c.lpm35_wakeups == 50 - 1 or c.lpm35_wakeups == 50
    parts = FUSED.breakdown_j(c)
    assert parts["wake_lpm35"] == pytest.approx(c.lpm35_wakeups * 121e-9 * 3.0)
    assert parts["lpm35"] == pytest.approx(0.35e-6 * 3.0 * 100, rel=0.01)

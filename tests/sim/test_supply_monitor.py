"""Firmware that measures its own capacitor: ADC readings and COMP_E wake-ups along the books of a supply."""

from __future__ import annotations

import math

import pytest

from sim import Bench, EnergyModel, Harvested, Machine, PoweredMachine, Stop
from sim.sources import ConstantPower, CurveSource

FUSED = EnergyModel.load("fused")
# Comparator: half the supply (C4) against a level of the 2.5 V ladder; LPM4 until it changes.
MONITOR = """
    .globl _start, main, woken, awake
_start:
    mov #0x2c00, r1
    mov #0x5a80, &0x015c
    mov #0x84, &0x08c0
    mov #0x6000+({tap} << 8)+{tap}+0xa0, &0x08c4
    mov #0x0400, &0x08c2
1:  bit #0x10, &0x08cc
    jz 1b
    mov #{enable}, &0x08cc
main:
    {wait}
woken:
    inc &awake
    jmp woken
handler:
    mov &0x08ce, r9
    bic #0xf0, 0(r1)
    reti
    .section .nvm,"aw",@progbits
    .type awake,@object
awake: .word 0
    .size awake, 2
    .globl handler
"""
ASLEEP, BUSY = "bis #0xf8, r2\n nop", "eint\n nop\n2: inc r8\n jmp 2b"
# Half the supply against 2.5 V, for ever; the last result lies in r9.
SAMPLES = """
    .globl _start, again
_start:
    mov #0x2c00, r1
    mov #0x5a80, &0x015c
    mov #0x21, &0x01b0
    mov #0x10, &0x0800
    mov #0x0200, &0x0802
    mov #0x20, &0x0804
    mov #0x40, &0x0806
    mov #0x011f, &0x0820
    bis #2, &0x0800
again:
    bis #1, &0x0800
1:  bit #1, &0x080c
    jz 1b
    mov &0x0860, r9
done:
    jmp again
    .globl done
"""


def monitor(assemble, tap: int, enable: int, wait: str) -> Machine:
    m = Machine(seed=3)
    m.load(assemble(MONITOR.format(tap=tap, enable=enable, wait=wait)))
    m.write(0xFF90 + 2 * 52, m.symbols["handler"].address.to_bytes(2, "little"))
    m.set_analog("C4", supply_ratio=0.5)
    return m


def level(tap: int) -> float:
    """Supply at which half of it equals the tap."""
    return 2 * 2.5 * (tap + 1) / 32


@pytest.mark.parametrize("leakage", [0.0, 3e-6])
def test_falling_supply_wakes_at_the_closed_form(assemble, leakage):
    """LPM4 at 0.4 uA and leakage: t = C dV / I down to the level, whatever the slices are."""
    m = monitor(assemble, 14, 0x200, ASLEEP)
    supply = Harvested(ConstantPower(0.0), 47e-6, leakage_a=leakage, v_start=3.0, boot_c=0.0)
    node = PoweredMachine(m, supply, FUSED)
    node.run(until="main")
    start, volts = node.time_s, node.volts
    assert node.run(until="woken") is Stop.UNTIL
    drain = leakage + FUSED.sleep_a("lpm4")
    assert node.volts == pytest.approx(level(14), abs=2e-3)  # less what waking up cost
    assert node.time_s - start == pytest.approx(47e-6 * (volts - level(14)) / drain, rel=1e-3)
    assert m.registers[9] == 4


@pytest.mark.parametrize(
    "source", [ConstantPower(0.2e-3), CurveSource.thevenin(3.6, 20e3)], ids=["power", "resistance"]
)
def test_rising_supply_wakes_at_the_closed_form(assemble, source):
    m = monitor(assemble, 20, 0x100, ASLEEP)  # 3.28 V
    node = PoweredMachine(m, Harvested(source, 100e-6, v_on=2.5, v_start=2.5, boot_c=0.0), FUSED)
    node.run(until="main")
    start, volts = node.time_s, node.volts
    assert node.run(until="woken") is Stop.UNTIL
    step = source.at(start)[0].advance(volts, FUSED.sleep_a("lpm4"), 100e-6, math.inf, 0.0, level(20))
    assert node.time_s - start == pytest.approx(step.dt_s, rel=1e-4)
    assert m.registers[9] == 2


@pytest.mark.parametrize(("power", "tap", "enable"), [(0.0, 14, 0x200), (20e-3, 20, 0x100)])
def test_crossing_while_awake(assemble, power, tap, enable):
    """The interrupt comes at the crossing, not at the end of a slice of 1 % energy (15 mV)."""
    m = monitor(assemble, tap, enable, BUSY)
    node = PoweredMachine(m, Harvested(ConstantPower(power), 100e-6, v_on=2.5, v_start=2.5, boot_c=0.0), FUSED)
    assert node.run(until="handler", duration_s=10.0) is Stop.UNTIL
    assert node.volts == pytest.approx(level(tap), abs=1e-3)  # two instructions and 6 cycles at 200 V/s


def test_readings_follow_the_capacitor(assemble):
    """Each result is the voltage that the books give at that conversion, to one code, over the whole discharge."""
    m = Machine(seed=3)
    m.load(assemble(SAMPLES))
    node = PoweredMachine(m, Harvested(ConstantPower(0.0), 2e-6, v_start=3.0, boot_c=0.0), FUSED)
    seen = 0
    while node.run(until="done", duration_s=1.0) is Stop.UNTIL:
        assert abs(m.registers[9] - 4096 * node.volts / 2 / 2.5) <= 1.5
        assert m.supply_v == pytest.approx(node.volts)
        seen += 1
        for _ in range(20):
            node.run(until="done", duration_s=1.0)
    assert seen > 20


def test_bench_shows_its_voltage(assemble):
    m = Machine(seed=3)
    m.load(assemble(SAMPLES))
    PoweredMachine(m, Bench(2.2), FUSED).run(until="done")
    assert m.registers[9] == int(4096 * 1.1 / 2.5 + 0.5)


def test_books_balance_with_a_chattering_comparator(assemble):
    """No hysteresis, both edges enabled, a supply that hovers about the level."""
    m = monitor(assemble, 14, 0x300, ASLEEP)
    m.write("woken", b"\x32\xd0\xf8\x00\xff\x3f")  # back to sleep for ever
    node = PoweredMachine(m, Harvested(ConstantPower(3e-6), 10e-6, leakage_a=1e-6, v_start=3.0), FUSED)
    node.run(duration_s=30.0)
    trace = node.finish()
    e = trace.energy
    assert abs(trace.imbalance_j) <= 1e-9 * (e.harvested + e.stored_start)
    assert trace.time_s == pytest.approx(30.0)


def test_sleep_until_empty_with_a_timer(assemble):
    """A watchdog interval wakes the CPU to the last; the run must end, without power."""
    m = Machine(seed=3)
    m.load(
        assemble("""
    .globl _start, handler
_start:
    mov #0x2c00, r1
    mov #0x5a3b, &0x015c
    mov #1, &0x0100
    bis #0xd8, r2
    jmp _start
handler: reti
""")
    )
    m.write(0xFF90 + 2 * 49, m.symbols["handler"].address.to_bytes(2, "little"))
    node = PoweredMachine(m, Harvested(ConstantPower(0.0), 1e-6, v_start=3.0, boot_c=0.0), FUSED)
    assert node.run(duration_s=1e4) is Stop.CYCLES
    assert not node.is_on

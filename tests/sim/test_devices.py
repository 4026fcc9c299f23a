"""Sibling devices: memory maps, missing peripherals, vectors, timers, ports."""

from __future__ import annotations

import struct

import pytest

import sim

MAPS = {  # last byte of RAM, first and last byte of FRAM, LEA RAM
    "msp430fr5994": (0x2BFF, 0x4000, 0x43FFF, True),
    "msp430fr5992": (0x2BFF, 0x4000, 0x23FFF, True),
    "msp430fr5969": (0x23FF, 0x4400, 0x13FFF, False),
    "msp430fr6989": (0x23FF, 0x4400, 0x23FFF, False),
}
TIMERS = {"TA0": 0x340, "TA1": 0x380, "TA2": 0x400, "TA3": 0x440, "TA4": 0x7C0, "TB0": 0x3C0}
COMPARES = {  # registers of each timer
    "msp430fr5994": (3, 3, 2, 2, 2, 7),
    "msp430fr5992": (3, 3, 2, 2, 2, 7),
    "msp430fr5969": (3, 3, 2, 2, 0, 7),
    "msp430fr6989": (3, 3, 2, 5, 0, 7),
}
# Address of the vector of CCR0 of each timer, of WDT_A and COMP_E (TI headers).
VECTORS = {
    "msp430fr5994": {"TA0": 0xFFEA, "TA1": 0xFFE2, "TA2": 0xFFDC, "TA3": 0xFFD6, "TA4": 0xFFCA, "TB0": 0xFFF6},
    "msp430fr5992": {"TA0": 0xFFEA, "TA1": 0xFFE2, "TA2": 0xFFDC, "TA3": 0xFFD6, "TA4": 0xFFCA, "TB0": 0xFFF6},
    "msp430fr5969": {"TA0": 0xFFEA, "TA1": 0xFFE2, "TA2": 0xFFDC, "TA3": 0xFFD6, "TB0": 0xFFF6},
    "msp430fr6989": {"TA0": 0xFFE8, "TA1": 0xFFDE, "TA2": 0xFFD8, "TA3": 0xFFD2, "TB0": 0xFFF6},
}


def put(m: sim.Machine, at: int, *words: int) -> None:
    m.write(at, struct.pack(f"<{len(words)}H", *words))


def start(m: sim.Machine, *words: int) -> None:
    """Hold the watchdog, set the stack, then these words at 0x5000."""
    put(m, 0x5000, 0x40B2, 0x5A80, 0x15C, 0x4031, 0x2300, *words, 0x3FFF)
    m.pc = 0x5000


@pytest.mark.parametrize("name", MAPS)
def test_memory_map(name):
    ram, first, last, lea = MAPS[name]
    m = sim.Machine(name)
    for address, there in ((0x1C00, True), (ram, True), (ram + 1, lea), (first, True), (first - 1, False),
                           (last, True), (last + 1, False), (0x1800, True)):  # fmt: skip
        if there:
            m.read(address, 1)
        else:
            with pytest.raises(sim.BadAddress):
                m.read(address, 1)
    assert m.assumptions == sim.Machine().assumptions


@pytest.mark.parametrize(
    ("name", "register", "what"),
    [
        ("msp430fr5969", 0x0A80, "LEA"),
        ("msp430fr5969", 0x0620, "eUSCI_A2-A3"),
        ("msp430fr5969", 0x0680, "eUSCI_B1-B3"),
        ("msp430fr5969", 0x0242, "P5-P8"),
        ("msp430fr5969", 0x0540, "DMA channels 3-5"),
        ("msp430fr5969", 0x0980, "CRC32"),
        ("msp430fr6989", 0x07C0, "Timer_A4"),
        ("msp430fr6989", 0x06C0, "eUSCI_B2-B3"),
        ("msp430fr6989", 0x0560, "DMA channels 3-5"),
        ("msp430fr6989", 0x0A80, "LEA"),
    ],
)
def test_missing_peripherals(name, register, what):
    m = sim.Machine(name)
    start(m, 0x4218, register)
    with pytest.raises(sim.BusFault, match=f"this device has no {what}"):
        m.run(max_cycles=100)


@pytest.mark.parametrize(
    ("name", "register", "what"),
    [
        ("msp430fr5969", 0x04A0, "RTC_B"),
        ("msp430fr6989", 0x0A00, "LCD_C"),
        ("msp430fr6989", 0x0D00, "Extended Scan Interface"),
        ("msp430fr6989", 0x0282, "P9-P10"),
    ],
)
def test_unmodelled_peripherals_by_name(name, register, what):
    for access in ((0x4218, register), (0x4382, register)):
        m = sim.Machine(name)
        start(m, *access)
        with pytest.raises(sim.Unmodelled, match=rf"\({what}\) is not modelled"):
            m.run(max_cycles=100)


@pytest.mark.parametrize(("name", "timer"), [(n, t) for n in VECTORS for t in VECTORS[n]])
def test_timer_interrupts(name, timer):
    base = TIMERS[timer]
    m = sim.Machine(name)
    start(m, 0x40B2, 99, base + 0x12, 0x40B2, 16, base + 2, 0x40B2, 0x214, base, 0xD232)
    put(m, VECTORS[name][timer], 0x6000)
    assert m.run(until=0x6000, max_cycles=1000) is sim.Stop.UNTIL


@pytest.mark.parametrize("name", COMPARES)
def test_compare_registers(name):
    for (timer, base), count in zip(TIMERS.items(), COMPARES[name], strict=True):
        if not count:
            continue
        m = sim.Machine(name)
        start(m, 0x4218, base + 0x12 + 2 * (count - 1))
        m.run(max_cycles=30)
        if count == 7:
            continue
        start(m, 0x4218, base + 0x12 + 2 * count)
        with pytest.raises(sim.Unmodelled, match=f"{timer} has no register"):
            m.run(max_cycles=30)


@pytest.mark.parametrize(("name", "at"), [("msp430fr5994", 0xFFF8), ("msp430fr5969", 0xFFF8), ("msp430fr6989", 0xFFF8)])
def test_comparator_vector(name, at):
    m = sim.Machine(name)
    start(m, 0x40B2, 0x84, 0x8C0, 0x40B2, 0x3F60, 0x8C4, 0x40B2, 0x100, 0x8CC, 0x40B2, 0x400, 0x8C2, 0xD232)
    m.set_analog("C4", supply_ratio=1.0)
    put(m, at, 0x6000)
    m.run(max_cycles=50)
    m.set_analog("C4", volts=4.0)
    assert m.run(until=0x6000, max_cycles=100) is sim.Stop.UNTIL


def test_rtc_vectors():
    for name, at in (("msp430fr5994", 0xFFCE), ("msp430fr6989", 0xFFC8)):
        m = sim.Machine(name, options={"lfxt_hz": 32768})
        start(m, 0x40F2, 0xA5, 0x4A1, 0x40B2, 2, 0x4A8, 0x40B2, 0x20, 0x4A2, 0xD232)
        put(m, at, 0x6000)
        assert m.run(until=0x6000, max_cycles=1000) is sim.Stop.UNTIL


def test_ports():
    for name, ports in (("msp430fr5969", 4), ("msp430fr5994", 8), ("msp430fr6989", 8)):
        m = sim.Machine(name)
        m.set_pin(f"P{ports}.0", 1)
        m.set_pin("PJ.0", 1)
        if ports < 8:
            with pytest.raises(ValueError, match="this device has the ports P1 to P4 and PJ"):
                m.set_pin("P5.6", 0)

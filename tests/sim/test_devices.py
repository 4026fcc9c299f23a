"""Sibling devices: memory maps, missing peripherals, vectors."""

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


def put(m: sim.Machine, at: int, *words: int) -> None:
    m.write(at, struct.pack(f"<{len(words)}H", *words))


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
    ("name", "register"), [("msp430fr5969", 0x0A80), ("msp430fr6989", 0x7C0), ("msp430fr5969", 0x620)]
)
def test_missing_peripherals(name, register):
    m = sim.Machine(name)
    put(m, 0x5000, 0x40B2, 0x5A80, 0x15C, 0x4218, register)
    m.pc = 0x5000
    with pytest.raises(sim.BusFault, match="this device has no"):
        m.run(max_cycles=100)


@pytest.mark.parametrize("name", ["msp430fr5992", "msp430fr5969", "msp430fr6989"])
def test_timer_interrupt(name):
    m = sim.Machine(name)
    put(m, 0x5000, 0x40B2, 0x5A80, 0x15C, 0x4031, 0x2300, 0x40B2, 99, 0x352, 0x40B2, 16, 0x342, 0x40B2, 0x214, 0x340,
        0xD232, 0x3FFF)  # fmt: skip
    put(m, 0xFF90 + 2 * 45, 0x6000)
    m.pc = 0x5000
    if name == "msp430fr6989":
        with pytest.raises(sim.Unmodelled, match="TA0_0 has no known vector"):
            m.run(max_cycles=1000)
    else:
        assert m.run(until=0x6000, max_cycles=1000) is sim.Stop.UNTIL

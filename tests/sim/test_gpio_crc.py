"""Pins driven by the host, port interrupts, CRC16."""

from __future__ import annotations

import pytest

import sim


def test_falling_edge_wakes_and_names_the_pin(bare):
    """P5.6 and P5.2, falling edge: the lower pin has the higher priority."""
    b = bare([0x40B2, 0x0044, 0x258, 0x4382, 0x25C, 0x40B2, 0x0044, 0x25A, 0xD032, 0x00D8, 0x4303])  # PCIES, PCIE, LPM3
    b.put(0xFF90 + 2 * 27, 0x5000)
    b.put(0x5000, 0x4218, 0x24E, 0x4219, 0x24E, 0x421A, 0x24E, 0x421B, 0x240, 0x1300)
    b.m.set_pin("P5.6", 1)
    b.m.set_pin("P5.2", 1)
    assert b.m.run() is sim.Stop.HALT
    b.m.set_pin("P5.6", 0)
    b.m.set_pin("P5.2", 0)
    b.m.run(until=0x5010)
    assert [b.r(8), b.r(9), b.r(10), b.r(11)] == [6, 14, 0, 0]
    assert b.m.counters().lpm3_wakeups == 1


def test_rising_edge_on_an_even_port(bare):
    b = bare([0x4218, 0x21C, 0x4219, 0x200, 0x421A, 0x21E])  # PAIFG, PAIN, P2IV
    b.m.set_pin("P2.1", 1)
    b.go()
    assert (b.r(8), b.r(9), b.r(10)) == (0x0200, 0x0200, 0)  # not enabled: no vector


def test_pulls_and_outputs(bare):
    b = bare([0x40B2, 0x000F, 0x202, 0x40B2, 0x0003, 0x204, 0x40B2, 0x000C, 0x206, 0x4218, 0x200, 0x4382, 0x130])
    b.m.set_pin("P1.0", 0)  # an output wins in PxIN
    b.m.set_pin("P1.2", 0)  # an outside driver wins over a pull
    b.go()
    assert b.r(8) == 0b1011
    assert (b.m.pin("P1.0"), b.m.pin("P1.4")) == (1, 1)
    with pytest.raises(ValueError, match="not a pin"):
        b.m.set_pin("P9.0", 1)


def test_pins_survive_reset_and_fork(bare):
    b = bare([0x4218, 0x200])
    b.m.set_pin("P1.3", 1)
    fork = b.m.fork()
    b.m.reset()
    fork.set_pin("P1.3", 0)
    b.m.pc = b.at
    b.go()
    assert b.r(8) == 8


@pytest.mark.parametrize(("register", "expected"), [(0x152, 0x29B1), (0x150, 0x89F6)])
def test_crc16(bare, register, expected):
    """The guide's example: "123456789" from FFFFh; words and bytes give the same."""
    text = b"123456789"
    code = [0x40B2, 0xFFFF, 0x154]
    for i in range(0, 8, 2):
        code += [0x40B2, text[i] | text[i + 1] << 8, register]
    b = bare([*code, 0x40F2, text[8], register, 0x4218, 0x154, 0x4219, 0x156])
    b.go()
    assert b.r(8) == expected
    assert b.r(9) == int(f"{expected:016b}"[::-1], 2)

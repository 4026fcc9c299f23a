"""UART: bit timing, flags, interrupts, the host's side, forks inside a byte, refusals."""

from __future__ import annotations

import itertools

import pytest

import sim

CTL, BRW, MCTL, STAT, RX, TX, IE, IFG, IV = 0, 6, 8, 10, 12, 14, 0x1A, 0x1C, 0x1E
A0, A3 = 0x5C0, 0x620
SMCLK, RESET = 0x80, 1


def mov(value: int, address: int) -> list[int]:
    return [0x40B2, value, address]


def setup(base: int = A0, brw: int = 8, mctl: int = 0, ctl: int = 0) -> list[int]:
    return [*mov(RESET | SMCLK | ctl, base), *mov(brw, base + BRW), *mov(mctl, base + MCTL), *mov(SMCLK | ctl, base)]


ECHO = """
    .globl _start, isr
_start:
    mov #0x5a80, &0x15c
    mov #0x2c00, r1
    mov #0x81, &0x5c0
    mov #8, &0x5c6          ; 1 MHz / 8 = 125 kbaud
    mov #0, &0x5c8
    bic #1, &0x5c0
    mov #1, &0x5da          ; UCRXIE
1:  bis #0x18, r2
    jmp 1b
isr:
    mov &0x5de, r9          ; UCA0IV
    mov &0x5cc, &0x5ce
    reti
"""


def echo(assemble) -> sim.Machine:
    m = sim.Machine(seed=1)
    m.load(assemble(ECHO))
    m.write(0xFF90 + 2 * 48, m.symbols["isr"].address.to_bytes(2, "little"))
    m.run(max_cycles=100)
    return m


def test_echo(assemble):
    m = echo(assemble)
    m.uart_input(b"hello")
    start = m.cycles
    assert m.run() is sim.Stop.HALT  # everything sent, nothing left to wake for
    assert m.uart_output() == m.uart_output("UCA0") == b"hello"
    assert m.uart_output("UCA1") == b""
    ends = [b.cycles - start for b in m.uart_log()]
    # A frame is 10 bits of 8 cycles. Then the interrupt (6), MOV &UCA0IV,R9 (3) and MOV &RX,&TX (5), whose
    # store starts the echo.
    assert ends[0] == 80 + 6 + 3 + 5 + 80
    assert [b - a for a, b in itertools.pairwise(ends)] == [80] * 4
    assert m.registers[9] == 2
    assert m.uart_log()[0].time_s == pytest.approx(m.uart_log()[0].cycles / 1e6)
    assert m.counters().lpm0_cycles > 300


def test_fork_in_the_middle_of_a_byte(assemble):
    m = echo(assemble)
    m.uart_input(b"xyz")
    m.run(max_cycles=80 + 30)
    other = m.fork()
    assert m.uart_output() == b""
    other.uart_input(b"!")
    m.run()
    other.run()
    assert (m.uart_output(), other.uart_output()) == (b"xyz", b"xyz!")
    assert other.uart_log()[:3] == m.uart_log()
    again = echo(assemble)
    again.uart_input(b"xyz")
    again.run()
    assert again.uart_log() == m.uart_log()


@pytest.mark.parametrize(
    ("brw", "mctl", "ctl", "bits"),
    [(8, 0, 0, 80), (1, 0xA1 | 0x0000, 0, 10 * (16 + 10)), (4, 0x5551, 0, 10 * (64 + 5) + 5), (9, 0xF700, 0, 90 + 9),
     (8, 0, 0x1000, 72), (8, 0, 0x8000, 88), (8, 0, 0x0800, 88), (6, 0x0100, 0, 62)],
)  # fmt: skip
def test_bit_timing(bare, brw, mctl, ctl, bits):
    """Frame = bits * (UCBR or 16 UCBR + UCBRF) + ones of UCBRS over the frame (bit i mod 8)."""
    b = bare([*setup(A0, brw, mctl, ctl), *mov(0x55, A0 + TX), *mov(0xAA, A0 + TX), *[0x4303] * 1800])
    b.go(until=0x4400 + 2 * 12)
    b.go(until=0x4400 + 2 * 15)
    start = b.m.cycles
    b.go()
    first, second = b.m.uart_log()
    assert (first.cycles - start, second.cycles - first.cycles) == (bits, bits)
    assert b.m.uart_output() == b"\x55\xaa"


def test_flags_while_sending(bare):
    """TXIFG falls with the second byte, rises when it moves on; UCBUSY and TXCPTIFG at the end."""
    look = [0x4218, A0 + IFG, 0x4219, A0 + STAT]
    b = bare([*setup(), *mov(1, A0 + TX), *look, *mov(2, A0 + TX), 0x421A, A0 + IFG, *[0x4303] * 160, 0x421B, A0 + IFG,
              0x421C, A0 + STAT])  # fmt: skip
    b.go()
    assert (b.r(8) & 2, b.r(9) & 1, b.r(10) & 2, b.r(11) & 0xA, b.r(12) & 1) == (2, 1, 0, 0xA, 0)


def test_receiver(bare):
    """Polled: the flag, the buffer, the overrun."""
    poll = [0xB392, A0 + IFG, 0x27FD, 0x4218, A0 + RX]
    b = bare([*setup(), *poll, *[0x4303] * 250, 0x4219, A0 + STAT, 0x421A, A0 + RX, 0x421B, A0 + STAT])
    b.m.uart_input(b"ABC")
    b.go()
    assert (b.r(8), b.r(9) & 0x20, b.r(10), b.r(11) & 0x24) == (0x41, 0x20, 0x43, 0)


def test_other_port_and_loopback(bare):
    b = bare([*setup(A3), *mov(0x80, A3 + STAT), *mov(0x77, A3 + TX), *[0x4303] * 90, 0x4218, A3 + RX])
    b.go()
    assert (b.r(8), b.m.uart_output("UCA3")) == (0x77, b"\x77")


def test_dma_sends_a_string(bare):
    """Trigger 15 (UCA0TX) on channel 0: the first byte by hand, the rest by DMA, back to back."""
    dma = [*mov(15, 0x500), 0x0088, 0x1D00, 0x0860, 0x512, 0x0089, A0 + TX, 0x0960, 0x516, *mov(5, 0x51A),
           *mov(0x03D0, 0x510)]  # fmt: skip
    b = bare([*setup(), *dma, *mov(0x2A, A0 + TX), *[0x4303] * 500])
    b.m.write(0x1D00, b"bytes")
    cost = b.go()
    assert b.m.uart_output() == b"*bytes"
    assert cost.dma_words == 5
    ends = [x.cycles for x in b.m.uart_log()]
    assert [y - x for x, y in itertools.pairwise(ends)] == [80] * 5


def test_power_loss_drops_the_byte_on_the_wire(bare):
    b = bare([*setup(), *mov(0x2A, A0 + TX), *[0x4303] * 20])
    b.go()
    b.put(0xFFFE, 0x5000)
    b.put(0x5000, *mov(0x5A80, 0x15C), *[0x4303] * 200)
    b.m.reset()
    b.go(until=0x5100)
    assert b.m.uart_output() == b""


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (mov(0x0000, A0), "external|only UART"),
        (mov(0x0280, A0), "only UART"),
        (mov(0x2080, A0), "only UART"),
        (mov(0x0080, 0x640), "only UART"),
        (mov(0x0F80, 0x640), "3-pin"),
        ([*setup(), *mov(1, A0), *mov(5, A0 + TX)], "would be lost"),
        ([0x4218, 0x5D2], "UCA0 register"),
    ],
)
def test_refusals(bare, words, text):
    with pytest.raises(sim.Unmodelled, match=text):
        bare(words).go()


def test_unknown_port():
    with pytest.raises(ValueError, match="no UART 'UCB0'"):
        sim.Machine().uart_input(b"", "UCB0")

"""Watchdog, interval timer, reset causes, password violations as errors or as resets, SYS vectors."""

from __future__ import annotations

import pytest

import sim

BOOT = """
    .globl _start, wait, end
_start:
    mov #0x2c00, r1
    mov &0x19e, r8            ; SYSRSTIV
    mov &0x19e, r9
    cmp #0x16, r8
    jeq end
    mov #{wdt}, &0x15c
wait: jmp wait
end:
    mov #0x5a80, &0x15c
    jmp end
"""
SMCLK, ACLK, VLO, LFMOD = 0x00, 0x20, 0x40, 0x60


def booted(assemble, wdt: int, **options) -> sim.Machine:
    m = sim.Machine(seed=2, options=options)
    m.load(assemble(BOOT.format(wdt=0x5A00 | wdt)))
    return m


@pytest.mark.parametrize(
    ("select", "ticks", "hz"),
    [(SMCLK | 4, 2**15, 1e6), (SMCLK | 7, 64, 1e6), (SMCLK | 6, 512, 1e6), (SMCLK | 5, 2**13, 1e6),
     (SMCLK | 3, 2**19, 1e6), (VLO | 6, 512, 9400), (LFMOD | 5, 2**13, 37_500), (ACLK | 7, 64, 37_500),
     (VLO | 2, 2**23, 9400), (VLO | 1, 2**27, 9400), (VLO | 0, 2**31, 9400)],
)  # fmt: skip
def test_expiry_is_a_puc(assemble, select, ticks, hz):
    m = booted(assemble, 0x08 | select)
    m.run(until="wait")
    start = m.cycles
    if ticks > 2**20:  # JMP $ for hours would take a while: sleep instead
        m.set_register(2, 0x10)
    m.write(0x1D00, b"keep")
    assert m.run(until="end", max_cycles=2**63 - 2**62) is sim.Stop.UNTIL
    assert m.cycles - start == pytest.approx(ticks / hz * 1e6, abs=130 if hz < 1e5 else 20)
    assert m.registers[8:10] == (0x16, 0)
    assert m.read(0x1D00, 4) == b"keep"


def test_a_fed_watchdog_does_not_bark(bare):
    loop = [0x40B2, 0x5A0F, 0x15C, 0x5A0A, 0x3FFB]  # MOV #WDTCNTCL+64 ticks; ADD R10,R10 ...; JMP loop
    b = bare(loop)
    assert b.m.run(max_cycles=5000) is sim.Stop.CYCLES
    assert b.m.instructions > 1000


def test_hold_keeps_the_count(bare):
    """40 ticks, hold, 100 cycles of nothing, go on: 24 ticks remain of 64."""
    program = [0x40B2, 0x5A0F, 0x15C, *[0x4303] * 35, 0x40B2, 0x5A87, 0x15C, *[0x4303] * 100, 0x40B2, 0x5A07, 0x15C]
    b = bare([*program, *[0x4303] * 100])
    b.put(0xFFFE, 0x5000)
    b.put(0x5000, 0x3FFF)
    b.go(until=0x4400 + 2 * len(program))
    start = b.m.cycles
    b.m.run(until=0x5000, max_cycles=1000)
    assert b.m.cycles - start == pytest.approx(24, abs=2)


def test_interval_mode_interrupts(bare):
    """WDTIFG every 512 ticks; it clears when the interrupt is accepted."""
    b = bare([0x40B2, 0x5A1E, 0x15C, 0x40B2, 1, 0x100, 0xD232, 0x3FFF])
    b.put(0xFF90 + 2 * 49, 0x5000)
    b.put(0x5000, 0x531A, 0x4219, 0x102, 0x1300)
    for expected in range(1, 6):
        b.m.run(until=0x5006, max_cycles=2000)
        assert (b.r(10), b.r(9) & 1) == (expected, 0)
    assert b.m.cycles == pytest.approx(5 * 512, abs=60)


def test_interval_flag_can_be_polled(bare):
    b = bare([0x40B2, 0x5A1F, 0x15C, 0xB392, 0x102, 0x27FD, 0x4303])  # BIT #1,&SFRIFG1; JEQ
    assert 64 < b.go().cycles <= 64 + 5 + 6 + 2


def test_watchdog_never_touched_is_named(assemble):
    source = "\n .globl _start\n_start: mov #0x2c00, r1\n mov &0x19e, r8\n1: jmp 1b\n"
    m = sim.Machine()
    m.load(assemble(source))
    with pytest.raises(sim.Unmodelled, match="never held"):
        m.run(max_cycles=40_000)
    m = sim.Machine(options={"violations": "reset"})
    m.load(assemble(source))
    assert m.run(max_cycles=40_000) is sim.Stop.CYCLES
    assert m.registers[8] == 0x16


PASSWORDS = [(0x15C, 0x0080, 0x18), (0x140, 0x0010, 0x1A), (0x160, 0x1200, 0x24), (0x120, 0x0004, 0x20)]


@pytest.mark.parametrize(("register", "value", "cause"), PASSWORDS)
def test_password_violations(bare, register, value, cause):
    program = [0x40B2, value, register, 0x4303]
    with pytest.raises(sim.PasswordViolation, match="silicon would reset"):
        bare(program).go()
    b = bare(program, options={"violations": "reset"})
    b.put(0xFFFE, 0x5000)
    b.put(0x5000, 0x4218, 0x19E, 0x4219, 0x19E, 0x421A, 0x19E, 0x4303)
    assert b.m.run(until=0x500C, max_cycles=100) is sim.Stop.UNTIL
    assert [b.r(8), b.r(9), b.r(10)] == [2, cause, 0]  # the power-on cause was still unread and comes first


@pytest.mark.parametrize(("value", "cause"), [(0xA544, 0x06), (0xA548, 0x14)])
def test_software_resets(bare, value, cause):
    b = bare([0x4218, 0x19E, 0x40B2, value, 0x120, 0x4303])
    b.put(0xFFFE, 0x5000)
    b.put(0x5000, 0x4218, 0x19E, 0x4303)
    b.m.run(until=0x5004, max_cycles=100)
    assert b.r(8) == cause
    assert b.m.mclk_hz == 1_000_000


def test_the_host_resets_by_pin_or_by_power(bare):
    b = bare([0x4218, 0x19E, 0x4303])
    b.put(0xFFFE, b.at)
    b.put(0x1D00, 7)
    b.go()
    assert b.r(8) == 2
    b.m.reset(power_on=False)
    b.go()
    assert (b.r(8), b.word(0x1D00)) == (4, 7)
    b.m.reset()
    b.go()
    assert b.r(8) == 2


def test_a_puc_leaves_timers_and_por_does_not(bare):
    setup = [0x40B2, 1000, 0x352, 0x40B2, 0x0214, 0x340]
    for value, register, kept in ((0x5A0F, 0x15C, True), (0xA548, 0x120, False)):
        b = bare([*setup, 0x40B2, value, register, 0x3FFF])
        b.put(0xFFFE, 0x5000)
        b.put(0x5000, 0x40B2, 0x5A80, 0x15C, 0x4218, 0x340, 0x4303)
        b.m.run(until=0x500A, max_cycles=1000)
        assert b.r(8) == (0x0210 if kept else 0)


def test_oscillator_fault_is_a_user_nmi(bare):
    """OFIFG is set after reset; enabling it interrupts even with GIE clear; SYSUNIV says 4."""
    b = bare([0x40B2, 2, 0x100, 0x4303, 0x4303])
    b.put(0xFF90 + 2 * 53, 0x5000)
    b.put(0x5000, 0x4218, 0x19A, 0x4219, 0x19A, 0x1300)
    b.go()
    assert (b.r(8), b.r(9)) == (4, 0)


def test_a_reset_at_the_end_of_a_run_is_not_lost(bare):
    """The run ends at the very cycle of the reset: the next one goes on at the reset vector."""
    b = bare([0x40B2, 0x5A0F, 0x15C, 0x3FFF])
    b.put(0xFFFE, 0x5000)
    b.put(0x5000, 0x3FFF)
    while b.m.pc < 0x5000:
        b.m.run(max_cycles=1)
    assert b.m.cycles < 100

"""Timer_A and Timer_B: modes, flags, vectors, dividers, DMA triggers, refusals; values worked out by hand."""

from __future__ import annotations

import itertools

import pytest

import sim

TA0, TB0 = 0x340, 0x3C0
SMCLK, UP, CONTINUOUS, UPDOWN, CLEAR, TAIE = 0x200, 0x10, 0x20, 0x30, 4, 2
CTL, CCTL, R, CCR, EX0, IV = 0, 2, 0x10, 0x12, 0x20, 0x2E
BASES = {"TA0": (0x340, 3, 45), "TA1": (0x380, 3, 41), "TA2": (0x400, 2, 38), "TA3": (0x440, 2, 35),
         "TA4": (0x7C0, 2, 29), "TB0": (0x3C0, 7, 51)}  # fmt: skip


def mov(value: int, address: int) -> list[int]:
    return [0x40B2, value, address]


def read(address: int, register: int = 9) -> list[int]:
    return [0x4210 | register, address]


def nops(count: int) -> list[int]:
    return [0x4303] * count


def start(mode: int, ccr0: int = 0, base: int = TA0, extra: int = 0) -> list[int]:
    return [*mov(ccr0, base + CCR), *mov(SMCLK | CLEAR | mode | extra, base + CTL)]


@pytest.mark.parametrize(("cycles", "up", "continuous", "updown"), [(7, 10, 10, 10), (20, 2, 23, 19), (40, 1, 43, 1)])
def test_counter_after_n_cycles(bare, cycles, up, continuous, updown):
    """SMCLK = MCLK: the count is the cycles between the two accesses (nops + 3), folded by the mode (CCR0 = 20)."""
    for mode, ccr0, expected in ((UP, 20, up), (CONTINUOUS, 20, continuous), (UPDOWN, 21, updown)):
        b = bare([*start(mode, ccr0), *nops(cycles), *read(TA0 + R)])
        b.go()
        assert b.r(9) == expected


@pytest.mark.parametrize("name", BASES)
def test_every_timer_counts_and_interrupts(bare, name):
    base, compares, vector = BASES[name]
    b = bare([0xD232, *mov(0x10, base + CCTL), *start(UP, 29, base), *nops(200)])
    b.put(0xFF90 + 2 * vector, 0x5000)
    b.put(0x5000, 0x531A, *read(base + CCTL, 11), 0x1300)  # INC R10
    b.go()
    assert b.r(10) >= 6
    assert b.r(11) == 0x10  # CCIFG cleared when the interrupt was accepted
    bare(read(base + CCTL + 2 * (compares - 1))).go()
    if name == "TB0":
        return  # all seven are there
    with pytest.raises(sim.Unmodelled, match=f"{name} has no register"):
        bare(read(base + CCTL + 2 * compares)).go()


def test_interrupt_latency_is_exact(bare):
    """Up to 99 and back: an interrupt every 100 cycles, at the same cycle of the period."""
    b = bare([0xD232, *mov(0x10, TA0 + CCTL), *start(UP, 99), 0x3FFF])
    b.put(0xFF90 + 2 * 45, 0x5000)
    b.put(0x5000, *read(TA0 + R), 0x1300)
    seen = []
    for _ in range(4):
        b.m.run(until=0x5000, max_cycles=1000)
        at = b.m.cycles
        b.m.run(until=0x5004, max_cycles=10)
        seen.append((at, b.r(9)))
    assert [b[0] - a[0] for a, b in itertools.pairwise(seen[1:])] == [100, 100]
    # CCIFG at count 99; then the rest of JMP (0 or 1), acceptance (6), the read (3): 9 + (0 or 1) - 100 + 99
    assert all(r in (8, 9) for _, r in seen[1:])


def test_flags_and_vector_register(bare):
    """CCIFG1 at 20, CCIFG2 at 25, TAIFG at the wrap of 41; TAIV gives and clears the highest enabled one."""
    program = [*mov(20, TA0 + CCR + 2), *mov(25, TA0 + CCR + 4), *mov(0x10, TA0 + CCTL + 2), *mov(0x10, TA0 + CCTL + 4),
               *start(UP, 40, extra=TAIE)]  # fmt: skip
    b = bare([*program, *nops(45), *read(TA0 + IV, 8), *read(TA0 + IV, 9), *read(TA0 + IV, 10), *read(TA0 + CTL, 11)])
    b.go()
    assert (b.r(8), b.r(9), b.r(10), b.r(11) & 1) == (2, 4, 0x0E, 0)
    early = bare([*program, *nops(18), *read(TA0 + CCTL + 2, 8), *read(TA0 + CCTL + 4, 9), *read(TA0 + CTL, 10)])
    early.go()  # at counts 21, 24 and 27
    assert (early.r(8) & 1, early.r(9) & 1, early.r(10) & 1) == (1, 0, 0)


def test_flags_are_not_vectors_without_enable(bare):
    b = bare([*start(UP, 10), *nops(30), *read(TA0 + IV, 8), *read(TA0 + CCTL, 9), *read(TA0 + CTL, 10)])
    b.go()
    assert (b.r(8), b.r(9) & 1, b.r(10) & 1) == (0, 1, 1)


def test_other_interrupts_share_the_second_vector(bare):
    b = bare([0xD232, *mov(30, TA0 + CCR + 2), *mov(0x10, TA0 + CCTL + 2), *start(CONTINUOUS), *nops(60)])
    b.put(0xFF90 + 2 * 44, 0x5000)
    b.put(0x5000, *read(TA0 + IV), 0x531A, 0x1300)
    b.go()
    assert (b.r(9), b.r(10)) == (2, 1)


def test_up_down_reaches_a_compare_twice_a_period(bare):
    b = bare([0xD232, *mov(30, TA0 + CCR + 2), *mov(0x10, TA0 + CCTL + 2), *start(UPDOWN, 100), *nops(400)])
    b.put(0xFF90 + 2 * 44, 0x5000)
    b.put(0x5000, *read(TA0 + IV), 0x531A, *read(TA0 + R, 11), 0x1300)
    times = []
    for _ in range(4):
        b.m.run(until=0x5000, max_cycles=1000)
        times.append(b.m.cycles)
    assert times[1] - times[0] == pytest.approx(140, abs=1)  # 30 up -> 30 down
    assert times[2] - times[1] == pytest.approx(60, abs=1)
    assert times[2] - times[0] == pytest.approx(200, abs=1)


def test_dividers(bare):
    """ID = 8 and TAIDEX = 5: one count per 40 cycles."""
    b = bare([*mov(4, TA0 + EX0), *start(CONTINUOUS, extra=0xC0), *nops(400), *read(TA0 + R)])
    b.go()
    assert b.r(9) == 403 // 40


def test_stop_clear_and_write(bare):
    b = bare([*start(CONTINUOUS), *nops(17), *mov(SMCLK, TA0), *nops(50), *read(TA0 + R, 8), *mov(0x123, TA0 + R),
              *read(TA0 + R, 9), *mov(SMCLK | CLEAR, TA0), *read(TA0 + R, 10), *read(TA0, 11)])  # fmt: skip
    b.go()
    assert (b.r(8), b.r(9), b.r(10), b.r(11)) == (21, 0x123, 0, SMCLK)


def test_lowering_ccr0_below_the_count_rolls_to_zero(bare):
    b = bare([*start(UP, 1000), *nops(100), *mov(50, TA0 + CCR), *nops(10), *read(TA0 + R)])
    b.go()
    assert b.r(9) == 12


def test_zero_ccr0_stands_still(bare):
    b = bare([*start(UP, 0), *nops(30), *read(TA0 + R, 8), *mov(40, TA0 + CCR), *nops(7), *read(TA0 + R, 9)])
    b.go()
    assert (b.r(8), b.r(9)) == (0, 10)


def test_compare_triggers_the_dma(bare):
    """One word per period of TA0CCR0 (trigger 1); the DMA takes the flag."""
    dma = [*mov(1, 0x500), 0x0088, 0x1D00, 0x0860, 0x512, 0x0089, 0x1E00, 0x0960, 0x516, *mov(8, 0x51A),
           *mov(0x4F10, 0x510)]  # fmt: skip
    b = bare([*dma, *start(UP, 49), *nops(230), *read(TA0 + CCTL)])
    b.put(0x1D00, *range(1, 9))
    b.put(0x1E00, *[0] * 8)
    cost = b.go()
    assert cost.dma_words == 5
    assert [b.word(0x1E00 + 2 * i) for i in range(6)] == [1, 2, 3, 4, 5, 0]
    assert b.r(9) & 1 == 0


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (mov(0x0100, TA0 + CCTL), "capture"),
        (mov(0x0080, TA0 + CCTL + 2), "outputs"),
        (mov(0x0014, TA0 + CCTL + 2), "outputs"),
        (mov(0x0020, TA0), "external clock"),
        (mov(0x0320, TA0), "external clock"),
        (mov(0x0A20, TB0), "below 16 bits"),
        (mov(0x0200, TB0 + CCTL + 2), "delayed latches"),
    ],
)
def test_refusals(bare, words, text):
    with pytest.raises(sim.Unmodelled, match=text):
        bare(words).go()

"""MPY32 against unbounded Python integers: widths, signs, accumulation, fractions, saturation, time."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sim

MPY, MPYS, MAC, MACS = range(4)
RES, SUMEXT, CTL = 0x4E4, 0x4CE, 0x4EC
C, FRAC, SAT, DELAY, DELAY32 = 1, 4, 8, 0x100, 0x200
NOPS = [0x4303] * 11
BITS = (8, 16, 24, 32)


def edges(bits: int) -> st.SearchStrategy[int]:
    top = 1 << bits - 1
    return st.sampled_from([0, 1, 2, top - 1, top, top + 1, 2 * top - 1]) | st.integers(0, 2 * top - 1)


operands = st.sampled_from(BITS).flatmap(lambda bits: st.tuples(st.just(bits), edges(bits)))


def store(value: int, register: int) -> list[int]:
    return [0x40B2, value & 0xFFFF, register]  # MOV #value,&register


def store_byte(value: int, register: int) -> list[int]:
    return [0x40F2, value & 0xFF, register]


def load(register: int, address: int) -> list[int]:
    return [0x4210 | register, address]


def written(value: int, bits: int, narrow: int, low: int) -> list[int]:
    """An operand of 8 or 16 bits goes to ``narrow``, a wider one to ``low`` and ``low + 2``."""
    if bits <= 16:
        return (store_byte if bits == 8 else store)(value, narrow)
    return store(value, low) + (store_byte if bits == 24 else store)(value >> 16, low + 2)


def operand1(mode: int, value: int, bits: int = 16) -> list[int]:
    return written(value, bits, 0x4C0 + 2 * mode, 0x4D0 + 4 * mode)


def operand2(value: int, bits: int = 16) -> list[int]:
    return written(value, bits, 0x4C8, 0x4E0)


def signed(v: int, bits: int) -> int:
    return v - (1 << bits) if v >> (bits - 1) & 1 else v


@dataclass
class Multiplier:
    """What SLAU367 chapter 5 says, in unbounded integers."""

    value: int = 0  # RES3:RES0 as unsigned 64 bits
    mode: int = MPY
    bits: int = 32  # of the result
    over: int = 0  # MPYC
    saturate: bool = False

    def run(self, mode: int, a: tuple[int, int], b: tuple[int, int]) -> None:
        self.mode = mode
        self.bits = 64 if max(a[0], b[0]) > 16 else 32
        x, y = ((signed(v, n) if mode & 1 else v) for n, v in (a, b))
        before = 0
        if mode & 2:
            before = self.clipped() if self.saturate else self.value % 2**self.bits
            before = signed(before, self.bits) if mode & 1 else before
        total = before + x * y
        self.over = int(total < 0) if mode & 1 else total >> self.bits & 1
        self.value = total % 2**64 if self.bits == 64 or not mode & 2 else total % 2**32

    def clipped(self) -> int:
        """The result with MPYC above it, clipped to the signed range."""
        exact = self.value % 2**self.bits - (self.over << self.bits)
        half = 1 << self.bits - 1
        return max(-half, min(half - 1, exact)) % 2**self.bits

    def shown(self, fractional: bool) -> int:
        if not self.saturate:
            return (self.value << fractional) % 2**64
        half = 1 << self.bits - 1
        exact = signed(self.clipped(), self.bits) << fractional
        return max(-half, min(half - 1, exact)) % 2**self.bits

    def sumext(self, fractional: bool) -> int:
        top = self.value >> self.bits - 1 & 1
        if fractional:
            return signed(self.over << 1 | top, 2) % 2**16
        return (0, -top % 2**16, self.over, -top % 2**16)[self.mode]


def machine(bare, words: list[int], results: int = 4):
    """RES to R8 and up, SUMEXT to R12, MPY32CTL0 to R13."""
    code = words + NOPS
    for k in range(results):
        code += load(8 + k, RES + 2 * k)
    b = bare(code + load(13, CTL))
    b.go()
    return b, sum(b.r(8 + k) << 16 * k for k in range(results))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([MPY, MPYS]), operands, operands)
def test_products_of_all_widths(bare, mode, a, b):
    model = Multiplier()
    model.run(mode, a, b)
    m, got = machine(bare, [*operand1(mode, a[1], a[0]), *operand2(b[1], b[0])])
    assert got == model.value
    assert m.r(13) == model.over | mode << 4 | (a[0] > 16) << 6 | (b[0] > 16) << 7


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([MAC, MACS]), operands, operands, operands, operands, st.booleans())
def test_accumulation_of_all_widths(bare, mode, a, b, c, d, saturate):
    """A product, then a multiply-accumulate with a result of the same width: RES, SUMEXT and MPYC."""
    wide = max(a[0], b[0]) > 16
    if wide != (max(c[0], d[0]) > 16):
        c, d = (a[0], c[1] % 2 ** a[0]), (b[0], d[1] % 2 ** b[0])
    model = Multiplier(saturate=saturate)
    model.run(mode - 2, a, b)
    model.run(mode, c, d)
    words = store(SAT * saturate, CTL)
    words += operand1(mode - 2, a[1], a[0]) + operand2(b[1], b[0]) + NOPS
    words += operand1(mode, c[1], c[0]) + operand2(d[1], d[0]) + NOPS + load(12, SUMEXT)
    m, got = machine(bare, words, 4 if wide else 2)
    assert got == model.shown(False) % 2 ** (64 if wide else 32)
    assert m.r(12) == model.sumext(False)
    assert m.r(13) & 1 == model.over


@settings(max_examples=200, deadline=None)
@given(operands, operands, operands, operands, st.booleans())
def test_fractional_and_saturated_sums(bare, a, b, c, d, saturate):
    """MPYS and MACS read through MPYFRAC: shifted, and with MPYSAT clipped to the range."""
    wide = max(a[0], b[0]) > 16
    if wide != (max(c[0], d[0]) > 16):
        c, d = (a[0], c[1] % 2 ** a[0]), (b[0], d[1] % 2 ** b[0])
    model = Multiplier(saturate=saturate)
    model.run(MPYS, a, b)
    model.run(MACS, c, d)
    words = store(FRAC | SAT * saturate, CTL)
    words += operand1(MPYS, a[1], a[0]) + operand2(b[1], b[0]) + NOPS
    words += operand1(MACS, c[1], c[0]) + operand2(d[1], d[0]) + NOPS + load(12, SUMEXT)
    m, got = machine(bare, words, 4 if wide else 2)
    assert got == model.shown(True) % 2 ** (64 if wide else 32)
    assert m.r(12) == model.sumext(True)


def test_minus_one_squared_is_the_largest_fraction(bare):
    """SLAU367P 5.2.4.2: -1.0 x -1.0 in fractional saturation mode."""
    _, got = machine(bare, [*store(FRAC | SAT, CTL), *operand1(MPYS, 0x8000), *operand2(0x8000)], 2)
    assert got == 0x7FFFFFFF
    _, got = machine(bare, [*store(FRAC, CTL), *operand1(MPYS, 0x8000), *operand2(0x8000)], 2)
    assert got == 0x80000000
    words = [*store(FRAC | SAT, CTL), *operand1(MPYS, 0x80000000, 32), *operand2(0x80000000, 32)]
    assert machine(bare, words)[1] == 2**63 - 1


def preload(*results: int) -> list[int]:
    return [w for k, v in enumerate(results) for w in store(v, RES + 2 * k)]


def test_guide_example_of_saturation_before_the_shift(bare):
    """SLAU367P 5.2.4.2: 7FFF FA60h + 50h x 12h overflows as an integer already."""
    words = [*store(FRAC | SAT, CTL), *preload(0xFA60, 0x7FFF, 0, 0), *store_byte(0x50, 0x4C6)]
    _, got = machine(bare, [*words, *store_byte(0x12, 0x4C8)], 2)
    assert got == 0x7FFFFFFF


def test_guide_example_of_mixed_widths(bare):
    """SLAU367P 5.2.5: an unsigned 32x24 product, whose lower half is saturated by the 16x16 MACS behind it."""
    first = [*store(SAT, CTL), *operand1(MPY, 0x615352C5, 32), *operand2(0x2301AB, 24)]
    _, got = machine(bare, first)
    assert got == 0x000D_4F06_A6EA_0E97
    _, got = machine(bare, [*first, *NOPS, *operand1(MACS, 0xCCC3), *operand2(0xFFB6)], 2)
    assert got == 0x7FFFFFFF


def test_guide_example_of_a_wrong_carry(bare):
    """SLAU367P 5.2.5: MPYC set although the preloaded result is not negative."""
    words = [*preload(0, 0, 0, 0), *store(SAT | C, CTL), *store_byte(0x82, 0x4C6), *store_byte(0x4F, 0x4C8)]
    _, got = machine(bare, words, 2)
    assert got == 0x80000000


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(edges(16), edges(16)), min_size=1, max_size=6))
def test_saturating_dot_product(bare, pairs):
    """As a 16-bit filter does: MPYC and RES cleared, then MACS in fractional saturation mode."""
    words = [*store(FRAC | SAT, CTL), *preload(0, 0)]
    total = 0
    for x, y in pairs:
        words += operand1(MACS, x) + operand2(y) + [0x4303]
        total = max(-(2**31), min(2**31 - 1, total + signed(x, 16) * signed(y, 16)))
    _, got = machine(bare, words, 2)
    assert signed(got, 32) == max(-(2**31), min(2**31 - 1, 2 * total))


def test_width_is_that_of_the_last_write(bare):
    """SLAU367P 5.2.1: the high word first counts for nothing; the low word alone is a 16-bit operand."""
    words = [*store(0x1234, 0x4D2), *store(7, 0x4D0), *operand2(3)]
    m, got = machine(bare, words)
    assert (got, m.r(13) & 0xC0) == (21, 0)


def test_long_dot_product_of_8_cycle_macs(bare):
    """MOV @R4+,&MACS; MOV @R5+,&OP2; back to back."""
    xs, ys = [3, -5, 32767, -32768], [7, 11, -32768, 32767]
    words = operand1(MPYS, 0) + operand2(0) + [0x44B2, 0x4C6, 0x45B2, 0x4C8] * 4 + [
        0x4218, 0x4CA, 0x4219, 0x4CC,
    ]  # fmt: skip
    b = bare(words)
    b.put(0x1C00, *xs)
    b.put(0x1D00, *ys)
    b.r(4, 0x1C00)
    b.r(5, 0x1D00)
    cost = b.go()
    assert (b.r(9) << 16 | b.r(8)) == sum(x * y for x, y in zip(xs, ys, strict=True)) % 2**32
    assert cost.cycles == 4 * 2 + 4 * 8 + 2 * 3


LATENCIES = {  # SLAU367P table 5-5, cycles after OP2 or OP2H; in saturation mode all wait for RES3
    (16, 16): ((3, 3, 4, 4), 3),
    (32, 16): ((3, 5, 6, 7), 7),
    (24, 16): ((3, 5, 6, 7), 7),
    (16, 32): ((0, 3, 4, 4), 4),
    (8, 24): ((0, 3, 4, 4), 4),
    (32, 32): ((0, 3, 5, 6), 6),
    (24, 24): ((0, 3, 5, 6), 6),
}


@pytest.mark.parametrize(("widths", "mode"), [(w, m) for w in LATENCIES for m in (0, FRAC, SAT)])
@pytest.mark.parametrize("word", range(5))
def test_latency(bare, widths, mode, word):
    """MOV @R8,R9 reads in its second cycle: NOPs before it until the word is ready, not one less. Word 4: SUMEXT."""
    results, last = LATENCIES[widths]
    narrow = widths == (16, 16)
    if mode == SAT and narrow and word in (2, 3):
        pytest.skip("the guide gives no time for it")
    wait = last if word == 4 or (mode == SAT and not narrow) else results[word]
    setup = [*store(mode, CTL), *operand1(MPYS, 3, widths[0])]
    # long before OP2H, so that only the time after that counts
    second = store(5, 0x4E0) + NOPS + operand2(5, widths[1])[3:] if widths[1] > 16 else operand2(5)
    for nops in range(8):
        b = bare([*setup, *second, *[0x4303] * nops, 0x4829])
        b.r(8, SUMEXT if word == 4 else RES + 2 * word)
        if nops + 2 < wait:
            with pytest.raises(sim.NotReady, match="insert a NOP"):
                b.go()
        else:
            b.go()


def test_latency_after_op2l(bare):
    """OP2L and OP2H by MOV R,&OP2x, 3 cycles apart: the 8, 10 and 11 cycles after OP2L count too."""
    for word, wait in enumerate((3, 8, 10, 11)):
        for nops in range(8):
            b = bare([*operand1(MPY, 3, 32), 0x4582, 0x4E0, 0x4582, 0x4E2, *[0x4303] * nops, 0x4829])
            b.r(8, RES + 2 * word)
            if 3 + nops + 2 < max(wait, 3 + (0, 3, 5, 6)[word]):
                with pytest.raises(sim.NotReady):
                    b.go()
            else:
                b.go()


def test_absolute_addressing_may_follow_at_once(bare):
    b = bare([*operand1(MPY, 3), *operand2(5), *load(9, 0x4CA)])
    b.go()
    assert b.r(9) == 15


@pytest.mark.parametrize(("control", "wait"), [(DELAY, 7), (DELAY | DELAY32, 5)])
def test_delayed_writes(bare, control, wait):
    """MPYDLYWRTEN: a write waits for RES3, with MPYDLY32 for RES1; without it a new operation simply starts."""
    words = [*operand1(MPY, 3, 32), *operand2(5), 0x4582, 0x4C0]  # MOV R5,&MPY: 3 cycles
    plain, slow = bare(words), bare([*store(control, CTL), *words])
    base = plain.go().cycles
    cost = slow.go()
    assert cost.cycles - 4 - base == wait - 3  # MOV #n,&MPY32CTL0: 4 cycles
    assert cost.wait_cycles == wait - 3


def test_delayed_writes_make_early_accumulation_safe(bare):
    """A 16x16 MACS directly behind a wide product needs its RES1."""
    words = [*operand1(MPYS, 3, 32), *operand2(5), *operand1(MACS, 7), 0x4582, 0x4C8, *NOPS, *load(8, RES)]
    with pytest.raises(sim.NotReady):
        bare([*operand1(MACS, 3, 32), *operand2(5), 0x4582, 0x4C8]).go()
    b = bare([*store(DELAY, CTL), *words])
    b.r(5, 11)
    b.go()
    assert b.r(8) == 3 * 5 + 7 * 11


SAVE = [0x1212, CTL, 0xC0B2, FRAC | SAT, CTL]  # PUSH &MPY32CTL0; BIC #MPYFRAC|MPYSAT,&MPY32CTL0
for _register in (0x4EA, 0x4E8, 0x4E6, 0x4E4, 0x4D2, 0x4D0, 0x4E2, 0x4E0):
    SAVE += [0x1212, _register]
RESTORE: list[int] = []
for _register in (0x4E0, 0x4E2, 0x4D0, 0x4D2, 0x4E4, 0x4E6, 0x4E8, 0x4EA, CTL):
    RESTORE += [0x41B2, _register]  # POP &register
DISTURB = [*operand1(MACS, 0x12345678, 32), *operand2(0x9ABC, 16), *NOPS]


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([MPY, MPYS, MACS]), operands, operands, st.sampled_from([0, FRAC, SAT, FRAC | SAT]))
def test_an_interrupt_may_save_and_restore_everything(bare, mode, a, b, control):
    """SLAU367P 5.2.7: the routine uses the multiplier itself; interrupted between any two instructions."""
    if max(a[0], b[0]) <= 16:
        a = (32, a[1])  # RES2 and RES3 of a 16x16 accumulation cannot be saved
    program = [*store(control, CTL), *preload(1, 2, 3, 4), *operand1(mode, a[1], a[0]), *operand2(b[1], b[0]), *NOPS]
    for k in range(4):
        program += load(8 + k, RES + 2 * k)
    plain = bare([0xD232, 0x4303, *program])
    plain.go()
    for at in (2, 6, 8, 10, 11, 12, 13, 14, 20, 24):
        m = bare([0xD232, 0x4303, *program])
        m.put(0xFF90 + 2 * 20, 0x5000)
        m.put(0x5000, *SAVE, *NOPS, *DISTURB, *RESTORE, 0x1300)
        m.step(at)
        m.m.interrupt(20)
        m.go()
        assert [m.r(8 + k) for k in range(4)] == [plain.r(8 + k) for k in range(4)]


def test_dma_trigger_when_ready(bare):
    """Trigger 29, single transfers: each result moves to memory by itself."""
    setup = [
        0x40B2, 29, 0x500, 0x40B2, RES, 0x512, 0x40B2, 0x1E00, 0x516, 0x40B2, 3, 0x51A,
        0x40B2, 0x0C10, 0x510,  # destination rises, DMAEN
    ]  # fmt: skip
    words = [*setup]
    for x, y in ((3, 5), (7, 11), (100, 200)):
        words += operand1(MPY, x) + operand2(y) + [0x4303] * 6
    b = bare(words)
    cost = b.go()
    assert [b.word(0x1E00 + 2 * k) for k in range(3)] == [15, 77, 20000]
    assert cost.dma_words == 3


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([*operand1(MAC, 3), *operand2(5), *NOPS, *load(9, 0x4E8)], "RES2 read after a 16x16 multiply-accumulate"),
        ([*store(SAT, CTL), *operand1(MPYS, 3), *operand2(5), *NOPS, *load(9, 0x4EA)], "saturation mode"),
        ([*store(FRAC, CTL), *operand1(MAC, 3), *operand2(5), *NOPS, *load(9, SUMEXT)], "SUMEXT of an unsigned"),
        ([*operand1(MACS, 3), *operand2(5), *NOPS, *operand1(MACS, 3, 32), *operand2(5)], "RES2 and RES3"),
        (store_byte(5, 0x4E0), "write words"),
        (store_byte(5, 0x4C1), "high byte"),
        (store(5, SUMEXT), "cannot be written"),
    ],
)
def test_what_is_not_modelled_raises(bare, words, text):
    with pytest.raises(sim.Unmodelled, match=text):
        bare(words).go()

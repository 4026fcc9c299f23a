"""MPY32 against Python integers: all operand widths, signed and unsigned, accumulation, SUMEXT, latency."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sim

MPY, MPYS, MAC, MACS = range(4)
RES = 0x4E4
edge16 = st.sampled_from([0, 1, 2, 0x7FFF, 0x8000, 0x8001, 0xFFFF]) | st.integers(0, 0xFFFF)
edge32 = st.sampled_from([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]) | st.integers(0, 0xFFFFFFFF)


def store(value: int, register: int) -> list[int]:
    return [0x40B2, value & 0xFFFF, register]


def operand1(mode: int, value: int, wide: bool) -> list[int]:
    if not wide:
        return store(value, 0x4C0 + 2 * mode)
    return store(value, 0x4D0 + 4 * mode) + store(value >> 16, 0x4D2 + 4 * mode)


def operand2(value: int, wide: bool) -> list[int]:
    if not wide:
        return store(value, 0x4C8)
    return store(value, 0x4E0) + store(value >> 16, 0x4E2)


NOPS = [0x4303] * 11


def result(words: int) -> list[int]:
    code = list(NOPS)
    for k in range(words):
        code += [0x4210 | 8 + k, RES + 2 * k]  # MOV &RESk,R(8+k)
    return code


def signed(v: int, bits: int) -> int:
    return v - (1 << bits) if v >> (bits - 1) else v


def run(bare, words: list[int], count: int) -> tuple[int, object]:
    b = bare(words)
    b.go()
    return sum(b.r(8 + k) << 16 * k for k in range(count)), b


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 1), edge32, edge32, st.booleans(), st.booleans())
def test_products(bare, mode, x, y, wide1, wide2):
    x &= 0xFFFFFFFF if wide1 else 0xFFFF
    y &= 0xFFFFFFFF if wide2 else 0xFFFF
    got, _ = run(bare, operand1(mode, x, wide1) + operand2(y, wide2) + result(4), 4)
    if mode == MPYS:
        x, y = signed(x, 32 if wide1 else 16), signed(y, 32 if wide2 else 16)
    assert got == x * y % 2**64


@settings(max_examples=80, deadline=None)
@given(st.sampled_from([MAC, MACS]), edge16, edge16, edge16, edge16)
def test_accumulate_16(bare, mode, a, b, c, d):
    """First a product, then one multiply-accumulate; RES1:RES0, SUMEXT and MPYC."""
    words = operand1(mode - 2, a, False) + operand2(b, False) + operand1(mode, c, False) + operand2(d, False)
    words += [*result(2), 0x421A, 0x4CE, 0x421B, 0x4EC]  # SUMEXT to R10, MPY32CTL0 to R11
    got, m = run(bare, words, 2)
    if mode == MACS:
        a, b, c, d = (signed(v, 16) for v in (a, b, c, d))
    first, second = a * b % 2**32, c * d % 2**32
    total = first + second
    assert got == total % 2**32
    carry = total >> 32
    assert m.r(10) == (carry if mode == MAC else 0xFFFF * (got >> 31))
    assert m.r(11) & 1 == carry


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([MAC, MACS]), edge32, edge32, edge32, edge32)
def test_accumulate_32(bare, mode, a, b, c, d):
    words = operand1(mode - 2, a, True) + operand2(b, True) + NOPS + operand1(mode, c, True) + operand2(d, True)
    got, _ = run(bare, words + result(4), 4)
    if mode == MACS:
        a, b, c, d = (signed(v, 32) for v in (a, b, c, d))
    assert got == (a * b + c * d) % 2**64


def test_sumext_of_signed_product(bare):
    for x, y, expected in ((0xFFFF, 1, 0xFFFF), (0xFFFF, 0xFFFF, 0), (0, 0xFFFF, 0)):
        b = bare(operand1(MPYS, x, False) + operand2(y, False) + [*NOPS, 0x421A, 0x4CE])
        b.go()
        assert b.r(10) == expected


def test_long_dot_product_of_8_cycle_macs(bare):
    """MOV @R4+,&MACS; MOV @R5+,&OP2; back to back."""
    xs, ys = [3, -5, 32767, -32768], [7, 11, -32768, 32767]
    words = operand1(MPYS, 0, False) + operand2(0, False) + [0x44B2, 0x4C6, 0x45B2, 0x4C8] * 4 + [
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


def test_byte_operands(bare):
    words = [0x40F2, 0x80, 0x4C2, 0x40F2, 0x02, 0x4C8, *result(2)]  # MOV.B #80h,&MPYS; MOV.B #2,&OP2
    got, _ = run(bare, words, 2)
    assert got == (-128 * 2) % 2**32


def test_result_too_early_is_a_fault(bare):
    """Absolute addressing may follow at once; @Rn needs one instruction in between."""
    start = operand1(MPY, 3, False) + operand2(5, False)
    ok = bare([*start, 0x4219, 0x4CA])
    ok.go()
    assert ok.r(9) == 15
    early = bare([*start, 0x4829])  # MOV @R8,R9
    early.r(8, 0x4CA)
    with pytest.raises(sim.NotReady, match="insert a NOP"):
        early.go()
    late = bare([*start, 0x4303, 0x4829])
    late.r(8, 0x4CA)
    late.go()
    assert late.r(9) == 15
    upper = bare(operand1(MPY, 3, True) + operand2(5, True) + [0x4219, 0x4E8])  # RES2 needs 5 cycles
    with pytest.raises(sim.NotReady):
        upper.go()


@pytest.mark.parametrize("value", [0x0004, 0x0008, 0x0100, 0x0200])
def test_unmodelled_modes_raise(bare, value):
    with pytest.raises(sim.Unmodelled, match="MPY32CTL0"):
        bare(store(value, 0x4EC)).go()


def test_upper_words_after_16_bit_accumulate_are_unknown(bare):
    words = operand1(MAC, 3, False) + operand2(5, False) + NOPS
    with pytest.raises(sim.Unmodelled, match="RES2"):
        bare([*words, 0x4219, 0x4E8]).go()

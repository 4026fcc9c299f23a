"""One test for each mistake that other MSP430 simulators make, and for semantics that the oracle gets wrong."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sim

C, Z, N, GIE, CPUOFF, SCG0, V = 1, 2, 4, 8, 0x10, 0x40, 0x100
CELL = 0x1D00
CODE = 0x1C40


@pytest.fixture(scope="session")
def one(bare):
    """Execute one instruction from RAM with the given registers and words; returns the machine."""

    def run(words, registers=None, memory=None, steps=1):
        b = bare(words, at=CODE)
        for at, word in (memory or {}).items():
            b.put(at, word)
        for i, v in (registers or {}).items():
            b.r(i, v)
        b.cost = b.step(steps)
        return b

    return run


def flags(b) -> int:
    return b.r(2) & (C | Z | N | V)


def test_constant_generator_costs_no_memory_read(one):
    for source in (0x4308, 0x4318, 0x4328, 0x4338, 0x4228, 0x4238):  # #0 #1 #2 #-1 #4 #8 to R8
        cost = one([source]).cost
        assert (cost.cycles, cost.sram_read, cost.fetch_ram) == (1, 0, 1)


def test_extension_word_20_bit_access_and_repetition_are_not_free(one):
    assert one([0x1840, 0x4408]).cost.cycles == 2  # MOVX.W R4,R8
    cost = one([0x1800, 0x4968], {9: CELL}, {CELL: 1, CELL + 2: 0}).cost  # MOVX.A @R9,R8
    assert (cost.cycles, cost.sram_read) == (4, 2)
    assert one([0x1849, 0x5808]).cost.cycles == 11  # RPT #10


def test_mov_cmp_bit_to_memory_save_a_cycle(one):
    assert one([0x4889, 0], {9: CELL}).cost.cycles == 3
    assert one([0x9889, 0], {9: CELL}, {CELL: 5}).cost.cycles == 3
    assert one([0xB889, 0], {9: CELL}, {CELL: 5}).cost.cycles == 3
    assert one([0x5889, 0], {9: CELL}, {CELL: 5}).cost.cycles == 4


def test_reti_restores_20_bit_pc_and_stack(one):
    b = one([0x1300], {1: CELL}, {CELL: 0x1000 | C | N, CELL + 2: 0x2344})
    assert (b.m.pc, b.r(1), b.r(2)) == (0x12344, CELL + 4, C | N)


def test_pushm_a_moves_20_bits(one):
    b = one([0x1419], {9: 0xABCDE, 8: 0x12345, 1: CELL + 8})  # PUSHM.A #2,R9
    assert b.r(1) == CELL
    assert [b.word(CELL + i) for i in (0, 2, 4, 6)] == [0x2345, 1, 0xBCDE, 0xA]
    b = one([0x1618], {1: CELL}, {CELL: 0x2345, CELL + 2: 1, CELL + 4: 0xBCDE, CELL + 6: 0xA})  # POPM.A #2,R9
    assert (b.r(8), b.r(9), b.r(1)) == (0x12345, 0xABCDE, CELL + 8)


def test_stores_above_64k_are_not_truncated(one):
    b = one([0x1840, 0x4889, 0], {8: 0xBEEF, 9: 0x23456})  # MOVX.W R8,0(R9)
    assert b.word(0x23456) == 0xBEEF
    b = one([0x4889, 0], {8: 0xBEEF, 9: 0x23456})  # a 16-bit MOV also follows a 20-bit base
    assert b.word(0x23456) == 0xBEEF
    b = one([0x4988, 0x10], {9: 0xBEEF, 8: 0x3FFF0})  # 16-bit index crosses upward in 20 bits
    assert b.word(0x40000) == 0xBEEF
    b = one([0x0876, 0x10], {8: 0x12345, 6: 0x1FFF0})  # MOVA R8,10h(R6)
    assert (b.word(0x20000), b.word(0x20002)) == (0x2345, 1)


def test_indexed_addresses_wrap_below_64k(one):
    b = one([0x4889, 0xDD00], {8: 0xBEEF, 9: 0x4000})  # 4000h - 2300h
    assert b.word(0x1D00) == 0xBEEF
    b = one([0x4889, 0x7000], {8: 0xBEEF, 9: 0xAD00})  # AD00h + 7000h wraps to 1D00h
    assert b.word(0x1D00) == 0xBEEF


def test_sub_b_carry(one):
    assert flags(one([0x8849], {8: 1, 9: 1})) == C | Z
    assert flags(one([0x8849], {8: 2, 9: 1})) == N
    assert flags(one([0x8849], {8: 0xFF, 9: 0x100})) == 0  # only the low byte counts: 0 - FFh borrows
    assert one([0x8849], {8: 0xFF, 9: 0x100}).r(9) == 1


WIDTH = {"B": 8, "W": 16, "A": 20}
ARITHMETIC = {"ADD": 5, "ADDC": 6, "SUBC": 7, "SUB": 8, "CMP": 9}


def reference(op: str, bits: int, source: int, destination: int, carry: int) -> tuple[int, int]:
    """Result and C, Z, N, V with unbounded integers (SLAU445 4.6.2)."""
    top = 1 << bits

    def signed(v: int) -> int:
        return v - top if v >> (bits - 1) else v

    c = {"ADD": 0, "ADDC": carry, "SUBC": carry, "SUB": 1, "CMP": 1}[op]
    if op in ("ADD", "ADDC"):
        wide, exact = destination + source + c, signed(destination) + signed(source) + c
        out = wide >= top
    else:
        exact = signed(destination) - signed(source) - (1 - c)
        wide = destination - source - (1 - c)
        out = wide >= 0  # carry means no borrow
    result = wide % top
    overflow = not -(top >> 1) <= exact < top >> 1
    return result, C * out | Z * (result == 0) | N * (result >> (bits - 1)) | V * overflow


edge = st.sampled_from([0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFF, 0x80000, 0xFFFFF])
value = edge | st.integers(0, 0xFFFFF)


@settings(deadline=None)
@given(st.sampled_from(sorted(ARITHMETIC)), st.sampled_from("BWA"), value, value, st.integers(0, 1))
def test_arithmetic_in_all_widths(one, op, size, source, destination, carry):
    """SUBX.A, ADDX.A, CMPX.A with negative 20-bit operands; V for 8000h operands; all sizes alike."""
    mask = (1 << WIDTH[size]) - 1
    word = ARITHMETIC[op] << 12 | 8 << 8 | 9 | (0x40 if size in "BA" else 0)
    words = [0x1800 if size == "A" else 0x1840, word]
    b = one(words, {8: source, 9: destination, 2: carry})
    result, expected = reference(op, WIDTH[size], source & mask, destination & mask, carry)
    assert flags(b) == expected
    assert b.r(9) == (destination if op == "CMP" else result)
    if size == "A" and op in ("ADD", "SUB", "CMP"):
        kind = {"ADD": 0xE, "SUB": 0xF, "CMP": 0xD}[op]
        b = one([8 << 8 | kind << 4 | 9], {8: source, 9: destination})
        assert flags(b) == expected
        b = one([(source >> 16) << 8 | (kind - 4) << 4 | 9, source & 0xFFFF], {9: destination})
        assert flags(b) == expected
        assert b.r(9) == (destination if op == "CMP" else result)


def test_overflow_with_the_most_negative_operand(one):
    """V where negation of the source would overflow: 8000h, 80h, 80000h as subtrahend."""
    for extension, bits, byte in (([], 16, 0), ([], 8, 0x40), ([0x1800], 20, 0x40)):
        lowest = 1 << (bits - 1)
        for word in (0x8809, 0x9809):  # SUB, CMP R8,R9
            b = one([*extension, word | byte], {8: lowest, 9: 0})
            assert flags(b) == N | V  # 0 - lowest = +2^(n-1), which is out of range
            b = one([*extension, word | byte], {8: lowest, 9: lowest})
            assert flags(b) == C | Z
            b = one([*extension, word | byte], {8: 1, 9: lowest})
            assert flags(b) == C | V
        b = one([*extension, 0x5809 | byte], {8: lowest, 9: lowest})  # ADD
        assert (flags(b), b.r(9)) == (C | Z | V, 0)


def test_20_bit_arithmetic_with_negative_operands(one):
    """ADDX.A and SUBX.A of -1 and -2: no borrow from bit 15, carry out of bit 19."""
    b = one([0x1800, 0x5849], {8: 0xFFFFF, 9: 0xFFFFE})
    assert (b.r(9), flags(b)) == (0xFFFFD, C | N)
    b = one([0x1800, 0x8849], {8: 0xFFFFE, 9: 0xFFFFF})
    assert (b.r(9), flags(b)) == (1, C)
    b = one([0x1800, 0x8849], {8: 0xFFFFF, 9: 0x10000})
    assert (b.r(9), flags(b)) == (0x10001, 0)


def test_rotates_keep_the_bit_that_falls_out(one):
    b = one([0x1009], {9: 0x8001, 2: C})  # RRC
    assert (b.r(9), flags(b)) == (0xC000, C | N)
    b = one([0x1109], {9: 0x8001, 2: 0})  # RRA
    assert (b.r(9), flags(b)) == (0xC000, C | N)


def test_signed_product_starts_the_accumulator(one):
    """MPYS then MACS: the first product counts (GNU's simulator sets the accumulator to 0)."""
    words = []
    for value, address in ((0xFFFD, 0x4C2), (5, 0x4C8), (4, 0x4C6), (6, 0x4C8)):  # -3 * 5 + 4 * 6
        words += [0x40B2, value, address]
    b = one([*words, 0x4303, 0x4303, 0x4218, 0x4CA, 0x4219, 0x4CC], steps=8)
    assert (b.r(8), b.r(9)) == (9, 0)


def test_wait_states_are_applied_and_not_only_stored(bare):
    """The same read of a line that is not in the cache: one cycle more with NWAITS = 1, three with 3."""
    costs = []
    for nwaits in (0, 1, 3):
        b = bare([0x4928], nwaits=nwaits, at=0x1D80)
        b.r(9, 0x20000)
        costs.append(b.step().cycles)
    assert [c - costs[0] for c in costs] == [0, 1, 3]


@settings(deadline=None)
@given(st.sampled_from("BWA"), value, st.integers(0, 1), st.booleans())
def test_rotates_in_all_widths(one, size, start, carry, memory):
    """RRC and RRA, register and memory: nothing of the carry is lost, V is reset."""
    bits = WIDTH[size]
    v = start & ((1 << bits) - 1)
    extension = 0x1800 if size == "A" else 0x1840
    for code, top in ((0, carry), (2, v >> (bits - 1))):
        word = 0x1000 | code << 7 | (0x40 if size in "BA" else 0) | (0x29 if memory else 9)
        cells = {CELL: start & 0xFFFF, CELL + 2: start >> 16} if memory else None
        b = one([extension, word], {9: CELL if memory else start, 2: carry | V}, cells)
        result = v >> 1 | top << (bits - 1)
        got = b.r(9)
        if memory:
            got = int.from_bytes(b.m.read(CELL, 1 if size == "B" else 4), "little") & ((1 << bits) - 1)
        assert got == result
        assert flags(b) == C * (v & 1) | Z * (result == 0) | N * top


@settings(deadline=None)
@given(st.sampled_from("WA"), value, st.integers(0, 1), st.integers(1, 4))
def test_multiple_rotates(one, size, start, carry, n):
    bits = WIDTH[size]
    mask = (1 << bits) - 1
    for kind in range(4):
        v, c = start & mask, carry
        for _ in range(n):
            sign = v >> (bits - 1)
            if kind == 2:
                v, c = v << 1 & mask, sign
            else:
                v, c = v >> 1 | (c, sign, None, 0)[kind] << (bits - 1), v & 1
        b = one([n - 1 << 10 | kind << 8 | (5 if size == "W" else 4) << 4 | 9], {9: start, 2: carry})
        assert b.r(9) == v
        assert b.r(2) & (C | Z | N) == C * c | Z * (v == 0) | N * (v >> (bits - 1))


@settings(deadline=None)
@given(st.integers(0, 9999), st.integers(0, 9999), st.integers(0, 1))
def test_dadd_is_decimal(one, x, y, carry):
    b = one([0xA809], {8: int(str(x), 16), 9: int(str(y), 16), 2: carry})
    total = x + y + carry
    assert b.r(9) == int(str(total % 10000), 16)
    assert flags(b) & C == (total > 9999)


def test_sxt_extends_into_bits_19_16_and_swpb_clears_them(one):
    assert one([0x1189], {9: 0x00080}).r(9) == 0xFFF80
    assert one([0x1189], {9: 0xFFF7F}).r(9) == 0x0007F
    assert one([0x1089], {9: 0xF1234}).r(9) == 0x03412
    assert one([0x1800, 0x1089], {9: 0xF1234}).r(9) == 0xF3412  # SWPBX.A keeps them
    b = one([0x1800, 0x11A9], {9: CELL}, {CELL: 0x1280, CELL + 2: 0xFFFF})  # SXTX.A @R9
    assert (b.word(CELL), b.word(CELL + 2)) == (0xFF80, 0x000F)
    assert flags(b) == C | N


def test_calla_autoincrement_and_reta(one):
    b = one([0x1379, 0x4303], {9: CELL, 1: CELL + 0x20}, {CELL: 0x2344, CELL + 2: 1})
    assert (b.m.pc, b.r(9), b.r(1)) == (0x12344, CELL + 4, CELL + 0x1C)
    assert (b.word(CELL + 0x1C), b.word(CELL + 0x1E)) == (CODE + 2, 0)
    b = one([0x0110], {1: CELL}, {CELL: 0x2344, CELL + 2: 1})
    assert (b.m.pc, b.r(1)) == (0x12344, CELL + 4)


def test_push_sp_pushes_the_old_sp(one):
    b = one([0x1201], {1: CELL + 4})
    assert (b.r(1), b.word(CELL + 2)) == (CELL + 2, CELL + 4)


def test_byte_push_moves_sp_by_two_and_leaves_the_upper_byte(one):
    b = one([0x1249], {9: 0x12, 1: CELL + 2}, {CELL: 0xAAAA})
    assert (b.r(1), b.word(CELL)) == (CELL, 0xAA12)
    b = one([0x4179], {1: CELL}, {CELL: 0xAA12})  # MOV.B @SP+,R9: SP moves by 2
    assert (b.r(1), b.r(9)) == (CELL + 2, 0x12)


def test_autoincrement_happens_before_the_destination_address(one):
    """The guide's substitute for RLA @R5+ is ADD @R5+,-2(R5)."""
    b = one([0x59B9, 0xFFFE], {9: CELL}, {CELL: 0x21})
    assert (b.word(CELL), b.r(9)) == (0x42, CELL + 2)
    assert one([0x4939], {9: CELL}, {CELL: 0x21}).r(9) == 0x21  # MOV @R9+,R9: the value wins


def test_writes_clear_the_upper_bits_of_registers(one):
    assert one([0x4849], {8: 0xABCDE, 9: 0xFFFFF}).r(9) == 0xDE
    assert one([0x4809], {8: 0xABCDE, 9: 0xFFFFF}).r(9) == 0xBCDE
    assert one([0x08C9], {8: 0xABCDE, 9: 0}).r(9) == 0xABCDE


def test_cpuoff_stops_the_cpu(bare):
    b = bare([0xD032, 0x0018, 0x4319], at=CODE)  # BIS #GIE+CPUOFF,SR; MOV #1,R9
    assert b.m.run(max_cycles=1000) is sim.Stop.HALT
    assert b.m.pc == CODE + 4
    cycles = b.m.cycles
    assert b.m.run(max_cycles=1000) is sim.Stop.HALT
    assert b.m.cycles == cycles
    b.put(0xFF90 + 2 * 42, 0x5000)
    b.put(0x5000, 0xC0B1, 0x0010, 0x0000, 0x1300)  # BIC #CPUOFF,0(SP); RETI
    b.m.interrupt(42)
    b.m.run(until=CODE + 6)
    assert b.r(9) == 1


def test_interrupt_entry_saves_pc_and_sr_and_keeps_scg0(bare):
    b = bare([0x4303, 0x4303], at=0x12344)
    b.put(0xFF90 + 2 * 30, 0x5000)
    b.put(0x5000, 0x4303)
    b.r(2, GIE | SCG0 | C | V)
    b.m.interrupt(30)
    b.step()
    sp = b.r(1)
    assert (b.word(sp), b.word(sp + 2)) == (0x1000 | GIE | SCG0 | C | V, 0x2344)
    assert (b.r(2), b.m.pc) == (SCG0, 0x5002)


def test_interrupts_wait_for_gie_and_one_instruction_more(bare):
    b = bare([0x4319, 0xD232, 0x4329, 0x4339], at=CODE)  # MOV #1,R9; EINT; MOV #2,R9; MOV #-1,R9
    b.put(0xFF90 + 2 * 20, 0x5000)
    b.put(0x5000, 0x4303)
    b.m.interrupt(20)
    b.m.run(until=0x5000)
    assert b.r(9) == 2


def test_higher_vector_wins_and_nmi_ignores_gie(bare):
    b = bare([0x4303] * 4, at=CODE)
    for index in (20, 30, 54):
        b.put(0xFF90 + 2 * index, 0x5000 + 0x10 * index)
        b.put(0x5000 + 0x10 * index, 0x4303)
    b.m.interrupt(20)
    b.m.interrupt(30)
    b.m.interrupt(54)
    b.step()
    assert b.m.pc == 0x5000 + 0x10 * 54 + 2
    b.r(2, GIE)
    b.step()
    assert b.m.pc == 0x5000 + 0x10 * 30 + 2


def test_zero_carry_and_repetition(one):
    assert one([0x1940, 0x1009], {9: 2, 2: C}).r(9) == 1  # RRUX: carry treated as 0
    assert one([0x1943, 0x1009], {9: 0xF0F0, 2: C}).r(9) == 0x0F0F
    b = one([0x1941, 0x4809], {8: 5, 2: C})  # MOV does not touch the carry
    assert (b.r(9), b.r(2)) == (5, C)


def test_code_in_ram_may_be_rewritten(bare):
    b = bare([0x4319, 0x40B2, 0x4329, CODE, 0x3FFB], at=CODE)  # MOV #1,R9; MOV #4329h,&CODE; JMP CODE
    b.step(3)
    assert (b.r(9), b.m.pc) == (1, CODE)
    b.step()
    assert b.r(9) == 2

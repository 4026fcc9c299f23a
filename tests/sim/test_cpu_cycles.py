"""Cycles per instruction and addressing mode, typed from the family guide (SLAU445 tables 4-8, 4-9, 4-10, 4-17 to
4-19), not from the core. NWAITS = 0 and code in SRAM, so nothing but the table counts.
"""

from __future__ import annotations

import itertools

import pytest

VALUE = 2  # what every operand holds: as a PC it is even, as a step it stays in memory
CELL = 0x1D00
CODE = 0x1C40
OPS = dict(
    zip(
        ("MOV", "ADD", "ADDC", "SUBC", "SUB", "CMP", "DADD", "BIT", "BIC", "BIS", "XOR", "AND"),
        range(4, 16),
        strict=True,
    )
)

# name: (As, register, has a word)
SOURCES = {
    "Rn": (0, 8, False),
    "#1": (1, 3, False),
    "#8": (3, 2, False),
    "@Rn": (2, 9, False),
    "@Rn+": (3, 9, False),
    "#N": (3, 0, True),
    "x(Rn)": (1, 9, True),
    "EDE": (1, 0, True),
    "&EDE": (1, 2, True),
}
DESTINATIONS = {
    "Rm": (0, 10, False),
    "PC": (0, 0, False),
    "x(Rm)": (1, 11, True),
    "EDE": (1, 0, True),
    "&EDE": (1, 2, True),
}

# Table 4-10 by source: to register, to PC, to memory (MOV, BIT and CMP take one less there)
BASIC = {
    "Rn": (1, 3, 4), "#1": (1, 3, 4), "#8": (1, 3, 4), "@Rn": (2, 4, 5), "@Rn+": (2, 4, 5), "#N": (2, 3, 5),
    "x(Rn)": (3, 5, 6), "EDE": (3, 5, 6), "&EDE": (3, 5, 6),
}  # fmt: skip
# Table 4-19, .B and .W: to register, to PC, to memory (MOVX, BITX, CMPX one less)
EXTENDED = {
    "Rn": (2, 4, 5), "#1": (2, 4, 5), "#8": (2, 4, 5), "@Rn": (3, 5, 6), "@Rn+": (3, 5, 6), "#N": (3, 4, 6),
    "x(Rn)": (4, 6, 7), "EDE": (4, 6, 7), "&EDE": (4, 6, 7),
}  # fmt: skip
# Table 4-19, .A: memory two less for MOVX, BITX, CMPX; #N and indexed to PC one less for MOVX, ADDX, SUBX
EXTENDED_A = {
    "Rn": (2, 4, 7), "#1": (2, 4, 7), "#8": (2, 4, 7), "@Rn": (4, 6, 9), "@Rn+": (4, 6, 9), "#N": (3, 4, 8),
    "x(Rn)": (5, 7, 10), "EDE": (5, 7, 10), "&EDE": (5, 7, 10),
}  # fmt: skip


@pytest.fixture
def cell(bare):
    """Runs one instruction on fresh operands; returns (cycles, words fetched)."""

    def measure(words: list[int], carry: int = 0) -> tuple[int, int]:
        b = bare(words, at=CODE)
        b.put(CELL, VALUE, 0, VALUE, 0)
        for i in (8, 10):
            b.r(i, VALUE)
        for i in (9, 11):
            b.r(i, CELL)
        b.r(1, CELL)
        b.r(2, carry)
        cost = b.step()
        return cost.cycles, cost.fetch_ram

    return measure


def operand(kind: tuple[int, int, bool], at: int) -> list[int]:
    """The operand's word, when it has one, pointing at CELL."""
    mode, register, has_word = kind
    if not has_word:
        return []
    if mode == 3:
        return [VALUE]
    return [{0: CELL - at, 2: CELL}.get(register, 0) & 0xFFFF]


def encode(op: int, source: str, destination: str, byte: int, extension: int | None) -> list[int]:
    s, d = SOURCES[source], DESTINATIONS[destination]
    words = [] if extension is None else [extension]
    words.append(op << 12 | s[1] << 8 | d[0] << 7 | byte << 6 | s[0] << 4 | d[1])
    # an index relative to PC in an extension of 20 bits needs its sign in the extension word; CELL lies above
    words += operand(s, CODE + 2 * len(words))
    words += operand(d, CODE + 2 * len(words))
    return words


def column(destination: str) -> int:
    return {"Rm": 0, "PC": 1}.get(destination, 2)


@pytest.mark.parametrize("size", ["B", "W"])
def test_format_1(cell, size):
    for op, s, d in itertools.product(OPS, SOURCES, DESTINATIONS):
        if d == "PC" and (size == "B" or s == "#1"):
            continue
        expected = BASIC[s][column(d)] - (column(d) == 2 and op in ("MOV", "BIT", "CMP"))
        words = encode(OPS[op], s, d, size == "B", None)
        assert cell(words, op == "SUBC") == (expected, len(words)), f"{op}.{size} {s},{d}"


@pytest.mark.parametrize("size", ["B", "W", "A"])
def test_format_1_extended(cell, size):
    byte, extension = {"B": (1, 0x1840), "W": (0, 0x1840), "A": (1, 0x1800)}[size]
    for op, s, d in itertools.product(OPS, SOURCES, DESTINATIONS):
        if d == "PC" and (size == "B" or s == "#1"):
            continue
        if size == "A":
            expected = EXTENDED_A[s][column(d)]
            if column(d) == 2 and op in ("MOV", "BIT", "CMP"):
                expected -= 2
            if d == "PC" and op in ("MOV", "ADD", "SUB") and s in ("#N", "x(Rn)", "EDE", "&EDE"):
                expected -= 1
        else:
            expected = EXTENDED[s][column(d)] - (column(d) == 2 and op in ("MOV", "BIT", "CMP"))
        words = encode(OPS[op], s, d, byte, extension)
        assert cell(words, op == "SUBC") == (expected, len(words)), f"{op}X.{size} {s},{d}"


# Table 4-9: RRA/RRC/SWPB/SXT, PUSH, CALL
FORMAT_2 = {
    "Rn": (1, 3, 4), "@Rn": (3, 3, 4), "@Rn+": (3, 3, 4), "#N": (None, 3, 4), "x(Rn)": (4, 4, 5), "EDE": (4, 4, 5),
    "&EDE": (4, 4, 6),
}  # fmt: skip
# Table 4-18: RRAX/RRCX .W and .A, PUSHX .W and .A
FORMAT_2X = {
    "Rn": (2, 2, 4, 5), "@Rn": (4, 6, 4, 6), "@Rn+": (4, 6, 4, 6), "#N": (None, None, 4, 5), "x(Rn)": (5, 7, 5, 7),
    "EDE": (5, 7, 5, 7), "&EDE": (5, 7, 5, 7),
}  # fmt: skip


def single(base: int, source: str, extension: int | None = None) -> list[int]:
    mode, register, _ = SOURCES[source]
    words = ([] if extension is None else [extension]) + [base | mode << 4 | register]
    return words + operand(SOURCES[source], CODE + 2 * len(words))


@pytest.mark.parametrize("source", FORMAT_2)
def test_format_2(cell, source):
    shift, push, call = FORMAT_2[source]
    for base in (0x1000, 0x1040, 0x1080, 0x1100, 0x1140, 0x1180):
        if shift is not None:
            assert cell(single(base, source))[0] == shift, f"{base:#x} {source}"
    assert cell(single(0x1200, source))[0] == push
    assert cell(single(0x1240, source))[0] == push
    assert cell(single(0x1280, source))[0] == call


@pytest.mark.parametrize("source", FORMAT_2X)
def test_format_2_extended(cell, source):
    shift_w, shift_a, push_w, push_a = FORMAT_2X[source]
    for base, width, expected in (
        (0x1000, "W", shift_w), (0x1040, "B", shift_w), (0x1040, "A", shift_a), (0x1100, "W", shift_w),
        (0x1140, "A", shift_a), (0x1080, "W", shift_w), (0x1080, "swpb.A", shift_a), (0x1180, "swpb.A", shift_a),
        (0x1200, "W", push_w), (0x1240, "B", push_w), (0x1240, "A", push_a),
    ):  # fmt: skip
        if expected is not None:
            extension = 0x1800 if width.endswith("A") else 0x1840
            assert cell(single(base, source, extension))[0] == expected, f"{base:#x}.{width} {source}"


def test_pushx_indexed_by_sp_costs_one_more(cell):
    assert cell([0x1840, 0x1211, 0])[0] == 6
    assert cell([0x1800, 0x1251, 0])[0] == 8


@pytest.mark.parametrize(
    ("words", "cycles"),
    [
        ([0x1348], 5),  # CALLA Rn
        ([0x1369], 6),  # @Rn
        ([0x1379], 6),  # @Rn+
        ([0x1359, 0], 5),  # x(Rn)
        ([0x1351, 0], 6),  # x(SP)
        ([0x1380, CELL], 7),  # &EDE
        ([0x1390, CELL - CODE - 2], 7),  # EDE
        ([0x13B0, 0x5000], 5),  # #N
        ([0x1300], 5),  # RETI
        ([0x4130], 4),  # RET
        ([0x0110], 5),  # RETA
        ([0x08CA], 1),  # MOVA Rn,Rm
        ([0x0860, CELL], 4),  # MOVA Rn,&abs
        ([0x087B, 0], 4),  # MOVA Rn,x(Rm)
        ([0x090A], 3),  # MOVA @Rn,Rm
        ([0x091A], 3),  # MOVA @Rn+,Rm
        ([0x008A, 1], 2),  # MOVA #,Rm
        ([0x093A, 0], 4),  # MOVA x(Rn),Rm
        ([0x002A, CELL], 4),  # MOVA &abs,Rm
        ([0x08C0], 3),  # MOVA Rn,PC
        ([0x0900], 5),  # MOVA @Rn,PC
        ([0x0910], 5),  # MOVA @Rn+,PC
        ([0x0080, 0x5000], 3),  # MOVA #,PC
        ([0x0930, 0], 6),  # MOVA x(Rn),PC
        ([0x0020, CELL], 6),  # MOVA &abs,PC
        ([0x08EA], 1),  # ADDA Rn,Rm
        ([0x08FA], 1),  # SUBA
        ([0x08DA], 1),  # CMPA
        ([0x00AA, 1], 3),  # ADDA #,Rm
        ([0x00BA, 1], 3),  # SUBA
        ([0x009A, 1], 3),  # CMPA
        ([0x08E0], 3),  # ADDA Rn,PC
        ([0x00A0, 2], 3),  # ADDA #,PC
        ([0x3C00], 2),  # JMP
        ([0x2000], 2),  # JNE taken
        ([0x2400], 2),  # JEQ not taken
        ([0x1840, 0x413A], 3),  # POPX.W Rn = MOVX @SP+,Rn
        ([0x1800, 0x417A], 4),  # POPX.A Rn
        ([0x1840, 0x41BB, 0], 5),  # POPX.W x(Rn)
        ([0x1800, 0x41FB, 0], 7),  # POPX.A x(Rn)
        ([0x1847, 0x5A0A], 9),  # RPT #8 { RLAX.W: 1 + n
        ([0x184F, 0x110A], 17),  # RPT #16 { RRAX.W
    ],
)
def test_msp430x_and_flow(cell, words, cycles):
    assert cell(words) == (cycles, len(words))


def test_multiple_push_pop_and_rotate(cell):
    for n in range(1, 13):
        assert cell([0x1500 | n - 1 << 4 | 15])[0] == 2 + n  # PUSHM.W
        assert cell([0x1400 | n - 1 << 4 | 15])[0] == 2 + 2 * n  # PUSHM.A
    for n in range(1, 3):
        assert cell([0x1700 | n - 1 << 4 | 12])[0] == 2 + n
    assert cell([0x1600 | 0 << 4 | 12])[0] == 4
    for n, kind, size in itertools.product(range(1, 5), range(4), (4, 5)):
        assert cell([n - 1 << 10 | kind << 8 | size << 4 | 10])[0] == n


def test_repeat_count_in_register(bare):
    b = bare([0x18C8, 0x5A0A], at=CODE)  # RPT R8 { ADDX.W R10,R10 ; count is R8[3:0] + 1
    b.r(8, 0x23)
    b.r(10, 1)
    assert b.step().cycles == 1 + 4
    assert b.r(10) == 16


def test_interrupt_costs_six_and_reti_five(bare):
    b = bare([0xD232, 0x4303, 0x4303], at=CODE)  # EINT; NOP; NOP
    b.put(0xFF90 + 2 * 20, 0x5000)
    b.put(0x5000, 0x1300)
    b.m.interrupt(20)
    b.step(2)
    assert b.m.pc == CODE + 4
    cost = b.step(1)
    assert (b.m.pc, cost.cycles, cost.interrupts) == (CODE + 4, 11, 1)

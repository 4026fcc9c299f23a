"""DMA: transfers, timing measured on a board, registers, interrupt, refusals."""

from __future__ import annotations

import pytest

import sim

REQ, IE, IFG, EN, SRCBYTE, DSTBYTE = 1, 4, 8, 0x10, 0x40, 0x80
SRC_INC, DST_INC, SRC_DEC, DST_DEC = 0x300, 0xC00, 0x200, 0x800
SINGLE, BLOCK, BURST, REPEATED_SINGLE, REPEATED_BLOCK = 0x0000, 0x1000, 0x2000, 0x4000, 0x5000
SYNC = 3  # assumption "dma-sync"


def mova(value: int, register: int) -> list[int]:
    return [(value >> 16) << 8 | 0x80 | register, value & 0xFFFF]


def program(source: int, destination: int, size: int, control: int, channel: int = 0, tail=()) -> list[int]:
    """MOVA to the 20-bit address registers, MOV to size and control, then ``tail``."""
    base = 0x510 + 16 * channel
    return [
        *mova(source, 8), *mova(destination, 9),
        0x0860, base + 2, 0x0960, base + 6,  # MOVA R8,&DMAxSA; MOVA R9,&DMAxDA
        0x40B2, size, base + 10, 0x40B2, control, base, *tail,
    ]  # fmt: skip


def data(count: int) -> list[int]:
    return [(0x1234 + 77 * i) & 0xFFFF for i in range(count)]


@pytest.mark.parametrize(
    ("source", "destination", "per_word"),
    [(0x2C00, 0x3000, 2.0), (0x1D00, 0x2C00, 2.0), (0x8000, 0x2C00, 2.25), (0x20000, 0x2C00, 2.25),
     (0x1D00, 0x8000, 3.0), (0x8000, 0x30000, 3.25)],
)  # fmt: skip
def test_block_copy_and_its_time(bare, source, destination, per_word):
    """Cycles per word at NWAITS = 1 as measured on a board."""
    count = 64
    b = bare(program(source, destination, count, BLOCK | SRC_INC | DST_INC | EN | REQ, tail=[0x4303]), nwaits=1)
    b.put(source, *data(count))
    cost = b.go()
    assert [b.word(destination + 2 * i) for i in range(count)] == data(count)
    assert cost.dma_words == count
    assert cost.dma_cycles == per_word * count + SYNC
    assert sum(cost.events().values()) == cost.cycles


def test_modes_of_increment_and_width(bare):
    b = bare(program(0x1D00, 0x1E06, 4, BLOCK | SRC_INC | DST_DEC | EN | REQ, tail=[0x4303]))
    b.put(0x1D00, 1, 2, 3, 4)
    b.go()
    assert [b.word(0x1E00 + 2 * i) for i in range(4)] == [4, 3, 2, 1]
    b = bare(program(0x1D00, 0x1E00, 3, BLOCK | DST_INC | EN | REQ, tail=[0x4303]))  # fill
    b.put(0x1D00, 7)
    b.go()
    assert [b.word(0x1E00 + 2 * i) for i in range(3)] == [7, 7, 7]
    b = bare(program(0x1D00, 0x1E00, 3, BLOCK | SRC_INC | DST_INC | SRCBYTE | EN | REQ, tail=[0x4303]))
    b.put(0x1D00, 0x0201, 0x0403)
    b.go()
    assert [b.word(0x1E00 + 2 * i) for i in range(3)] == [1, 2, 3]
    b = bare(program(0x1D00, 0x1E01, 2, BLOCK | SRC_INC | DST_INC | SRCBYTE | DSTBYTE | EN | REQ, tail=[0x4303]))
    b.put(0x1D00, 0x0201)
    b.put(0x1E00, 0xFFFF, 0xFFFF)
    b.go()
    assert b.m.read(0x1E00, 4) == b"\xff\x01\x02\xff"


def test_single_transfers_take_one_request_each(bare):
    request = [0xD392, 0x510]  # BIS #1,&DMA0CTL
    b = bare(program(0x1D00, 0x1E00, 2, SINGLE | SRC_INC | DST_INC | EN, tail=request * 2 + [0x4219, 0x510]))
    b.put(0x1D00, 5, 6)
    b.put(0x1E00, 0, 0)
    b.go(until=b.end - 8)
    assert [b.word(0x1E00), b.word(0x1E02)] == [5, 0]
    b.go()
    assert [b.word(0x1E00), b.word(0x1E02)] == [5, 6]
    assert b.r(9) & (EN | IFG) == IFG  # done: disabled, flag set


def test_repeated_block_stays_enabled(bare):
    request = [0xD392, 0x510]
    tail = [*request, 0x4382, 0x1E00, *request, 0x4219, 0x510]
    b = bare(program(0x1D00, 0x1E00, 1, REPEATED_BLOCK | EN, tail=tail))
    b.put(0x1D00, 9)
    cost = b.go()
    assert (b.word(0x1E00), cost.dma_words, b.r(9) & EN) == (9, 2, EN)


def test_burst_lets_the_cpu_run_in_between(bare):
    nops = [0x4303] * 40
    b = bare(program(0x1D00, 0x1E00, 16, BURST | SRC_INC | DST_INC | EN | REQ, tail=nops))
    b.put(0x1D00, *data(16))
    cost = b.go()
    assert [b.word(0x1E00 + 2 * i) for i in range(16)] == data(16)
    assert cost.dma_cycles == 32 + SYNC
    half = bare(program(0x1D00, 0x1E00, 16, BURST | SRC_INC | DST_INC | EN | REQ, tail=nops))
    half.put(0x1D00, *data(16))
    half.go(until=half.end - 2 * 38)
    assert 0 < half.m.counters().dma_words < 16


def test_interrupt_and_vector_register(bare):
    control = BLOCK | EN | IE | REQ
    b = bare([0xD232, *program(0x1D00, 0x1E00, 1, control, channel=2, tail=[0x4303, 0x4303])])
    b.put(0x1D00, 1)
    b.put(0xFF90 + 2 * 42, 0x5000)
    b.put(0x5000, 0x4219, 0x50E, 0x421A, 0x50E, 0x1300)  # MOV &DMAIV,R9; MOV &DMAIV,R10; RETI
    cost = b.go()
    assert (b.r(9), b.r(10), cost.interrupts) == (6, 0, 1)


def test_wakes_the_cpu(bare):
    """Request, then sleep with GIE: the completion interrupt comes first or wakes; either way the program ends."""
    tail = [0xD032, 0x0018, 0x4303]
    b = bare(program(0x1D00, 0x1E00, 8, BURST | IE | EN | REQ, tail=tail))
    b.put(0x1D00, 1)
    b.put(0xFF90 + 2 * 42, 0x5000)
    b.put(0x5000, 0xC0B1, 0x0010, 0x0000, 0x4219, 0x50E, 0x1300)
    b.go()
    assert b.r(9) == 2


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([0x40B2, 11, 0x500, 0x40B2, EN, 0x510], "trigger 11"),
        ([0x40B2, 0x0030, 0x510], "level triggers"),
        ([0x40B2, 31, 0x500, 0x40B2, 0x4030, 0x510], "level triggers"),
        ([0x40B2, EN, 0x510, 0x40B2, 1, 0x500], "11.2.3"),
        ([0x40B2, BLOCK | EN | REQ, 0x510], "DMAxSZ = 0"),
    ],
)
def test_refusals(bare, words, text):
    with pytest.raises(sim.Unmodelled, match=text):
        bare(words).go()


def test_dma_reads_of_uninitialised_memory_are_faults(bare):
    b = bare(program(0x1D00, 0x1E00, 2, BLOCK | EN | REQ, tail=[0x4303]))
    with pytest.raises(sim.UninitialisedRead, match="DMA channel 0: read of 0x01D00"):
        b.go()


def test_dma_into_nothing_names_the_channel(bare):
    b = bare(program(0x1D00, 0x3C00, 2, BLOCK | EN | REQ, channel=3, tail=[0x4303]))
    b.put(0x1D00, 1)
    with pytest.raises(sim.BusFault, match="DMA channel 3: write of 0x03C00"):
        b.go()


def test_one_channel_after_the_other(bare):
    first = program(0x1D00, 0x1E00, 4, BLOCK | SRC_INC | DST_INC | EN | REQ, channel=1)
    second = program(0x1E00, 0x1F00, 4, BLOCK | SRC_INC | DST_INC | EN | REQ, channel=0, tail=[0x4303])
    b = bare([*first, *second])
    b.put(0x1D00, *data(4))
    cost = b.go()
    assert [b.word(0x1F00 + 2 * i) for i in range(4)] == data(4)
    assert cost.dma_cycles == 2 * (8 + SYNC)

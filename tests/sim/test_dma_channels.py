"""DMA: bursts, priorities, the pin DMAE0, flags as triggers, NMIs, missing channels."""

from __future__ import annotations

import struct

import pytest

import sim

from .test_dma import BLOCK, BURST, DST_INC, EN, IFG, REQ, SINGLE, SRC_INC, SYNC, data, program

REPEATED_BURST, LEVEL, ABORT = 0x6000, 0x20, 2
NOP = [0x4303]
PIN = [0x40B2, 1, 0x20C, 0x4382, 0x130]  # P1SEL1 = 1, LOCKLPM5 = 0: P1.0 is DMAE0


def select(channel: int, number: int) -> list[int]:
    return [0x40B2, number << 8 * (channel & 1), 0x500 + channel // 2 * 2]


def copies(bare, words: list[int], **options):
    b = bare(words, **options)
    for k in range(6):
        b.put(0x1D00 + 0x20 * k, *data(16))
        b.put(0x1E00 + 0x20 * k, *[0] * 16)
    return b


def copied(b, channel: int = 0) -> int:
    """Words of this channel's copy that have arrived."""
    words = [b.word(0x1E00 + 0x20 * channel + 2 * i) for i in range(16)]
    return next((i for i, v in enumerate(words) if v != data(16)[i]), 16)


def test_repeated_burst_gives_the_cpu_a_fifth_until_it_is_stopped(bare):
    setup = program(0x1D00, 0x1E00, 8, REPEATED_BURST | SRC_INC | DST_INC | EN | REQ)
    b = copies(bare, [*setup, *NOP * 400, 0x4382, 0x510, *NOP * 20])
    b.go(until=b.end - 2 * 22)
    at = b.m.counters()
    assert copied(b) == 8
    assert at.dma_words > 8 * 90
    share = 400 / (400 + at.dma_cycles)
    assert share == pytest.approx(2 / (2 + 8 + SYNC / 2), abs=0.01)  # synchronised once per block of two bursts
    b.go()
    done = b.m.counters().dma_words
    b.put(b.end, *NOP * 20)
    b.go(until=b.end + 20)
    assert b.m.counters().dma_words == done


def test_a_burst_is_not_interrupted_by_a_higher_channel(bare):
    """Channel 0 is requested in the middle of channel 1's burst and waits until the block is done."""
    low = program(0x1D20, 0x1E20, 16, BURST | SRC_INC | DST_INC | EN | REQ, channel=1)
    high = program(0x1D00, 0x1E00, 4, BLOCK | SRC_INC | DST_INC | EN)
    b = copies(bare, [*high, *low, 0xD392, 0x510, *NOP * 12])
    b.m.watch(0x1E00)
    b.m.watch(0x1E3E)
    b.go()
    assert (copied(b, 1), copied(b, 0)) == (16, 4)
    assert [e.address for e in b.m.watch_log()] == [0x1E3E, 0x1E00]


@pytest.mark.parametrize(("round_robin", "order"), [(0, [0, 1, 2, 0]), (2, [2, 0, 1, 2])])
def test_priorities(bare, round_robin, order):
    """Channel 1 has just moved a word; then requests of 0 and 1 and 2 arrive together from Timer_A0."""
    words = [0x40B2, round_robin, 0x508, *select(0, 1), 0x40B2, 0x0101, 0x500, *select(2, 1)]
    for channel in (0, 1, 2):
        words += program(0x1D00 + 0x20 * channel, 0x1E00 + 0x20 * channel, 2, SINGLE | SRC_INC | DST_INC | EN, channel)
    words += [0xD392, 0x520, *NOP * 4]  # DMAREQ of channel 1
    words += [0x40B2, 40, 0x352, 0x40B2, 0x0214, 0x340, *NOP * 60]  # TA0CCR0 = 40; SMCLK, up, clear
    b = copies(bare, words)
    for channel in (0, 1, 2):
        b.m.watch(0x1E00 + 0x20 * channel)
        b.m.watch(0x1E02 + 0x20 * channel)
    b.go()
    log = [(e.address - 0x1E00) // 0x20 for e in b.m.watch_log()]
    assert log[0] == 1
    assert log[1:4] == order[:3]


def test_flags_trigger_the_next_channel_in_a_ring_of_three(bare):
    """Trigger 30: DMA0IFG starts channel 1, DMA1IFG 2, DMA2IFG 0; a flag that is set already starts nothing."""
    words = [0x40B2, 0x1E00, 0x500, *select(2, 30)]
    for channel in (0, 1, 2):
        control = BLOCK | SRC_INC | DST_INC | EN | (REQ if channel == 0 else 0)
        if channel:
            words += program(0x1D00 + 0x20 * channel, 0x1E00 + 0x20 * channel, 4, control, channel)
    words += program(0x1D00, 0x1E00, 4, BLOCK | SRC_INC | DST_INC | EN | REQ)
    b = copies(bare, [*words, *NOP * 3, 0x4218, 0x510, 0x4219, 0x520, 0x421A, 0x530])
    b.go()
    assert [copied(b, k) for k in (0, 1, 2)] == [4, 4, 4]
    assert all(b.r(r) & (IFG | EN) == IFG for r in (8, 9, 10))
    idle = copies(bare, [*select(1, 30), *program(0x1D20, 0x1E20, 4, BLOCK | SRC_INC | DST_INC | EN, 1),
                         0x40B2, IFG, 0x510, *NOP * 3, 0x40B2, IFG, 0x510, *NOP * 3])  # fmt: skip
    idle.go()
    assert copied(idle, 1) == 4
    assert idle.m.counters().dma_words == 4


def test_a_channel_that_requests_itself_for_ever_can_be_stopped(bare):
    """Repeated single transfers into the channel's own DMAxCTL, with DMAREQ: the CPU never gets the bus again."""
    b = bare([*program(0x1D00, 0x510, 1, 0x4000 | EN | REQ), *NOP])
    b.put(0x1D00, 0x4000 | EN | REQ)
    assert b.m.run(until=b.end, max_cycles=5000) is sim.Stop.CYCLES
    assert b.m.counters().dma_words > 900


def test_edge_of_the_pin(bare):
    setup = [*PIN, *select(0, 31), *program(0x1D00, 0x1E00, 4, SINGLE | SRC_INC | DST_INC | EN)]
    b = copies(bare, [*setup, *NOP * 20])
    b.m.set_pin("P1.0", 1)  # before the channel is enabled: no edge
    b.go(until=b.end - 2 * 16)
    assert copied(b) == 0
    b.m.set_pin("P1.0", 0)
    b.m.set_pin("P1.0", 1)
    b.go(until=b.end - 2 * 8)
    assert copied(b) == 1
    b.go()
    assert copied(b) == 1


@pytest.mark.parametrize("mode", [SINGLE, BLOCK, BURST])
def test_level_of_the_pin(bare, mode):
    """Transfers run while DMAE0 is high; a burst that the level holds goes on where it stopped."""
    setup = [*PIN, *select(0, 31), *program(0x1D00, 0x1E00, 16, mode | LEVEL | SRC_INC | DST_INC | EN)]
    b = copies(bare, [*setup, *NOP * 60])
    b.m.set_pin("P1.0", 0)
    b.go(until=b.end - 2 * 50)
    assert copied(b) == 0
    b.m.set_pin("P1.0", 1)
    b.go(until=b.end - 2 * 49)
    if mode == BURST:
        b.m.set_pin("P1.0", 0)
        b.go(until=b.end - 2 * 30)
        part = copied(b)
        assert 4 <= part < 16
        b.go(until=b.end - 2 * 20)
        assert copied(b) == part
        b.m.set_pin("P1.0", 1)
    b.go()
    assert copied(b) == 16


def test_a_pin_that_is_not_selected_triggers_nothing(bare):
    setup = [0x4382, 0x130, *select(0, 31), *program(0x1D00, 0x1E00, 4, SINGLE | EN | LEVEL)]
    b = copies(bare, [*setup, *NOP * 8])
    b.m.set_pin("P1.0", 1)
    b.go()
    assert b.m.counters().dma_words == 0


@pytest.mark.parametrize("ennmi", [0, 1])
def test_nmi_in_the_middle_of_a_block(bare, ennmi):
    """The third word sets OFIFG, an NMI. With ENNMI the block stops there until the routine clears DMAABORT."""
    block = program(0x1D00, 0x102, 8, BLOCK | SRC_INC | EN)
    b = bare([0x4382, 0x102, 0x43A2, 0x100, 0x40B2, ennmi, 0x508, *block, 0xD392, 0x510, *NOP * 4])
    b.put(0x1D00, 0, 0, 2, 0, 0, 0, 0, 0)
    b.put(0xFF90 + 2 * 53, 0x5000)
    # SYSUNIV to R8, DMA0CTL to R9, DMA0SZ to R10, clear DMAABORT, set DMAREQ
    b.put(0x5000, 0x4218, 0x19A, 0x4219, 0x510, 0x421A, 0x51A, 0xC3A2, 0x510, 0xD392, 0x510, 0x1300)
    b.go()
    assert b.m.counters().dma_words == 8
    assert b.m.counters().interrupts == 1
    if ennmi:
        assert (b.r(9) & (ABORT | EN), b.r(10)) == (ABORT | EN, 5)
    else:
        assert b.r(9) & (ABORT | EN | IFG) == IFG


def on(device: str, *words: int) -> None:
    m = sim.Machine(device)
    m.write(0x5000, struct.pack(f"<{len(words)}H", *words))
    m.pc = 0x5000
    m.run(max_cycles=20)


@pytest.mark.parametrize("device", ["msp430fr5969", "msp430fr6989"])
def test_siblings_have_three_channels(device):
    on(device, 0x4219, 0x530, 0x3FFF)
    with pytest.raises(sim.BusFault, match="this device has no DMA channels 3-5"):
        on(device, 0x4219, 0x540)
    with pytest.raises(sim.BusFault, match="trigger 27: this device has no LEA"):
        on(device, *select(0, 27), 0x40B2, EN, 0x510)
    with pytest.raises(sim.BusFault, match=r"trigger 9: this device has no Timer_A4"):
        on(device, *select(0, 9), 0x40B2, EN, 0x510)

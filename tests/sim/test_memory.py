"""FRAM cache and wait states against measurements, counters, clocks, and every memory fault with its message."""

from __future__ import annotations

import random

import pytest

import sim

RAM, FRAM = 0x1C00, 0x4400


def pairs(count: int) -> list[int]:
    """MOV &a,R9; MOV R9,&b: 8 bytes and 6 cycles, RAM operands."""
    return [0x4219, RAM, 0x4982, RAM + 2] * count


@pytest.mark.parametrize("count", [15, 50, 95])
def test_unrolled_copy_costs_seven_cycles_a_pair(bare, count):
    """Measured on a board at NWAITS = 1: 7.001 cycles per pair."""
    b = bare(pairs(count), nwaits=1)
    b.put(RAM, 1)
    cost = b.go()
    assert cost.cycles == 7 * count
    assert (cost.wait_cycles, cost.fetch_miss) == (count, count)
    free = bare(pairs(count))
    free.put(RAM, 1)
    assert free.go().cycles == 6 * count


def test_loop_within_the_cache_runs_without_stalls(bare):
    """32 bytes: ten MOV &a,Rn are too many, fourteen words fit."""
    body = [0x4219, RAM] * 5 + [0x831A, 0x23F4]  # 5 x MOV &a,R9; DEC R10; JNE back
    b = bare(body, nwaits=1)
    b.put(RAM, 1)
    b.r(10, 100)
    cost = b.go()
    assert cost.wait_cycles == cost.fetch_miss == 3  # 24 bytes, once
    assert cost.cycles == 100 * (5 * 3 + 1 + 2) + 3
    body = [0x4219, RAM] * 10 + [0x831A, 0x23EA]
    b = bare(body, nwaits=1)
    b.put(RAM, 1)
    b.r(10, 100)
    assert b.go().wait_cycles > 300  # outgrows the cache: LRU thrashes


class Cache:
    """Two sets by address bit 3, two ways, LRU, write-around: written from the description, not from the core."""

    def __init__(self) -> None:
        self.sets: tuple[list[int], list[int]] = ([], [])

    def read(self, address: int) -> bool:
        ways, line = self.sets[address >> 3 & 1], address >> 3
        hit = line in ways
        if hit:
            ways.remove(line)
        ways.append(line)
        del ways[:-2]
        return hit

    def write(self, address: int) -> None:
        ways, line = self.sets[address >> 3 & 1], address >> 3
        if line in ways:
            ways.remove(line)


def test_data_accesses_share_the_cache(bare):
    """Random FRAM reads and writes from code in RAM, against a model of the cache."""
    r = random.Random(3)
    lines = [0x5000 + 8 * i for i in range(10)]
    words, model, misses, reads, writes = [], Cache(), 0, 0, 0
    for _ in range(400):
        a = r.choice(lines) + 2 * r.randrange(4)
        if r.random() < 0.75:
            words += [0x4219, a]  # MOV &a,R9
            reads += 1
            misses += not model.read(a)
        else:
            words += [0x4982, a]
            writes += 1
            model.write(a)
    b = bare(words, at=RAM + 0x100, nwaits=2)
    cost = b.go()
    assert (cost.read_miss, cost.read_hit, cost.fram_write) == (misses, reads - misses, writes)
    assert cost.wait_cycles == 2 * (misses + writes)


def test_every_cycle_is_one_event(bare):
    b = bare(pairs(20), nwaits=1)
    b.put(RAM, 1)
    b.go()
    c = b.m.counters()
    assert sum(c.events().values()) == c.cycles


def test_word_and_byte_accesses_are_counted_by_memory(bare):
    b = bare([0x4219, 0x1C00, 0x4982, 0x2C00, 0x4219, 0x2C00, 0x4982, 0x4800, 0x49C2, 0x1C00, 0x4219, 0x0140])
    b.put(RAM, 1)
    c = b.go()
    assert (c.sram_read, c.lea_ram_write, c.lea_ram_read, c.fram_write, c.sram_write, c.peripheral_read) == (
        1, 1, 1, 1, 1, 1,
    )  # fmt: skip


def test_clock_changes_and_time(bare):
    b = bare(
        [0x40F2, 0x00A5, 0x0161, 0x40B2, 0x0048, 0x0162, 0x4382, 0x0166, *[0x4303] * 160], nwaits=1
    )  # CSCTL0_H = A5h; CSCTL1 = 16 MHz; CSCTL3 = 0; NOPs
    assert b.m.mclk_hz == 1_000_000
    b.step(2)
    assert b.m.mclk_hz == 2_000_000
    b.step()
    assert b.m.mclk_hz == 16_000_000
    t, c = b.m.time_s, b.m.cycles
    b.go()
    assert b.m.time_s - t == pytest.approx((b.m.cycles - c) / 16e6)


MOV_ABS_R9 = 0x4219
FAULTS = [
    # words, error, kind, part of the message
    ([MOV_ABS_R9, 0x1B00], sim.BusFault, "vacant", "0x01B00, where the device has no memory"),
    ([MOV_ABS_R9, 0x3C00], sim.BusFault, "vacant", "read of 0x03C00"),
    ([0x4982, 0x3E00], sim.BusFault, "vacant", "write of 0x03E00"),
    ([MOV_ABS_R9, 0x4801], sim.BusFault, "misaligned", "16-bit read at odd address 0x04801"),
    ([0x4982, 0x1C01], sim.BusFault, "misaligned", "16-bit write at odd address 0x01C01"),
    ([0x4982, 0xFF80], sim.BusFault, "signature", "can lock the device"),
    ([MOV_ABS_R9, 0x1C00], sim.UninitialisedRead, "uninitialised", "allow_uninitialised=True"),
    ([MOV_ABS_R9, 0x1004], sim.Unmodelled, "unmodelled", "boot code"),
    ([0x4982, 0x1A04], sim.BusFault, "read-only", "device descriptors"),
    ([MOV_ABS_R9, 0x0AA0], sim.Unmodelled, "unmodelled", "LEA"),
    ([MOV_ABS_R9, 0x09C0], sim.Unmodelled, "unmodelled", "AES256"),
    ([MOV_ABS_R9, 0x0000], sim.BusFault, "vacant", "0x00000"),
    ([0x4030, 0x0200], sim.BusFault, "fetch", "peripheral space"),
    ([0x4030, 0x4401], sim.BusFault, "misaligned", "not even"),
    ([0x0480, 0x5000], sim.BusFault, "fetch", "0x45000, which is not executable memory"),  # MOVA #45000h,PC
    ([0x1380, 0x4800], sim.BusFault, "misaligned", "not even"),
    ([0x12C9], sim.IllegalInstruction, "illegal", "no byte form"),
    ([0x13F0], sim.IllegalInstruction, "illegal", "reserved"),
    ([0x1840, 0x3C00], sim.IllegalInstruction, "illegal", "takes no extension word"),
    ([0x40B2, 0x0010, 0x0140], sim.PasswordViolation, "password", "0xA5nn"),
    ([0x40B2, 0x0000, 0x0160], sim.PasswordViolation, "password", "CSCTL0"),
    ([0x40B2, 0x0080, 0x015C], sim.PasswordViolation, "password", "WDTCTL"),
    ([0x40B2, 0x0048, 0x0162], sim.PasswordViolation, "password", "CS is locked"),
    (
        [0x40F2, 0x00A5, 0x0161, 0x40B2, 0x0048, 0x0162, 0x4382, 0x0166],
        sim.ClockViolation,
        "clock",
        "NWAITS = 0",
    ),
    ([0x40B2, 0x0001, 0x033A], sim.Unmodelled, "unmodelled", "port J has no interrupts"),
    ([0x40B2, 0xA511, 0x0140], sim.Unmodelled, "unmodelled", "WPROT"),
]


@pytest.mark.parametrize(("words", "error", "kind", "text"), FAULTS, ids=range(len(FAULTS)))
def test_faults_name_place_and_remedy(bare, words, error, kind, text):
    b = bare([*words, *[0x4303] * 4])
    with pytest.raises(error) as e:
        b.m.run(until=b.end, max_cycles=200)
    fault = e.value
    assert fault.kind == kind
    assert text in str(fault)
    assert f"cycle {fault.cycles}" in str(fault)
    assert isinstance(fault, sim.SimError)


def test_uninitialised_memory_is_random_and_may_be_allowed(bare):
    b = bare([MOV_ABS_R9, RAM], allow_uninitialised=True)
    assert b.go().sram_read == 1
    assert any("allow-uninitialised" in a for a in b.m.assumptions)
    one, two, other = (sim.Machine(seed=s).read(RAM, 64) for s in (1, 1, 2))
    assert one == two != other


def test_power_loss_forgets_ram_and_keeps_fram(bare):
    b = bare([0x4303])
    b.put(RAM, 0x1234)
    b.put(0x5000, 0x5678)
    b.put(0xFFFE, FRAM)
    before = b.m.read(RAM, 64)
    b.m.reset(power_on=False)
    assert b.m.read(RAM, 64) == before
    b.m.reset()
    after = b.m.read(RAM, 64)
    assert after != before
    assert b.word(0x5000) == 0x5678
    b.m.reset()
    assert b.m.read(RAM, 64) != after  # never what it was
    assert b.m.pc == FRAM


def test_watchdog_that_is_not_held_is_a_fault():
    m = sim.Machine()
    m.write(0x5000, b"\xff\x3f")  # JMP $
    m.pc = 0x5000
    with pytest.raises(sim.Unmodelled, match="watchdog"):
        m.run(max_cycles=100_000)
    assert 32_000 < m.cycles < 33_000


@pytest.mark.parametrize("seed", range(40))
def test_random_bytes_as_program_never_crash(seed):
    r = random.Random(seed)
    m = sim.Machine(seed=seed, allow_uninitialised=bool(seed & 1))
    m.write(0x4000, r.randbytes(0xBF80))
    m.write(0x10000, r.randbytes(0x4000))
    m.write(0xFF90, r.randbytes(0x70))
    for _ in range(50):
        m.pc = r.randrange(0x4000, 0x14000) & ~1
        for i in range(1, 16):
            m.set_register(i, r.choice((r.randrange(1 << 20), 0x1C00 + r.randrange(0x1000))))
        try:
            m.interrupt(r.randrange(55))
            m.run(max_cycles=2000)
        except sim.MachineFault as e:
            assert "cycle" in str(e)  # noqa: PT017


def test_tiny_ram_is_memory(bare):
    b = bare([0x4982, 0x000A, 0x421A, 0x000A, 0x421B, 0x001E])
    b.r(9, 0x1234)
    with pytest.raises(sim.UninitialisedRead, match="0x0001E"):
        b.go()
    assert b.r(10) == 0x1234
    b.m.write(0x1E, b"ab")
    assert b.m.read(0x0A, 2) == b"\x34\x12"
    with pytest.raises(sim.BadAddress):
        b.m.read(0x04, 2)

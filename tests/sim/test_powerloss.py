"""Power loss: exact stops, what survives, schedules and their ids, and a tester that catches broken firmware."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sim
from sim import powerloss as pl

# Sums 12 words into FRAM, restartable at every step: the sum goes to the buffer that the committed step does not
# use, then one word commits. `{data}` and `{commit}` are swapped in the broken variant.
SUMS = """
    .globl _start, done, step, sums, shown
    .type _start,@function
_start:
    mov #0x2c00, r1
    mov #0x5a80, &0x015c
next:
    mov &step, r10
    cmp #12, r10
    jeq publish
    mov r10, r11
    and #1, r11
    rla r11
    mov sums(r11), r12
    mov r10, r13
    rla r13
    add table(r13), r12
    xor #2, r11
    inc r10
    call #save
    jmp next
publish:
    mov &sums, &shown
    mov &sums, &shown+2
    .globl done
done: jmp done
    .size _start, .-_start
    .type save,@function
save:
    {first}
    {second}
    ret
    .size save, .-save

    .section .nvm,"aw",@progbits
    .type step,@object
step: .word 0
    .size step, 2
    .type sums,@object
sums: .word 0, 0
    .size sums, 4
    .type shown,@object
shown: .word 0, 0
    .size shown, 4
table: .word 1, 20, 300, 4000, 5, 60, 700, 8000, 9, 10, 1100, 12
"""
REMEMBERS = """
_start:
    mov #0x5a80, &0x15c
    tst &flag
    jnz old
    mov #1, &0x1c10
    inc &flag
done: jmp done
old: mov &0x1c10, r5
    jmp done
    .section .nvm,"aw",@progbits
flag: .word 0
"""
DATA, COMMIT = "mov r12, sums(r11)", "mov r10, &step"


def program(assemble, first: str = DATA, second: str = COMMIT, **options) -> pl.Program:
    m = sim.Machine(seed=7)
    m.load(assemble(SUMS.format(first=first, second=second)))
    return pl.Program(m, "done", max_cycles=20_000, **options)


def result(m: sim.Machine) -> bytes:
    return m.read("shown")


# --- exact stops


def test_instruction_limit_is_exact(assemble):
    p = program(assemble)
    for n in (1, 2, 3, 17, 100):
        m = p.machine.fork()
        assert m.run(max_instructions=n) is sim.Stop.INSTRUCTIONS
        assert m.instructions == n
        single = p.machine.fork()
        for _ in range(n):
            single.run(max_cycles=0)
        assert (single.pc, single.counters()) == (m.pc, m.counters())
    assert m.run("done", max_instructions=10_000) is sim.Stop.UNTIL


def test_write_limit_cuts_inside_the_instruction(bare):
    b = bare([0x0060 | 4 << 8, 0x5000, 0x4303])  # MOVA R4, &05000h writes two words
    b.r(4, 0xABCDE)
    b.put(0x5000, 0x1111, 0x2222)
    assert b.m.run(max_nvm_writes=1) is sim.Stop.NVM_WRITES
    assert (b.word(0x5000), b.word(0x5002)) == (0xBCDE, 0x2222)
    with pytest.raises(sim.PowerLost, match="power_cycle"):
        b.m.run()
    other = b.m.fork()
    with pytest.raises(sim.PowerLost):
        other.run()
    b.m.power_cycle()
    assert b.word(0x5000) == 0xBCDE
    whole = bare([0x0060 | 4 << 8, 0x5000, 0x4303])
    whole.r(4, 0xABCDE)
    whole.put(0x5000, 0x1111, 0x2222)
    assert whole.m.run(max_nvm_writes=1, tear=False) is sim.Stop.NVM_WRITES
    assert (whole.word(0x5000), whole.word(0x5002)) == (0xBCDE, 0xA)
    assert whole.m.run(max_instructions=1) is sim.Stop.INSTRUCTIONS


def test_write_limit_cuts_inside_a_dma_block(bare):
    words = [0x40B2, 0x2000, 0x0512 + 0, 0x40B2, 0x5000, 0x0516, 0x40B2, 6, 0x051A, 0x40B2, 0x1F11, 0x0510, 0x4303]
    b = bare(words)
    b.put(0x2000, *range(1, 7))
    b.put(0x5000, *([0] * 6))
    assert b.m.run(max_nvm_writes=4) is sim.Stop.NVM_WRITES
    assert [b.word(0x5000 + 2 * i) for i in range(6)] == [1, 2, 3, 4, 0, 0]


def test_write_limit_in_code_pages_and_on_bytes(bare):
    b = bare([0x43D2, 0x5000, 0x43D2, 0x4480, 0x4303])  # MOV.B #1 to a data page and to a page that holds code
    assert b.m.run(max_nvm_writes=2) is sim.Stop.NVM_WRITES
    assert b.m.read(0x5000, 1) == b"\x01"
    assert b.m.read(0x4480, 1) == b"\x01"
    assert b.m.nvm_writes == b.m.counters().fram_write == 2


def test_limits_are_checked(bare):
    m = bare([0x4303]).m
    with pytest.raises(ValueError, match="max_nvm_writes must not be < 1"):
        m.run(max_nvm_writes=0)
    with pytest.raises(ValueError, match="max_instructions"):
        m.run(max_instructions=0)
    with pytest.raises(ValueError, match="off_s"):
        m.power_cycle(-1)


# --- what a power cycle leaves


def test_power_cycle_loses_what_is_volatile(assemble):
    p = program(assemble)
    m = p.machine.fork()
    m.run("publish")
    fram, registers, ram = m.read(0x4000, 0x3F000), m.registers, m.read(0x1C00, 0x2000)
    before, cycles, time_s = m.nvm_writes, m.cycles, m.time_s
    m.power_cycle(off_s=2.5)
    assert m.read(0x4000, 0x3F000) == fram
    assert (m.nvm_writes, m.cycles) == (before, cycles)
    assert m.time_s == pytest.approx(time_s + 2.5)
    assert m.registers[4:] != registers[4:]
    changed = sum(a != b for a, b in zip(m.read(0x1C00, 0x2000), ram, strict=True))
    assert 0.98 < changed / 0x2000 <= 1.0  # random bytes: 255 of 256 differ
    ones = sum(byte.bit_count() for byte in m.read(0x1C00, 0x2000))
    assert 0.48 < ones / (8 * 0x2000) < 0.52
    twin = p.machine.fork()
    twin.run("publish")
    twin.power_cycle()
    assert twin.read(0x1C00, 0x2000) == m.read(0x1C00, 0x2000)
    twin.power_cycle()
    assert twin.read(0x1C00, 0x2000) != m.read(0x1C00, 0x2000)


def test_volatile_data_is_uninitialised_after_a_power_cycle(assemble):
    m = sim.Machine()
    m.load(assemble(REMEMBERS))
    assert m.run("done", 1000) is sim.Stop.UNTIL
    m.power_cycle()
    with pytest.raises(sim.UninitialisedRead, match="0x01C10"):
        m.run("done", 1000)


# --- breakpoints


def test_breakpoints_stop_at_each_arrival(assemble):
    p = program(assemble)
    m = p.machine.fork()
    m.breakpoints = ["save", "publish"]
    stops = 0
    while m.run("done", 20_000) is sim.Stop.BREAKPOINT:
        stops += 1
        assert m.pc in m.breakpoints
    assert stops == 13
    plain = p.finish(p.machine.fork())
    assert (plain.counters(), plain.registers) == (m.counters(), m.registers)
    m = p.machine.fork()
    m.breakpoints = [m.symbols["_start"].address, m.symbols["_start"].address + 4]
    assert m.run() is sim.Stop.BREAKPOINT  # it starts at the first one
    assert m.instructions == 1
    twin = m.fork()
    assert twin.breakpoints == m.breakpoints
    m.breakpoints = []
    assert m.run("done") is sim.Stop.UNTIL
    with pytest.raises(sim.BadAddress):
        m.breakpoints = [0x4001]


def test_stop_at_watch(assemble):
    m = program(assemble).machine.fork()
    m.watch("step")
    for n in range(1, 13):
        assert m.run(stop_at_watch=True) is sim.Stop.WATCH
        event = m.watch_log(clear=n % 2 == 0)[-1]
        assert event.value == n
        assert event.time_s == pytest.approx(m.time_s)
    m.unwatch("step")
    m.write("step", bytes(2))
    assert m.run("done", stop_at_watch=True) is sim.Stop.UNTIL


# --- schedules


@pytest.mark.parametrize("unit", ["write", "nvm", "instruction", "cycle"])
@pytest.mark.parametrize("name", ["linear", "log", "random"])
def test_sound_firmware_survives(assemble, name, unit):
    p = program(assemble)
    schedule = {"linear": pl.linear(unit), "log": pl.log(unit), "random": pl.random(3, 40, unit)}[name]
    verdict = pl.verify(p, schedule, final=result)
    assert verdict.ok, verdict
    expected = {"linear": p.total(unit), "log": p.total(unit).bit_length(), "random": 40}[name]
    assert (
        abs(verdict.cases - expected) <= {"write": 0, "nvm": 0, "instruction": 1, "cycle": 6}[unit]
    )  # its end is the end


def test_exhaustive_covers_recovery(assemble):
    p = program(assemble)
    total = p.total("write")
    cases = [o.case.points for o in pl.explore(p, pl.exhaustive(2))]
    assert len(set(cases)) == len(cases) > total * total / 3
    assert {c for c in cases if len(c) == 1} == {(k,) for k in range(1, total + 1)}
    assert pl.verify(p, pl.exhaustive(2), final=result).ok


def test_none_and_at(assemble):
    p = program(assemble)
    assert [o.case.id for o in pl.explore(p, pl.none())] == ["none"]
    assert [o.case.id for o in pl.explore(p, pl.at([17, 4]))] == ["at:write@17,4"]
    m = pl.replay(p, "at:write@17,4")
    assert result(m) == result(pl.replay(p, "none"))


def test_committing_before_the_data_is_caught(assemble):
    """Test the tester: each schedule that can see the mistake names it, and the id replays it."""
    p = program(assemble, COMMIT, DATA)
    assert pl.verify(p, pl.none(), final=result).ok
    good = result(pl.replay(p, "none"))
    verdict = pl.verify(p, pl.linear(), final=result)
    assert len(verdict.failures) == 12  # once for every step
    assert verdict.failures[0][0] == "linear:write@1"
    assert "linear:write@1: " in str(verdict)
    for case, _ in verdict.failures:
        assert result(pl.replay(p, case)) != good
    assert not pl.verify(p, pl.log(), pl.random(1, 50), pl.exhaustive(1), final=result).ok
    assert not pl.verify(p, pl.linear("instruction"), final=result).ok
    assert not pl.verify(p, pl.linear("cycle"), final=result).ok
    assert len(pl.verify(p, pl.linear(), final=result, limit=3).failures) == 3


def test_firmware_without_progress_is_reported(assemble):
    source = SUMS.format(first=DATA, second=COMMIT).replace("next:", " mov &shown+2, r9\n tst r9\n1: jnz 1b\nnext:")
    source = source.replace("mov &sums, &shown\n", "mov &sums, &shown+2\n")
    m = sim.Machine()
    m.load(assemble(source))
    p = pl.Program(m, "done", max_cycles=5000)
    outcomes = list(pl.explore(p, pl.linear()))
    stuck = [o for o in outcomes if isinstance(o.error, pl.NoProgress)]
    assert stuck
    assert "was not reached within 5,000 cycles" in str(stuck[0].error)
    with pytest.raises(pl.NoProgress):
        pl.replay(p, stuck[0].case)


def test_every_outcome_equals_its_replay(assemble):
    """Sharing prefixes by forks must not change a run."""
    p = program(assemble, off_s=0.25)
    for schedule in (
        pl.linear(),
        pl.linear("instruction", step=7),
        pl.linear("cycle", first=5, step=31),
        pl.exhaustive(2),
        *(pl.random(4, 20, unit) for unit in ("write", "nvm", "instruction", "cycle")),
    ):
        for outcome in list(pl.explore(p, schedule))[:60]:
            again = pl.replay(p, outcome.case.id)
            assert outcome.machine is not None
            assert (again.counters(), again.registers) == (outcome.machine.counters(), outcome.machine.registers)
            assert again.time_s == outcome.machine.time_s
            assert again.read(0x1C00, 0x2000) == outcome.machine.read(0x1C00, 0x2000)


def test_the_world_acts_at_boot(assemble):
    seen = []
    p = program(assemble, at_boot=lambda m: seen.append(m.time_s))
    pl.replay(p, "at:write@3,3,3")
    assert len(seen) == 3
    assert seen == sorted(seen)


@given(
    st.sampled_from(["linear", "at", "random", "exhaustive", "log"]),
    st.sampled_from(pl.UNITS),
    st.lists(st.integers(1, 10**9), min_size=1, max_size=4),
)
@settings(max_examples=50)
def test_ids_round_trip(name, unit, points):
    case = pl.Case(name, unit, tuple(points))
    assert pl.Case.parse(case.id) == case


@pytest.mark.parametrize("text", ["", "linear", "linear:write@", "linear:write@0", "at:byte@3", "at:write@-1", "x y"])
def test_bad_ids(text):
    with pytest.raises(ValueError, match=r"not a case|count from 1"):
        pl.Case.parse(text)


def test_random_is_the_same_every_time(assemble):
    p = program(assemble)

    def ids(seed: int) -> list[str]:
        return [o.case.id for o in pl.explore(p, pl.random(seed, 10))]

    assert ids(1) == ids(1) != ids(2)


def test_bad_schedules():
    with pytest.raises(ValueError, match="not a unit"):
        pl.linear("bytes")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="depth"):
        pl.exhaustive(0)
    with pytest.raises(ValueError, match="step"):
        pl.linear(step=0)
    with pytest.raises(ValueError, match="count from 1"):
        pl.at([3, 0])


def test_linear_is_linear(bare, tmp_path: Path):
    """Cost of the way to N failures: instructions of all bases together stay near the length of the run."""
    words = [0x4035, 2000, 0x5392, 0x5000, 0x8315, 0x23FC]  # MOV #2000,R5; L: INC &5000h; DEC R5; JNZ L
    b = bare(words)
    b.put(0xFFFE, 0x6000)
    b.put(0x6000, *struct.unpack("<3H", bytes.fromhex("b240805a5c01")), 0x4030, b.end)
    b.put(b.end, 0x3FFF)
    p = pl.Program(b.m, b.end, max_cycles=100_000)
    verdict = pl.verify(p, pl.linear(), final=lambda m: m.pc)
    assert verdict.cases == 2000
    assert verdict.ok


# --- external FRAM: a record of 6 bytes, then one of 1 byte that says it is there; progress in on-chip FRAM

RECORD = """
    .globl _start, done, tries, data, open, rest
_start:
    mov #0x5a80, &0x15c
    mov #0x2c00, r1
    inc &tries
    bis.b #8, &0x243
    bis.b #8, &0x245
    bic #1, &0x130
    mov #0xa981, &0x620
    mov #4, &0x626
    bic #1, &0x620
    {first}
    {second}
done: jmp done
data: call #open
    mov #0x10, r12
    call #send
    mov #6, r10
1:  mov r10, r12
    add #0xa0, r12
    call #send
    dec r10
    jnz 1b
    bis.b #8, &0x243
    ret
mark: call #open
    mov #0x80, r12
    call #send
    mov #1, r12
    call #send
    bis.b #8, &0x243
    ret
open: bic.b #8, &0x243
    mov #6, r12
    call #send
    bis.b #8, &0x243
    bic.b #8, &0x243
    mov #2, r12
    call #send
    clr r12
    call #send
    clr r12
    call #send
    ret
rest: bic.b #8, &0x243      ; what is left of the burst
    mov #0x02, r12          ; even as a new WRITE
    call #send
    call #send
    call #send
    call #send
    call #send
    br #done
send: mov r12, &0x62e
2:  bit #1, &0x63c
    jz 2b
    mov &0x62c, r13
    ret
    .section .nvm,"aw",@progbits
tries: .word 0
"""


def record(assemble, first: str = "call #data", second: str = "call #mark") -> pl.Program:
    m = sim.Machine(seed=3)
    m.load(assemble(RECORD.format(first=first, second=second)))
    m.attach_spi_fram("UCA3", "P6.3")
    return pl.Program(m, "done", max_cycles=100_000)


def cut(p: pl.Program, n: int) -> sim.Machine:
    m = p.machine.fork()
    assert m.run("done", max_nvm_writes=n, nvm="external") is sim.Stop.NVM_WRITES
    return m


def test_power_is_lost_between_two_bytes_of_a_burst(assemble):
    p = record(assemble)
    full = bytes(0xA0 + k for k in (6, 5, 4, 3, 2, 1))
    for n in range(1, 7):
        m = cut(p, n)
        assert m.external_writes == n
        assert m.spi_fram_read(0x10, 6) == full[:n] + bytes(6 - n)
        with pytest.raises(sim.PowerLost):
            m.run()
    m = cut(p, 3)  # write enable and chip select are gone: the burst does not go on
    m.power_cycle()
    assert m.run("open", 1000) is sim.Stop.UNTIL
    assert m.spi_fram_read(0x10, 6) == full[:3] + bytes(3)
    m.run("done")
    assert m.spi_fram_read(0x10, 6) == full


def test_a_cut_burst_needs_its_write_enable_again(assemble):
    """The bytes that follow the cut, sent to a part that lost WREN, command and address, store nothing."""
    p = record(assemble)
    m = cut(p, 3)
    m.power_cycle()
    m.run("data", 1000)
    m.pc = m.symbols["rest"].address
    m.run("done", 10_000)
    assert m.external_writes == 3
    assert m.spi_fram_read(0x13, 3) == bytes(3)


def test_schedules_count_external_bytes(assemble):
    def final(m: sim.Machine) -> bytes:
        return m.spi_fram_read(0, 0x100)

    sound = record(assemble)
    assert sound.total("external") == 7
    assert sound.total("nvm") == 8
    for unit in ("external", "nvm"):
        assert pl.verify(sound, pl.linear(unit), pl.exhaustive(2, unit), pl.random(1, 10, unit), final=final).ok

    def honest(m: sim.Machine) -> bool:  # the mark stands only behind complete data
        return m.spi_fram_read(0x80, 1) == bytes(1) or m.spi_fram_read(0x10, 6) == bytes([166, 165, 164, 163, 162, 161])

    def broken_after_cut(p: pl.Program) -> list[int]:
        return [n for n in range(1, 8) if not honest(cut(p, n))]

    assert broken_after_cut(sound) == []
    assert broken_after_cut(record(assemble, "call #mark", "call #data")) == [1, 2, 3, 4, 5, 6]
    case = pl.replay(sound, "at:external@3,2")
    assert final(case) == final(pl.replay(sound, "none"))


def test_scopes_of_writes(assemble):
    p = record(assemble)
    m = p.machine.fork()
    assert m.run("done", max_nvm_writes=1) is sim.Stop.NVM_WRITES
    assert (m.nvm_writes, m.external_writes) == (1, 0)
    m = p.machine.fork()
    assert m.run("done", max_nvm_writes=4, nvm="all") is sim.Stop.NVM_WRITES
    assert (m.nvm_writes, m.external_writes) == (1, 3)
    m = p.machine.fork()
    assert m.run("done", max_nvm_writes=4, nvm="all", tear=False) is sim.Stop.NVM_WRITES
    assert (m.nvm_writes, m.external_writes) == (1, 3)
    assert m.run("done") is sim.Stop.UNTIL
    assert m.external_writes == 7
    with pytest.raises(ValueError, match="choose chip, external, all"):
        m.run(max_nvm_writes=1, nvm="flash")  # type: ignore[arg-type]

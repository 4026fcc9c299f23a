"""The LEA beside the CPU: registers, interrupts, sleep, overlap, illegal use, forks."""

from __future__ import annotations

import struct

import pytest

import sim

X, Y, Z, BLOCK = 0x2C40, 0x3000, 0x3600, 0x2C10
ISR = 0x5000
CNF0, CNF1, CNF2, PMCTL, PMS1, PMS0, PMCB = 0xA84, 0xA88, 0xA8C, 0xAC0, 0xAC8, 0xACC, 0xAD0
IE, IFG, IV, MCTL, CMA = 0xAF4, 0xAF8, 0xAFC, 0xA9C, 0xA98
ADD, MAC, FIR, ROW, LPM0 = 0x040, 0x054, 0x018, 0x034, [0xD032, 0x18]
NOP = 0x4303
SPIN = [0xB3D2, CNF1, 0x23FD]  # BIT.B #1,&LEACNF1; JNZ


def move(value: int, to: int) -> list[int]:
    return [0x40B2, value & 0xFFFF, to]


def get(address: int, register: int) -> list[int]:
    return [0x4210 | register, address]  # MOV &address,Rn


def setup(cnf0: int = 0x500, cnf2: int = 0xF00, cmden: int = 1, ie: int = 0x10) -> list[int]:
    return [*move(cnf0, CNF0), *move(cnf2, CNF2), *move(cmden, PMCTL), *move(ie, IE)]


def start(code: int, in1: int = X, block: int = BLOCK, flags: int = 2) -> list[int]:
    return [*move(in1 >> 2, PMS0), *move(block >> 2, PMS1), *move(code | flags, PMCB)]


def rig(bare, words, block=(40, Y >> 2, Z >> 2, 1, 1, 1), at=BLOCK, isr=(), **lea):
    b = bare(words, lea=lea)
    b.m.write(X, struct.pack("<200h", *range(200)))
    b.m.write(Y, struct.pack("<200h", *[1] * 200))
    b.m.write(at, struct.pack(f"<{len(block)}H", *block))
    b.put(0xFF90 + 2 * 18, ISR)
    b.put(ISR, *isr, 0xC0B1, 0x10, 0, 0x1300)  # clear CPUOFF in the stacked SR; RETI
    return b


CLEAR = move(0x1F, IFG)


def test_sleep_and_wake(bare):
    b = rig(bare, [*setup(), *start(ADD), *LPM0, *get(CNF1, 9), NOP], isr=[*get(IV, 8)])
    cost = b.go()
    assert (b.r(8), b.r(9) & 1, cost.interrupts, cost.lea_commands) == (0xA, 0, 1, 1)
    assert list(struct.unpack("<40h", b.m.read(Z, 80))) == [i + 1 for i in range(40)]
    assert cost.lea_cycles_add == 16 + 60
    assert sum(cost.events().values()) == cost.cycles


def test_sleep_stops_at_the_limit_and_goes_on(bare):
    b = rig(bare, [*setup(), *start(ADD), *LPM0, NOP], isr=CLEAR)
    twin = b.m.fork()
    for _ in range(2000):
        if b.m.pc == b.end - 2 and b.m.run(until=b.end, max_cycles=7) is sim.Stop.UNTIL:
            break
        b.m.run(max_cycles=7)
        if b.m.pc == b.end:
            break
    assert twin.run(until=b.end, max_cycles=10_000) is sim.Stop.UNTIL
    assert twin.read(Z, 80) == b.m.read(Z, 80)


def test_polling_and_concurrency(bare):
    """The CPU works on while the LEA runs; both finish at the time of the longer one."""
    b = rig(bare, [*setup(ie=0), *start(ADD, flags=0), *get(CNF1, 9), *[NOP] * 200, *get(CNF1, 10), *get(IFG, 11)])
    cost = b.go()
    assert (b.r(9), b.r(10), b.r(11)) == (0x41, 0x10, 0)
    assert cost.lea_cycles == 76
    b = rig(bare, [*setup(ie=0), *start(ADD, flags=0), *SPIN])
    b.go()
    assert b.word(Z) == 1


def test_result_appears_at_completion_only(bare):
    b = rig(bare, [*setup(ie=0), *start(ADD, flags=0), *[NOP] * 300])
    b.m.write(Z, b"\x55\xaa" * 40)
    for _ in range(7):
        b.step()
    trigger = b.m.cycles
    while b.m.cycles < trigger + 75:
        assert b.word(Z) == b.word(Z + 78) == 0xAA55
        b.step()
    b.step()
    assert (b.word(Z), b.word(Z + 78)) == (1, 40)


def test_command_overflow(bare):
    again = move(MAC | 2, PMCB)
    b = rig(bare, [*setup(ie=0), *start(ADD), *again, *get(IFG, 8), *SPIN, *get(IFG, 9)])
    b.go()
    assert (b.r(8), b.r(9)) == (0x01, 0x11)
    assert b.word(Z) == 1  # the first command went on
    assert b.m.counters().lea_commands == 1
    b = rig(bare, [*setup(ie=1), 0xD232, *start(ADD), *again, NOP, NOP], isr=get(IV, 8))
    b.go()
    assert b.r(8) == 2


def test_flags_and_vector_register(bare):
    words = [*setup(ie=0x1F), *move(0x1E, 0xAF0), *(get(IV, 7) + get(IV, 8) + get(IV, 9) + get(IV, 10) + get(IV, 11))]
    b = rig(bare, words)
    b.go()
    assert [b.r(i) for i in range(7, 12)] == [4, 6, 8, 10, 0]
    b = rig(bare, [*setup(), *move(0x1F, 0xAF0), *move(0x05, IFG), *get(IFG, 8), *move(1, IV), *get(IFG, 9)])
    b.go()
    assert (b.r(8), b.r(9)) == (0x1A, 0)


def test_registers(bare):
    words = [*setup(), *get(0xA80, 4), *get(0xA90, 5), *get(0xA94, 6), *get(CNF2, 7), *get(CNF1, 8), *start(MAC), *SPIN,
             *get(0xAA8, 9), *get(0xAB0, 10), *get(0xAAC, 11)]  # fmt: skip
    b = rig(bare, words, block=(40, Y >> 2, Z >> 2, 0))
    b.go()
    assert [b.r(i) for i in range(4, 12)] == [1, 0x2C00, 0x3C00, 0xF00, 0x10, 0x056, X >> 2, BLOCK >> 2]


def test_revision_and_code_window(bare):
    words = [*move(0x0005, MCTL), *move(0x2FFC, MCTL + 2), *get(CMA, 8), *get(CMA + 2, 9), *move(0, MCTL)]
    words += [*move(0x40, MCTL), *move(5, MCTL), *move(0x3C00, MCTL + 2)]
    words += [*move(0x1111, CMA), *move(0x2222, CMA + 2), *get(MCTL + 2, 10), *move(0x3C00, MCTL + 2), *get(CMA, 11)]
    b = rig(bare, words)
    b.go()
    assert (b.r(9) << 16 | b.r(8), b.r(10), b.r(11)) == (0xAE790580, 0x3C04, 0x1111)


def test_interrupt_held_back_without_leailpm(bare):
    b = rig(bare, [*setup(cnf0=0x100), *start(ADD), *LPM0, NOP])
    assert b.m.run(until=b.end, max_cycles=10_000) is sim.Stop.HALT
    assert b.word(Z) == 1


def test_arbitration_stalls(bare):
    for stall in (0, 1, 3):
        b = rig(bare, [*setup(ie=0), *start(ADD), *get(0x3800, 8), *move(7, 0x3802), *SPIN], stall_cycles=stall)
        b.put(0x3800, 0x1234)
        cost = b.go()
        assert (b.r(8), b.word(0x3802), cost.lea_stall_cycles) == (0x1234, 7, 2 * stall)
        assert sum(cost.events().values()) == cost.cycles


def test_dma_elsewhere_is_stalled_too(bare):
    dma = [*move(0x3800, 0x512), *move(0x3900, 0x516), *move(8, 0x51A), *move(0x1F11, 0x510)]
    b = rig(bare, [*setup(ie=0), *start(ADD), *dma, NOP, *SPIN])
    b.m.write(0x3800, bytes(range(16)))
    cost = b.go()
    assert b.m.read(0x3900, 16) == bytes(range(16))
    assert cost.lea_stall_cycles == 16


def test_completion_triggers_the_dma(bare):
    """Channel 0 with trigger 27 fetches the result once it is there."""
    dma = [*move(27, 0x500), *move(Z, 0x512), *move(0x1D00, 0x516), *move(40, 0x51A), *move(0x1F10, 0x510)]
    b = rig(bare, [*setup(ie=0), *dma, *start(ADD), *SPIN, NOP])
    cost = b.go()
    assert cost.dma_words == 40
    assert b.m.read(0x1D00, 80) == b.m.read(Z, 80)


def test_fork_in_mid_command(bare):
    b = rig(bare, [*setup(), *start(ADD), *LPM0, NOP], isr=CLEAR)
    for _ in range(7):
        b.step()
    twin = b.m.fork()
    b.go()
    assert twin.read(Z, 2) != b.m.read(Z, 2) or twin.cycles < b.m.cycles
    twin.run(until=b.end, max_cycles=10_000)
    assert (twin.cycles, twin.counters(), twin.read(0x2C00, 0x1000)) == (
        b.m.cycles,
        b.m.counters(),
        b.m.read(0x2C00, 0x1000),
    )


def test_reset_ends_a_command(bare):
    b = rig(bare, [*setup(), *start(ADD), *[NOP] * 10])
    b.m.write(Z, bytes(80))
    for _ in range(8):
        b.step()
    b.m.reset(power_on=False)
    assert b.m.read(Z, 80) == bytes(80)
    assert 0 < b.m.counters().lea_cycles < 76
    b.m.write(b.at, struct.pack("<3H", *move(0x5A80, 0x15C)))
    b.m.pc = b.at
    b.step(2)


def test_watched_result_is_logged(bare):
    b = rig(bare, [*setup(), *start(ADD), *LPM0, NOP], isr=CLEAR)
    b.m.watch(Z)
    b.go()
    assert [e.value for e in b.m.watch_log()] == [1]


def test_spurious_out_of_range(bare):
    for mode, flag in (("on", 4), ("off", 0)):
        b = rig(bare, [*setup(ie=0), *start(FIR, in1=0x2C00, block=0x3700), *SPIN, *get(IFG, 8)],
                block=(4, Y >> 2, Z >> 2, 2, 0xFFFF, 0), at=0x3700, fir_oor=mode)  # fmt: skip
        b.m.write(0x2C00, bytes(16))
        b.go()
        assert b.r(8) == 0x10 | flag


def test_out_of_range_as_a_flag(bare):
    b = rig(
        bare, [*setup(ie=0), *start(ADD), *SPIN, *get(IFG, 8)], block=(40, 0x2000, Z >> 2, 1, 1, 1), out_of_range="flag"
    )
    b.go()
    assert b.r(8) == 0x14


PAIRS = (40, Y >> 2, Z >> 2, 1, 1, 1)
FIRB = (8, Y >> 2, Z >> 2, 4, 0xFFFF, 0)
ILLEGAL = [
    (ADD, (41, *PAIRS[1:]), {}, "odd vectorSize = 41"),
    (ADD, (0, *PAIRS[1:]), {}, "vectorSize = 0"),
    (MAC, (7, Y >> 2, Z >> 2, 0), {}, "odd vectorSize = 7"),
    (ROW, (3, 2, Y >> 2, Z >> 2), {}, "odd rowSize = 3"),
    (ROW, (4, 1, Y >> 2, Z >> 2), {}, "odd colSize = 1"),
    (ROW, (4, 5, Y >> 2, Z >> 2), {}, "odd colSize = 5"),
    (FIR, (8, Y >> 2, Z >> 2, 3, 0xFFFF, 0), {}, "odd tapLength"),
    (FIR, (8, Y >> 2, Z >> 2, 4, 6, 0), {}, "bufferMask = 0x0006"),
    (0x058, (4, 3, Z >> 2, 0), {}, "odd depth"),
    (0x05C, (4, 2, Z >> 2, 0), {}, "even depth"),
    (0x058, (5, 2, Z >> 2, 0), {}, "odd vectorSize"),
    (0x058, (4, 0, Z >> 2, 0), {}, "interleaveDepth = 0"),
    (ADD, (40, 0x1D00 >> 2, Z >> 2, 1, 1, 1), {}, "input 2 at 0x01D00.*outside LEA RAM"),
    (ADD, (40, Y >> 2, 0x3BE0 >> 2, 1, 1, 1), {}, "output at 0x03BE0-0x03C2F is outside"),
    (ADD, (40, Y >> 2, 0x3A80 >> 2, 1, 1, 1), {}, "output at 0x03AC8 lies in the LEA stack"),
    (ADD, (40, Y >> 2, Z >> 2, 1, 1, 0), {}, "outputOffset = 0"),
    (ADD, (40, Y >> 2, (X + 4) >> 2, 1, 1, 1), {}, "overlaps input 1"),
    (ADD, (40, Y >> 2, (Y - 8) >> 2, 1, 1, 1), {}, "overlaps input 2"),
    (ADD, (40, Y >> 2, BLOCK >> 2, 1, 1, 1), {}, "overwrites the parameter block"),
    (MAC, (40, Y >> 2, X >> 2, 0), {}, "overlaps input 1"),
    (FIR, (8, Y >> 2, X >> 2, 4, 0xFFFF, 0), {}, "overlaps the source"),
    (ADD, PAIRS, {"cmden": 0}, "LEACMDEN is 0"),
    (ADD, PAIRS, {"cnf2": 0}, "LEACNF2"),
    (ADD, PAIRS, {"cnf0": 0x501}, "LEASWRST"),
]


@pytest.mark.parametrize(("code", "block", "how", "text"), ILLEGAL, ids=range(len(ILLEGAL)))
def test_illegal_commands(bare, code, block, how, text):
    with pytest.raises(sim.LeaMisuse, match=text) as e:
        rig(bare, [*setup(**how), *start(code), *SPIN], block=block).go()
    assert e.value.kind == "lea"
    assert "cycle" in str(e.value)


@pytest.mark.parametrize(
    ("tail", "text"),
    [
        (get(X + 8, 8), "read of 0x02C48, which belongs to input 1 of the running LEA command ADDMATRIX"),
        (get(Y, 8), "belongs to input 2"),
        (get(Z + 78, 8), "belongs to the output"),
        (move(1, Z), "write of 0x03600, which belongs to the output"),
        (get(BLOCK, 8), "belongs to the parameter block"),
        (move(1, 0x3BF0), "belongs to the stack"),
        ([*move(0x3800, 0x512), *move(Z, 0x516), *move(2, 0x51A), *move(0x1F11, 0x510), NOP], "DMA channel 0: write"),
        ([0xD032, 0x58], "LPM1 or deeper"),
        ([0x4030, 0x3800], "instruction fetch from 0x03800 in LEA RAM"),
        (move(0, CNF2), "LEACNF2"),
    ],
)  # fmt: skip
def test_disturbing_a_running_command(bare, tail, text):
    b = rig(bare, [*setup(), *start(ADD), *tail, NOP, NOP])
    b.m.write(0x3800, bytes(range(64)))
    with pytest.raises(sim.LeaMisuse, match=text):
        b.go()


def test_sleep_needs_lealpr(bare):
    with pytest.raises(sim.LeaMisuse, match="LEALPR"):
        rig(bare, [*setup(cnf0=0x400), *start(ADD), *LPM0, NOP]).go()


def test_uninitialised_operands(bare):
    with pytest.raises(sim.UninitialisedRead, match="LEA command ADDMATRIX reads 0x03190"):
        rig(bare, [*setup(), *start(ADD), *SPIN], block=(202, Y >> 2, Z >> 2, 0, 1, 1)).go()
    with pytest.raises(sim.UninitialisedRead, match="LEA command ADDMATRIX"):
        rig(bare, [*setup(), *start(ADD, block=0x3900), *SPIN]).go()


@pytest.mark.parametrize(("code", "name"), [(0x000, "SUSPEND"), (0x008, "RESUME"), (0x0C0, "FFTCOMPLEXAUTOSCALING"),
                                            (0x020, "POLYNOMIAL"), (0x04C, "IIRBQ1"), (0x130, "WINDOW"),
                                            (0x1E0, "in code RAM"), (0x08C, "of no known code")])  # fmt: skip
def test_unmodelled_commands_are_named(bare, code, name):
    with pytest.raises(sim.Unmodelled, match=name):
        rig(bare, [*setup(), *start(code), NOP]).go()


@pytest.mark.parametrize("words", [move(0x80, PMCTL), move(1, 0xA86), move(0x100, CNF1), move(1, 0xA90), get(0xAA0, 8)])
def test_unmodelled_registers(bare, words):
    with pytest.raises(sim.Unmodelled):
        rig(bare, [*setup(), *words, NOP]).go()


@pytest.mark.parametrize(("at", "what"), [(X, "input 1"), (Y + 76, "input 2"), (Z, "output"), (BLOCK + 2, "block")])
def test_the_host_keeps_off_a_running_command(bare, at, what):
    b = rig(bare, [*setup(ie=0), *start(ADD), *[NOP] * 200])
    b.step(8)
    with pytest.raises(sim.BadAddress, match=f"{what}.*running LEA command"):
        b.m.write(at - 1, bytes(3))
    assert b.m.read(X, 2) == bytes(2)
    b.m.write(Y + 80, bytes(4))  # beside the operand
    b.go()
    b.m.write(at, bytes(2))
    assert b.word(Z + 78) == 40


def test_commands_may_be_refused(bare):
    with pytest.raises(sim.Unmodelled, match="MAC3"):
        rig(bare, [*setup(), *start(0x134), NOP], refuse=["MAC3"]).go()


def test_options_survive_a_snapshot(bare, tmp_path):
    b = rig(bare, [*setup(), *start(0x134), NOP], refuse=["MAC3"], minmax_ties="highest")
    b.m.snapshot(tmp_path / "s")
    again = sim.Machine.restore(tmp_path / "s")
    assert again.assumptions == b.m.assumptions
    with pytest.raises(sim.Unmodelled, match="MAC3"):
        again.run(max_cycles=1000)


def test_same_seed_same_run(bare):
    def one():
        b = rig(bare, [*setup(), *start(ADD), *LPM0, NOP], isr=CLEAR)
        return b.go(), b.m.read(0x2C00, 0x1000)

    assert one() == one()


def test_missing_price_raises(bare, tmp_path):
    cost = rig(bare, [*setup(ie=0), *start(ADD), *SPIN]).go()
    fused = (sim.EnergyModel.load.__func__.__globals__["_DATA"] / "fused.toml").read_text()
    text = fused.replace('include = ["sleep", "lea", "external"]', "")
    assert text != fused
    wrong = '[coefficient.lea_cycles_nop]\nvalue = 1\nunit = "pJ"\nerror = 0.1\nsource = "nobody"\n'
    (tmp_path / "e.toml").write_text(text + wrong)
    (tmp_path / "f.toml").write_text(text)
    with pytest.raises(ValueError, match="unknown event"):
        sim.EnergyModel.load("e", tmp_path / "e.toml")
    with pytest.raises(sim.MissingCoefficient, match="lea_cycles_add"):
        sim.EnergyModel.load("f", tmp_path / "f.toml").energy_j(cost)

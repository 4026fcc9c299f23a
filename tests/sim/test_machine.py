"""The Python API: loading, symbols, running, watches, profile, fork, determinism, energy, ELF errors."""

from __future__ import annotations

import dataclasses
import itertools
import random
import shutil
import struct
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sim
from sim._build import source_hash

PROGRAM = """
    .globl _start, inner, outer, done, table, layer, count, wide
    .type _start,@function
_start:
    mov #0x2c00, r1
    mov #0x5a80, &0x015c
    clr r12
    mov #3, r10
loop: mov r10, &layer
    call #outer
    dec r10
    jnz loop
    .globl done
done:
    bis #0x10, r2
    jmp done
    .size _start, .-_start

    .type outer,@function
outer: push r10
    mov #4, r11
1:  call #inner
    dec r11
    jnz 1b
    pop r10
    ret
    .size outer, .-outer

    .type inner,@function
inner: add &table, r12
    add r12, &count
    ret
    .size inner, .-inner

    .section .nvm,"aw",@progbits
    .type table,@object
table: .word 2, 3, 5, 7
    .size table, 8
    .type count,@object
count: .word 0
    .size count, 2
    .section .bss,"aw",@nobits
    .type layer,@object
layer: .zero 2
    .size layer, 2
    .section .hifram,"a",@progbits
    .type wide,@object
wide: .long 0x12345678
    .size wide, 4
"""


@pytest.fixture(scope="session")
def elf(assemble) -> Path:
    return assemble(PROGRAM)


@pytest.fixture
def m(elf) -> sim.Machine:
    machine = sim.Machine("msp430fr5994", seed=3)
    machine.load(elf)
    return machine


def test_runs_to_sleep(m):
    assert m.run() is sim.Stop.HALT
    assert m.registers[12] == 24
    assert int.from_bytes(m.read("count"), "little") == sum(range(2, 26, 2))
    assert m.time_s == pytest.approx(m.cycles / 1e6)


def test_until_executes_at_least_one_instruction(m):
    arrivals = 0
    while m.run(until="inner", max_cycles=10_000) is sim.Stop.UNTIL:
        assert m.pc == m.symbols["inner"].address
        arrivals += 1
    assert arrivals == 12
    assert m.run(max_cycles=1) is sim.Stop.HALT


def test_max_cycles_stops_at_an_instruction(m):
    assert m.run(max_cycles=100) is sim.Stop.CYCLES
    assert 100 <= m.cycles < 106
    n = m.instructions
    m.run(max_cycles=0)
    assert m.instructions == n + 1


def test_symbols_read_and_write(m):
    assert m.symbols["table"] == sim.Symbol("table", m.symbols["table"].address, 8, "object")
    assert m.symbols["inner"].kind == "func"
    assert m.read("table") == struct.pack("<4H", 2, 3, 5, 7)
    assert m.read("wide") == b"\x78\x56\x34\x12"
    assert m.symbols["wide"].address >= 0x10000
    assert m.read("table", 2) == b"\x02\x00"
    m.write("table", b"\x09\x00")
    before = m.counters()
    assert m.read(m.symbols["table"].address, 4) == struct.pack("<2H", 9, 3)
    assert m.counters() == before
    with pytest.raises(sim.BadAddress, match="has 8 bytes, 9 were asked"):
        m.read("table", 9)
    with pytest.raises(sim.BadAddress, match="has 2 bytes, 4 were asked"):
        m.write("count", b"1234")
    with pytest.raises(sim.BadAddress, match="size of 'done' is not known"):
        m.read("done")
    with pytest.raises(sim.BadAddress, match="is not memory"):
        m.read(0x43FFE, 4)
    with pytest.raises(sim.BadAddress, match="is not memory"):
        m.write(0x0200, b"x")
    with pytest.raises(sim.UnknownSymbol, match="did you mean table"):
        m.read("tabel")
    with pytest.raises(sim.BadAddress, match="can never be reached"):
        m.run(until=0x0100)
    assert isinstance(m.read(0x3BFE, 2), bytes)
    with pytest.raises(sim.BadAddress):
        m.read(0x3BFE, 4)


def test_watch_logs_every_write_with_counters(m):
    m.watch("layer")
    m.run()
    log = m.watch_log()
    assert [e.value for e in log] == [3, 2, 1]
    assert {e.address for e in log} == {m.symbols["layer"].address}
    assert all(e.cycles == e.counters.cycles for e in log)
    for first, second in itertools.pairwise(log):
        spent = second.counters - first.counters
        assert sum(spent.events().values()) == spent.cycles > 0
    assert m.watch_log() == []


def test_watch_sees_the_cost_of_the_writing_instruction(bare):
    b = bare([0x4982, 0x1D00, 0x4982, 0x1D00])
    b.m.watch(0x1D00)
    before = b.m.cycles
    b.go()
    assert [e.cycles - before for e in b.m.watch_log()] == [3, 6]


def test_profile_sums_to_the_total(m):
    m.run(until="outer")
    m.profile(True)
    before = m.counters()
    m.run()
    total = m.counters() - before
    report = m.profile_report()
    assert set(report) == {"_start", "outer", "inner"}
    spent = sim.Counters()
    for c in report.values():
        spent += c
    assert spent == total
    assert report["inner"].instructions == 12 * 3
    plain = sim.Machine(seed=3)
    m.profile(False)
    assert m.profile_report() == {}
    assert plain.profile_report() == {}


def test_fork_is_independent_and_equal(m):
    m.run(max_cycles=50)
    other = m.fork()
    m.run()
    assert other.cycles < m.cycles
    other.run()
    assert (other.registers, other.counters(), other.time_s) == (m.registers, m.counters(), m.time_s)
    other.write("count", b"\0\0")
    assert m.read("count") != b"\0\0"
    third = m.fork()
    m.reset()
    third.reset()
    assert third.read(0x1C00, 256) == m.read(0x1C00, 256)


def test_same_seed_same_run(elf):
    def run(seed: int) -> tuple[object, ...]:
        m = sim.Machine(seed=seed)
        m.load(elf)
        m.run()
        return m.registers, m.counters(), m.read(0x1C00, 0x2000)

    assert run(5) == run(5)
    assert run(5)[2] != run(6)[2]


def test_load_starts_over(m, elf):
    m.run()
    m.load(elf)
    assert (m.cycles, m.instructions, m.time_s) == (0, 0, 0.0)
    assert m.read("count") == b"\0\0"


def test_faults_name_the_function(assemble):
    m = sim.Machine()
    m.load(assemble(" .type _start,@function\n_start: mov #0x5a80, &0x15c\n mov &0x1b00, r5\n .size _start, .-_start"))
    with pytest.raises(sim.BusFault, match=r"at 0x04006 <_start\+0x6>, cycle 7: read of 0x01B00") as e:
        m.run()
    assert (e.value.pc, e.value.address) == (0x4006, 0x1B00)


def test_interrupt_at_every_instruction_changes_nothing(m, elf):
    """Raise one between any two instructions: the interrupted program computes the same."""
    m.run()
    expected = m.read("count")
    m.load(elf)
    m.write(0x5000, struct.pack("<2H", 0x4303, 0x1300))
    m.write(0xFF90 + 2 * 20, struct.pack("<H", 0x5000))
    m.run(max_cycles=20)
    m.set_register(2, 8)
    while m.pc != m.symbols["done"].address:
        m.interrupt(20)
        for _ in range(3):  # the handler's NOP, its RETI, one instruction of the program
            m.run(max_cycles=0)
        assert m.counters().interrupts < 1000
    assert m.counters().interrupts > 50
    assert m.read("count") == expected


def test_run_releases_the_gil(bare):
    b = bare([0x3FFF])
    t = threading.Thread(target=b.m.run, kwargs={"max_cycles": 300_000_000})
    t.start()
    beats = 0
    while t.is_alive():
        beats += 1
    t.join()
    assert beats > 100


def test_arguments_are_checked(m):
    with pytest.raises(sim.UnknownDevice, match="msp430fr5994"):
        sim.Machine("msp430g2553")
    with pytest.raises(ValueError, match="max_cycles"):
        m.run(max_cycles=-1)
    with pytest.raises(ValueError, match="use reset"):
        m.interrupt(55)
    with pytest.raises(ValueError, match="20 bits"):
        m.set_register(4, 1 << 20)
    with pytest.raises(sim.UnknownSymbol, match="no image"):
        sim.Machine().read("x")


# --- counters and energy


def test_counters_add_and_subtract(m):
    m.run(max_cycles=100)
    a = m.counters()
    m.run()
    b = m.counters()
    assert (b - a) + a == b
    with pytest.raises(dataclasses.FrozenInstanceError):
        a.cycles = 1  # type: ignore[misc]


def test_energy_is_the_sum_over_events():
    model = sim.EnergyModel.load("fused")
    c = sim.Counters(fetch_hit=10, fetch_miss=2, fram_write=3, sram_read=4, idle_cycles=5, wait_cycles=1, cycles=25)
    expected = 10 * 212 + 2 * 635 + 3 * 682 + 4 * 198 + 6 * 201
    assert model.energy_j(c) == pytest.approx(expected * 1e-12)
    assert model.error_j(c) == pytest.approx(expected * 0.5e-12)
    assert sum(model.breakdown_j(c).values()) == pytest.approx(model.energy_j(c))
    assert "8 MHz" in model.conditions
    assert len(model.assumptions) >= 4
    assert all(p.source for p in model.coefficients.values())
    assert set(model.coefficients) <= set(sim.EVENTS + sim.counters.BESIDE)


def test_missing_coefficient_raises(tmp_path):
    text = (Path(sim.__file__).parent / "data" / "energy" / "fused.toml").read_text()
    cut = text[: text.index("[coefficient.fram_write]")] + text[text.index("[coefficient.fetch_ram]") :]
    (tmp_path / "cut.toml").write_text(cut)
    model = sim.EnergyModel.load(path=tmp_path / "cut.toml")
    assert model.energy_j(sim.Counters(fetch_hit=1)) > 0
    with pytest.raises(sim.MissingCoefficient, match="3 x fram_write"):
        model.energy_j(sim.Counters(fram_write=3))
    with pytest.raises(ValueError, match=r"there are: .*fused"):
        sim.EnergyModel.load("nobody")


def test_assumptions_are_named(m):
    assert all(":" in a for a in m.assumptions)
    assert any(a.startswith("dma-sync") for a in m.assumptions)


# --- ELF files


def refuse(path: Path, text: str) -> None:
    m = sim.Machine()
    with pytest.raises(sim.BadElf, match=text):
        m.load(path)
    assert m.symbols == {}


def patched(elf: Path, tmp_path: Path, *edits: tuple[int, bytes]) -> Path:
    data = bytearray(elf.read_bytes())
    for at, new in edits:
        data[at : at + len(new)] = new
    out = tmp_path / "patched.elf"
    out.write_bytes(data)
    return out


def test_bad_elf_files(elf, tmp_path):
    refuse(tmp_path / "missing.elf", "No such file")
    (tmp_path / "text.elf").write_text("hello")
    refuse(tmp_path / "text.elf", "not an ELF file")
    refuse(Path(sys.executable).resolve(), "64-bit little-endian EM_(X86_64|AARCH64)")
    refuse(patched(elf, tmp_path, (18, b"\x28\x00")), "EM_ARM")
    refuse(patched(elf, tmp_path, (16, b"\x01\x00")), "ET_REL")
    whole = elf.read_bytes()
    for size in (4, 20, 51, 60, 100, len(whole) // 2):
        (tmp_path / "cut.elf").write_bytes(whole[:size])
        with pytest.raises(sim.BadElf):
            sim.Machine().load(tmp_path / "cut.elf")
    table = struct.unpack_from("<I", whole, 28)[0]
    refuse(patched(elf, tmp_path, (table + 12, struct.pack("<I", 0x1000))), "0x01000-0x.* lies outside memory")
    refuse(patched(elf, tmp_path, (table + 12, struct.pack("<I", 0xFF7E))), "can lock a board")
    refuse(patched(elf, tmp_path, (table + 16, struct.pack("<I", 0x100000))), "truncated|damaged")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_elf_never_crashes(elf, tmp_path_factory, data):
    whole = bytearray(elf.read_bytes())
    r = random.Random(data.draw(st.integers(0, 2**32)))
    for _ in range(r.choice((1, 4, 40))):
        whole[r.choice((r.randrange(len(whole)), r.randrange(0x200)))] = r.randrange(256)
    path = tmp_path_factory.getbasetemp() / "damaged.elf"
    path.write_bytes(bytes(whole))
    m = sim.Machine()
    try:
        m.load(path)
        m.run(max_cycles=5000)
    except (sim.BadElf, sim.MachineFault):
        pass


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=400))
def test_random_bytes_as_elf_are_bad_elf(tmp_path_factory, tail):
    path = tmp_path_factory.getbasetemp() / "random.elf"
    path.write_bytes(b"\x7fELF" + tail)
    with pytest.raises(sim.BadElf):
        sim.Machine().load(path)


# --- the compiled core


def test_stale_core_is_one_sentence(tmp_path):
    package = Path(sim.__file__).parent
    if not (package / "core").is_dir():
        pytest.skip("installed from a wheel: there are no sources to compare")
    shutil.copytree(package / "core", tmp_path / "core")
    assert source_hash(tmp_path / "core") == source_hash(package / "core")
    (tmp_path / "core" / "cpu.h").write_text("// changed\n")
    with pytest.raises(sim.StaleCore, match="make core"):
        sim._build.check_core(tmp_path / "core")


def test_import_is_light():
    code = "import sim, sys; sys.exit(any(m in sys.modules for m in ('torch', 'numpy', 'swtrain', 'codegen')))"
    subprocess.run([sys.executable, "-c", code], check=True)

"""Snapshots: a restored machine goes on exactly as the saved one, whatever it was doing; other files are refused."""

from __future__ import annotations

import copy
import hashlib
import pickle
import random
import struct
import threading
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

import sim
from sim import _core, snapshot

# Timer interrupts that wake from LPM3, multiplier, waits and cache, writes of FRAM and RAM, CRC, DMA in bursts.
BUSY = """
    .globl _start, loop, tick, count
_start:
    mov #0x2c00, r1
    mov #0x5a80, &0x015c
    mov #0xa510, &0x0140
    clr r10
    clr r11
    clr r12
    mov #1234, &0x04c0
    mov #20, &0x0352        ; TA0CCR0
    mov #0x0010, &0x0342    ; CCIE
    mov #0x0110, &0x0340    ; ACLK, up
    mov #0, &0x0500         ; DMA0: software
    mov #0x4000, &0x0512
    mov #0, &0x0514
    mov #0x1d00, &0x0516
    mov #0, &0x0518
    mov #24, &0x051a
    mov #0xff, &0x0150+4
loop:
    mov #0x2f11, &0x0510    ; burst-block, both addresses rise, enable and request
    mov r10, &0x04c8
    add &0x04ca, r11
    inc r10
    mov r10, 0x1c00(r12)
    mov r11, &0x0150
    mov r11, &count
    incd r12
    and #0xfe, r12
    bit #15, r10
    jnz loop
    bis #0xd8, r2
    jmp loop
tick:
    bic #0xd0, 0(r1)
    reti
    .section .nvm,"aw",@progbits
count: .word 0
"""
UART = """
    .globl _start, isr
_start:
    mov #0x5a80, &0x15c
    mov #0x2c00, r1
    mov #0x81, &0x5c0
    mov #8, &0x5c6
    mov #0, &0x5c8
    bic #1, &0x5c0
    mov #1, &0x5da
1:  bis #0x18, r2
    jmp 1b
isr:
    mov &0x5de, r9
    mov &0x5cc, &0x5ce
    reti
"""
SPI = """
    .globl _start
_start:
    mov #0x5a80, &0x15c
    mov #0x2c00, r1
    bis.b #8, &0x243
    bis.b #8, &0x245
    bic #1, &0x130
    mov #0xa981, &0x620
    mov #4, &0x626
    bic #1, &0x620
    clr r11
again:
    bic.b #8, &0x243
    mov #6, r12
    call #send
    bis.b #8, &0x243
    bic.b #8, &0x243
    mov #2, r12
    call #send
    mov #1, r12
    call #send
    call #send
    call #send
    mov #40, r10
1:  mov r11, r12
    call #send
    inc r11
    dec r10
    jnz 1b
    bis.b #8, &0x243
    jmp again
send: mov r12, &0x62e
2:  bit #1, &0x63c
    jz 2b
    mov &0x62c, r13
    ret
"""


def busy(assemble) -> sim.Machine:
    m = sim.Machine(seed=9, options={"vlo_hz": 10_000})
    m.load(assemble(BUSY))
    m.write(0xFF90 + 2 * 45, m.symbols["tick"].address.to_bytes(2, "little"))
    m.watch("count")
    m.profile()
    return m


def uart(assemble) -> sim.Machine:
    m = sim.Machine(seed=1)
    m.load(assemble(UART))
    m.write(0xFF90 + 2 * 48, m.symbols["isr"].address.to_bytes(2, "little"))
    m.uart_input(bytes(range(200)))
    return m


def spi(assemble) -> sim.Machine:
    m = sim.Machine(seed=4, allow_uninitialised=True)
    m.load(assemble(SPI))
    m.attach_spi_fram("UCA3", "P6.3", 8)
    m.spi_fram_write(0x80000, b"far away")
    return m


def lea(bare) -> sim.Machine:
    """An element-wise addition of 400 elements beside the CPU, again and again."""
    move = lambda value, to: [0x40B2, value, to]  # noqa: E731
    x, y, z, block = 0x2C40, 0x3000, 0x3600, 0x2C10
    setup = [*move(0x500, 0xA84), *move(0xF00, 0xA8C), *move(1, 0xAC0)]
    start = [*move(x >> 2, 0xACC), *move(block >> 2, 0xAC8), *move(0x040, 0xAD0)]
    spin = [0xB3D2, 0xA88, 0x23FD]
    words = [*setup, *start, *spin]
    b = bare([*words, 0x3C00 | (-len([*start, *spin]) - 1) & 0x3FF], lea={"stall_cycles": "high"})
    b.m.write(x, struct.pack("<400h", *range(400)))
    b.m.write(y, struct.pack("<400h", *range(400)))
    b.m.write(block, struct.pack("<6h", 400, y >> 2, z >> 2, 1, 1, 1))
    return b.m


def go_on_alike(original: sim.Machine, path: Path, cycles: int) -> None:
    """The restored machine equals the saved one: now, later, and after a loss of power."""
    original.snapshot(path)
    again = sim.Machine.restore(path)
    kept = {k: v for k, v in vars(original).items() if k != "_core"}
    assert {k: v for k, v in vars(again).items() if k != "_core"} == kept
    assert again._core.save() == original._core.save()
    fork = original.fork()
    for m in (again, fork):
        m.run(max_cycles=cycles)
    assert again._core.save() == fork._core.save()
    assert (again.registers, again.counters(), again.time_s) == (fork.registers, fork.counters(), fork.time_s)
    assert again.profile_report() == fork.profile_report()
    assert again.watch_log() == fork.watch_log()
    ends = []
    for m in (again, fork):
        m.power_cycle(0.5)
        try:
            ends.append(str(m.run(max_cycles=cycles)))
        except sim.MachineFault as e:  # programs without start-up code miss their data
            ends.append(str(e))
    assert ends[0] == ends[1]
    assert again._core.save() == fork._core.save()


@pytest.mark.parametrize("program", [busy, uart, spi])
def test_a_restored_machine_goes_on_like_the_saved_one(assemble, tmp_path, program: Callable[..., sim.Machine]):
    draw = random.Random(program.__name__)
    m = program(assemble)
    for _ in range(8):
        m.run(max_cycles=draw.randint(1, 3000))
        go_on_alike(m, tmp_path / "a", draw.randint(1, 20_000))
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_in_the_middle_of_an_lea_command(bare, tmp_path):
    m = lea(bare)
    middle = 0
    for _ in range(12):
        m.run(max_cycles=97)
        before = m.counters().lea_cycles
        later = m.fork()
        later.run(max_instructions=1)
        middle += later.counters().lea_cycles > before  # it runs now
        go_on_alike(m, tmp_path / "a", 1500)
    assert middle >= 6


def test_in_the_middle_of_a_dma_burst(assemble, tmp_path):
    m = busy(assemble)
    m.run(until="loop")
    seen = set()
    for _ in range(12):
        m.run(max_instructions=1)
        seen.add(m.counters().dma_words % 24)
        go_on_alike(m, tmp_path / "a", 3000)
    assert len(seen) > 3  # stops between the four-word parts of a block


def test_in_the_middle_of_a_uart_byte(assemble, tmp_path):
    m = uart(assemble)
    m.run(max_cycles=400)
    sent = len(m.uart_output())
    go_on_alike(m, tmp_path / "a", 37)  # a byte takes 80 cycles
    assert len(m.uart_output()) == sent
    go_on_alike(m, tmp_path / "a", 5000)


def test_asleep(assemble, tmp_path):
    m = busy(assemble)
    for _ in range(400):
        m.run(max_cycles=50)
        if m.registers[2] & 0x10:
            break
    assert m.registers[2] & 0x10
    go_on_alike(m, tmp_path / "a", 50_000)


def test_a_machine_without_power_stays_without(assemble, tmp_path):
    m = busy(assemble)
    m.run(max_nvm_writes=1)
    m.snapshot(tmp_path / "a")
    again = sim.Machine.restore(tmp_path / "a")
    with pytest.raises(sim.PowerLost):
        again.run()
    again.power_cycle()
    again.run(max_cycles=1000)


def test_what_the_host_set_up_comes_along(assemble, tmp_path):
    m = spi(assemble)
    m.breakpoints = ["again"]
    m.set_pin("P5.6", 1)
    m.run(max_cycles=5000)
    m.snapshot(tmp_path / "a")
    again = sim.Machine.restore(tmp_path / "a")
    assert again.spi_fram_read(0x80000, 8) == b"far away"
    assert again.breakpoints == m.breakpoints
    assert again.run(max_cycles=100_000) is sim.Stop.BREAKPOINT
    assert again.assumptions == m.assumptions
    assert again.symbols == m.symbols
    assert again.where(again.pc).endswith("<again>")
    m.spi_fram_write(0x80000, b"changed!")
    assert again.spi_fram_read(0x80000, 8) == b"far away"


@pytest.mark.parametrize("device", ["msp430fr5992", "msp430fr5969", "msp430fr6989"])
def test_siblings(tmp_path, device):
    m = sim.Machine(device, seed=3, lea={} if device != "msp430fr5992" else {"stall_cycles": "high"})
    m.write(0x4400, struct.pack("<8H", 0x40B2, 0x5A80, 0x015C, 0x4031, 0x1C80, 0x1204, 0x4135, 0x3FFD))
    m.write(0xFFFE, b"\x00\x44")  # hold the watchdog, set SP, PUSH R4, POP R5 for ever
    m.reset()
    go_on_alike(m, tmp_path / "a", 1000)
    assert sim.Machine.restore(tmp_path / "a").assumptions == m.assumptions


def test_pickle_and_copy(assemble):
    m = busy(assemble)
    m.run(max_cycles=3000)
    for other in (pickle.loads(pickle.dumps(m)), copy.copy(m), copy.deepcopy(m)):
        assert other._core.save() == m._core.save()
        other.write("count", b"\x55\xaa")
        assert m.read("count", 2) != b"\x55\xaa"


def test_damaged_truncated_and_foreign_files_are_refused(assemble, tmp_path):
    good, bad = tmp_path / "good", tmp_path / "bad"
    m = busy(assemble)
    m.snapshot(good)
    blob = good.read_bytes()
    body = blob.split(b"\n", 2)[2]

    def refuse(data: bytes, text: str) -> None:
        bad.write_bytes(data)
        with pytest.raises(sim.BadSnapshot, match=text) as error:
            sim.Machine.restore(bad)
        assert str(bad) in str(error.value)
        assert "\n" not in str(error.value)

    def sealed(plain: bytes) -> bytes:
        packed = zlib.compress(plain)
        return b"swtrain-snapshot 1\n" + hashlib.sha256(packed).hexdigest().encode() + b"\n" + packed

    refuse(b"", "not a snapshot")
    refuse(b"hello\nworld\n", "not a snapshot")
    refuse(blob.replace(b"snapshot 1", b"snapshot 99", 1), "format 99, this version reads 1")
    draw = random.Random(1)
    for _ in range(50):
        at = draw.randrange(blob.index(b"\n") + 1, len(blob))
        refuse(blob[:at] + bytes([blob[at] ^ 1 << draw.randrange(8)]) + blob[at + 1 :], "damaged")
        refuse(blob[: draw.randrange(blob.index(b"\n") + 1, len(blob))], "damaged")
    refuse(blob + b"x", "damaged")
    plain = zlib.decompress(body)
    refuse(sealed(plain.replace(_core.SOURCE_HASH.encode(), b"0" * 64)), "another build")
    refuse(sealed(plain.replace(b"MSP430FR5994", b"MSP430FR5969", 1)), "do not fit .*another")
    refuse(sealed(plain.replace(b"MSP430FR5994", b"MSP430FR0000", 1)), "no device")
    refuse(sealed(plain[:-1]), "ends early")
    refuse(sealed(plain + b"x"), "behind the state")
    refuse(sealed(b"\x02\0\0\0{}"), "another build")
    refuse(sealed(b"\xff\xff\xff\xff"), "not readable")
    with pytest.raises(FileNotFoundError):
        sim.Machine.restore(tmp_path / "nothing")


def test_forged_states_never_crash(assemble, tmp_path):
    """Beyond what is promised: random bytes in a state with a right checksum are refused or run to some end."""
    m = busy(assemble)
    m.run(max_cycles=500)
    state = bytearray(m._core.save())
    draw = random.Random(2)
    small = [k for k in range(len(state)) if not 0x2000 < k < 0x50000]
    for _ in range(150):
        forged = bytearray(state)
        for _ in range(draw.randint(1, 3)):
            forged[draw.choice(small)] = draw.randrange(256)
        other = sim.Machine(options={"vlo_hz": 10_000})
        try:
            other._core.load(bytes(forged))
            other.run(max_cycles=2000)
        except (RuntimeError, sim.SimError):
            continue


def test_an_existing_file_survives_a_failure(assemble, tmp_path, monkeypatch):
    m = busy(assemble)
    m.snapshot(tmp_path / "a")
    blob = (tmp_path / "a").read_bytes()
    m.run(max_cycles=100)

    def full(self: Path, data: bytes) -> int:
        with self.open("wb") as f:
            f.write(data[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        m.snapshot(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == blob
    assert len(list(tmp_path.iterdir())) == 1


def test_snapshots_from_many_threads(assemble, tmp_path):
    m = busy(assemble)
    threads = [threading.Thread(target=m.fork().snapshot, args=(tmp_path / "a",)) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sim.Machine.restore(tmp_path / "a")._core.save() == m._core.save()
    assert snapshot.FORMAT == 1

"""Snapshots: a restored machine goes on exactly as the saved one, and nothing else is accepted."""

from __future__ import annotations

import json
import re
import zlib
from pathlib import Path

import pytest

import sim
from sim import _core, snapshot

BUSY = """
    .globl _start, loop, count
_start:
    mov #0x2c00, r1
    mov #0x5a80, &0x015c
    mov #0xa510, &0x0140
    clr r10
    clr r11
    clr r12
    mov #1234, &0x04c0
    mov #99, &0x0342+0x10
    mov #0x0210, &0x0340
    mov #0x0010, &0x0342
loop:
    mov r10, &0x04c8
    add &0x04ca, r11
    inc r10
    mov r10, 0x1c00(r12)
    mov r11, &count
    incd r12
    and #0x3fe, r12
    jmp loop
    .section .nvm,"aw",@progbits
count: .word 0
"""


@pytest.fixture
def busy(assemble) -> sim.Machine:
    m = sim.Machine(seed=9)
    m.load(assemble(BUSY))
    m.run(max_cycles=5000)
    return m


def test_a_restored_machine_goes_on_like_the_saved_one(busy, tmp_path):
    snapshot.save(busy, tmp_path / "a.snap")
    again = snapshot.restore(tmp_path / "a.snap")
    fork = busy.fork()
    for m in (again, fork):
        m.run(max_cycles=100_003)
        m.power_cycle(0.5)
        m.run(max_cycles=10_000)
    assert (again.registers, again.counters(), again.time_s) == (fork.registers, fork.counters(), fork.time_s)
    assert again.read(0x1C00, 0x2000) == fork.read(0x1C00, 0x2000)
    assert again.read(0x4000, 0x40000) == fork.read(0x4000, 0x40000)
    assert again.symbols == busy.symbols
    assert again.where(again.pc) == fork.where(fork.pc)
    again.profile()
    again.run(max_cycles=100)
    assert again.profile_report()
    assert list(tmp_path.iterdir()) == [tmp_path / "a.snap"]


def test_a_machine_without_power_stays_without(busy, tmp_path):
    busy.run(max_nvm_writes=1)
    snapshot.save(busy, tmp_path / "a.snap")
    with pytest.raises(sim.PowerLost):
        snapshot.restore(tmp_path / "a.snap").run()


def test_other_files_are_refused(busy, tmp_path):
    good = tmp_path / "good.snap"
    snapshot.save(busy, good)
    magic, head, packed = good.read_bytes().split(b"\n", 2)
    header = json.loads(head)

    def refuse(text: str, head: dict | None = None, body: bytes = packed, device: str | None = None) -> None:
        bad = tmp_path / "bad.snap"
        bad.write_bytes(magic + b"\n" + json.dumps(head or header).encode() + b"\n" + body)
        with pytest.raises(snapshot.BadSnapshot, match=text):
            snapshot.restore(bad, device)

    refuse("format 99, this version reads 1", {**header, "format": 99})
    refuse("another build", {**header, "core": "0" * 64})
    refuse("a snapshot of msp430fr5994, not of msp430fr5969", device="msp430fr5969")
    refuse("damaged", body=packed[:-20])
    refuse("checksum", body=zlib.compress(zlib.decompress(packed)[:-1]))
    (tmp_path / "text").write_text("hello\nworld\n")
    with pytest.raises(snapshot.BadSnapshot, match="not a snapshot"):
        snapshot.restore(tmp_path / "text")
    with pytest.raises(FileNotFoundError):
        snapshot.restore(tmp_path / "nothing")


def test_every_member_is_saved_or_known_not_to_be():
    """A new peripheral must not be forgotten."""
    core = Path(sim.__file__).parent / "core"
    if not core.is_dir():
        pytest.skip("installed from a wheel: there are no sources to compare")
    body = (core / "machine.h").read_text()
    body = body[body.index("struct Machine {") : body.index("Machine(const std::vector<MemoryRange>")]
    body = re.sub(r"//[^\n]*", "", body)
    declared = set()
    for statement in body.split(";"):
        if "static constexpr" in statement or "(" in statement.split("=")[0].split("{")[0]:
            continue
        match = re.search(r"(\w+)\s*(?:\[[^\]]*\])?\s*(?:=.*|\{.*\})?\s*$", statement.strip(), re.DOTALL)
        if match:
            declared.add(match[1])
    saved = set(re.findall(r"f(?:\.\w+)?\(m\.(\w+)\)", (core / "snapshot.cpp").read_text()))
    rebuilt = {"stop_at", "nvm_stop", "op", "in_dma", "read_region", "write_region", "ops", "limit", "ranges", "fault"}
    looking = {"limits", "watches", "watch_events", "watch_open", "profiling", "function_of", "profile", "calls"}
    looking |= {"profile_slot", "profile_mark", "tracing", "trace"}
    assert len(declared) > 35
    assert declared == saved | rebuilt | looking
    assert not saved & (rebuilt | looking)
    assert _core.SOURCE_HASH

"""Instruction traces, VCD files, call paths and joules by function."""

from __future__ import annotations

import io
import re

import pytest

import sim
from sim import tracing

PROGRAM = """
    .globl _start, outer, inner, tail, done, layer, handler
    .type _start,@function
_start:
    mov #0x2c00, r1
    mov #0x5a80, &0x015c
    mov #3, r10
loop: mov r10, &layer
    call #outer
    dec r10
    jnz loop
done: jmp done
    .size _start, .-_start
    .type outer,@function
outer: push r10
    call #inner
    call #inner
    pop r10
    ret
    .size outer, .-outer
    .type inner,@function
inner: push r9
    nop
    pop r9
    br #tail
    .size inner, .-inner
    .type tail,@function
tail: inc r5
    ret
    .size tail, .-tail
    .type handler,@function
handler: nop
    reti
    .size handler, .-handler
    .section .bss,"aw",@nobits
layer: .zero 2
"""


@pytest.fixture
def m(assemble) -> sim.Machine:
    machine = sim.Machine(seed=2)
    machine.load(assemble(PROGRAM))
    for r in range(4, 16):
        machine.set_register(r, 0)
    return machine


def test_instruction_trace(m):
    twin, out = m.fork(), io.StringIO()
    assert tracing.instruction_trace(m, out, "done") is sim.Stop.UNTIL
    twin.run("done")
    assert twin.counters() == m.counters()
    lines = out.getvalue().splitlines()
    assert len(lines) == m.instructions
    assert re.match(r"\s+0  0x04000 <_start>\s+SP=02C00$", lines[0])
    assert any("<inner>" in line for line in lines)
    cycles = [int(line.split()[0]) for line in lines]
    assert cycles == sorted(set(cycles))
    out = io.StringIO()
    assert tracing.instruction_trace(m, out, max_cycles=50) is sim.Stop.CYCLES
    assert len(out.getvalue().splitlines()) == 25  # JMP takes 2


def test_trace_shows_the_way_to_a_fault(assemble):
    m = sim.Machine()
    m.load(assemble("_start: mov #0x5a80, &0x15c\n mov #7, r4\n mov &0x1b00, r5"))
    out = io.StringIO()
    with pytest.raises(sim.BusFault):
        tracing.instruction_trace(m, out)
    assert "R4=00007" in out.getvalue()


def test_vcd(m):
    m.watch("layer")
    m.run("done")
    log = m.watch_log()
    volts = tracing.Signal("supply volts", "real", [(0.0, 3.0), (1e-5, 2.5)])
    out = io.StringIO()
    names = {m.symbols["layer"].address: "layer"}
    tracing.write_vcd(out, [*tracing.watched(log, names), volts, tracing.Signal("on", "bit", [(0.0, 1.0)])])
    text = out.getvalue()
    assert "$timescale 1 ns $end" in text
    assert "$var wire 16 ! layer $end" in text
    assert "$var real 64 \" supply_volts $end" in text  # fmt: skip
    for event in log:
        assert f"#{round(event.time_s * 1e9)}\nb{event.value:b} !" in text
    assert "r2.5 \"" in text  # fmt: skip
    assert "\n1#" in text
    stamps = [int(t) for t in re.findall(r"^#(\d+)$", text, re.MULTILINE)]
    assert stamps == sorted(set(stamps))


def test_call_paths_follow_calls_returns_tail_calls_and_interrupts(m):
    m.profile(True)
    m.run("inner")
    m.run(max_instructions=1)
    m.write(0xFF90 + 2 * 20, m.symbols["handler"].address.to_bytes(2, "little"))
    m.set_register(2, 8)
    m.interrupt(20)
    m.run("done")
    paths = {item.path: item.counters for item in tracing.call_paths(m)}
    assert set(paths) == {
        ("_start",),
        ("_start", "outer"),
        ("_start", "outer", "inner"),
        ("_start", "outer", "inner", "handler"),
        ("_start", "outer", "tail"),
    }
    assert paths["_start", "outer", "tail"].instructions == 6 * 2
    total = sim.Counters()
    for counters in paths.values():
        total += counters
    assert total == m.counters()
    by_function: dict[str, sim.Counters] = {}
    for path, counters in paths.items():
        by_function[path[-1]] = by_function.get(path[-1], sim.Counters()) + counters
    assert by_function == m.profile_report()


def test_folded_stacks_and_joules(m):
    energy = sim.EnergyModel.load("fused")
    m.profile(True)
    m.run("done")
    folded = tracing.folded_stacks(m)
    assert sum(int(line.rsplit(" ", 1)[1]) for line in folded.splitlines()) == m.cycles
    assert "_start;outer;inner " in folded
    joules = tracing.energy_by_function(m, energy)
    assert sum(joules.values()) == pytest.approx(energy.energy_j(m.counters()))
    assert list(joules.values()) == sorted(joules.values(), reverse=True)
    assert tracing.folded_stacks(m, energy).count("\n") == folded.count("\n")

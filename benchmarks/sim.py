"""Speed of the simulator on programs with different loops: ``python benchmarks/sim.py --json FILE``.

Writes ``mips`` (NWAITS = 0) and ``mips_cache`` (NWAITS = 1), geometric means over the programs, ``fork_us`` and
``machine_mb``. All checks, the cache model and event counting are on; there is no faster mode.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import tempfile
import time
from pathlib import Path

import ziglang

import sim

LINKER_SCRIPT = """
ENTRY(_start)
MEMORY { FRAM (rx): ORIGIN = 0x4000, LENGTH = 0xBF80  VECT (r): ORIGIN = 0xFF90, LENGTH = 0x70 }
SECTIONS {
  .text 0x4000 : { *(.text) } >FRAM
  .vectors 0xFF90 : { KEEP(*(.vectors)) } >VECT
  /DISCARD/ : { *(.note.GNU-stack) *(.comment) *(.MSP430.attributes) }
}
"""

FRAME = """
    .text
    .globl _start
_start:
    mov #0x2c00, r1
    mov #0x5a80, &0x015c
    mov #{frctl}, &0x0140
{body}
    .section .vectors,"a",@progbits
    .rept 55
    .word 0xFFFF
    .endr
    .word _start
"""

# Each runs for ever; the data lie in SRAM, the code in FRAM, as in real firmware.
FILL = """
    mov #0x1c00, r12
    mov #0xace1, r13
fill:
    rra r13
    jnc 1f
    xor #0xb400, r13
1:  mov r13, 0(r12)
    incd r12
    cmp #0x2800, r12
    jne fill
"""

PROGRAMS = {
    "crc": FILL
    + """
crc:
    mov #0xffff, r12
    mov #0x1c00, r13
byte:
    mov.b @r13+, r15
    swpb r12
    xor r15, r12
    mov.b r12, r15
    rra r15
    rra r15
    rra r15
    rra r15
    xor r15, r12
    mov.b r12, r15
    swpb r15
    rla r15
    rla r15
    rla r15
    rla r15
    xor r15, r12
    mov.b r12, r15
    rla r15
    rla r15
    rla r15
    rla r15
    rla r15
    xor r15, r12
    cmp #0x2000, r13
    jne byte
    jmp crc
""",
    "sort": FILL
    + """
again:
    mov #0x2000, r11
    mov #0x1c80, r13
reload:
    mov @r11, r14
    xor r9, r14
    mov r14, -0x400(r11)
    incd r11
    cmp #0x2080, r11
    jne reload
    add #0x1357, r9
    mov #0x1c02, r12
outer:
    mov @r12, r14
    mov r12, r11
inner:
    cmp #0x1c00, r11
    jeq place
    mov -2(r11), r10
    cmp r10, r14
    jge place
    mov r10, 0(r11)
    decd r11
    jmp inner
place:
    mov r14, 0(r11)
    incd r12
    cmp #0x1c80, r12
    jne outer
    jmp again
""",
    "copy": FILL
    + """
copy:
    mov #0x8000, r12
    mov #0x2000, r13
word:
    mov @r12+, r14
    mov r14, 0(r13)
    incd r13
    cmp #0x2800, r13
    jne word
    jmp copy
""",
    "dot": FILL
    + """
dot:
    mov #0x1c00, r12
    mov #0x2000, r13
    mov #256, r14
    mov #0, &0x4c2
    mov #0, &0x4c8
mac:
    .word 0x40b2 | (12 << 8), 0x4c6
    .word 0x40b2 | (13 << 8), 0x4c8
    dec r14
    jnz mac
    mov &0x4ca, r10
    mov &0x4cc, r11
    jmp dot
""",
    "calls": FILL
    + """
next:
    mov #12, r12
    call #fib
    jmp next
fib:
    cmp #2, r12
    jl small
    push r12
    dec r12
    call #fib
    pop r11
    push r12
    mov r11, r12
    sub #2, r12
    call #fib
    pop r11
    add r11, r12
small:
    ret
""",
}


def build(folder: Path, name: str, nwaits: int) -> Path:
    """Assemble and link one program."""
    zig = Path(ziglang.__file__).parent / "zig"
    stem = folder / f"{name}{nwaits}"
    (folder / "link.ld").write_text(LINKER_SCRIPT)
    stem.with_suffix(".S").write_text(FRAME.format(frctl=0xA500 | nwaits << 4, body=PROGRAMS[name]))
    target = ["--target=msp430", "-ffreestanding", "-c", str(stem.with_suffix(".S")), "-o", f"{stem}.o"]
    subprocess.run([str(zig), "clang", *target], check=True)
    link = ["-n", "-T", str(folder / "link.ld"), f"{stem}.o", "-o", f"{stem}.elf"]
    subprocess.run([str(zig), "ld.lld", *link], check=True)
    return stem.with_suffix(".elf")


def measure(elf: Path, cycles: int) -> float:
    """Million instructions per second: the best of three runs."""
    best = 0.0
    m = sim.Machine(seed=1)
    m.load(elf)
    m.run(max_cycles=200_000)  # decode and warm up
    for _ in range(3):
        first, start = m.instructions, time.perf_counter()
        m.run(max_cycles=cycles)
        best = max(best, (m.instructions - first) / (time.perf_counter() - start) / 1e6)
    return best


def resident_kib() -> int:
    """Resident memory of this process, or 0 where the system does not say."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmRSS"))


def fork_cost(elf: Path, count: int = 400) -> tuple[float, float]:
    """Microseconds per fork (made and dropped), and megabytes per machine that ran a little."""
    m = sim.Machine(seed=1)
    m.load(elf)
    m.run(max_cycles=200_000)
    best = math.inf
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(count):
            m.fork()
        best = min(best, (time.perf_counter() - start) / count)
    before = resident_kib()
    kept = [m.fork() for _ in range(count)]
    for machine in kept:
        machine.run(max_cycles=2000)
    return best * 1e6, (resident_kib() - before) / 1024 / count


def main() -> None:
    """Measure, print the table, write the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--cycles", type=int, default=150_000_000, help="MCLK cycles per measurement")
    args = parser.parse_args()
    table: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as tmp:
        for name in PROGRAMS:
            table[name] = {
                key: round(measure(build(Path(tmp), name, nwaits), args.cycles), 1)
                for nwaits, key in ((0, "mips"), (1, "mips_cache"))
            }
            print(f"{name:8} {table[name]['mips']:8.1f} MIPS {table[name]['mips_cache']:8.1f} MIPS with wait states")
        fork_us, machine_mb = fork_cost(build(Path(tmp), "crc", 1))
    mean = {k: math.prod(row[k] for row in table.values()) ** (1 / len(table)) for k in ("mips", "mips_cache")}
    figures = {k: round(v, 1) for k, v in mean.items()} | {
        "fork_us": round(fork_us, 1),
        "machine_mb": round(machine_mb, 2),
        "programs": table,
    }
    print(f"{'mean':8} {figures['mips']:8.1f} MIPS {figures['mips_cache']:8.1f} MIPS with wait states")
    print(f"fork {fork_us:.1f} us, {machine_mb:.2f} MB per machine")
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()

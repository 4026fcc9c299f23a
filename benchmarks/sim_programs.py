"""Programs that the simulator is measured with: assembly for CRC, sort, copy and sleep, and LeNet on CPU kernels.

Each assembly program does ROUNDS rounds and comes to ``done``; the data lie in SRAM, the code in FRAM, as in firmware.
None is a straight loop: they branch on data, call, or are interrupted.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import ziglang

from codegen.boards import board_file
from codegen.build import compile_and_link, toolchain
from codegen.emit import CProject, emit_project
from codegen.target import firmware_dir, load_target

ROOT = Path(__file__).parent.parent

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
    .globl _start, done, handler
_start:
    mov #0x2c00, r1
    mov #0x5a80, &0x015c
    mov #{frctl}, &0x0140
    mov #{rounds}, r7
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
round:
{body}
    dec r7
    jnz round
done:
    jmp done
handler:
    add #1, r9
    push r12
    mov @r10+, r12
    add r12, r8
    rra r12
    add r12, 0(r11)
    incd r11
    cmp #0x2000, r10
    jlo 1f
    mov #0x1c00, r10
    mov #0x2000, r11
1:  pop r12
    bic #0xd0, 0(r1)
    reti
    .section .vectors,"a",@progbits
    .rept 45
    .word 0xFFFF
    .endr
    .word handler
    .rept 9
    .word 0xFFFF
    .endr
    .word _start
"""

BODIES = {
    "crc": """
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
""",
    "sort": """
    mov #0x2000, r11
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
""",
    "copy": """
    mov #0x8000, r12
    mov #0x2000, r13
    call #words
    mov #0x1c01, r12
    mov #0x2401, r13
    mov #0x0200, r14
bytes:
    mov.b @r12+, 0(r13)
    inc r13
    dec r14
    jnz bytes
    jmp copied
words:
    mov @r12+, r14
    mov r14, 0(r13)
    incd r13
    cmp #0x2400, r13
    jne words
    ret
copied:
""",
    "sleep": """
    mov #0x1c00, r10
    mov #0x2000, r11
    mov #149, &0x0352
    mov #0x0010, &0x0342
    mov #0x0214, &0x0340
    mov #200, r6
again:
    bis #0x18, r2
    nop
    mov #12, r13
work:
    rra r8
    jnc even
    xor #0xb400, r8
even:
    dec r13
    jnz work
    dec r6
    jnz again
    mov #0, &0x0340
    dint
    nop
""",
    "hours": """
    mov #0x1c00, r10
    mov #0x2000, r11
    mov #0, r8
doze:
    bis #0xd8, r2
    nop
    mov #200, r13
busy:
    dec r13
    jnz busy
    jmp doze
""",
}
# `mov.b @r12+, 0(r13)`: LLVM's assembler lacks this form
BODIES["copy"] = BODIES["copy"].replace("mov.b @r12+, 0(r13)", ".word 0x4cfd, 0")
NAMES = ("lenet", "sleep", "crc", "sort", "copy")
PLAIN = ("crc", "sort", "copy")  # 16-bit instructions and no peripheral: other simulators run them too


def assemble(folder: Path, name: str, nwaits: int, rounds: int = 0) -> Path:
    """Assemble and link one of BODIES; 0 rounds are 65536."""
    zig = str(Path(ziglang.__file__).parent / "zig")
    stem = folder / f"{name}{nwaits}_{rounds}"
    (folder / "link.ld").write_text(LINKER_SCRIPT)
    source = stem.with_suffix(".S")
    source.write_text(FRAME.format(frctl=0xA500 | nwaits << 4, rounds=rounds, body=BODIES[name]))
    subprocess.run(
        [zig, "clang", "--target=msp430", "-ffreestanding", "-c", str(source), "-o", f"{stem}.o"], check=True
    )
    link = ["-n", "-T", str(folder / "link.ld"), f"{stem}.o", "-o", f"{stem}.elf"]
    subprocess.run([zig, "ld.lld", *link], check=True)
    return stem.with_suffix(".elf")


def _strategies() -> ModuleType:
    path = ROOT / "tests" / "strategies.py"
    spec = importlib.util.spec_from_file_location("strategies", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["strategies"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def lenet(folder: Path, nwaits: int) -> tuple[Path, CProject]:
    """The demo's LeNet-5 (its shape, sparsities and kernels; seeded weights), with the wait states asked for.

    With NWAITS = 0 it stays at 1 MHz: 16 MHz without wait states is what the device does not do.
    """
    target = load_target("msp430fr5994")
    graph = _strategies().lenet()
    project = emit_project(graph, target, backend="cpu")
    home = folder / f"lenet{nwaits}"
    home.mkdir()
    for name in ("model.h", "model.c", "weights.S"):
        (home / name).write_text(str(project.files[name]))
    root, board = firmware_dir(), board_file(target.name, "board.c")
    text = board.read_text()
    if nwaits == 0:
        text = text.replace("0xA510", "0xA500").replace(
            "#define DCOFSEL_4_DCORSEL 0x0048", "#define DCOFSEL_4_DCORSEL 0"
        )
        assert "0xA500 //" in text
    (home / "board.c").write_text(text)
    manifest = json.loads(str(project.files["project.json"]))
    sources = [home / "model.c", home / "weights.S", home / "board.c", board.parent / "start.S"]
    sources += [root / name for name in (*manifest["sources"], "src/sw_serve.c", "src/sw_mem.S", "src/sw_mspabi.S")]
    for kernel in manifest["kernels"]:
        assembly = root / "kernels" / f"{kernel}.S"
        sources.append(assembly if assembly.is_file() else root / "kernels" / f"{kernel}.c")
    program = home / "lenet.elf"
    compile_and_link(toolchain("zig", target), sources, [root / "include", home], program, home / "map")
    return program, project

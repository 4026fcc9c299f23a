"""Helpers for the simulator's tests: bare machines, hand-made words, assembled ELF files.

Fixtures are session-wide factories, so that Hypothesis may use them.
"""

from __future__ import annotations

import importlib.util
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import ziglang

import sim

for _name in ("compiler_bugs", "network_loops", "random_programs"):  # importlib mode leaves `sys.path` alone
    if _name not in sys.modules:
        _spec = importlib.util.spec_from_file_location(_name, Path(__file__).parent / f"{_name}.py")
        assert _spec is not None
        assert _spec.loader is not None
        sys.modules[_name] = importlib.util.module_from_spec(_spec)
        _spec.loader.exec_module(sys.modules[_name])

RAM = 0x1C00
LEARAM = 0x2C00
FRAM = 0x4400
STACK = 0x2BF0

LINKER_SCRIPT = """
ENTRY(_start)
MEMORY { RAM (rw): ORIGIN = 0x1C00, LENGTH = 0x1000   FRAM (rx): ORIGIN = 0x4000, LENGTH = 0xBF80
         VECT (r): ORIGIN = 0xFF90, LENGTH = 0x70   HIFRAM (rx): ORIGIN = 0x10000, LENGTH = 0x34000 }
SECTIONS {
  .text 0x4000 : { *(.text .text.*) . = ALIGN(2); } >FRAM
  .nvm : { *(.nvm .nvm.*) . = ALIGN(2); } >FRAM
  .bss (NOLOAD) : { *(.bss .bss.*) } >RAM
  .hifram : { *(.hifram .hifram.*) } >HIFRAM
  .vectors 0xFF90 : { KEEP(*(.vectors)) } >VECT
  /DISCARD/ : { *(.note.GNU-stack) *(.comment) *(.MSP430.attributes) }
}
"""

PROLOGUE = """
    .macro VECTORS entry
    .section .vectors,"a",@progbits
    .rept 55
    .word 0xFFFF
    .endr
    .word \\entry
    .endm
    .text
"""


class Bare:
    """A machine that runs words put straight into memory, with SP and SR set and the watchdog held."""

    def __init__(self, words: Sequence[int], at: int = FRAM, nwaits: int = 0, **options: object) -> None:
        self.m = sim.Machine(seed=1, **options)  # type: ignore[arg-type]
        boot = [0x40B2, 0x5A80, 0x015C]  # MOV #5A80h, &WDTCTL
        if nwaits:
            boot += [0x40B2, 0xA500 | nwaits << 4, 0x0140]  # MOV #A5n0h, &FRCTL0
        self.m.write(0x3000, struct.pack(f"<{len(boot)}H", *boot))
        self.m.pc = 0x3000
        self.m.run(until=0x3000 + 2 * len(boot))
        for r in range(4, 16):
            self.m.set_register(r, 0)
        self.m.set_register(1, STACK)
        self.put(at, *words)
        self.m.pc = self.at = at
        self.end = at + 2 * len(words)

    def put(self, at: int, *words: int) -> None:
        if words:
            self.m.write(at, struct.pack(f"<{len(words)}H", *(w & 0xFFFF for w in words)))

    def word(self, at: int) -> int:
        return int.from_bytes(self.m.read(at, 2), "little")

    def r(self, index: int, value: int | None = None) -> int:
        if value is not None:
            self.m.set_register(index, value)
        return self.m.registers[index]

    def step(self, count: int = 1) -> sim.Counters:
        """Run ``count`` instructions; returns what they cost."""
        before = self.m.counters()
        for _ in range(count):
            self.m.run(max_cycles=0)
        return self.m.counters() - before

    def go(self, until: int | None = None) -> sim.Counters:
        before = self.m.counters()
        assert self.m.run(until=self.end if until is None else until, max_cycles=1_000_000) is sim.Stop.UNTIL
        return self.m.counters() - before


@pytest.fixture(scope="session")
def bare() -> type[Bare]:
    return Bare


@pytest.fixture(scope="session")
def assemble(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Assemble and link MSP430 assembly (``zig clang``); ``_start`` is the entry. Returns the ELF's path."""
    folder = tmp_path_factory.mktemp("asm")
    zig = Path(ziglang.__file__).parent / "zig"
    made: dict[str, Path] = {}
    (folder / "link.ld").write_text(LINKER_SCRIPT)

    def build(source: str) -> Path:
        if source in made:
            return made[source]
        stem = folder / f"p{len(made)}"
        stem.with_suffix(".S").write_text(PROLOGUE + source + "\n VECTORS _start\n")
        run = [str(zig), "clang", "--target=msp430", "-ffreestanding", "-c"]
        subprocess.run([*run, str(stem.with_suffix(".S")), "-o", str(stem.with_suffix(".o"))], check=True)
        link = [str(zig), "ld.lld", "-n", "-T", str(folder / "link.ld")]
        subprocess.run([*link, str(stem.with_suffix(".o")), "-o", str(stem.with_suffix(".elf"))], check=True)
        made[source] = stem.with_suffix(".elf")
        return made[source]

    return build


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What the random programs found: builds compared, and differences traced to compilers."""
    found: Counter[str] = Counter()
    programs = builds = 0
    for report in terminalreporter.stats.get("passed", []):
        properties = list(report.user_properties)
        programs += any(key == "builds" for key, _ in properties)
        builds += sum(value for key, value in properties if key == "builds")
        found.update(str(value) for key, value in properties if key == "compiler_bug")
    if programs:
        terminalreporter.write_line(
            f"random programs: {programs} in {builds} builds, {found.total()} traced to compilers"
        )
        for what, count in sorted(found.items()):
            terminalreporter.write_line(f"  {what}: {count}")

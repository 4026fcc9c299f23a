"""The same ELF on Debian's ``mspdebug sim``: MIPS and cycles of 16-bit programs without peripherals."""

from __future__ import annotations

import re
import resource
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import sim


@dataclass(frozen=True)
class Answer:
    """What mspdebug says of a program from reset to ``done``."""

    mips: float
    instructions: int
    cycles: int


def run(elf: Path) -> Answer | None:
    """None where mspdebug is not installed."""
    if shutil.which("mspdebug") is None:
        return None
    m = sim.Machine()
    m.load(elf)
    commands = [f"prog {elf}", "simio add tracer t", "reset", "simio config t clear"]
    commands += [f"setbreak 0x{m.symbols['done'].address:x}", "run", "simio info t", "exit"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = subprocess.run(["mspdebug", "-q", "sim", *commands], capture_output=True, text=True, check=True)
    seconds = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    found = {name: int(v) for name, v in re.findall(r"^(Instruction count|MCLK):\s+(\d+)", done.stdout, re.MULTILINE)}
    instructions = found["Instruction count"]
    return Answer(instructions / max(seconds, 1e-9) / 1e6, instructions, found["MCLK"])

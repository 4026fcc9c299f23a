"""Build `firmware/tests/lea_probe`, the program that measures a board's LEA: ELF, Intel HEX and TI-TXT.

`python -m sim.probe` reads what it prints. Toolchains and errors are those of `build`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from .boards import board_file
from .build import compile_and_link, toolchain
from .errors import OutputError, ToolchainError
from .files import replace_folder
from .image import read_segments, to_intel_hex, to_ti_txt
from .target import firmware_dir, load_target

NAME = "lea_probe"


def build_probe(out: Path, toolchain_name: str = "zig", target_name: str = "msp430fr5994") -> Path:
    """Compile the probe into the folder `out`; returns the path of the ELF.

    Raises:
        ToolchainError, DoesNotFit, OutputError.
    """
    if toolchain_name == "host":
        raise ToolchainError("lea_probe drives the LEA and runs on a board only; choose zig or gcc")
    tool, root = toolchain(toolchain_name, load_target(target_name)), firmware_dir()
    sources = sorted(p for p in (root / "tests" / NAME).iterdir() if p.suffix in (".c", ".S"))
    sources += [root / "tests" / "uart" / "uart.c"]
    sources += [board_file(target_name, "board.c"), root / "src" / "sw_mem.S"]
    if tool.name == "zig":
        sources.append(root / "src" / "sw_mspabi.S")
    try:
        temporary = tempfile.TemporaryDirectory(prefix=f".{NAME}.", dir=out.parent)
    except OSError as e:
        raise OutputError(f"{out.parent} can't be written ({e.strerror})") from e
    with temporary as scratch:
        program = Path(scratch) / f"{NAME}.elf"
        compile_and_link(
            tool, sources, [root / "include", root / "tests" / "uart"], program, program.with_suffix(".map")
        )
        segments = read_segments(program)
        files: dict[str, str | bytes] = {
            program.name: program.read_bytes(),
            f"{NAME}.hex": to_intel_hex(segments),
            f"{NAME}.txt": to_ti_txt(segments),
        }
    replace_folder(out, files)
    return out / f"{NAME}.elf"

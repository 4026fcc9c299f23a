"""Write an image to a board, verify it, and fill the board's external memory."""

from __future__ import annotations

import re
from pathlib import Path

from .errors import ToolchainError
from .image import read_segments, read_symbols
from .loader import IDLE, STATUS
from .programmers import DriverMissingError, Job, by_name, program

DEVICE = "msp430fr5994"


def flash(elf: Path, device: str = DEVICE, driver: str = "auto", config: Path | None = None) -> str:
    """Program and verify `elf`; returns what to tell the user.

    The image is checked first: it must be an MSP430 ELF and leave the signatures at 0xFF80-0xFF8F alone.

    Args:
        device: the MCU.
        driver: `tilib` or `ezfet` of mspdebug, `MSP430Flasher`, `dslite`; `auto` takes the first that is there.
        config: target configuration of UniFlash, for `dslite`.

    Raises:
        ToolchainError: no programmer, no board, or it failed; the message says whether the board was touched.
        DoesNotFit: the image covers the signatures.
    """
    _, used = _write(elf, [], device, driver, config)
    return f"{elf.name} written and verified ({used})"


def fill_external(elf: Path, device: str = DEVICE, driver: str = "auto") -> str:
    """Program one of the loaders (`loader.py`), let it run until it idles, and read its verdict; needs mspdebug.

    Raises:
        ToolchainError, DoesNotFit: as `flash`; or the external memory does not hold what was written.
    """
    read_segments(elf)
    symbols = read_symbols(elf)
    try:
        idle, status = symbols[IDLE], symbols[STATUS]
    except KeyError as e:
        raise ToolchainError(f"{elf.name} is not a program that fills an external memory; build again") from e
    lines, _ = _write(elf, [f"setbreak {idle:#x}", "run", f"md {status:#x} 2"], device, driver, None)
    dumped = [m for line in lines if (m := re.match(rf"0*{status:x}: (\w\w) (\w\w)\b", line))]
    if not dumped or (dumped[-1][1], dumped[-1][2]) != ("01", "00"):
        raise ToolchainError(
            f"{elf.name}: the external memory does not hold what was written to it; check its supply and wiring "
            "(firmware/README.md)"
        )
    return f"{elf.name}: external memory written and compared"


def _write(elf: Path, then: list[str], device: str, driver: str, config: Path | None) -> tuple[list[str], str]:
    """Program and verify by the first programmer whose driver is there, then give more commands to a debugger."""
    job = Job(elf, read_segments(elf), device, config)
    candidates = [p for p in by_name(driver) if p.debugs or not then]
    if not candidates:
        raise ToolchainError("filling an external memory needs mspdebug, which runs the program and reads its verdict")
    closed: list[str] = []
    for programmer in candidates:
        try:
            return program(programmer, job, then), programmer.name
        except DriverMissingError as e:
            closed.append(str(e))
        except ToolchainError as e:
            raise ToolchainError("; ".join([*closed, str(e)])) from e
    raise ToolchainError("; ".join(closed))

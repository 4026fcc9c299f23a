"""Write an image to a board through `mspdebug tilib` (eZ-FET of a LaunchPad), and fill its external memory."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from .errors import ToolchainError
from .image import read_segments, read_symbols
from .loader import IDLE, STATUS

TIMEOUT_S = 180
FAILURES = ("error", "fail", "can't", "unable", "mismatch")


def flash(elf: Path) -> str:
    """Program and verify `elf`; returns what to tell the user.

    The image is checked first: it must be an MSP430 ELF and leave the signatures alone.

    Raises:
        ToolchainError: mspdebug is missing, found no board, or failed; its last words are in the message.
        DoesNotFit: the image covers the signatures.
    """
    _mspdebug(elf, [])
    return f"{elf.name} written and verified"


def fill_external(elf: Path) -> str:
    """Program one of the loaders (`loader.py`), let it run until it idles, and read its verdict.

    Raises:
        ToolchainError, DoesNotFit: as `flash`; or the external memory does not hold what was written.
    """
    read_segments(elf)
    symbols = read_symbols(elf)
    try:
        idle, status = symbols[IDLE], symbols[STATUS]
    except KeyError as e:
        raise ToolchainError(f"{elf.name} is not a program that fills an external memory; build again") from e
    lines = _mspdebug(elf, [f"setbreak {idle:#x}", "run", f"md {status:#x} 2"])
    dumped = [m for line in lines if (m := re.match(rf"0*{status:x}: (\w\w) (\w\w)\b", line))]
    if not dumped or (dumped[-1][1], dumped[-1][2]) != ("01", "00"):
        raise ToolchainError(
            f"{elf.name}: the external memory does not hold what was written to it; check its supply and wiring "
            "(firmware/README.md)"
        )
    return f"{elf.name}: external memory written and compared"


def _mspdebug(elf: Path, then: list[str]) -> list[str]:
    """Program and verify `elf`, then give more commands; the lines that mspdebug printed."""
    read_segments(elf)
    mspdebug = shutil.which("mspdebug")
    if mspdebug is None:
        raise ToolchainError(
            "mspdebug is not on PATH; install it (Debian: apt install mspdebug) and TI's libmsp430.so, or write "
            f"{elf.with_suffix('.txt').name} with TI's UniFlash"
        )
    try:
        # a plain name: up to 0.22 mspdebug takes quotes for a part of the name, later ones split at blanks
        with tempfile.TemporaryDirectory(prefix="swtrain-") as folder:
            shutil.copyfile(elf, Path(folder) / "image.elf")
            done = subprocess.run(
                [mspdebug, "tilib", "prog image.elf", "verify image.elf", *then, "exit"],
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=TIMEOUT_S,
                stdin=subprocess.DEVNULL,
                check=False,
                cwd=folder,
            )
    except subprocess.TimeoutExpired as e:
        raise ToolchainError(
            f"mspdebug does not answer after {TIMEOUT_S} s; unplug the board, plug it in and try again"
        ) from e
    except OSError as e:
        raise ToolchainError(f"{mspdebug} can't be started ({e.strerror}); install mspdebug again") from e
    lines = [line.strip() for line in (done.stdout + "\n" + done.stderr).splitlines() if line.strip()]
    failed = [line for line in lines if any(word in line.lower() for word in FAILURES)]
    finished = sum(line.startswith("Done,") for line in lines)  # one for prog, one for verify
    if done.returncode != 0 or failed or finished < 2:
        reason = (failed or lines or ["no message"])[0]
        raise ToolchainError(
            f"mspdebug tilib failed ({reason}); connect the board and check that libmsp430.so is installed"
        )
    return lines

"""Write an image to a board through `mspdebug tilib` (eZ-FET of a LaunchPad)."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from .errors import ToolchainError
from .image import read_segments

TIMEOUT_S = 180
FAILURES = ("error", "fail", "can't", "unable", "mismatch")


def flash(elf: Path) -> str:
    """Program and verify `elf`; returns what mspdebug said last.

    The image is checked first: it must be an MSP430 ELF and leave the signatures alone.

    Raises:
        ToolchainError: mspdebug is missing, found no board, or failed; its last words are in the message.
        DoesNotFit: the image covers the signatures.
    """
    read_segments(elf)
    mspdebug = shutil.which("mspdebug")
    if mspdebug is None:
        raise ToolchainError(
            "mspdebug is not on PATH; install it (Debian: apt install mspdebug) and TI's libmsp430.so, or write "
            f"{elf.with_suffix('.txt').name} with TI's UniFlash"
        )
    commands = [f'prog "{elf}"', f'verify "{elf}"', "exit"]  # mspdebug splits at blanks, but not inside quotes
    try:
        done = subprocess.run(
            [mspdebug, "tilib", *commands],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=TIMEOUT_S,
            stdin=subprocess.DEVNULL,
            check=False,
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
    return f"{elf.name} written and verified"

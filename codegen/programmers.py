"""Programs that write an image into an MSP430: how each is called, and what it says when all went well.

None of them is trusted by its exit status alone: success needs the words of a finished verification, and no word of
failure. Whatever was cut off leaves the board with a part of an image, and the error says so.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import ToolchainError
from .image import Segment, to_ti_txt

TIMEOUT_S = 180
FAILURES = ("error", "fail", "can't", "unable", "mismatch", "out of range", "unknown driver")
HARMLESS = re.compile(r"no error|0 errors|error code 0\b", re.IGNORECASE)

IMAGE = "image"
"""Stem of the file that a programmer gets: mspdebug 0.22 takes quotes for a part of a name, later ones split it."""


@dataclass(frozen=True)
class Job:
    """What to write: the ELF, its segments, and the MCU as TI names it in small letters."""

    elf: Path
    segments: Sequence[Segment]
    device: str
    config: Path | None = None


@dataclass(frozen=True)
class Programmer:
    """One way to write an image.

    Attributes:
        name: what `--driver` takes.
        executables: names of the program on PATH.
        arguments: from the job and commands for a debugger; `None`: this job is not for it.
        file: suffix of the image that it reads.
        began: what it prints from the first byte on that it changes.
        verified: what it prints once all is written and compared; every pattern must occur.
        debugs: it runs and reads a program as well (`fill_external`).
        missing: words that say that its driver is absent: another one may work.
        hint: what to look at when it failed.
    """

    name: str
    executables: tuple[str, ...]
    arguments: Callable[[Job, Sequence[str]], list[str] | None]
    file: str
    began: str
    verified: tuple[str, ...]
    debugs: bool = False
    missing: tuple[str, ...] = ()
    hint: str = "connect the board"

    @property
    def path(self) -> str | None:
        """The program on PATH."""
        return next((p for p in map(shutil.which, self.executables) if p), None)


def _mspdebug(driver: str) -> Callable[[Job, Sequence[str]], list[str] | None]:
    def arguments(job: Job, then: Sequence[str]) -> list[str] | None:
        return [driver, f"prog {IMAGE}.elf", f"verify {IMAGE}.elf", *then, "exit"]

    return arguments


def _flasher(job: Job, then: Sequence[str]) -> list[str] | None:
    return ["-n", job.device.upper(), "-w", f"{IMAGE}.txt", "-v", "-z", "[VCC]"]


def _dslite(job: Job, then: Sequence[str]) -> list[str] | None:
    if job.config is None:
        return None
    return ["flash", f"--config={job.config.resolve()}", "--flash", "--verify", f"{IMAGE}.txt"]


_MSPDEBUG = {
    "executables": ("mspdebug",),
    "file": ".elf",
    "began": r"^(Erasing|Programming|Writing)",
    "verified": (r"^Done, [\s\S]*^Done, ",),  # one for prog, one for verify
    "debugs": True,
}
PROGRAMMERS = (
    Programmer(
        "tilib",
        arguments=_mspdebug("tilib"),
        missing=("libmsp430",),
        hint="connect the board and check that libmsp430.so is installed",
        **_MSPDEBUG,  # type: ignore[arg-type]
    ),
    Programmer("ezfet", arguments=_mspdebug("ezfet"), missing=("unknown driver",), **_MSPDEBUG),  # type: ignore[arg-type]
    Programmer(  # recalled from its manual (SLAU654)
        "MSP430Flasher",
        ("MSP430Flasher", "MSP430Flasher.exe"),
        _flasher,
        ".txt",
        r"Loading file|Erasing",
        (r"Verifying memory.*done", r"No error"),
    ),
    Programmer(  # recalled from the manual of UniFlash 8
        "dslite",
        ("dslite", "dslite.sh", "dslite.bat"),
        _dslite,
        ".txt",
        r"(?i)(loading|writing|erasing|flash)",
        (r"(?i)verif", r"(?i)success"),
    ),
)
SIMULATED = Programmer("sim", arguments=_mspdebug("sim"), **_MSPDEBUG)  # type: ignore[arg-type]
"""mspdebug's simulator, 64 KB: to try the commands without a board."""

INSTALL = (
    "install mspdebug (Debian: apt install mspdebug) and TI's libmsp430.so, or TI's MSP430Flasher, or UniFlash (its "
    "dslite on PATH and --config FILE.ccxml)"
)


def by_name(driver: str) -> list[Programmer]:
    """The programmers to try: those on PATH in their order for `auto`, or the one that is named.

    Raises:
        ToolchainError: unknown, or not on PATH; the message says what to install.
    """
    if driver == "auto":
        found = [p for p in PROGRAMMERS if p.path is not None]
        if not found:
            raise ToolchainError(f"no programmer is on PATH: mspdebug, MSP430Flasher, dslite; {INSTALL}")
        return found
    known = {p.name: p for p in (*PROGRAMMERS, SIMULATED)}
    if driver not in known:
        raise ToolchainError(f"driver {driver!r} is unknown; choose auto, {', '.join(p.name for p in PROGRAMMERS)}")
    if known[driver].path is None:
        raise ToolchainError(f"{known[driver].executables[0]} is not on PATH; {INSTALL}")
    return [known[driver]]


class DriverMissingError(ToolchainError):
    """The programmer is there, its driver is not: nothing was touched."""


def program(programmer: Programmer, job: Job, then: Sequence[str] = ()) -> list[str]:
    """Write and verify; the lines that the programmer printed.

    Raises:
        DriverMissingError: this way is closed, another may be open.
        ToolchainError: it failed, hangs, or does not say that all was verified; the message says whether the board
            was touched.
    """
    path, arguments = programmer.path, programmer.arguments(job, then)
    assert path is not None
    if arguments is None:
        raise DriverMissingError(f"{programmer.name} needs --config FILE.ccxml (UniFlash makes it for board and probe)")
    what = f"{Path(path).name} {programmer.name}" if programmer.debugs else programmer.name
    try:
        with tempfile.TemporaryDirectory(prefix="swtrain-") as folder:
            if programmer.file == ".elf":
                shutil.copyfile(job.elf, Path(folder) / f"{IMAGE}.elf")
            else:
                (Path(folder) / f"{IMAGE}{programmer.file}").write_text(to_ti_txt(list(job.segments)))
            done = subprocess.run(
                [path, *arguments],
                capture_output=True,
                timeout=TIMEOUT_S,
                stdin=subprocess.DEVNULL,
                check=False,
                cwd=folder,
            )
    except subprocess.TimeoutExpired as e:
        raise ToolchainError(
            f"{what} does not answer after {TIMEOUT_S} s; unplug the board and plug it in; {UNKNOWN}"
        ) from e
    except OSError as e:
        raise ToolchainError(f"{path} can't be started ({e.strerror}); install {Path(path).name} again") from e
    text = _text(done.stdout) + "\n" + _text(done.stderr)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    failed = [line for line in lines if any(word in line.lower() for word in FAILURES) and not HARMLESS.search(line)]
    if any(word in line.lower() for word in programmer.missing for line in failed):
        raise DriverMissingError(f"{what} failed ({failed[0]}); {programmer.hint}; nothing was written")
    verified = all(re.search(pattern, text, re.MULTILINE) for pattern in programmer.verified)
    if done.returncode != 0 or failed or not verified:
        # what a program had to say before it was killed may have stayed in its buffer
        state = UNKNOWN if done.returncode < 0 else _state(programmer, text)
        reason = (failed or lines or ["no message"])[0 if failed else -1]
        raise ToolchainError(f"{what} failed ({reason}); {programmer.hint}; {state}")
    return lines


def _text(output: bytes | None) -> str:
    return (output or b"").decode("utf-8", "replace").replace("\r\n", "\n")


UNKNOWN = "what the board holds is not known, it must be flashed again"


def _state(programmer: Programmer, text: str) -> str:
    """What the board holds after a failure."""
    if re.search(programmer.began, text, re.MULTILINE):
        return "the board holds an incomplete program and must be flashed again"
    return "nothing was written"

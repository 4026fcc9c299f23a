"""`flash` against a fake `mspdebug` on PATH: it never says "written" when it was not."""

from __future__ import annotations

import json
import stat
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import codegen.flash
from codegen.errors import DoesNotFit, ToolchainError
from codegen.flash import flash

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the fake mspdebug is a POSIX script")

GOOD = """\
MSPDebug version 0.25 - debugging tool for MSP430 MCUs
Using Olimex to initiate connection
Device: MSP430FR5994 (id = 0x024f)
Erasing...
Programming...
Writing 4096 bytes at 4400 [section: .text]...
Done, 4096 bytes total
Verifying...
Done, 4096 bytes total
"""


def elf(address: int = 0x4400) -> bytes:
    header = struct.pack(
        "<4sBBBB8xHHIIIIIHHHHHH", b"\x7fELF", 1, 1, 1, 0, 2, 105, 1, address, 52, 0, 0, 52, 32, 1, 40, 0, 0
    )
    return header + struct.pack("<8I", 1, 84, address, address, 4, 4, 7, 2) + b"code"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "model.elf"
    path.write_bytes(elf())
    return path


@pytest.fixture
def mspdebug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Puts a fake `mspdebug` on PATH, and nothing else; returns where it records its arguments."""

    def install(code: int = 0, out: bytes = b"", err: bytes = b"", wait_s: float = 0) -> Path:
        folder, record = tmp_path / "bin", tmp_path / "calls.json"
        folder.mkdir()
        script = folder / "mspdebug"
        script.write_text(
            f"#!{sys.executable}\nimport json, sys, time\n"
            f"json.dump(sys.argv[1:], open({str(record)!r}, 'w'))\n"
            f"sys.stdout.buffer.write({out!r}); sys.stderr.buffer.write({err!r}); sys.stdout.flush()\n"
            f"time.sleep({wait_s})\nsys.exit({code})\n"
        )
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", str(folder))
        return record

    return install


def words(command: str) -> list[str]:
    """A command as mspdebug reads it: split at blanks, double quotes keep a blank."""
    out, word, quoted, started = [], "", False, False
    for c in command:
        if c == '"':
            quoted, started = not quoted, True
        elif c.isspace() and not quoted:
            if word or started:
                out.append(word)
            word, started = "", False
        else:
            word += c
    return [*out, word] if word or started else out


def test_success(image: Path, mspdebug: Callable[..., Path]) -> None:
    record = mspdebug(out=GOOD.encode())
    assert flash(image) == "model.elf written and verified"
    arguments = json.loads(record.read_text())
    assert arguments[0] == "tilib"
    assert [words(a) for a in arguments[1:]] == [["prog", str(image)], ["verify", str(image)], ["exit"]]


def test_a_path_with_a_blank_is_quoted(tmp_path: Path, mspdebug: Callable[..., Path]) -> None:
    folder = tmp_path / "my models"
    folder.mkdir()
    (folder / "model.elf").write_bytes(elf())
    record = mspdebug(out=GOOD.encode())
    flash(folder / "model.elf")
    assert words(json.loads(record.read_text())[1]) == ["prog", str(folder / "model.elf")]


def test_no_mspdebug_names_the_remedy(image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolchainError, match=r"mspdebug is not on PATH; install it .* model\.txt with TI's UniFlash"):
        flash(image)


@pytest.mark.parametrize(
    ("code", "out", "err", "reason"),
    [
        (255, "", "tilib: can't find libmsp430.so: cannot open shared object file", "can't find libmsp430.so"),
        (0, GOOD, "error: verify failed at 4400 (3f vs 00)", "verify failed at 4400"),
        (0, "tilib: MSP430_VerifyMem: Verify mismatch", "", "mismatch"),
        (3, "", "", "no message"),
        (1, "usb: unable to find a device", "", "unable to find a device"),
        (1, "something odd\n", "", "something odd"),
    ],
)
def test_failure(code: int, out: str, err: str, reason: str, image: Path, mspdebug: Callable[..., Path]) -> None:
    mspdebug(code, out.encode(), err.encode())
    with pytest.raises(ToolchainError, match=rf"mspdebug tilib failed \(.*{reason}.*\); connect the board"):
        flash(image)


@pytest.mark.parametrize("out", [b"\xff\xfe\x80garbage\x00", b"\x1b[2J\xc3\x28"])
@pytest.mark.parametrize("code", [0, 1])
def test_garbage_is_no_traceback(out: bytes, code: int, image: Path, mspdebug: Callable[..., Path]) -> None:
    mspdebug(code, out, out)
    with pytest.raises(ToolchainError):
        flash(image)


@pytest.mark.parametrize("out", ["", "MSPDebug version 0.25\n", "what?\n"])
def test_silence_is_not_success(out: str, image: Path, mspdebug: Callable[..., Path]) -> None:
    """Exit 0 without a word about writing: something else is called mspdebug, or nothing happened."""
    mspdebug(0, out.encode())
    with pytest.raises(ToolchainError):
        flash(image)


def test_a_hanging_board_is_given_up(
    image: Path, mspdebug: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    mspdebug(wait_s=20)
    monkeypatch.setattr(codegen.flash, "TIMEOUT_S", 0.5)
    with pytest.raises(ToolchainError, match=r"does not answer after 0\.5 s; unplug the board"):
        flash(image)


def test_an_mspdebug_that_cannot_start(image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "mspdebug").write_text("#!/no/such/interpreter\n")
    (folder / "mspdebug").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(ToolchainError, match="mspdebug"):
        flash(image)


def test_an_image_over_the_signatures_never_reaches_the_board(tmp_path: Path, mspdebug: Callable[..., Path]) -> None:
    record = mspdebug(out=GOOD.encode())
    path = tmp_path / "bad.elf"
    path.write_bytes(elf(0xFF80))
    with pytest.raises(DoesNotFit, match="signatures"):
        flash(path)
    assert not record.exists()


def test_what_is_not_an_elf_never_reaches_the_board(tmp_path: Path, mspdebug: Callable[..., Path]) -> None:
    record = mspdebug(out=GOOD.encode())
    (tmp_path / "x.elf").write_text("hello")
    for path in (tmp_path / "x.elf", tmp_path / "none.elf"):
        with pytest.raises(ToolchainError, match="not a readable ELF"):
            flash(path)
    assert not record.exists()

"""`flash` against a fake `mspdebug` on PATH: it never says "written" when it was not."""

from __future__ import annotations

import json
import shutil
import stat
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import codegen.flash
import codegen.programmers
from codegen.boards import board_file
from codegen.build import compile_and_link, toolchain
from codegen.errors import DoesNotFit, ToolchainError
from codegen.flash import fill_external, flash
from codegen.target import firmware_dir, load_target

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
            f"open({str(record)!r} + '.elf', 'wb').write(open('image.elf', 'rb').read())\n"
            f"sys.stdout.buffer.write({out!r}); sys.stderr.buffer.write({err!r}); sys.stdout.flush()\n"
            f"time.sleep({wait_s})\nsys.exit({code})\n"
        )
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", str(folder))
        return record

    return install


def test_success(image: Path, mspdebug: Callable[..., Path]) -> None:
    record = mspdebug(out=GOOD.encode())
    assert flash(image) == "model.elf written and verified (tilib)"
    arguments = json.loads(record.read_text())
    assert arguments[0] == "tilib"
    assert arguments[1:] == ["prog image.elf", "verify image.elf", "exit"]
    assert Path(f"{record}.elf").read_bytes() == image.read_bytes()


def test_a_path_with_a_blank_reaches_mspdebug_as_a_plain_name(tmp_path: Path, mspdebug: Callable[..., Path]) -> None:
    """Version 0.22 takes quotes for a part of the name, 0.25 splits at blanks."""
    folder = tmp_path / "my models"
    folder.mkdir()
    (folder / "my model.elf").write_bytes(elf())
    record = mspdebug(out=GOOD.encode())
    assert flash(folder / "my model.elf") == "my model.elf written and verified (tilib)"
    assert json.loads(record.read_text())[1] == "prog image.elf"


@pytest.fixture
def loader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "external_0.elf"
    path.write_bytes(elf())
    monkeypatch.setattr(codegen.flash, "read_symbols", lambda _: {"sw_idle": 0x4400, "loader_status": 0x4ABC})
    return path


RAN = "Set breakpoint 0\nRunning. Press Ctrl+C to interrupt...\n    ( PC: 04400)  ( R4: 00000)\nsw_idle:\n"


def test_a_loader_runs_until_it_idles(loader: Path, mspdebug: Callable[..., Path]) -> None:
    record = mspdebug(out=f"{GOOD}{RAN}    04abc: 01 00                                           |..|\n".encode())
    assert fill_external(loader) == "external_0.elf: external memory written and compared"
    assert json.loads(record.read_text())[3:] == ["setbreak 0x4400", "run", "md 0x4abc 2", "exit"]


@pytest.mark.parametrize("dump", ["", "    04abc: ff ff  |\n", "    04abc: 00 00  |\n", "    14abc: 01 00  |\n"])
def test_a_loader_that_does_not_succeed(dump: str, loader: Path, mspdebug: Callable[..., Path]) -> None:
    mspdebug(out=(GOOD + RAN + dump).encode())
    with pytest.raises(ToolchainError, match="does not hold what was written to it; check its supply and wiring"):
        fill_external(loader)


def test_only_loaders_fill_a_memory(image: Path, mspdebug: Callable[..., Path]) -> None:
    record = mspdebug(out=GOOD.encode())
    with pytest.raises(ToolchainError, match="is not a program that fills an external memory"):
        fill_external(image)
    assert not record.exists()


def test_no_mspdebug_names_the_remedy(image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        ToolchainError,
        match=r"no programmer is on PATH: mspdebug, MSP430Flasher, dslite; install mspdebug .*libmsp430.so",
    ):
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
    monkeypatch.setattr(codegen.programmers, "TIMEOUT_S", 0.5)
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


# --- what the board holds after a failure, other programmers, and the real mspdebug


@pytest.fixture
def programmer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Puts a shell script on PATH as one more programmer; returns the folder, where it leaves `<name>.args`."""
    folder = tmp_path / "programmers"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def install(name: str, script: str) -> Path:
        path = folder / name
        path.write_text(
            f'#!/bin/sh\nd={folder}\nfor a in "$@"; do printf "%s\\n" "$a"; done > $d/{name}.args\n{script}\n'
        )
        path.chmod(0o755)
        return folder

    return install


@pytest.mark.parametrize(
    ("out", "state"),
    [
        ("", "nothing was written"),
        ("MSPDebug version 0.25\nDevice: MSP430FR5994\n", "nothing was written"),
        (GOOD.split("Programming")[0], "must be flashed again"),
        (GOOD.split("Done")[0], "must be flashed again"),
        (GOOD.split("Verifying")[0], "must be flashed again"),
    ],
)
def test_a_failure_says_whether_the_board_was_touched(
    out: str, state: str, image: Path, mspdebug: Callable[..., Path]
) -> None:
    """Unplugged at each stage: mspdebug ends with an error of USB, whatever it printed before."""
    mspdebug(255, out.encode(), b"libusb: device disconnected: error -4\n")
    with pytest.raises(ToolchainError, match=rf"device disconnected.*{state}"):
        flash(image)


def test_a_board_that_hangs_while_it_is_written_must_be_flashed_again(
    image: Path, programmer: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    programmer("mspdebug", "echo Programming...\nexec /bin/sleep 20")
    monkeypatch.setattr(codegen.programmers, "TIMEOUT_S", 0.5)
    with pytest.raises(ToolchainError, match=r"does not answer.*is not known, it must be flashed again"):
        flash(image)


def test_a_programmer_that_is_killed(image: Path, programmer: Callable[[str, str], Path]) -> None:
    programmer("mspdebug", "echo Erasing...\nkill -9 $$")
    with pytest.raises(ToolchainError, match="must be flashed again"):
        flash(image)


FLASHER = "echo '* Loading file into device...done'\necho '* Verifying memory (image.txt)...done'\n"


def test_ti_flasher_gets_ti_txt(image: Path, programmer: Callable[[str, str], Path]) -> None:
    folder = programmer("MSP430Flasher", f"/bin/cp image.txt $d\n{FLASHER}echo '* Driver : closed (No error)'")
    assert flash(image, "msp430fr6989") == "model.elf written and verified (MSP430Flasher)"
    arguments = (folder / "MSP430Flasher.args").read_text()
    assert arguments.split() == ["-n", "MSP430FR6989", "-w", "image.txt", "-v", "-z", "[VCC]"]
    assert (folder / "image.txt").read_text() == "@4400\n63 6F 64 65\nq\n"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo '* Found no debugger'; exit 1", "Found no debugger.*nothing was written"),
        ("echo '* Loading file into device...'; exit 1", "must be flashed again"),
        (f"{FLASHER}echo '# ERROR: verification failed'", "verification failed.*must be flashed again"),
        (FLASHER, "must be flashed again"),  # it does not say that it closed without an error
    ],
)
def test_ti_flasher_fails(script: str, reason: str, image: Path, programmer: Callable[[str, str], Path]) -> None:
    programmer("MSP430Flasher", script)
    with pytest.raises(ToolchainError, match=rf"MSP430Flasher failed \(.*{reason}"):
        flash(image)


def test_uniflash_needs_its_configuration(image: Path, tmp_path: Path, programmer: Callable[[str, str], Path]) -> None:
    folder = programmer("dslite", "echo 'Flash/Load: Loading Program'\necho 'Verify: Success'")
    with pytest.raises(ToolchainError, match=r"dslite needs --config FILE\.ccxml"):
        flash(image)
    config = tmp_path / "board.ccxml"
    config.touch()
    assert flash(image, config=config) == "model.elf written and verified (dslite)"
    assert f"--config={config}" in (folder / "dslite.args").read_text().splitlines()


def test_the_next_programmer_where_a_driver_is_missing(image: Path, programmer: Callable[[str, str], Path]) -> None:
    """mspdebug without libmsp430.so and without ezfet, then TI's flasher."""
    folder = programmer("mspdebug", 'echo "tilib: can\'t find libmsp430.so, or Unknown driver: $1" >&2; exit 255')
    with pytest.raises(ToolchainError, match=r"tilib failed .*libmsp430.*ezfet failed .*Unknown driver.*nothing was"):
        flash(image)
    assert (folder / "mspdebug.args").read_text().split()[0] == "ezfet"
    programmer("MSP430Flasher", f"{FLASHER}echo '* Driver : closed (No error)'")
    assert flash(image).endswith("(MSP430Flasher)")
    with pytest.raises(ToolchainError, match="driver 'jtag' is unknown; choose auto, tilib, ezfet, MSP430Flasher"):
        flash(image, driver="jtag")


def test_external_memory_needs_a_debugger(loader: Path, programmer: Callable[[str, str], Path]) -> None:
    programmer("MSP430Flasher", "exit 0")
    with pytest.raises(ToolchainError, match="filling an external memory needs mspdebug"):
        fill_external(loader)


needs_mspdebug = pytest.mark.skipif(shutil.which("mspdebug") is None, reason="mspdebug is not installed")


def linked(folder: Path, main: str) -> Path:
    """A program with the board's start-up and vectors."""
    board = load_target("msp430fr5994")
    (folder / "main.c").write_text(main)
    sources = [folder / "main.c", *(board_file(board.name, name) for name in ("start.S", "board.c"))]
    program, root = folder / "program.elf", firmware_dir()
    compile_and_link(
        toolchain("zig", board), [*sources, root / "src" / "sw_mem.S"], [root / "include"], program, folder / "map"
    )
    return program


@needs_mspdebug
def test_the_real_mspdebug_programs_and_verifies_its_simulator(tmp_path: Path) -> None:
    image = linked(tmp_path, "int main(void) { return 0; }")
    assert flash(image, driver="sim") == "program.elf written and verified (sim)"


@needs_mspdebug
def test_the_real_mspdebug_fails_in_the_middle(tmp_path: Path) -> None:
    """Its simulator ends at 64 KB: low FRAM and vectors are written, high FRAM fails."""
    high = '__attribute__((section(".hifram"))) const int far = 7;\n'
    with pytest.raises(ToolchainError, match=r"mspdebug sim failed \(.*out of range.*must be flashed again"):
        flash(linked(tmp_path, f"{high}int main(void) {{ return 0; }}"), driver="sim")


@needs_mspdebug
def test_the_real_mspdebug_without_a_board(image: Path) -> None:
    with pytest.raises(ToolchainError, match="nothing was written"):
        flash(image, driver="tilib")

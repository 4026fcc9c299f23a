"""No C source of the firmware meets a known compiler bug (`docs/toolchain.md`), at the levels anyone may build with."""

from __future__ import annotations

import re
import shutil

import pytest
from rig import ROOT, TARGET, run_command

from codegen.build import toolchain

SOURCES = sorted(
    p
    for p in ROOT.rglob("*.c")
    if '"model.h"' not in p.read_text()  # monitor.c, which belongs to a model's project
    and not {"build", "loader", "examples", "host", "power"} & set(p.relative_to(ROOT).parts)
)
# what the compiler's assembly shows where it is wrong
SUB_POST_INCREMENT = r"\bsub(\.b)?\s+@r\d+\+"
ZERO_EXTEND_IN_PLACE = r"zero_extendqisi2/0"


def assembly(compiler: str, level: str, source: str, *more: str) -> str:
    tool = toolchain(compiler, TARGET)
    flags = [level if f == "-Os" else f for f in tool.compile if not f.startswith(("-W", "-pedantic"))]
    return run_command(
        [*flags, "-w", *more, f"-I{ROOT / 'include'}", f"-I{ROOT / 'tests' / 'uart'}", "-S", source, "-o", "-"]
    ).stdout.decode()


@pytest.mark.parametrize("level", ["-Os", "-O2"])
def test_clang_subtracts_nothing_from_a_post_incremented_load(level: str) -> None:
    assert len(SOURCES) > 10
    for source in SOURCES:
        assert not re.search(SUB_POST_INCREMENT, assembly("zig", level, str(source))), source.name


@pytest.mark.toolchain
@pytest.mark.skipif(shutil.which("msp430-elf-gcc") is None, reason="msp430-elf-gcc is not on PATH")
@pytest.mark.parametrize("level", ["-Os", "-O2"])
def test_gcc_widens_no_byte_in_place(level: str) -> None:
    for source in SOURCES:
        assert not re.search(ZERO_EXTEND_IN_PLACE, assembly("gcc", level, str(source), "-dp")), source.name


def test_the_search_finds_the_bugs(tmp_path) -> None:
    """First test the tester."""
    source = tmp_path / "wrong.c"
    source.write_text(
        "#include <stdint.h>\n"
        "void f(int *p, int v, int n) { do { *p++ -= v; } while (--n); }\n"
        "uint32_t g(uint16_t x) { uint8_t low = x >> 5; return low; }\n"
    )
    assert re.search(SUB_POST_INCREMENT, assembly("zig", "-Os", str(source)))
    if shutil.which("msp430-elf-gcc"):
        assert re.search(ZERO_EXTEND_IN_PLACE, assembly("gcc", "-Os", str(source), "-dp"))

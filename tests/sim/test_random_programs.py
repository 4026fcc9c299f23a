"""Random C programs, built by every compiler at every level, give the host's checksum on the simulator.

The long run is one command: ``pytest -m slow tests/sim/test_random_programs.py`` compares 300 programs, half of them
csmith's, half loops of `network_loops`; SWTRAIN_PROGRAMS sets another number. A difference passes only if it is
traced to a compiler bug of `compiler_bugs.BUGS`: with that bug repaired the program must be right.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import network_loops
import pytest
import random_programs
from compiler_bugs import BUGS, Bug
from random_programs import CLANG, GCC, Lab, NotComparable, Variant, variants

PROGRAMS = int(os.environ.get("SWTRAIN_PROGRAMS", "300"))

pytestmark = pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler for the host's checksum")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return Lab(tmp_path_factory.mktemp("lab"))


def traced(lab: Lab, text: str, variant: Variant, folder: Path, want: int) -> Bug | None:
    """The known bug whose repair makes the program right."""
    for bug in BUGS:
        if bug.compiler == variant.compiler and lab.checksum(text, variant, folder, bug=bug) == want:
            return bug
    return None


def compare(lab: Lab, text: str, folder: Path, record_property) -> None:
    """All builds against the host; the traced differences become properties of the test."""
    want = random_programs.host_checksum(text, folder)
    for variant in variants():
        got = lab.checksum(text, variant, folder)
        if got != want:
            bug = traced(lab, text, variant, folder, want)
            assert bug is not None, f"{variant} computes {got:08x}, the host {want:08x}; the program is in {folder}"
            record_property("compiler_bug", f"{variant}: {bug.name}")
    record_property("builds", len(variants()))


@pytest.mark.parametrize("seed", range(1000, 1003))
def test_a_few_network_loops(lab, tmp_path, record_property, seed):
    compare(lab, network_loops.program(seed), tmp_path, record_property)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(PROGRAMS - PROGRAMS // 2))
def test_network_loops(lab, tmp_path, record_property, seed):
    compare(lab, network_loops.program(seed), tmp_path, record_property)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("csmith") is None, reason="csmith is not installed")
@pytest.mark.parametrize("number", range(PROGRAMS // 2))
def test_csmith(lab, tmp_path, record_property, number):
    """Seeds that say nothing (endless, too large, no variable to look at) are left out for the next one."""
    for seed in range(20 * number, 20 * number + 20):
        try:
            text = random_programs.csmith_program(seed, tmp_path)
            compare(lab, text, tmp_path, record_property)
        except NotComparable:
            continue
        return
    pytest.fail("20 seeds and no program that can be compared")


@pytest.mark.parametrize("bug", BUGS, ids=lambda b: b.name)
def test_known_bugs_are_still_there_and_their_repair_works(lab, tmp_path, bug):
    """When this fails a compiler was mended: take the bug out here and in docs/toolchain.md."""
    family = [v for v in (CLANG if bug.compiler == "zig" else GCC) if v.level in bug.levels]
    if not set(family) <= set(variants()):
        pytest.skip("msp430-elf-gcc is not on PATH")
    want = random_programs.host_checksum(bug.reproducer, tmp_path)
    for variant in family:
        assert lab.checksum(bug.reproducer, variant, tmp_path) != want, variant
        assert lab.checksum(bug.reproducer, variant, tmp_path, bug=bug) == want, variant


def test_the_host_computes_as_a_16_bit_machine_does(tmp_path):
    """Promotion, conversions and types of literals, each a value that a PC's int would get otherwise."""
    cases = {
        "(uint32_t)((uint16_t)65535U + (uint16_t)1U)": 0,
        "(uint32_t)(int32_t)((int16_t)32767 + (int16_t)1)": 0xFFFF8000,
        "((uint16_t)65535U > (int16_t)(-1))": 0,
        "((int16_t)(-1) > (uint16_t)1U)": 1,
        "((uint8_t)255U > (int8_t)(-1))": 1,
        "((int32_t)(-1) > (uint16_t)1U)": 0,
        "(uint32_t)(0x8000 < 0)": 0,
        "(uint32_t)(-0x8000)": 0x8000,
        "(uint32_t)(-32768)": 0xFFFF8000,
        "(uint32_t)((uint8_t)200 << 8)": 0xFFFFC800,
        "(uint32_t)((int16_t)(-5) / 2U)": 32765,
        "(uint32_t)((int8_t)(-7) % 4)": 0xFFFFFFFD,
        "(uint32_t)~(uint8_t)0": 0xFFFFFFFF,
        "(uint32_t)(300 * 300)": 90000 & 0xFFFF,
    }
    for expression, value in cases.items():
        text = f'#include "csmith.h"\nint main(void) {{ mix((uint32_t){expression}); report(); return 0; }}\n'
        want = (value * 0x1000193) & 0xFFFFFFFF
        if value & 0x8000 and "300" in expression:
            want = ((value | 0xFFFF0000) * 0x1000193) & 0xFFFFFFFF
        assert random_programs.host_checksum(text, tmp_path) == want, expression


def test_a_wrong_program_is_noticed(lab, tmp_path):
    """First test the tester: one changed constant on the device's side only."""
    text = network_loops.program(1000)
    want = random_programs.host_checksum(text, tmp_path)
    other = text.replace("0x2545F491", "0x2545F493")
    assert lab.checksum(other, CLANG[1], tmp_path) != want


def test_overflow_of_the_stack_is_noticed(lab, tmp_path):
    text = '#include "csmith.h"\nint f(int n) { volatile char b[300]; b[0] = n; return f(n + 1) + b[0]; }\n'
    with pytest.raises(NotComparable, match="stack is too small"):
        lab.checksum(text + "int main(void) { return f(0); }\n", CLANG[0], tmp_path)

"""Updates on a PC, with a memory where what was written since the last barrier arrives in any order and in part."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rig import ROOT

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks, and links without PIE")

POWER = ROOT / "tests" / "power"
FLAGS = ["-std=gnu99", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-no-pie", "-fno-pie", "-DSW_HOST_NVM"]
SANITIZERS = ["-fsanitize=undefined", "-fno-sanitize-recover=all"]


def compiled(folder: Path, good: str = "", bad: str = "") -> Path:
    """The rig, with `good` in sw_update.c replaced."""
    cc = next((c for c in ("cc", "gcc", "clang") if shutil.which(c)), None)
    if cc is None:
        pytest.skip("no C compiler")
    source = (ROOT / "src" / "sw_update.c").read_text()
    assert not good or source.count(good) == 1, "sw_update.c has changed: adapt this test"
    (folder / "sw_update.c").write_text(source.replace(good, bad) if good else source)
    rig = (POWER / "update.c").read_text().replace('"../../src/sw_update.c"', f'"{folder / "sw_update.c"}"')
    rig = rig.replace('"../../', f'"{ROOT}/')
    (folder / "update.c").write_text(rig)
    program = folder / "update"
    files = [folder / "update.c", POWER / "update_model.c"]
    command = [cc, *FLAGS, *SANITIZERS, f"-I{ROOT / 'include'}", f"-I{POWER}", f"-I{ROOT / 'src'}", *files]
    done = subprocess.run([*map(str, command), "-o", str(program)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return program


def explore(program: Path, job: str, *arguments: str) -> tuple[int, list[str]]:
    """Cases, and those that fail."""
    done = subprocess.run([str(program), job, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = re.search(r"cases (\d+) failures (\d+)", done.stdout)
    assert found is not None
    failing = re.findall(r"^case (.+)$", done.stdout, re.M)
    assert len(failing) == int(found[2])
    return int(found[1]), failing


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("update"))


@pytest.mark.parametrize(("job", "least"), [("install", 1500), ("rollback", 1000), ("corrupt", 150)])
def test_torn_and_reordered_writes(program: Path, injected: Callable[[int], None], job: str, least: int) -> None:
    """At every barrier; then the model is the old or the new one, and the sender gets to the end."""
    cases, failing = explore(program, job, "1", "8", "1")
    injected(cases)
    assert not failing
    assert cases >= least


@pytest.mark.slow
@pytest.mark.parametrize(("job", "least"), [("install", 80_000), ("rollback", 40_000), ("corrupt", 1000)])
def test_two_in_a_row(program: Path, injected: Callable[[int], None], job: str, least: int) -> None:
    cases, failing = explore(program, job, "2", "3", "2")
    injected(cases)
    assert not failing
    assert cases >= least


RECORD = "SW_COMMIT(recorded, ++done);"
BROKEN = {
    "missing barrier": (RECORD, "recorded = ++done;\n            SW_BARRIER();", "install"),
    "exchange in one step": (
        "case 0: sw_staging_copy((uintptr_t)aside, run->place, run->words); break;\n    case 1: sw_staging_copy",
        "case 0: break;\n    case 1: sw_staging_copy((uintptr_t)aside, run->place, run->words); sw_staging_copy",
        "rollback",
    ),
    "no commit of the exchange": ("SW_COMMIT(swapping, afterwards);", "swapping = afterwards;", "install"),
    "journal after the commit": (
        "recorded = 0;\n    runs_at[0] = sw_staging;\n    SW_COMMIT(swapping, afterwards);",
        "SW_COMMIT(swapping, afterwards);\n    recorded = 0;\n    runs_at[0] = sw_staging;",
        "rollback",
    ),
    "no check sum": ("sums[sw_update_received & 1] != package.crc || ", "", "corrupt"),
    "block counted before it is here": (
        "    uint32_t at = (uint32_t)number * SW_UPDATE_BLOCK_BYTES;",
        "    SW_COMMIT(sw_update_received, number + 1);\n    uint32_t at = (uint32_t)number * SW_UPDATE_BLOCK_BYTES;",
        "install",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_variant_is_caught(name: str, tmp_path: Path) -> None:
    good, bad, job = BROKEN[name]
    program = compiled(tmp_path, good, bad)
    failing = explore(program, job, "1", "8", "1")[1] or explore(program, job, "1", "24", "1")[1]
    assert failing
    _, again = explore(program, job, "case", failing[0])
    assert again == [failing[0]]

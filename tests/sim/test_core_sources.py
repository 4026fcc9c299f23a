"""The core's sources keep their promises: limits first, assumptions named in three places, clean under sanitizers."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import sim

PACKAGE = Path(sim.__file__).parent
CORE = PACKAGE / "core"
FILES = sorted(CORE.glob("*.[ch]*")) if CORE.is_dir() else []

pytestmark = pytest.mark.skipif(not FILES, reason="installed from a wheel: the core's sources are not there")


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_every_file_states_its_limits(path):
    text = path.read_text()
    head = text[: text.index("#include")] if "#include" in text else text[:1500]
    assert "SPDX-License-Identifier: Apache-2.0" in head
    assert re.search(r"Modelled", head)
    assert re.search(r"Not modelled|ASSUMPTION", head)
    assert text.count("\n") <= 430


def test_assumptions_are_the_same_in_source_data_and_page():
    in_source = set(re.findall(r"ASSUMPTION ([a-z0-9-]+):", "".join(p.read_text() for p in FILES)))
    in_data = {a.split(":")[0] for a in sim.Machine().assumptions if not a.startswith("lea-option-")}
    page = (PACKAGE / "README.md").read_text().partition("## Assumptions")[2]
    in_page = set(re.findall(r"^\| `([a-z0-9-]+)` \|", page, re.MULTILINE))
    assert in_source == in_data == in_page
    assert not re.findall(r"ASSUMPTION(?! [a-z0-9-]+:)", "".join(p.read_text() for p in FILES))


@pytest.mark.slow
@pytest.mark.parametrize(("source", "runs"), [("fuzz_core.cpp", "power losses"), ("fuzz_lea.cpp", "100000 runs")])
def test_random_programs_under_sanitizers(tmp_path, source, runs):
    """Address and undefined-behaviour sanitizers over random bytes and random LEA commands."""
    compiler = shutil.which("c++")
    if compiler is None:
        pytest.skip("no C++ compiler")
    program = tmp_path / "fuzz"
    sources = [str(p) for p in FILES if p.suffix == ".cpp" and p.name != "bindings.cpp"]
    flags = ["-std=c++17", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]
    here = str(Path(__file__).parent / source)
    subprocess.run([compiler, *flags, f"-I{CORE}", here, *sources, "-o", str(program)], check=True)
    done = subprocess.run([str(program)], check=True, capture_output=True, text=True)
    assert runs in done.stdout

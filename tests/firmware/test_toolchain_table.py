"""The committed table of compilers: on the page as it was measured, and still true."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "toolchains.py"
pytestmark = pytest.mark.skipif(not SCRIPT.exists(), reason="not a checkout: no benchmarks")


@pytest.fixture(scope="module")
def table() -> ModuleType:
    spec = importlib.util.spec_from_file_location("toolchains", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_shows_the_committed_table(table: ModuleType) -> None:
    committed = json.loads(table.COMMITTED.read_text())
    assert table.markdown(committed) in table.PAGE.read_text(), "python benchmarks/toolchains.py --write"


@pytest.mark.slow
@pytest.mark.toolchain
@pytest.mark.skipif(shutil.which("msp430-elf-gcc") is None, reason="msp430-elf-gcc is not on PATH")
def test_the_committed_table_is_true(table: ModuleType) -> None:
    committed = json.loads(table.COMMITTED.read_text())
    for name, by_tool in table.measure().items():
        for tool, found in by_tool.items():
            for level, cycles in found["cycles"].items():
                assert cycles == pytest.approx(committed[name][tool]["cycles"][level], rel=0.02), (name, tool, level)

"""Cycles and sizes against the committed tables: every change of either shows in a review."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import rig
from elftools.elf.elffile import ELFFile
from strategies import lenet, lenet_columns, tiny

from codegen.build import toolchain

GOLDEN = Path(__file__).parents[1] / "golden"
COMMAND = "python tests/golden/regenerate.py"


def flatten(table: Any, path: str = "") -> dict[str, int]:
    if not isinstance(table, dict):
        return {path: table}
    found = {}
    for name, value in table.items():
        found |= flatten(value, f"{path}/{name}" if path else name)
    return found


def differences(old: dict[str, int], new: dict[str, int]) -> list[str]:
    lines = []
    for key in dict.fromkeys([*old, *new]):
        a, b = old.get(key), new.get(key)
        if a != b:
            percent = f"{100 * (b - a) / a:+.2f} %" if a and b is not None else "new" if a is None else "gone"
            lines.append(f"  {key}: {a} -> {b} ({percent})")
    return lines


def compare(name: str, new: dict[str, object]) -> None:
    old = json.loads((GOLDEN / f"{name}.json").read_text())
    lines = differences(flatten(old), flatten(new))
    assert not lines, "\n".join([f"{name} changed; if that is meant, run `{COMMAND} {name}`:", *lines])


@pytest.fixture(scope="module")
def cycles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    return rig.cycle_table(tmp_path_factory.mktemp("cycles"))


@pytest.fixture(scope="module")
def sizes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    return rig.size_table(tmp_path_factory.mktemp("sizes"))


def test_cycles_are_those_of_the_table(cycles: dict[str, object]) -> None:
    compare("cycles", cycles)


def test_sizes_are_those_of_the_table(sizes: dict[str, object]) -> None:
    compare("sizes", sizes)


def test_levels_cost_what_they_should(cycles: dict[str, object]) -> None:
    """The sparsest level is the fastest, and latency at 16 MHz keeps what the project promises."""
    sums = [table["sum"] for table in cycles["lenet"].values()]  # type: ignore[attr-defined]
    assert sums == sorted(sums)
    assert sums[0] / 16e6 <= 0.25
    assert sums[-1] / 16e6 <= 0.40


def test_the_command_makes_the_tables_again(
    cycles: dict[str, object], sizes: dict[str, object], tmp_path: Path
) -> None:
    command = [sys.executable, str(GOLDEN / "regenerate.py"), "cycles", "sizes", "--out", str(tmp_path)]
    subprocess.run(command, check=True)
    made = {name: json.loads((tmp_path / f"{name}.json").read_text()) for name in ("cycles", "sizes")}
    assert made == {"cycles": cycles, "sizes": sizes}


def test_a_difference_is_shown_with_both_values_and_percent() -> None:
    lines = differences({"a/b": 100, "c": 5}, {"a/b": 110, "d": 1})
    assert lines == ["  a/b: 100 -> 110 (+10.00 %)", "  c: 5 -> None (gone)", "  d: None -> 1 (new)"]


def test_the_planner_knows_the_size_of_code_in_sram(tmp_path: Path) -> None:
    """`[ram_code]` of the target against each kernel as it is assembled."""
    tool = toolchain("zig", rig.TARGET)
    found = {}
    for source in sorted((rig.ROOT / "kernels").glob("*.S")):
        output = tmp_path / f"{source.stem}.o"
        rig.run_command([*tool.assemble, f"-I{rig.ROOT / 'include'}", "-c", str(source), "-o", str(output)])
        with output.open("rb") as f:
            size = sum(s["sh_size"] for s in ELFFile(f).iter_sections() if s.name.startswith(".ramtext"))
        if size:
            found[source.stem] = size
    assert found == dict(rig.TARGET.ram_code), "correct [ram_code] in target.toml"


def test_the_reserve_of_sram_covers_the_variables(zig: rig.Workshop) -> None:
    for graph, backend in ((lenet(), "cpu"), (lenet_columns(), "auto"), (tiny(), "cpu")):
        project = rig.emit_project(graph, rig.TARGET, backend)
        with zig.program(project).open("rb") as f:
            sections = {s.name: s["sh_size"] for s in ELFFile(f).iter_sections()}
        used = sum(sections[name] for name in (".data", ".bss", ".noinit"))
        schedule = project.schedule
        planned = 4 * (schedule.taps + schedule.acc) + schedule.ram_code + rig.TARGET.sram_reserve
        assert used <= planned, f"{graph.name}: SRAM holds {used} B, planned are {planned} B"

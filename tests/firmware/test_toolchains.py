"""Everything compiles without a warning under every toolchain, formatted, and GCC's ELF gives the same bits."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rig import KERNELS, ROOT, TARGET, Bench, Board, Workshop, assert_device, assert_host, fixed_cases
from strategies import Chain, inputs_for, lenet, make_params, random_graph, tiny

from codegen.boards import FAMILY, boards
from codegen.build import build, toolchain
from codegen.emit import emit_project, write_project
from codegen.ops import AvgPool, Conv2d, Flatten, FullyConnected, MaxPool, Relu

GCC = pytest.param(
    "gcc",
    marks=[
        pytest.mark.toolchain,
        pytest.mark.skipif(shutil.which("msp430-elf-gcc") is None, reason="msp430-elf-gcc is not on PATH"),
    ],
)
GCC_LARGE = pytest.param("gcc-large", marks=GCC.marks)
HOST = pytest.param(
    "host",
    marks=pytest.mark.skipif(
        not any(shutil.which(c) for c in ("cc", "gcc", "clang")), reason="no host C compiler on PATH"
    ),
)


def portable(path: Path) -> bool:
    board = {*boards(), FAMILY, "lea_probe", "calibrate", "uart", "examples"} - {"host"}
    return path.suffix == ".c" and not board & set(path.relative_to(ROOT).parts)


@pytest.mark.parametrize("name", ["zig", GCC, GCC_LARGE, HOST])
def test_every_firmware_source_compiles_without_a_warning(name: str, tmp_path: Path) -> None:
    tool = toolchain(name, TARGET)
    assert {"-Wall", "-Wextra", "-Werror", "-std=c99", "-pedantic"} <= set(tool.compile)
    sources = sorted(p for p in ROOT.rglob("*.[cS]") if not {"build", "loader"} & set(p.relative_to(ROOT).parts))
    sources = [p for p in sources if (portable(p) if name == "host" else p.parent.name not in ("host", "power"))]
    assert len(sources) > 20
    workshop = Workshop(tmp_path, name)
    (tmp_path / "model.h").write_text(str(emit_project(tiny(), TARGET).files["model.h"]))
    for number, source in enumerate(sources):
        workshop.compile(source, tmp_path / f"{number}.o", [ROOT / "include", ROOT / "tests" / "uart", tmp_path])


@pytest.mark.parametrize("name", ["zig", GCC, GCC_LARGE, HOST])
def test_models_build_through_the_front_door(name: str, tmp_path: Path) -> None:
    for graph in (tiny(), lenet()):
        folder = tmp_path / graph.name
        write_project(emit_project(graph, TARGET), folder)
        built = build(folder, name)
        assert built.program.is_file()
        if name == "host":
            assert_host(graph, built.program, inputs_for(graph, 3, 1))
        else:
            assert_device(graph, built.program, inputs_for(graph, 2, 1))


@pytest.mark.parametrize("name", ["zig", GCC, GCC_LARGE])
def test_the_largest_scratch_leaves_the_promised_stack(name: str, tmp_path: Path) -> None:
    """Every kernel, and a filter longer than SRAM holds: the planner's reserve is enough for any model."""
    chain = Chain((110, 4, 4), 0, 15, 2)
    ones = np.ones((2, 110, 3, 3), int)
    chain.add(Conv2d((3, 3), (1, 1), (1, 1, 1, 1)), make_params(ones * 3, 0, 1, 3, 3), 0, 9000)
    chain.add(AvgPool((1, 2), (1, 1))).add(MaxPool((2, 1), (1, 1))).add(Relu(), None, 0, 8000)
    index = np.array([0, 1, 255, 0] * 4 + [1, 0]).reshape(1, 2, 3, 3)
    chain.add(Conv2d((3, 3)), make_params(np.arange(18).reshape(index.shape), index, 0), 0, 8000)
    chain.add(Flatten()).add(FullyConnected(), make_params([[5]], [[1]], 0, 3, 3))
    chain.add(FullyConnected(), make_params([[7], [-7]], 0, 0, 3, 3))
    workshop = Workshop(tmp_path, name)
    emitted, program = workshop.build(chain.graph())
    board = Board(program, emitted)
    assert board.machine.symbols["__stack_bytes"].address >= TARGET.stack_bytes
    assert emit_project(chain.graph(), TARGET).schedule.taps < 990
    assert_device(emitted, program, inputs_for(emitted, 3, 1))


@pytest.mark.parametrize("name", [GCC, GCC_LARGE])
def test_elf_of_another_compiler_gives_the_same_bits(name: str, tmp_path: Path) -> None:
    workshop = Workshop(tmp_path, name)
    for seed in range(12):
        graph = random_graph(seed, 1 + seed % 4, bool(seed % 3), 5)
        emitted, program = workshop.build(graph)
        assert_device(emitted, program, inputs_for(graph, 3, seed))


@pytest.mark.parametrize("name", [GCC])
def test_kernels_of_another_compiler_agree(name: str, tmp_path: Path) -> None:
    """Each assembly kernel and its C twin, both through the other compiler's calling convention."""
    bench = Bench(tmp_path, name)
    for case in fixed_cases().values():
        results = []
        for kernel in (case.name, f"c_{case.name}"):
            if kernel.startswith("c_sw_load"):
                continue  # a C pointer has 16 bits
            case.place(bench)
            registers = bench.call(kernel, *case.arguments)
            results.append((case.read(bench.machine), registers[12] if not case.results else 0))
        if "load" not in case.name and "dot" not in case.name:
            assert results[0] == results[-1], case.name
    assert KERNELS


def clang_format() -> str | None:
    beside = Path(sys.executable).parent / ("clang-format.exe" if os.name == "nt" else "clang-format")
    return str(beside) if beside.is_file() else shutil.which("clang-format")


@pytest.mark.skipif(clang_format() is None, reason="clang-format is not installed")
@pytest.mark.skipif(not (ROOT.parent / ".clang-format").is_file(), reason="not a checkout: no .clang-format")
def test_c_and_cpp_sources_are_formatted() -> None:
    root = ROOT.parent
    sources = [p for p in ROOT.rglob("*.[ch]") if "build" not in p.relative_to(ROOT).parts]
    sources += [p for p in (root / "sim" / "core").rglob("*") if p.suffix in (".cpp", ".h")]
    assert len(sources) > 40
    command = [
        str(clang_format()),
        "--dry-run",
        "-Werror",
        f"--style=file:{root / '.clang-format'}",
        *map(str, sources),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wrong = sorted({line.split(":")[0] for line in done.stderr.splitlines() if "error:" in line})
    assert done.returncode == 0, f"run clang-format -i on: {', '.join(wrong)}"


def test_no_source_names_a_date_or_a_machine() -> None:
    for path in ROOT.rglob("*"):
        if path.is_file() and path.suffix in (".c", ".h", ".S", ".ld", ".toml", ".inc"):
            text = path.read_text()
            assert "__DATE__" not in text
            assert "__TIME__" not in text
            assert "/home/" not in text


def test_every_source_says_its_licence() -> None:
    for path in ROOT.rglob("*"):
        if path.suffix in (".c", ".h", ".S", ".ld", ".inc"):
            assert "SPDX-License-Identifier: Apache-2.0" in path.read_text().splitlines()[0], path.name


def test_each_kernel_is_one_function_of_its_file_name() -> None:
    for path in (ROOT / "kernels").iterdir():
        assert path.stem in path.read_text()
    for name in KERNELS:
        assert (ROOT / "kernels" / f"{name}.c").is_file(), f"{name} has no portable twin"

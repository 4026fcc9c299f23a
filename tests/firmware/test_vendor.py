"""`emit-c --vendor`: the plain folder builds with make alone, by GCC and by clang, and gives the same bits."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import ziglang
from click.testing import CliRunner
from rig import ROOT, SPIFRAM, TARGET
from strategies import inputs_for, lenet, lenet_columns, tiny

from codegen import reference
from codegen.emit import emit_project, read_project, write_project
from codegen.errors import TargetError
from codegen.files import replace_folder
from codegen.ir import Graph
from codegen.serialize import graph_arrays, graph_to_dict, npz_bytes
from codegen.target import TargetSpec, load_target
from codegen.vendor import vendor_files
from sim import Machine
from swtrain.cli import main
from swtrain.deploy import Device

needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
ZIG = Path(ziglang.__file__).parent / "zig"
CLANG = (
    "TOOLCHAIN=clang", f"CLANG={ZIG} clang", f"LLD={ZIG} ld.lld",
    f"CLANG_INCLUDES=-isystem {ZIG.parent / 'lib' / 'include'} -fno-asynchronous-unwind-tables",
)  # fmt: skip
GCC = pytest.param(
    ("TOOLCHAIN=gcc",),
    id="gcc",
    marks=[
        pytest.mark.toolchain,
        pytest.mark.skipif(shutil.which("msp430-elf-gcc") is None, reason="msp430-elf-gcc is not on PATH"),
    ],
)
GCC_LARGE = pytest.param(("TOOLCHAIN=gcc", "MODEL_FLAGS=-mlarge"), id="gcc-large", marks=GCC.marks)


def make(folder: Path, *options: str) -> Path:
    """Nothing of swtrain's environment: no Python in it."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    done = subprocess.run(
        ["make", "-j2", "-C", str(folder), *options], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr.lower()
    (program,) = (folder / "build").glob("*.elf")
    return program


def check(graph: Graph, target: TargetSpec, folder: Path, options: tuple[str, ...], external: str = "auto") -> None:
    """Build the plain folder with the application of `swtrain sim`; every level's logits are the reference's."""
    project = emit_project(graph, target, external=external)
    replace_folder(folder / "v", vendor_files(project))
    write_project(project, folder / "p")
    program = make(folder / "v", f"MAIN={ROOT / 'src' / 'sw_serve.c'}", *options)
    device, x = Device(read_project(folder / "p"), program, "fused"), inputs_for(project.graph, 2, 1)
    for k in range(len(graph.levels)):
        for i, logits in enumerate(reference.logits(project.graph, x, k)):
            device.infer(i, x[i], k, logits)


@needs_make
@pytest.mark.parametrize("options", [pytest.param(CLANG, id="clang"), GCC, GCC_LARGE])
def test_the_folder_builds_and_runs(options: tuple[str, ...], tmp_path: Path) -> None:
    check(tiny(), TARGET, tmp_path, options)


@pytest.mark.slow
@needs_make
@pytest.mark.parametrize("options", [pytest.param(CLANG, id="clang"), GCC, GCC_LARGE])
def test_larger_ones(options: tuple[str, ...], tmp_path: Path) -> None:
    """LeNet-5, weights in external memory, and boards without LEA."""
    check(lenet(), TARGET, tmp_path / "lenet", options)
    check(lenet_columns(), SPIFRAM, tmp_path / "outside", options, "all")
    for board in ("msp430fr5969", "msp430fr6989"):
        check(tiny(), load_target(board), tmp_path / board, options)


@needs_make
def test_its_own_main_classifies(tmp_path: Path) -> None:
    """examples/minimal.c: its first input is i * 7 & 63."""
    project = emit_project(tiny(), TARGET)
    replace_folder(tmp_path / "v", vendor_files(project))
    machine = Machine(TARGET.device, seed=1)
    machine.load(make(tmp_path / "v", *CLANG))
    machine.watch("answer")
    machine.run(max_cycles=50_000_000, stop_at_watch=True)
    x = np.arange(project.graph.tensors["x"].size) * 7 & 63
    x = x.astype(np.int16).reshape(1, *project.graph.tensors["x"].shape)
    assert machine.watch_log()[0].value == int(reference.logits(project.graph, x, 0)[0].argmax())
    assert "INCLUDE" not in (tmp_path / "v" / "link.ld").read_text()
    names = {p.relative_to(tmp_path / "v").as_posix() for p in (tmp_path / "v").rglob("*") if p.is_file()}
    assert not [n for n in names if n.endswith((".py", ".json", ".npz")) and not n.startswith(".")]


def test_the_command(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "graph.json").write_text(json.dumps(graph_to_dict(tiny())))
    (run / "graph.npz").write_bytes(npz_bytes(graph_arrays(tiny())))
    done = CliRunner().invoke(main, ["emit-c", str(run), "--out", str(tmp_path / "v"), "--vendor"])
    assert done.exit_code == 0, done.output
    assert "next: make -C" in done.output
    assert {"Makefile", "README.txt", "link.ld", "main.c", "model.c", "runtime", "include", "clang"} <= {
        p.name for p in (tmp_path / "v").iterdir()
    }
    done = CliRunner().invoke(main, ["emit-c", str(run), "--out", str(tmp_path / "w"), "--vendor", "--update", "auto"])
    assert done.exit_code == 1
    assert "can't be updated in the field" in done.output.replace("\n", " ")
    assert not (tmp_path / "w").exists()


def test_the_host_has_no_vendor_folder() -> None:
    with pytest.raises(TargetError, match="board host has no MCU"):
        vendor_files(emit_project(tiny(), load_target("host")))

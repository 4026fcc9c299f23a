"""Every mistake of a user is one sentence with the numbers, exit 1, and nothing half-written."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from codegen.serialize import load_graph

from .conftest import invoke


def manifest(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "project.json").read_text())
    return found


def first_node(run: Path) -> str:
    return next(node.name for node in load_graph(run).nodes if node.params is not None)


def check(arguments: tuple[str | Path, ...], *words: str) -> None:
    """The command fails with one line that holds `words`."""
    result = invoke(*arguments)
    assert result.exit_code == 1, result.output
    assert result.output.startswith("Error: ")
    assert "Traceback" not in result.output
    assert result.output.count("\n") == 1
    for word in words:
        assert word in result.output


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--model", "lenet"), ("lenet", "lenet5")),
        (("--dataset", "mnits"), ("mnits", "mnist")),
        (("--levels", "20,40,60"), ("density must increase",)),
        (("--levels", "60,60"), ("density must increase",)),
        (("--levels", "100,50"), ("100", "below 100")),
        (("--levels", "50,-1"), ("-1", "at least 0")),
        (("--levels", "many"), ("levels",)),
        (("--strategy", "magic"), ("sequential", "sw-train")),
    ],
)
def test_train(tmp_path: Path, options: tuple[str, ...], words: tuple[str, ...]) -> None:
    """Settings are checked before anything is written."""
    check(("train", *options, "--out", tmp_path / "run"), *words)
    assert not (tmp_path / "run").exists()


def test_unknown_key(tmp_path: Path) -> None:
    """A misspelt key of the config is an error, not a default."""
    (tmp_path / "c.toml").write_text('model = "lenet5"\nlevel = [50.0]\n')
    check(("train", "--config", tmp_path / "c.toml", "--out", tmp_path / "run"), "level", "levels")


@pytest.mark.skipif(os.name == "nt" or os.getuid() == 0, reason="root writes anywhere")
def test_unwritable_folder(tmp_path: Path) -> None:
    """Said before the training, not after."""
    (tmp_path / "locked").mkdir(mode=0o500)
    check(("train", "--out", tmp_path / "locked" / "run"), "locked")


def test_output_below_a_file(tmp_path: Path, run_folder: Path) -> None:
    """An output folder that can't exist."""
    (tmp_path / "file").write_text("")
    check(("train", "--out", tmp_path / "file" / "run"), "file")
    check(("emit-c", run_folder, "--out", tmp_path / "file" / "project"), "can't be written")
    assert (tmp_path / "file").read_text() == ""


def test_emit_does_not_replace_a_users_folder(tmp_path: Path, run_folder: Path) -> None:
    """--out names a folder with other content: it stays."""
    (tmp_path / "thesis.tex").write_text("years of work")
    check(("emit-c", run_folder, "--out", tmp_path), "choose another --out")
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_outputs_of_sim_are_checked_first(project: Path, tmp_path: Path) -> None:
    """Before minutes of simulation, not after."""
    (tmp_path / "folder").mkdir()
    check(("sim", project, "--inputs", "1", "--json", tmp_path / "folder"), "folder")
    check(("sim", project, "--inputs", "1", "--json", tmp_path / "r.png"), "overwritten by the picture")
    check(("sim", project, "--inputs", "1", "--energy", "../energy/fused"), "energy", "fused")
    check(("sim", project, "--inputs", "1", "--toolchain", "host"), "host", "choose zig, gcc")
    check(("sim", project, "--inputs", "1", "--min-accuracy", "nan"), "finite")
    assert invoke("sim", project, "--json", "").exit_code == 2


def test_missing_steps(tmp_path: Path, run_folder: Path) -> None:
    """Each command names the one that has to come before it."""
    check(("emit-c", tmp_path / "nothing", "--out", tmp_path / "p"), "swtrain train")
    check(("build", tmp_path), "swtrain emit-c")
    check(("sim", tmp_path), "swtrain emit-c")
    assert invoke("emit-c", run_folder, "--out", tmp_path / "p").exit_code == 0
    check(("sim", tmp_path / "p"), "swtrain build")
    check(("flash", tmp_path / "p"), "swtrain build")
    check(("emit-c", run_folder, "--out", tmp_path / "q", "--target", "msp430g2553"), "msp430g2553", "msp430fr5994")
    emit = ("emit-c", run_folder, "--out", tmp_path / "q", "--backend", "cpu")
    check((*emit, "--encoding", "zip"), "zip", "csr, block")
    check((*emit, "--encoding", "nobody=csr"), "no node with weights is called nobody")
    assert invoke(*emit, "--encoding", "csr", "--encoding", f"{first_node(run_folder)}=bitmap").exit_code == 0
    assert {layer["encoding"] for layer in manifest(tmp_path / "q")["layers"]} == {"none", "csr", "bitmap"}
    check(("build", tmp_path / "p", "--toolchain", "iar"), "iar", "zig, gcc, gcc-large, host")


def test_checkpoint_of_another_version(run_folder: Path, tmp_path: Path) -> None:
    """A graph or a manifest of another format is refused with both versions."""
    for name in ("graph.json", "graph.npz"):
        (tmp_path / name).write_bytes((run_folder / name).read_bytes())
    data = json.loads((tmp_path / "graph.json").read_text())
    data["format"] = 7
    (tmp_path / "graph.json").write_text(json.dumps(data))
    check(("emit-c", tmp_path, "--out", tmp_path / "p"), "format 7", "reads 2")


def test_elf_of_another_architecture(project: Path) -> None:
    """The ELF of this machine in place of the MCU's."""
    elf = project / "zig" / "lenet5.elf"
    mine = elf.read_bytes()
    try:
        elf.write_bytes(Path(sys.executable).resolve().read_bytes()[:4096])
        result = invoke("sim", project, "--inputs", "1")
        assert result.exit_code == 1
        assert "MSP430" in result.output
        assert "Traceback" not in result.output
    finally:
        elf.write_bytes(mine)


def test_stale_build(project: Path, tmp_path: Path) -> None:
    """A build of another version of the project is not simulated."""
    stamp = project / "zig" / "build.json"
    mine = stamp.read_text()
    try:
        stamp.write_text(json.dumps({**json.loads(mine), "digest": "0" * 64}))
        check(("sim", project, "--inputs", "1"), "another version", "swtrain build")
    finally:
        stamp.write_text(mine)


def test_usage_is_exit_2() -> None:
    """Wrong options are click's business."""
    assert invoke("train").exit_code == 2
    assert invoke("simulate").exit_code == 2


def test_doctor() -> None:
    """Runs as a program and speaks JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "swtrain.cli", "doctor", "--json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    findings = {f["what"]: f for f in json.loads(done.stdout)}
    assert findings["simulator core"]["ok"]
    assert findings["zig clang"]["ok"]

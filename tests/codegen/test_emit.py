"""Emission: same input, same bytes; no clock, no machine; and one committed snapshot that shows every change."""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import platform
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from strategies import Chain, lenet, make_params, random_graph, seeds, tiny

from codegen.emit import CProject, emit_project, read_project, write_project
from codegen.errors import CodegenError, GraphFileError, OutputError, UnsupportedOp
from codegen.files import replace_folder
from codegen.ir import Graph
from codegen.ops import Conv2d, FullyConnected
from codegen.target import firmware_dir, load_target

TARGET = load_target("msp430fr5994")
GOLDEN = Path(__file__).parents[1] / "golden"
COMMAND = "python tests/golden/regenerate.py snapshot"


def emit(graph: Graph) -> CProject:
    return emit_project(graph, TARGET)


@given(seed=seeds)
@settings(max_examples=15, deadline=None)
def test_the_same_graph_gives_the_same_bytes(seed: int) -> None:
    try:
        first = emit(random_graph(seed, 1 + seed % 5, bool(seed % 2), 5))
    except UnsupportedOp:
        assume(False)
    assert first.files == emit(random_graph(seed, 1 + seed % 5, bool(seed % 2), 5)).files


DIGEST = """
import hashlib, sys
sys.path.insert(0, sys.argv[1])
from strategies import lenet
from codegen.emit import emit_project
from codegen.target import load_target
files = emit_project(lenet(), load_target("msp430fr5994")).files
data = [(k, v.encode() if isinstance(v, str) else v) for k, v in files.items()]
print(hashlib.sha256(repr(data).encode()).hexdigest())
"""


@pytest.mark.parametrize("hash_seed", ["1", "4242"])
def test_another_process_gives_the_same_bytes(hash_seed: str, tmp_path: Path) -> None:
    data = [(k, v.encode() if isinstance(v, str) else v) for k, v in emit(lenet()).files.items()]
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "TZ": "Asia/Tokyo", "USER": "someone", "LC_ALL": "C"}
    command = [sys.executable, "-c", DIGEST, str(Path(__file__).parents[1])]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == hashlib.sha256(repr(data).encode()).hexdigest()


def test_no_clock_and_no_machine_in_the_text(tmp_path: Path) -> None:
    write_project(emit(lenet()), tmp_path / "project")
    text = "".join(p.read_text() for p in (tmp_path / "project").iterdir() if p.suffix != ".npz")
    for secret in (str(tmp_path), str(firmware_dir()), str(Path.home()), platform.node(), sys.prefix):
        assert len(secret) < 4 or secret not in text
    assert not re.search(r"\b20\d\d-\d\d-\d\d|\b\d\d:\d\d:\d\d", text)
    assert not re.search(r'["\s](/[a-z]+){2}', text)


# --- the snapshot


def test_the_snapshot_is_what_is_emitted() -> None:
    files = {name: text for name, text in emit(tiny()).files.items() if isinstance(text, str)}
    committed = {p.name: p.read_text() for p in (GOLDEN / "snapshot").iterdir()}
    assert set(files) == set(committed), f"run `{COMMAND}`"
    changes = [
        line
        for name, text in sorted(files.items())
        for line in difflib.unified_diff(
            committed[name].splitlines(), text.splitlines(), f"committed/{name}", f"now/{name}", lineterm=""
        )
    ]
    assert not changes, "\n".join([f"emitted C changed; if that is meant, run `{COMMAND}`:", *changes])


def test_the_command_makes_the_snapshot_again(tmp_path: Path) -> None:
    command = [sys.executable, str(GOLDEN / "regenerate.py"), "snapshot", "--out", str(tmp_path)]
    subprocess.run(command, cwd=tmp_path, check=True)
    made = {p.name: p.read_bytes() for p in (tmp_path / "snapshot").iterdir()}
    assert made == {name: text.encode() for name, text in emit(tiny()).files.items() if isinstance(text, str)}


# --- what a project holds


def test_the_manifest_names_only_firmware_that_exists() -> None:
    for graph in (tiny(), lenet()):
        manifest = json.loads(emit(graph).files["project.json"])
        for source in manifest["sources"]:
            assert (firmware_dir() / source).is_file()
        for kernel in manifest["kernels"]:
            assert (firmware_dir() / "kernels" / f"{kernel}.c").is_file()


def test_the_manifest_counts_what_each_level_reads() -> None:
    graph = lenet()
    manifest = json.loads(emit(graph).files["project.json"])
    weighted = [layer for layer in manifest["layers"] if layer["encoding"] != "none"]
    assert [layer["name"] for layer in weighted] == [n.name for n in graph.nodes if n.params is not None]
    for level in range(3):
        assert sum(layer["nnz"][level] for layer in weighted) == graph.nnz(level)
        assert manifest["weight_bytes"][level] >= 2 * graph.nnz(level)
        for layer in weighted:
            positions = graph.node(layer["name"]).op.uses(graph.tensors[graph.node(layer["name"]).input].shape)
            assert layer["macs"][level] == layer["weight_bytes"][level] // 2 * positions
    assert manifest["weight_bytes"] == sorted(manifest["weight_bytes"])


def test_a_written_project_reads_back(tmp_path: Path) -> None:
    project = emit(tiny())
    write_project(project, tmp_path / "p")
    read = read_project(tmp_path / "p")
    assert read.graph.tensors == project.graph.tensors
    assert read.manifest["digest"] == json.loads(project.files["project.json"])["digest"]
    assert (tmp_path / "p" / "model.c").read_text().count(read.manifest["digest"]) == 1


def test_the_digest_follows_every_weight() -> None:
    def digest(value: int) -> str:
        graph = Chain((2,), 0, 9, 1).add(FullyConnected(), make_params([[1, value]])).graph()
        return str(json.loads(emit(graph).files["project.json"])["digest"])

    assert digest(1) == digest(1)
    assert digest(1) != digest(2)


def test_emitting_again_replaces_the_project_and_its_builds(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    write_project(emit(tiny()), folder)
    replace_folder(folder / "zig", {"old.elf": "stale"})
    write_project(emit(lenet()), folder)
    assert not (folder / "zig").exists()
    assert read_project(folder).graph.name == "lenet"


def test_a_folder_that_is_no_project_is_kept(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"was not generated"):
        write_project(emit(tiny()), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": 0}', '{"format": "x"}', "{}", "\xff"])
def test_a_damaged_manifest_is_refused(text: str, tmp_path: Path) -> None:
    write_project(emit(tiny()), tmp_path / "p")
    (tmp_path / "p" / "project.json").write_bytes(text.encode("latin1"))
    with pytest.raises(GraphFileError, match="emit the project again"):
        read_project(tmp_path / "p")


def test_a_folder_without_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GraphFileError, match="is not an emitted project"):
        read_project(tmp_path)


# --- text that could break C


@pytest.mark.parametrize("text", ["two\nlines", "back\\", "tail\\ ", "carriage\rreturn", "trigraph ??/"])
@pytest.mark.parametrize("where", ["node", "meta", "key"])
def test_names_cannot_break_out_of_a_comment(where: str, text: str) -> None:
    """Refused, or on one line that does not end in a backslash (the next line would be part of the comment)."""
    graph = Chain((2,), 0, 9, 1).add(FullyConnected(), make_params([[1, 2]])).graph()
    try:
        if where == "node":
            graph = replace(graph, nodes=(replace(graph.nodes[0], name=text),))
        else:
            graph = replace(graph, meta={"note": text} if where == "meta" else {text: "x"})
        files = emit(graph).files
    except CodegenError:
        return
    for name in ("model.c", "model.h", "weights.S"):
        lines = re.split(r"[\n\r]", str(files[name]))
        assert not [line for line in lines if re.match(r"(lines|return)\b", line)], name
        assert not [line for line in lines if re.search(r"(\\|\?\?/)\s*$", line)], name


def test_extreme_values_keep_their_c_types() -> None:
    """-32768 is no int16 literal; the bias of 2**30 - 1 is a long."""
    chain = Chain((1,), 0, 0, 1).add(FullyConnected(), make_params([[-32768]], 0, 2**30 - 1, 0, 0), -32768, -32768)
    text = str(emit(chain.graph()).files["model.c"])
    assert re.search(r"\.requant = \{0, -32767 - 1, (-32767 - 1|-32768)\}", text)
    assert "1073741823" in text
    assert ".short -32768" in str(emit(chain.graph()).files["weights.S"])


def test_padding_beyond_a_byte_is_refused_or_stored_whole() -> None:
    """`sw_image_t` keeps the border in uint8."""
    op = Conv2d((1, 1), (1, 1), (0, 300, 0, 0))
    graph = Chain((1, 2, 2), 0, 9, 1).add(op, make_params(np.ones((1, 1, 1, 1), int))).graph()
    try:
        text = str(emit(graph).files["model.c"])
    except CodegenError:
        return
    header = (firmware_dir() / "include" / "sw_layers.h").read_text()
    assert "0, 300, 0, 0}" not in text or "uint8_t top" not in header

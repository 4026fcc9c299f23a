"""Builds: what they leave, what they refuse, and that a failure leaves nothing."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile
from images import decode_hex, decode_txt, flat
from strategies import Chain, lenet, make_params, tiny

from codegen.build import build, compile_and_link, find_build, toolchain
from codegen.emit import emit_project, write_project
from codegen.errors import DoesNotFit, GraphFileError, ToolchainError
from codegen.files import RECORD
from codegen.image import read_segments
from codegen.ir import Graph
from codegen.ops import Conv2d, FullyConnected
from codegen.target import firmware_dir, load_target

TARGET = load_target("msp430fr5994")


def write(graph: Graph, folder: Path) -> Path:
    write_project(emit_project(graph, TARGET, "cpu"), folder)
    return folder


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny project, built with zig."""
    folder = write(tiny(), tmp_path_factory.mktemp("build") / "tiny")
    build(folder, "zig")
    return folder


@pytest.fixture
def unbuilt(project: Path, tmp_path: Path) -> Path:
    """A copy of the project without builds."""
    shutil.copytree(project, tmp_path / "tiny", ignore=shutil.ignore_patterns("zig"))
    return tmp_path / "tiny"


def hidden(folder: Path) -> list[Path]:
    """Temporary files and folders left behind."""
    return [p for p in folder.rglob(".*") if p.name != RECORD]


def test_a_build_leaves_elf_hex_txt_map_and_sizes(project: Path) -> None:
    built = find_build(project)
    assert sorted(p.name for p in built.folder.iterdir()) == [
        RECORD,
        "build.json",
        "tiny.elf",
        "tiny.hex",
        "tiny.map",
        "tiny.txt",
    ]
    assert built.program == project / "zig" / "tiny.elf"
    assert not hidden(project)


def test_hex_and_txt_decode_to_the_segments_of_the_elf(project: Path) -> None:
    folder = project / "zig"
    with (folder / "tiny.elf").open("rb") as f:
        loaded = {s["p_paddr"] + i: b for s in ELFFile(f).iter_segments("PT_LOAD") for i, b in enumerate(s.data())}
    assert flat(read_segments(folder / "tiny.elf")) == loaded
    assert decode_hex((folder / "tiny.hex").read_text()) == loaded
    assert decode_txt((folder / "tiny.txt").read_text()) == loaded
    assert not set(loaded) & set(range(0xFF80, 0xFF90))
    assert set(range(0xFF90, 0x10000)) <= set(loaded)
    assert min(loaded) >= 0x4000, "headers or SRAM must not be programmed"


def test_weights_are_high_and_everything_else_is_low(project: Path) -> None:
    with (project / "zig" / "tiny.elf").open("rb") as f:
        sections = {s.name: (s["sh_addr"], s["sh_size"]) for s in ELFFile(f).iter_sections() if s["sh_flags"] & 2}
    manifest = json.loads((project / "project.json").read_text())
    assert sections[".hifram"] == (0x10000, manifest["blob_bytes"] - manifest["near_bytes"])
    assert all(address + size <= 0x10000 for name, (address, size) in sections.items() if name != ".hifram")


def test_sizes_are_those_of_the_sections(project: Path) -> None:
    sizes = find_build(project).sizes
    manifest = json.loads((project / "project.json").read_text())
    with (project / "zig" / "tiny.elf").open("rb") as f:
        sections = {s.name: s["sh_size"] for s in ELFFile(f).iter_sections() if s["sh_flags"] & 2}
    regions = {name: r["used"] for name, r in sizes["regions"].items()}
    assert regions["hifram"] == sections[".hifram"] == manifest["blob_bytes"] - manifest["near_bytes"]
    assert regions["sram"] == sum(sections[n] for n in (".data", ".bss", ".noinit") if n in sections)
    assert regions["lea_ram"] == sections[".lea"] == manifest["lea_bytes"]
    assert regions["fram"] == sum(sections[n] for n in (".text", ".rodata", ".nvm", ".data"))
    assert sizes["code"] == sections[".text"] + sections[".data"]
    assert sizes["stack"] == TARGET.regions["sram"].size - regions["sram"] >= TARGET.stack_bytes
    assert sizes["weights"] == manifest["weight_bytes"][-1]


def test_the_same_project_builds_to_the_same_bytes(project: Path, unbuilt: Path) -> None:
    build(unbuilt, "zig")
    for path in (project / "zig").iterdir():
        assert (unbuilt / "zig" / path.name).read_bytes() == path.read_bytes(), path.name


def test_no_path_of_this_machine_is_in_the_outputs(project: Path) -> None:
    for path in (project / "zig").iterdir():
        data = path.read_bytes()
        for secret in (project, firmware_dir().parent, Path(sys.prefix), Path.home()):
            assert len(str(secret)) < 6 or str(secret).encode() not in data, (path.name, secret)


def test_an_unknown_toolchain(unbuilt: Path) -> None:
    with pytest.raises(ToolchainError, match="toolchain 'iar' is unknown; choose zig, gcc, gcc-large, host"):
        build(unbuilt, "iar")


def test_a_missing_gcc(unbuilt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(ToolchainError, match=r"msp430-elf-gcc is not on PATH; .* or use --toolchain zig"):
        build(unbuilt, "gcc")
    with pytest.raises(ToolchainError, match=r"no C compiler .* is on PATH; install one, or set CC"):
        build(unbuilt, "host")
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(ToolchainError, match="no-such-compiler can't be started"):
        build(unbuilt, "host")
    assert not (unbuilt / "gcc").exists()
    assert not (unbuilt / "host").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="the fake compiler is a POSIX script")
@pytest.mark.parametrize("error", ["weird \\377\\376 bytes", "plain"])
def test_a_compiler_that_fails(error: str, unbuilt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cc = tmp_path / "cc"
    fail = f"printf 'x.c: error: {error}\\n' >&2; exit 1"
    cc.write_text(f"#!/bin/sh\ncase $1 in --version) echo fake 1.0;; *) {fail};; esac\n")
    cc.chmod(cc.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("CC", str(cc))
    with pytest.raises(ToolchainError, match=r"failed with status 1: x\.c: error:"):
        build(unbuilt, "host")
    assert not (unbuilt / "host").exists()


@pytest.mark.parametrize("name", ["zig", "host"])
def test_a_compiler_error_names_file_and_message_and_leaves_the_old_build(
    name: str, project: Path, unbuilt: Path
) -> None:
    if name == "zig":
        shutil.copytree(project / "zig", unbuilt / "zig")
    model = unbuilt / "model.c"
    model.write_text(model.read_text() + "\nthis is not C;\n")
    with pytest.raises(ToolchainError, match=r"model\.c: .* failed with status 1: .*model\.c:\d+:\d+: error:"):
        build(unbuilt, name)
    assert not hidden(unbuilt)
    if name == "zig":
        for path in (project / "zig").iterdir():
            assert (unbuilt / "zig" / path.name).read_bytes() == path.read_bytes()
    else:
        assert not (unbuilt / "host").exists()


@pytest.mark.parametrize("text", ["int stack_of = x;", "short s = 1000000000L;", '#error "this will not fit"'])
def test_a_compiler_error_is_not_taken_for_a_model_too_large(text: str, unbuilt: Path) -> None:
    """Words such as stack or overflow in a compiler's message say nothing about memory."""
    model = unbuilt / "model.c"
    model.write_text(f"{model.read_text()}\n{text}\n")
    with pytest.raises(ToolchainError, match=r"model\.c"):
        build(unbuilt, "zig")


def test_code_of_another_runtime_does_not_compile(unbuilt: Path) -> None:
    model = unbuilt / "model.c"
    model.write_text(model.read_text().replace("SW_RUNTIME_ABI == 6", "SW_RUNTIME_ABI == 0"))
    with pytest.raises(ToolchainError, match="runtime_abi"):
        build(unbuilt, "zig")


def test_a_missing_symbol_is_a_link_error(unbuilt: Path) -> None:
    manifest = json.loads((unbuilt / "project.json").read_text())
    manifest["sources"].remove("src/sw_pool.c")
    (unbuilt / "project.json").write_text(json.dumps(manifest))
    with pytest.raises(ToolchainError, match=r"linking tiny\.elf: .*sw_pool"):
        build(unbuilt, "zig")


def test_a_model_that_does_not_fit_says_by_how_much(tmp_path: Path) -> None:
    """At planning: more weights than high FRAM."""
    chain = Chain((400,), 0, 9, 1).add(FullyConnected(), make_params(np.full((300, 400), 200)))
    with pytest.raises(
        DoesNotFit, match=r"net: weights and indices need 240,\d{3} B .* has 212,992 B \(27,\d{3} B too few\)"
    ):
        emit_project(chain.graph(), TARGET, "cpu", external="none")
    with pytest.raises(DoesNotFit, match=r"working buffer of 240,\d{3} B, 212,992 B .* \(27,\d{3} B too few\); use"):
        emit_project(chain.graph(), load_target("msp430fr5994-spifram"), "cpu")


def test_a_region_that_the_linker_finds_too_small_is_does_not_fit(unbuilt: Path) -> None:
    """Past the planner's estimate: the linker has the last word, and the message its numbers."""
    model = unbuilt / "model.c"
    model.write_text(model.read_text().replace("sw_lea_ram[", "sw_lea_ram[3000 + ", 1))
    with pytest.raises(DoesNotFit, match=r"linking tiny\.elf: .*LEARAM.*overflow.*\d+.*use a smaller model"):
        build(unbuilt, "zig")
    assert not (unbuilt / "zig").exists()
    assert not hidden(unbuilt)


def test_less_stack_than_promised_is_does_not_fit(unbuilt: Path) -> None:
    more = (build(unbuilt, "zig").sizes["stack"] - 100) // 4  # sums that leave 100 bytes
    model = unbuilt / "model.c"
    model.write_text(model.read_text().replace("sw_acc[", f"sw_acc[{more} + ", 1))
    with pytest.raises(DoesNotFit, match="stack"):
        build(unbuilt, "zig")


def test_signatures_in_an_elf_are_refused(unbuilt: Path) -> None:
    weights = unbuilt / "weights.S"
    weights.write_text(weights.read_text() + '\n .section .vectors,"a",@progbits\n .byte 0\n')
    with pytest.raises((DoesNotFit, ToolchainError)):  # VECTORS overflows
        build(unbuilt, "zig")


def test_find_build_wants_a_build_of_this_project(project: Path, unbuilt: Path) -> None:
    with pytest.raises(ToolchainError, match=r"has no finished zig build; run `swtrain build .* --toolchain zig`"):
        find_build(unbuilt)
    shutil.copytree(project / "zig", unbuilt / "zig")
    assert find_build(unbuilt).sizes == find_build(project).sizes
    stamp = unbuilt / "zig" / "build.json"
    for text in ("", "{}", "[]", "null"):
        stamp.write_text(text)
        with pytest.raises(ToolchainError, match="has no finished zig build"):
            find_build(unbuilt)
    shutil.copy(project / "zig" / "build.json", stamp)
    (unbuilt / "zig" / "tiny.elf").unlink()
    with pytest.raises(ToolchainError, match="another version"):
        find_build(unbuilt)


def test_a_build_of_an_older_project_is_refused(project: Path, tmp_path: Path) -> None:
    folder = write(replace(tiny(), meta={"run": "2"}), tmp_path / "p")
    shutil.copytree(project / "zig", folder / "zig")
    with pytest.raises(ToolchainError, match="belongs to another version of the project"):
        find_build(folder)


def test_a_folder_that_is_no_project(tmp_path: Path) -> None:
    with pytest.raises(GraphFileError, match="is not an emitted project"):
        build(tmp_path, "zig")


@pytest.mark.skipif(shutil.which("cc") is None and shutil.which("gcc") is None, reason="no host C compiler")
def test_the_host_program_explains_itself(unbuilt: Path) -> None:
    program = build(unbuilt, "host").program
    for arguments in ([], ["2"], ["-1"], ["x"], ["0", "1"], ["0", "1", "2"], [""], ["65536"]):
        done = subprocess.run([str(program), *arguments], input=b"", capture_output=True, check=False)
        assert done.returncode == 2, arguments
        message = (
            b"1 can't be read" if arguments == ["0", "1"] else b"usage: model LEVEL [weights_external.bin], with 0"
        )
        assert message in done.stderr
    done = subprocess.run([str(program), "0"], input=b"123", capture_output=True, check=False)
    assert done.returncode == 1
    assert b"incomplete" in done.stderr
    done = subprocess.run([str(program), "0"], input=b"", capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, b"")


@pytest.mark.parametrize("name", ["zig", "host"])
def test_extreme_constants_compile_without_a_warning(name: str, tmp_path: Path) -> None:
    chain = Chain((1, 1, 1), -32768, 32767, 1)
    chain.add(Conv2d(), make_params([[[[-32767]]]], 0, -1, 0, 0), -32768, -32768)
    build(write(chain.graph(), tmp_path / "p"), name)
    chain = Chain((1,), 0, 0, 1).add(FullyConnected(), make_params([[-32768]], 0, 2**30 - 1, 0, 0))
    build(write(chain.graph(), tmp_path / "p"), name)


def test_demo_sized_builds_are_quick(tmp_path: Path) -> None:
    """The demo promises export, emit and build together in 10 s; emission and build are most of it."""
    start = time.perf_counter()
    build(write(lenet(), tmp_path / "p"), "zig")
    assert time.perf_counter() - start < 20  # generous: the machine may be busy


def test_compile_and_link_reports_the_source(tmp_path: Path) -> None:
    source = tmp_path / "broken.S"
    source.write_text(" frobnicate r1\n")
    with pytest.raises(ToolchainError, match=r"broken\.S: .*frobnicate|broken\.S: .*error"):
        compile_and_link(toolchain("zig", TARGET), [source], [], tmp_path / "x.elf", tmp_path / "x.map")

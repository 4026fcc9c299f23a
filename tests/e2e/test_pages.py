"""Tutorial and how-to pages: every command runs as it stands there, in a user's folder with the files of the page."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from codegen.boards import OWN
from codegen.build import MONITOR, find_build
from codegen.serialize import save_graph
from swtrain.cli_reference import reference
from swtrain.config_reference import reference as configs

from .conftest import invoke

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

pytestmark = pytest.mark.skipif(not (DOCS / "tutorial.md").exists(), reason="the pages belong to a checkout")


def load(path: Path) -> Any:
    if path.stem not in sys.modules:
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[path.stem] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[path.stem])
    return sys.modules[path.stem]


def blocks(page: str) -> list[tuple[str, str]]:
    """Kind and text of each code block."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", (DOCS / page).read_text(), re.M | re.S)


def board_at(line: str) -> tuple[str, AbstractContextManager[object]]:
    """The line with the port of a simulated board in place of the real one."""
    words = shlex.split(line)
    if words[:2] != ["swtrain", "monitor"]:
        return line, nullcontext()
    bridge = load(ROOT / "tests" / "firmware" / "board_bridge.py").BoardBridge(
        find_build(Path(words[3]), "zig", MONITOR).program, "msp430fr5994"
    )
    return line.replace(words[2], bridge.port), bridge


def run(line: str, patch: pytest.MonkeyPatch) -> None:
    line, board = board_at(line)
    words = shlex.split(line.split(" #")[0])
    with board:
        if words[0] == "swtrain":
            done = invoke(*words[1:])
            assert done.exit_code == 0, f"{line}: {done.output}"
        elif words[0] == "export":
            name, _, value = words[1].partition("=")
            patch.setenv(name, value)
        else:
            words[0] = {"python": sys.executable}.get(words[0], words[0])
            other = subprocess.run(words, capture_output=True, text=True, check=False)
            assert other.returncode == 0, f"{line}: {other.stderr}"


def follow(page: str, folder: Path, patch: pytest.MonkeyPatch, skip: tuple[str, ...] = ()) -> list[str]:
    """Do what the page says; the commands that were run."""
    patch.chdir(folder)
    patch.syspath_prepend(str(folder))
    lines = []
    for kind, text in blocks(page):
        if kind != "sh":
            name = re.match(r"(?:#|//|/\*) (\S+)", text)
            assert name, f"{page}: a block of kind {kind} without a file name"
            path = folder / name[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.partition("\n")[2] if kind == "csv" else text)
            continue
        for line in text.splitlines():
            if not line.startswith(skip or "\0"):
                run(line, patch)
                lines.append(line)
    return lines


@pytest.fixture
def user(tmp_path: Path) -> Path:
    """A folder where somebody has trained and built already: runs/demo, build/demo, labelled.npz."""
    graph = load(ROOT / "tests" / "strategies.py").tiny()
    save_graph(graph, tmp_path / "runs" / "demo")
    for command in (("emit-c", tmp_path / "runs" / "demo", "--out", tmp_path / "build" / "demo"),
                    ("build", tmp_path / "build" / "demo")):  # fmt: skip
        done = invoke(*command)
        assert done.exit_code == 0, done.output
    rng, shape = np.random.default_rng(1), graph.tensors[graph.input].shape
    np.savez(tmp_path / "labelled.npz", x=rng.random((8, *shape), np.float32), y=np.arange(8) % graph.output.size)
    return tmp_path


@pytest.mark.parametrize("page", ["howto-trace.md", "howto-kernel.md", "howto-board.md", "howto-model.md"])
def test_a_how_to_page(page: str, user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(OWN, raising=False)
    assert len(follow(page, user, monkeypatch)) >= 2


FLASHER = """#!/bin/sh
echo "* Loading file into device...done"
echo "* Verifying memory (image.txt)...done"
echo "* Driver : closed (No error)"
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32" or shutil.which("make") is None, reason="needs make and a POSIX shell")
def test_the_tutorial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a programmer that says yes, a simulated board behind a pseudo-terminal, and zig's clang as `clang`."""
    pytest.importorskip("PIL", reason="pictures need Pillow")
    import ziglang

    zig, tools = Path(ziglang.__file__).parent / "zig", tmp_path / "tools"
    tools.mkdir()
    headers = f"-isystem {zig.parent / 'lib' / 'include'} -fno-asynchronous-unwind-tables"
    for name, text in (
        ("MSP430Flasher", FLASHER),
        ("clang", f'#!/bin/sh\nexec {zig} clang {headers} "$@"\n'),
        ("ld.lld", f'#!/bin/sh\nexec {zig} ld.lld "$@"\n'),
    ):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    make = shutil.which("make")
    assert make is not None
    (tools / "mspdebug").write_text('#!/bin/sh\necho "tilib: can\'t find libmsp430.so; Unknown driver" >&2\nexit 1\n')
    (tools / "mspdebug").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    lines = follow("tutorial.md", tmp_path, monkeypatch)
    assert [line.split()[1] for line in lines if line.startswith("swtrain monitor")] == ["monitor"]
    assert (tmp_path / "build" / "plain" / "build").is_dir()


def test_the_reference_of_configs_is_not_stale() -> None:
    assert (DOCS / "config.md").read_text() == configs(), "run: python -m swtrain.config_reference docs/config.md"


def test_the_reference_of_commands_is_not_stale() -> None:
    assert (DOCS / "cli.md").read_text() == reference(), "run: python -m swtrain.cli_reference docs/cli.md"

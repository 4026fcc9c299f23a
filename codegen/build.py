"""Compile an emitted project: ELF, Intel HEX, TI-TXT, map and sizes, or a program for this PC.

Toolchains: `zig` (clang and lld from the `ziglang` package, the default: nothing to install), `gcc`
(msp430-elf-gcc on PATH), `gcc-large` (the same with its large model), `host` (the C compiler of this machine). Outputs
appear in `<project>/<toolchain>/` by rename, all or none.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from .boards import board_file, board_folders
from .emit import BUILDS, EXTERNAL, MANIFEST, ProjectFolder, external_content, read_project
from .errors import DoesNotFit, OutputError, ToolchainError
from .files import replace_folder
from .image import read_segments, region_sizes, to_intel_hex, to_ti_txt
from .loader import build_loaders
from .package import stamp as stamp_program
from .target import DEVICE_TOOLCHAINS, TargetSpec, firmware_dir, load_target

TOOLCHAINS = BUILDS
STAMP = "build.json"

SUPPLY = "sw_supply.h"
"""An application that names it gets what measures the supply and sleeps, with their interrupt routines."""

_WARNINGS = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wno-overlength-strings"]
_SECTIONS = ["-ffunction-sections", "-fdata-sections"]


@dataclass(frozen=True)
class Toolchain:
    """How to compile one file and link them all: argument lists without file names."""

    name: str
    compile: tuple[str, ...]
    assemble: tuple[str, ...]
    link: Callable[[Path, Path, list[str]], list[str]]
    version: str


@dataclass(frozen=True)
class Built:
    """Result of a build: `folder` holds the files, `program` is the ELF or the host executable.

    `loaders` are the programs that fill the external memory, in the order in which they run.
    """

    folder: Path
    program: Path
    sizes: Mapping[str, Any]
    loaders: tuple[Path, ...] = ()


def toolchain(name: str, target: TargetSpec) -> Toolchain:
    """Find a toolchain and test that it answers.

    Raises:
        ToolchainError: not installed; the message says how to get it.
    """
    if name not in TOOLCHAINS:
        raise ToolchainError(f"toolchain {name!r} is unknown; choose {', '.join(TOOLCHAINS)}")
    if name != "host" and name not in target.toolchains:
        raise ToolchainError(f"board {target.name} is built by {', '.join(target.toolchains)}, not by {name}")
    makers: dict[str, Callable[[TargetSpec], Toolchain]] = {
        "zig": _zig,
        "gcc": _gcc,
        "gcc-large": partial(_gcc, large=True),
        "host": _host,
    }
    return makers[name](target)


def _run(command: list[str], what: str, link: bool = False) -> str:
    """Run a tool; its output, or an error with its first complaint. Only a linker knows that a region is full."""
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
    except OSError as e:
        raise ToolchainError(f"{what}: {command[0]} can't be started ({e.strerror})") from e
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        full = [line.strip() for line in lines if re.search(r"overflow|will not fit|for the stack", line)]
        if link and full:
            raise DoesNotFit(f"{what}: {full[0]}; use a smaller model")
        reason = next((line for line in lines if "error" in line.lower()), lines[0]).strip()
        raise ToolchainError(f"{what}: {Path(command[0]).name} failed with status {done.returncode}: {reason}")
    return done.stdout


@cache
def _zig_executable() -> str:
    try:
        import ziglang
    except ImportError as e:
        raise ToolchainError("the package ziglang is missing; run `pip install ziglang==0.17.0`") from e
    return str(Path(ziglang.__file__).parent / ("zig.exe" if os.name == "nt" else "zig"))


def _zig(target: TargetSpec) -> Toolchain:
    zig = _zig_executable()
    first = _run([zig, "clang", "--version"], "zig clang").splitlines()[0]
    # -mhwmult=none: our own helpers use MPY32 (sw_mspabi.S); clang's calls for f5series are wrong for 64 bits
    base = [
        zig,
        "clang",
        "--target=msp430",
        "-mhwmult=none",
        "-ffreestanding",
        "-fno-asynchronous-unwind-tables",
    ]
    base += ["-isystem", str(Path(zig).parent / "lib" / "include"), *_board_includes(target)]
    script = str(board_file(target.name, "link.ld"))
    folders = [o for folder in board_folders(target.name) for o in ("-L", str(folder))]  # for INCLUDE

    def link(output: Path, map_file: Path, objects: list[str]) -> list[str]:
        # -n: without it lld adds a segment at 0x1000, the bootloader's area
        return [
            zig,
            "ld.lld",
            "-n",
            *folders,
            "-T",
            script,
            "--gc-sections",
            f"-Map={map_file}",
            "-o",
            str(output),
            *objects,
        ]

    return Toolchain("zig", (*base, "-Os", *_WARNINGS, *_SECTIONS), tuple(base), link, first)


def _gcc(target: TargetSpec, large: bool = False) -> Toolchain:
    gcc = shutil.which("msp430-elf-gcc")
    if gcc is None:
        raise ToolchainError("msp430-elf-gcc is not on PATH; install TI's MSP430 GCC, or use --toolchain zig")
    first = _run([gcc, "--version"], "msp430-elf-gcc").splitlines()[0]
    # min-pagesize: peripheral registers lie below 4096, which GCC takes for a null pointer otherwise
    model = "-mlarge" if large else "-msmall"
    base = [gcc, model, "-mcpu=msp430x", "-mhwmult=f5series", "-ffreestanding", "--param=min-pagesize=0"]
    base += _board_includes(target)
    script = str(board_file(target.name, "link.ld"))
    folders = [o for folder in board_folders(target.name) for o in ("-L", str(folder))]  # for INCLUDE

    def link(output: Path, map_file: Path, objects: list[str]) -> list[str]:
        options = [
            "-nostdlib",
            "-n",
            *folders,
            "-T",
            script,
            "-Wl,--gc-sections",
            "-Wl,--no-warn-rwx-segments",
            f"-Wl,-Map={map_file}",
        ]
        return [*base, *options, "-o", str(output), *objects, "-lmul_f5", "-lgcc"]

    return Toolchain("gcc-large" if large else "gcc", (*base, "-Os", *_WARNINGS, *_SECTIONS), tuple(base), link, first)


def _host(target: TargetSpec) -> Toolchain:
    cc = os.environ.get("CC", "").strip() or next((c for c in ("cc", "gcc", "clang") if shutil.which(c)), None)
    if cc is None:
        raise ToolchainError("no C compiler (cc, gcc or clang) is on PATH; install one, or set CC")
    command = cc.split()
    first = _run([*command, "--version"], cc).splitlines()[0]
    extra = os.environ.get("SW_HOST_CFLAGS", "").split()

    def link(output: Path, map_file: Path, objects: list[str]) -> list[str]:
        return [*command, "-O2", *extra, "-o", str(output), *objects]

    return Toolchain("host", (*command, "-O2", *_WARNINGS, *extra), (*command, *extra), link, first)


def _board_includes(target: TargetSpec) -> list[str]:
    return [f"-I{board_file(target.name, 'device.h').parent}"]


def _sources(
    project: ProjectFolder, tool: Toolchain, target: TargetSpec, application: Sequence[Path] = ()
) -> list[Path]:
    root = firmware_dir()
    files = [project.folder / "model.c", project.folder / "weights.S"]
    files += [root / name for name in project.manifest["sources"]]
    for kernel in project.manifest["kernels"]:
        assembly = root / "kernels" / f"{kernel}.S"
        use_c = tool.name == "host" or not assembly.is_file()
        files.append(root / "kernels" / f"{kernel}.c" if use_c else assembly)
    if tool.name == "host":
        return [*files, root / "boards" / "host" / "main.c", root / "boards" / "host" / "external.c"]
    own = application or [root / "src" / "sw_serve.c"]
    if (project.folder / "policy.c").is_file():  # the linker leaves it out where nothing calls it
        files += [project.folder / "policy.c", root / "src" / "sw_policy.c"]
    if any(SUPPLY in path.read_text(encoding="utf-8", errors="replace") for path in application):
        files += [root / "src" / "sw_wait_supply.c"]
        files += [board_file(target.name, name) for name in ("supply.c", "supply.S", "sleep.S")]
    return list(dict.fromkeys([*files, *own, *_board_sources(project, tool, target)]))


def _board_sources(project: ProjectFolder, tool: Toolchain, target: TargetSpec) -> list[Path]:
    """Start-up, board and helpers of any program for the MCU."""
    source = firmware_dir() / "src"
    files = [board_file(target.name, name) for name in ("start.S", "board.c", *project.manifest["board_sources"])]
    return [*files, source / "sw_mem.S", *([source / "sw_mspabi.S"] if tool.name == "zig" else [])]


def compile_and_link(tool: Toolchain, sources: list[Path], includes: list[Path], program: Path, map_file: Path) -> None:
    """Compile `sources` in parallel and link them to `program`; object files go into `objects` beside it.

    Raises:
        ToolchainError: a compiler or the linker failed.
        DoesNotFit: the linker says that a region overflows.
    """
    flags = [f"-I{folder}" for folder in includes]
    folder = program.parent / "objects"
    folder.mkdir()

    def compile_one(item: tuple[int, Path]) -> str:
        number, source = item
        output = str(folder / f"{number}_{source.stem}.o")
        command = tool.assemble if source.suffix == ".S" else tool.compile
        _run([*command, *flags, "-c", str(source), "-o", output], source.name)
        return output

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        objects = list(pool.map(compile_one, enumerate(sources)))
    _run(tool.link(program, map_file, objects), f"linking {program.name}", link=True)


def build_with(main: Path, folder: Path, program: Path, toolchain_name: str = "zig") -> None:
    """Link the project in `folder` with the `main.c` of a folder of `firmware/tests` instead of the server.

    Raises:
        GraphFileError, ToolchainError, DoesNotFit.
    """
    project, root = read_project(folder), firmware_dir()
    target = load_target(project.manifest["target"])
    tool = toolchain(toolchain_name, target)
    sources = _sources(project, tool, target, [main / "main.c", root / "tests" / "uart" / "uart.c"])
    includes = [root / "include", root / "tests" / "uart", folder]
    compile_and_link(tool, sources, includes, program, program.with_suffix(".map"))


def build(
    folder: Path, toolchain_name: str | None = None, out: Path | None = None, application: Sequence[Path] = ()
) -> Built:
    """Build the project in `folder`; the result is in `out`, `folder/<toolchain>` unless given.

    Args:
        toolchain_name: the board's first unless given.
        application: sources with `main`, instead of the server that `swtrain sim` talks to.

    Raises:
        GraphFileError, ToolchainError, DoesNotFit, OutputError.
    """
    project = read_project(folder)
    target = load_target(project.manifest["target"])
    tool = toolchain(toolchain_name or target.toolchains[0], target)
    out = out or folder / tool.name
    name = (
        f"{project.graph.name}{'.exe' if os.name == 'nt' else ''}"
        if tool.name == "host"
        else f"{project.graph.name}.elf"
    )
    try:
        temporary = tempfile.TemporaryDirectory(prefix=f".{tool.name}.", dir=out.parent)
    except OSError as e:
        raise OutputError(f"{out.parent} can't be written ({e.strerror})") from e
    with temporary as scratch:
        program, map_file = Path(scratch) / name, Path(scratch) / f"{project.graph.name}.map"
        compile_and_link(
            tool, _sources(project, tool, target, application), [firmware_dir() / "include", folder], program, map_file
        )
        if tool.name != "host":
            stamp_program(program)
        files: dict[str, str | bytes] = {name: program.read_bytes()}
        sizes: dict[str, Any] = {}
        loaders: list[Path] = []
        if tool.name != "host":
            segments = read_segments(program)
            files[f"{project.graph.name}.hex"] = to_intel_hex(segments)
            files[f"{project.graph.name}.txt"] = to_ti_txt(segments)
            files[map_file.name] = _strip_paths(map_file.read_text(), Path(scratch), folder)
            sizes = region_sizes(program, target, project.manifest)
            loaders = _loaders(project, tool, target, Path(scratch))
            files |= {p.name: p.read_bytes() for p in loaders}
            if (content := external_content(project)) is not None:
                files[EXTERNAL] = content
            files |= {p.with_suffix(".txt").name: to_ti_txt(read_segments(p)) for p in loaders}
    stamp = {
        "toolchain": tool.name,
        "compiler": tool.version,
        "digest": project.manifest["digest"],
        "program": name,
        "sizes": sizes,
        "loaders": [p.name for p in loaders],
    }
    files[STAMP] = json.dumps(stamp, indent=1) + "\n"
    replace_folder(out, files, executable=name if tool.name == "host" else None)
    return Built(out, out / name, sizes, tuple(out / p.name for p in loaders))


def _loaders(project: ProjectFolder, tool: Toolchain, target: TargetSpec, scratch: Path) -> list[Path]:
    """Programs that fill the external memory; none for a project without."""
    content = external_content(project)
    if content is None:
        return []
    root = firmware_dir()
    sources = [*_board_sources(project, tool, target), root / "kernels" / "sw_load_u8.S"]

    def link(files: list[Path], includes: list[Path], program: Path) -> None:
        compile_and_link(tool, files, [root / "include", *includes], program, program.with_suffix(".map"))

    return build_loaders(content, target, sources, scratch, link)


MONITOR = "monitor"
"""Sub-folder of the program that `swtrain monitor` talks to."""


def build_monitor(folder: Path, toolchain_name: str | None = None) -> Built:
    """Build the project in `folder` as the program that answers requests over UART, into `folder/monitor`.

    Raises:
        GraphFileError, ToolchainError, DoesNotFit, OutputError, TargetError.
    """
    board = read_project(folder).manifest["target"]
    sources = [board_file(board, name) for name in ("monitor.c", "monitor_timer.S")]
    return build(folder, toolchain_name, folder / MONITOR, [*sources, firmware_dir() / "src" / "sw_crc.c"])


def find_build(folder: Path, toolchain_name: str = "zig", sub_folder: str | None = None) -> Built:
    """The finished build of a project, in the toolchain's sub-folder or another.

    Raises:
        ToolchainError: there is none, or the project was emitted again since.
    """
    project = read_project(folder)
    if not load_target(project.manifest["target"]).device:
        raise ToolchainError(
            f"{folder} is for this PC, there is no MCU to simulate or to flash; `swtrain build {folder}` makes the "
            "program, `swtrain emit-c --board` takes another board"
        )
    if toolchain_name not in DEVICE_TOOLCHAINS:
        raise ToolchainError(
            f"toolchain {toolchain_name!r} makes no image for a board; choose {', '.join(DEVICE_TOOLCHAINS)}"
        )
    home = folder / (sub_folder or toolchain_name)
    stamp_file = home / STAMP
    hint = f"run `swtrain build {folder} " + (f"--{sub_folder}`" if sub_folder else f"--toolchain {toolchain_name}`")
    try:
        stamp = json.loads(stamp_file.read_text(encoding="utf-8"))
        program = home / stamp["program"]
        digest, sizes = stamp["digest"], dict(stamp["sizes"])
        loaders = tuple(home / str(name) for name in stamp["loaders"])
    except (OSError, RecursionError, ValueError, KeyError, TypeError) as e:
        raise ToolchainError(f"{folder} has no finished {home.name} build; {hint}") from e
    if digest != project.manifest["digest"] or not program.is_file():
        raise ToolchainError(f"the {home.name} build in {folder} belongs to another version of the project; {hint}")
    return Built(program.parent, program, sizes, loaders)


def _strip_paths(text: str, scratch: Path, folder: Path) -> str:
    """A map file without paths of this machine, so that equal inputs give equal outputs."""
    for path, name in ((str(scratch), "."), (str(firmware_dir()), "firmware"), (str(folder), ".")):
        text = text.replace(path, name)
    if sys.platform == "win32":
        text = text.replace("\\", "/")
    return text


__all__ = [
    "MANIFEST",
    "TOOLCHAINS",
    "Built",
    "Toolchain",
    "build",
    "compile_and_link",
    "find_build",
    "toolchain",
]

"""A project as a plain folder: every source it needs, a linker script, a Makefile; no Python, no swtrain.

In: an emitted project. Out: files by name, for TI's IDE with GCC or for make. What swtrain's own build finds in several
folders stands together here, and what linker scripts include is put into one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from .boards import board_file, firmware_dir
from .emit import EXTERNAL, CProject, environment
from .errors import TargetError

INCLUDES = re.compile(r"\bINCLUDE (\S+)\n?")


def vendor_files(project: CProject) -> Mapping[str, str | bytes]:
    """The folder of `project`.

    Raises:
        TargetError: the board is the host, or the project has room for packages, which need `swtrain build`'s stamp.
    """
    board, root = project.target, firmware_dir()
    if not board.device:
        raise TargetError(f"board {board.name} has no MCU; a vendor folder is for an MSP430")
    manifest = json.loads(str(project.files["project.json"]))
    if manifest["staging_bytes"]:
        raise TargetError(
            "a vendor folder can't be updated in the field: packages need `swtrain build`; leave --update"
        )
    files: dict[str, str | bytes] = {name: project.files[name] for name in ("model.c", "model.h", "weights.S")}
    for header in sorted((root / "include").iterdir()):
        files[f"include/{header.name}"] = header.read_text()
    files["include/device.h"] = board_file(board.name, "device.h").read_text()
    for name in (*manifest["sources"], "src/sw_mem.S"):
        files[f"runtime/{name.rpartition('/')[2]}"] = (root / name).read_text()
    for kernel in manifest["kernels"]:
        path = next(p for s in ("S", "c") if (p := root / "kernels" / f"{kernel}.{s}").is_file())
        files[f"runtime/{path.name}"] = path.read_text()
    for name in ("start.S", "board.c", *manifest["board_sources"]):
        files[f"runtime/{name}"] = board_file(board.name, name).read_text()
    files["clang/sw_mspabi.S"] = (root / "src" / "sw_mspabi.S").read_text()
    files["main.c"] = (root / "examples" / "minimal.c").read_text()
    files["link.ld"] = _inlined(board.name, "link.ld")
    if EXTERNAL in project.files:
        files |= {name: project.files[name] for name in (EXTERNAL, EXTERNAL.replace(".bin", ".hex"))}
    context = {"model": manifest["model"], "board": board, "external": EXTERNAL in project.files}
    for name in ("Makefile", "README.txt"):
        files[name] = environment().get_template(f"vendor/{name}.j2").render(context)
    return files


def _inlined(board: str, name: str) -> str:
    """A linker script with what it includes."""
    text = board_file(board, name).read_text()
    return INCLUDES.sub(lambda m: _inlined(board, m[1]), text)

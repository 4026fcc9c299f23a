"""Programs that fill an external memory: each holds a part of `weights_external.bin` in high FRAM and copies it.

A board needs nothing for it but its debugger: write the program, let it run until it idles, read its verdict. The part
with the header comes last, so that a memory that was filled halfway is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .target import TargetSpec, firmware_dir

IDLE, STATUS = "sw_idle", "loader_status"
"""Where the program ends, and the word that is 1 if the memory holds what it should."""

Link = Callable[[list[Path], list[Path], Path], None]
"""Compiles sources with include folders to a program."""


def loader_name(number: int) -> str:
    """File of the program that runs as `number`, from 0."""
    return f"external_{number}.elf"


def build_loaders(content: bytes, target: TargetSpec, sources: list[Path], scratch: Path, link: Link) -> list[Path]:
    """Build the programs that fill the memory of `target` with `content`, in the order in which they run.

    Args:
        sources: start-up, board and helpers, as the model's own program has them.
        scratch: folder for what is made on the way.
        link: compiles and links.

    Raises:
        ToolchainError, DoesNotFit: as `build`.
    """
    assert target.external is not None
    room = target.regions["hifram"].size
    loader = firmware_dir() / "loader"
    programs = []
    for number, start in enumerate(reversed(range(0, len(content), room))):
        folder = scratch / f"loader{number}"
        folder.mkdir()
        payload = folder / "payload.bin"
        payload.write_bytes(content[start : start + room])
        (folder / "loader_image.h").write_text(
            f"#define LOADER_ADDRESS {start}u\n#define LOADER_UCBRW {target.external.ucbrw}\n"
            f'#define LOADER_PAYLOAD "{payload.as_posix()}"\n'
        )
        program = folder / loader_name(number)
        link([loader / "main.c", loader / "payload.S", *sources], [folder], program)
        programs.append(program)
    return programs

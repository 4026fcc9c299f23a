"""Boards as folders: `firmware/boards/<name>/target.toml`, and the files that a program for it is made of.

Folders of boards of the user's own are named by the environment variable SWTRAIN_BOARDS.

A board says in `like` which one it resembles. What its folder or its target.toml lacks is taken from there, and in
the end from `msp430fr`, which holds what all MSP430FR boards share.
"""

from __future__ import annotations

import os
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from .errors import TargetError

FAMILY = "msp430fr"
TARGET = "target.toml"


@cache
def firmware_dir() -> Path:
    """The firmware sources: beside this package in a checkout, inside it (`_firmware`) in a wheel."""
    here = Path(__file__).resolve().parent
    for folder in (here.parent / "firmware", here / "_firmware"):
        if (folder / "include" / "swtrain.h").is_file():
            return folder
    raise TargetError("the firmware sources are missing from this installation; install swtrain again")


OWN = "SWTRAIN_BOARDS"


def _homes() -> list[Path]:
    """Folders that hold boards: the user's own first."""
    own = [Path(p).resolve() for p in os.environ.get(OWN, "").split(os.pathsep) if p]
    return [*own, firmware_dir() / "boards"]


def boards() -> list[str]:
    """Names of all boards."""
    return sorted({p.parent.name for home in _homes() for p in home.glob(f"*/{TARGET}")})


def board_folders(name: str) -> list[Path]:
    """Where files of board `name` are looked for: its folder, those of the boards that it is like, the family's.

    Raises:
        TargetError: there is no such board, or the boards are like each other in a circle.
    """
    folders: list[Path] = []
    following: str | None = name
    while following is not None:
        if following not in boards():
            by = f", which {folders[-1].name} is like," if folders else ""
            raise TargetError(f"target {following!r}{by} is unknown; known are {', '.join(boards())}")
        folder = next(h / following for h in _homes() if (h / following / TARGET).is_file())
        if folder in folders:
            raise TargetError(f"{TARGET} of {name}: like = {following!r} leads back to {following}")
        folders.append(folder)
        following = _tables(folder).get("like")
    return [*folders, firmware_dir() / "boards" / FAMILY]


def board_file(name: str, file: str) -> Path:
    """The file called `file` of board `name`.

    Raises:
        TargetError: no such board, or neither it nor what it is like has the file.
    """
    folders = board_folders(name)
    for folder in folders:
        if (folder / file).is_file():
            return folder / file
    looked = ", ".join(f"{folder.parent.name}/{folder.name}" for folder in folders)
    raise TargetError(f"board {name} has no {file} (looked in {looked})")


def board_tables(name: str) -> dict[str, Any]:
    """What target.toml of board `name` says; a top-level key that it lacks is that of the board it is like.

    Raises:
        TargetError: no such board, or a file that is no TOML.
    """
    merged: dict[str, Any] = {}
    for folder in reversed(board_folders(name)[:-1]):
        merged |= _tables(folder)
    return merged


def prices_file(name: str) -> Path:
    """The target.toml that holds the prices of board `name`.

    Raises:
        TargetError: as `board_tables`, or no file of the chain has any.
    """
    for folder in board_folders(name)[:-1]:
        if "cycles" in _tables(folder):
            return folder / TARGET
    raise TargetError(f"{TARGET} of {name} is malformed: no [cycles], and no board that it is like has any")


def _tables(folder: Path) -> dict[str, Any]:
    try:
        return tomllib.loads((folder / TARGET).read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise TargetError(f"{TARGET} of {folder.name} is malformed: {e}") from e

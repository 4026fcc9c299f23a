"""A machine in a file: save it here, go on there.

The file holds the whole device (memory, registers, peripherals, counters, time) and the symbols, not the watches,
breakpoints or profile. It belongs to one build of the simulator and one device; anything else is refused, and so is a
damaged file. A restored machine goes on exactly as the saved one would have.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from pathlib import Path
from typing import Any

from . import _core
from .elf import Image, Symbol
from .errors import SimError
from .machine import Machine

MAGIC = b"swtrain-snapshot"
FORMAT = 1


class BadSnapshot(SimError, ValueError):
    """The file is no snapshot that this build of the simulator can go on from."""


def save(machine: Machine, path: str | Path) -> None:
    """Write `machine` to `path`, all of it or nothing."""
    path = Path(path)
    state = machine._core.save()
    header = {
        "format": FORMAT,
        "core": _core.SOURCE_HASH,
        "device": machine._device.name.lower(),
        "allow_uninitialised": machine._allow,
        "options": machine._options,
        "sha256": hashlib.sha256(state).hexdigest(),
        "symbols": [[s.name, s.address, s.size, s.kind] for s in machine._image.symbols.values()],
        "code": machine._image.code,
    }
    blob = MAGIC + b"\n" + json.dumps(header).encode() + b"\n" + zlib.compress(state, 1)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(blob)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def restore(path: str | Path, device: str | None = None) -> Machine:
    """The machine of a file, as it was.

    Args:
        path: written by `save`.
        device: refuse a snapshot of another device.

    Raises:
        BadSnapshot: not a snapshot, damaged, of another build, format or device.
        OSError: the file cannot be read.
    """
    blob = Path(path).read_bytes()
    try:
        magic, head, packed = blob.split(b"\n", 2)
        header = json.loads(head)
        if magic != MAGIC or not isinstance(header, dict):
            raise ValueError
    except ValueError:
        raise BadSnapshot(f"{path}: not a snapshot") from None
    if header.get("format") != FORMAT:
        raise BadSnapshot(f"{path}: format {header.get('format')}, this version reads {FORMAT}; save it again")
    if header.get("core") != _core.SOURCE_HASH:
        raise BadSnapshot(f"{path}: saved by another build of the simulator; run the program again and save it anew")
    if device is not None and header["device"] != device.lower():
        raise BadSnapshot(f"{path}: a snapshot of {header['device']}, not of {device}")
    try:
        state = zlib.decompress(packed)
    except zlib.error as e:
        raise BadSnapshot(f"{path}: damaged ({e})") from None
    if hashlib.sha256(state).hexdigest() != header["sha256"]:
        raise BadSnapshot(f"{path}: damaged: the checksum differs")
    return _rebuild(path, header, state)


def _rebuild(path: str | Path, header: dict[str, Any], state: bytes) -> Machine:
    machine = Machine(header["device"], allow_uninitialised=header["allow_uninitialised"], options=header["options"])
    symbols = {name: Symbol(name, address, size, kind) for name, address, size, kind in header["symbols"]}
    machine._take_image(Image((), symbols, tuple((a, b) for a, b in header["code"])))
    if not machine._core.restore(state):
        raise BadSnapshot(f"{path}: its contents do not fit {header['device']}")
    return machine

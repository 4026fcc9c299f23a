"""A machine in a file: save it here, go on there.

A file is one line of magic with the format, one line with the SHA-256 of the rest, and the rest: a JSON header (device,
options, symbols, which core) and the core's state, compressed. It belongs to one build of the simulator's core, whose
hash it carries. Anything else is refused before a machine is touched. The checksum finds damage, not forgery.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import zlib
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from . import _core
from .elf import Image, Symbol
from .errors import BadSnapshot, SimError
from .lea import CommandCost, LeaModel

if TYPE_CHECKING:
    from .machine import Machine

    M = TypeVar("M", bound=Machine)

FORMAT = 1
_MAGIC = b"swtrain-snapshot"


def to_bytes(machine: Machine) -> bytes:
    """The whole state of ``machine``."""
    image = machine._image
    header = {
        "core": _core.SOURCE_HASH,
        "device": machine._device.name,
        "allow_uninitialised": machine._allow,
        "options": machine._options,
        "lea": asdict(machine._lea),
        "symbols": [[s.name, s.address, s.size, s.kind] for s in image.symbols.values()],
        "code": image.code,
        "profiled": machine._profiled,
        "breakpoints": machine._breakpoints,
        "spi_frams": machine._spi_frams,
    }
    head = json.dumps(header).encode()
    body = zlib.compress(len(head).to_bytes(4, "little") + head + machine._core.save(), 1)
    checksum = hashlib.sha256(body).hexdigest().encode()
    return b"%s %d\n%s\n%s" % (_MAGIC, FORMAT, checksum, body)


def from_bytes(cls: type[M], blob: bytes, name: str = "snapshot") -> M:
    """A new machine from what `to_bytes` gave; ``name`` is for messages.

    Raises:
        BadSnapshot: see `Machine.restore`.
    """
    header, state = _unpack(blob, name)
    try:
        costs = {
            n: CommandCost(**{**c, "coefficients": tuple(c["coefficients"])}) for n, c in header["lea"]["costs"].items()
        }
        machine = cls(
            header["device"],
            allow_uninitialised=header["allow_uninitialised"],
            options=header["options"],
            lea=LeaModel(header["lea"]["values"], costs, header["lea"]["origin"], tuple(header["lea"]["refused"])),
        )
        symbols = {entry[0]: Symbol(*entry) for entry in header["symbols"]}
        machine._take_image(Image((), symbols, tuple((a, b) for a, b in header["code"])))
        machine._profiled = tuple(header["profiled"])
        machine._breakpoints = tuple(header["breakpoints"])
        machine._spi_frams = tuple(header["spi_frams"])
        machine._core.load(state)
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, RuntimeError, SimError) as e:
        raise BadSnapshot(f"{name}: its contents do not fit this simulator ({e}); save it anew") from None
    return machine


def unpickle(cls: type[M], blob: bytes) -> M:
    """What pickle calls."""
    return from_bytes(cls, blob, "pickled machine")


def write(path: str | Path, blob: bytes) -> None:
    """Write ``blob`` to ``path``, all of it or nothing."""
    target = Path(path).resolve()  # behind a link, not the link
    temporary = target.with_name(f".{target.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        temporary.write_bytes(blob)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _unpack(blob: bytes, name: str) -> tuple[dict[str, Any], bytes]:
    first, _, rest = blob.partition(b"\n")
    magic, _, version = first.partition(b" ")
    if magic != _MAGIC:
        raise BadSnapshot(f"{name}: not a snapshot of the simulator")
    if version != b"%d" % FORMAT:
        found = version[:20].decode("ascii", "replace")
        raise BadSnapshot(f"{name}: snapshot format {found}, this version reads {FORMAT}; save it anew")
    checksum, _, body = rest.partition(b"\n")
    if hashlib.sha256(body).hexdigest().encode() != checksum:
        raise BadSnapshot(f"{name}: damaged or cut short ({len(blob):,} bytes, the checksum differs); save it anew")
    try:
        plain = zlib.decompress(body)
        end = 4 + int.from_bytes(plain[:4], "little")
        header = json.loads(plain[4:end])
    except (zlib.error, ValueError) as e:
        raise BadSnapshot(f"{name}: not readable ({e}); save it anew") from None
    if not isinstance(header, dict) or header.get("core") != _core.SOURCE_HASH:
        raise BadSnapshot(
            f"{name}: saved by another build of the simulator's core; run the program again here and save it anew"
        )
    return header, plain[end:]

"""Packages: what differs between two builds of a model, for devices in the field. `firmware/FORMAT.md` has every byte.

In: the ELF that runs on the device and the ELF of the new weights, of the same program. Out: runs of words to replace.
The device takes a package only if it was made for the very program that it runs (`stamp`) and has a higher version.
What external memory must hold counts, too; `build` puts it beside the ELF.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from .errors import DoesNotFit, ToolchainError
from .external import FILE
from .image import read_segments
from .ops import Array

MAGIC, FORMAT = b"SWUP", 1
HEADER_BYTES, RUN_HEADER_BYTES, RUN_WORDS, BLOCK_BYTES = 32, 6, 64, 128
GAP_WORDS = RUN_HEADER_BYTES // 2
"""Equal words between two runs that cost no more than the header of another run."""

MAX_RUNS = 0x3FFF
"""The device counts four steps for each in 16 bits."""

OUTSIDE = 1 << 31
"""Added to addresses of external memory."""

TABLE_BYTES = 4096
"""Beside weights: biases, bounds, taps and counts that a new set may change."""

VERSION, DIGEST, ROOM = "sw_model_version", "sw_model_digest", "sw_staging_bytes"
HEADER = "sw_external_header"


def whole_set(weight_bytes: int) -> int:
    """Bytes of a package that replaces all weights."""
    runs = -(-(weight_bytes + TABLE_BYTES) // (2 * RUN_WORDS))
    return weight_bytes + TABLE_BYTES + RUN_HEADER_BYTES * runs


@dataclass(frozen=True)
class Package:
    """Bytes for a device, and what they are."""

    data: bytes
    version: int
    runs: int
    words: int


def stamp(program: Path) -> None:
    """Write the check sum of all that is loaded into the ELF, if it takes updates; the word itself counts as 0.

    Raises:
        ToolchainError: not an ELF.
    """
    found = _symbols(program)
    if DIGEST not in found:
        return
    _, offset = found[DIGEST]
    data = bytearray(program.read_bytes())
    data[offset : offset + 4] = bytes(4)
    program.write_bytes(data)
    crc = 0
    for segment in read_segments(program):
        crc = zlib.crc32(struct.pack("<I", segment.address) + segment.data, crc)
    data[offset : offset + 4] = struct.pack("<I", crc)
    program.write_bytes(data)


def make_package(old: Path, new: Path) -> Package:
    """The package that turns the program `old` into `new`.

    Raises:
        ToolchainError: another program (code, layout), no updates planned, or not a higher version.
        DoesNotFit: more than the device has room for.
    """
    before, after = (_loaded(p) | _outside(p) for p in (old, new))
    symbols = _symbols(old), _symbols(new)
    for path, found in zip((old, new), symbols, strict=True):
        if DIGEST not in found:
            raise ToolchainError(f"{path} takes no updates; emit it with `swtrain emit-c --update auto`")
    layout = [{name: address for name, (address, _) in found.items()} for found in symbols]
    if layout[0] != layout[1] or _code(old) != _code(new) or before.keys() != after.keys():
        raise ToolchainError(
            f"{new} is another program than {old}, not the same with other weights: masks, level sizes, options and "
            "toolchain must be the same; flash it instead"
        )
    version, now = (_word(p, VERSION, 2) for p in (new, old))
    if version <= now:
        raise ToolchainError(f"{new} has version {version}, {old} has {now}; emit it with a higher --model-version")
    a, b = (np.array([m[at] for at in sorted(m)], np.uint16) for m in (before, after))
    addresses = np.array(sorted(before), np.int64)
    runs = _runs(addresses, np.flatnonzero(a != b))
    if len(runs) > MAX_RUNS:
        raise DoesNotFit(f"the package has {len(runs):,} runs, a device takes {MAX_RUNS:,}; change fewer weights")
    payload = b"".join(
        struct.pack("<IH", int(addresses[first]), end - first) + b[first:end].astype("<u2").tobytes()
        for first, end in runs
    )
    room = _word(old, ROOM, 4)
    if len(payload) > room:
        raise DoesNotFit(f"the package has {len(payload):,} B, {old} has room for {room:,} B; change fewer weights")
    header = MAGIC + struct.pack(
        "<HHIIIHHI", FORMAT, version, _word(old, DIGEST, 4), len(payload), zlib.crc32(payload), len(runs), 0, 0
    )
    words = sum(end - first for first, end in runs)
    return Package(header + struct.pack("<I", zlib.crc32(header)) + payload, version, len(runs), words)


def _runs(addresses: Array, differing: Array) -> list[tuple[int, int]]:
    """Ranges of words to replace, without holes in the addresses, none longer than a run may be."""
    runs: list[tuple[int, int]] = []
    for i in differing.tolist():
        if runs:
            first, end = runs[-1]
            near = i - end <= GAP_WORDS and addresses[i] - addresses[first] == 2 * (i - first)
            if near and i + 1 - first <= RUN_WORDS:
                runs[-1] = (first, i + 1)
                continue
        runs.append((i, i + 1))
    return runs


def _loaded(program: Path) -> dict[int, int]:
    """Every word of FRAM that the program sets, by address."""
    words: dict[int, int] = {}
    for s in read_segments(program):
        if s.address >= 0xFF80 and s.address < 0x10000:
            continue
        data = s.data + b"\0" * (len(s.data) % 2)
        words |= zip(range(s.address, s.address + len(data), 2), np.frombuffer(data, "<u2").tolist(), strict=True)
    return words


def _outside(program: Path) -> dict[int, int]:
    """Every word of external memory that belongs to the program, by address.

    Raises:
        ToolchainError: the file is missing or belongs to another program.
    """
    if HEADER not in (found := _symbols(program)):
        return {}
    path, place = program.parent / FILE, found[HEADER][1]
    try:
        data = path.read_bytes()
    except OSError as e:
        raise ToolchainError(f"{path} can't be read ({e.strerror}); build the project again") from e
    if data[:HEADER_BYTES] != program.read_bytes()[place : place + HEADER_BYTES]:
        raise ToolchainError(f"{path} does not belong to {program.name}; build the project again")
    words = np.frombuffer(data + b"\0" * (len(data) % 2), "<u2").tolist()
    return dict(zip(range(OUTSIDE, OUTSIDE + len(data), 2), words, strict=True))


def _code(program: Path) -> list[bytes]:
    with program.open("rb") as f:
        found = [s for s in ELFFile(f).iter_sections() if s.name in (".text", ".data", ".vectors")]
        return [s.data() for s in found]


def _symbols(program: Path) -> dict[str, tuple[int, int]]:
    """Address and place in the file of every global symbol; the place is 0 where nothing is stored."""
    found: dict[str, tuple[int, int]] = {}
    with program.open("rb") as f:
        elf = ELFFile(f)
        sections = list(elf.iter_sections())
        for table in (s for s in sections if isinstance(s, SymbolTableSection)):
            for symbol in table.iter_symbols():
                index = symbol["st_shndx"]
                if symbol["st_info"]["bind"] != "STB_GLOBAL" or not isinstance(index, int):
                    continue
                section = sections[index]
                place = section["sh_offset"] + symbol["st_value"] - section["sh_addr"]
                found[symbol.name] = (symbol["st_value"], place if section["sh_type"] == "SHT_PROGBITS" else 0)
    return found


def _word(program: Path, name: str, size: int) -> int:
    _, place = _symbols(program)[name]
    return int.from_bytes(program.read_bytes()[place : place + size], "little")

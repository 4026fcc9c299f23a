"""Reading an ELF image for the MSP430: segments and symbols, or one clear ``BadElf``.

In: a path. Out: ``Image``. Every segment lies inside the device's RAM or FRAM and outside the signature
area 0xFF80-0xFF8F. Deliberately not done: DWARF, relocation, archives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from .errors import BadElf

SIGNATURES = (0xFF80, 0xFF8F)  # JTAG, BSL and IPE signatures: a wrong value locks a board


@dataclass(frozen=True)
class Symbol:
    """One symbol. ``size`` in bytes (0 when unknown); ``kind`` is ``func``, ``object`` or ``label``."""

    name: str
    address: int
    size: int
    kind: str


@dataclass(frozen=True)
class Image:
    """Loadable bytes by physical address, symbols by name, and the ranges that hold code."""

    segments: tuple[tuple[int, bytes], ...]
    symbols: Mapping[str, Symbol]
    code: tuple[tuple[int, int], ...]


def read_image(path: str | Path, regions: Sequence[tuple[str, int, int]]) -> Image:
    """Read an ELF32 little-endian MSP430 executable.

    Args:
        path: the file.
        regions: ``(name, first, last)`` of each loadable memory, inclusive.

    Raises:
        BadElf: not an ELF, another architecture, damaged, or a segment outside memory.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        with path.open("rb") as f:
            if f.read(4) != b"\x7fELF":
                raise BadElf(f"{path}: not an ELF file")
            f.seek(0)
            return _parse(path, ELFFile(f), size, regions)
    except BadElf:
        raise
    except OSError as e:
        raise BadElf(f"{path}: {e.strerror or e}") from e
    except (ELFError, Exception) as e:  # pyelftools lets struct, index and unicode errors through
        raise BadElf(f"{path}: damaged ELF file ({type(e).__name__}: {e})") from e


def _parse(path: Path, elf: ELFFile, size: int, regions: Sequence[tuple[str, int, int]]) -> Image:
    machine = elf["e_machine"]
    if machine != "EM_MSP430" or elf.elfclass != 32 or not elf.little_endian:
        found = f"{elf.elfclass}-bit {'little' if elf.little_endian else 'big'}-endian {machine}"
        raise BadElf(f"{path}: built for {found}, this simulator runs 32-bit little-endian EM_MSP430")
    if elf["e_type"] != "ET_EXEC":
        raise BadElf(f"{path}: is {elf['e_type']}, not a linked executable; link it first")
    segments = []
    for number, segment in enumerate(elf.iter_segments()):
        if segment["p_type"] != "PT_LOAD" or segment["p_filesz"] == 0:
            continue
        address, length, offset = segment["p_paddr"], segment["p_filesz"], segment["p_offset"]
        if offset + length > size:
            raise BadElf(f"{path}: truncated: segment {number} ends at byte {offset + length}, the file has {size}")
        last = address + length - 1
        if not any(first <= address and last <= end for _, first, end in _merged(regions)):
            known = ", ".join(f"0x{a:05X}-0x{b:05X}" for _, a, b in _merged(regions))
            raise BadElf(
                f"{path}: segment {number} at 0x{address:05X}-0x{last:05X} lies outside memory ({known}); "
                "check the linker script, and link with -n so that headers are not loaded"
            )
        if address <= SIGNATURES[1] and last >= SIGNATURES[0]:
            raise BadElf(
                f"{path}: segment {number} at 0x{address:05X}-0x{last:05X} touches the signatures "
                "0xFF80-0xFF8F, which can lock a board; leave them out of the image"
            )
        segments.append((address, segment.data()))
    if not segments:
        raise BadElf(f"{path}: has nothing to load")
    code = []
    for section in elf.iter_sections():
        flags = section["sh_flags"]
        if flags & 0x2 and flags & 0x4 and section["sh_size"]:  # SHF_ALLOC, SHF_EXECINSTR
            code.append((section["sh_addr"], section["sh_addr"] + section["sh_size"]))
    return Image(tuple(segments), _symbols(elf), tuple(sorted(code)))


def _symbols(elf: ELFFile) -> dict[str, Symbol]:
    found: dict[str, Symbol] = {}
    kinds = {"STT_FUNC": "func", "STT_OBJECT": "object", "STT_NOTYPE": "label"}
    for table in elf.iter_sections():
        if not isinstance(table, SymbolTableSection):
            continue
        for entry in table.iter_symbols():
            kind = kinds.get(entry["st_info"]["type"])
            if not kind or not entry.name or entry["st_shndx"] == "SHN_UNDEF":
                continue
            is_local = entry["st_info"]["bind"] == "STB_LOCAL"
            if is_local and (entry.name in found or entry.name.startswith((".L", "$"))):
                continue
            found[entry.name] = Symbol(entry.name, entry["st_value"], entry["st_size"], kind)
    return found


def _merged(regions: Sequence[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
    """Adjacent memories joined, so that a segment may cross from one to the next."""
    out: list[tuple[str, int, int]] = []
    for name, first, last in sorted(regions, key=lambda r: r[1]):
        if out and out[-1][2] + 1 == first:
            out[-1] = (out[-1][0], out[-1][1], last)
        else:
            out.append((name, first, last))
    return out

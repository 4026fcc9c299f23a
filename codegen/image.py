"""What a linked ELF holds: loadable segments, HEX and TI-TXT files, and bytes used per memory region.

Nothing between 0xFF80 and 0xFF8F is ever written: those are the JTAG, BSL and IPE signatures, and a wrong
value there locks a board (SLAU367, signatures).
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection
from intelhex import IntelHex

from .errors import DoesNotFit, ToolchainError
from .target import TargetSpec

SIGNATURES = range(0xFF80, 0xFF90)


@dataclass(frozen=True)
class Segment:
    """Bytes that a programmer writes, at their load address."""

    address: int
    data: bytes


def read_segments(elf: Path) -> list[Segment]:
    """Loadable segments with file contents, by address.

    Raises:
        ToolchainError: not an ELF for the MSP430.
        DoesNotFit: a segment covers the signatures.
    """
    try:
        with elf.open("rb") as f:
            parsed = ELFFile(f)
            if parsed["e_machine"] != "EM_MSP430":
                raise ToolchainError(f"{elf.name} is for {parsed['e_machine']}, not EM_MSP430")
            loads = [s for s in parsed.iter_segments("PT_LOAD") if s["p_filesz"]]
            segments = [Segment(s["p_paddr"], s.data()) for s in loads]
            sizes = [s["p_filesz"] for s in loads]
    except (ELFError, OSError) as e:
        raise ToolchainError(f"{elf.name} is not a readable ELF ({e})") from e
    for s, size in zip(segments, sizes, strict=True):
        if len(s.data) != size:
            raise ToolchainError(f"{elf.name} is cut short: a segment has {len(s.data)} of {size} B; build it again")
        if s.address < SIGNATURES.stop and s.address + len(s.data) > SIGNATURES.start:
            raise DoesNotFit(
                f"{elf.name}: a segment at {s.address:#x} of {len(s.data)} B covers the signatures at 0xff80-0xff8f, "
                "which would lock the board; correct the linker script"
            )
    return sorted(segments, key=lambda s: s.address)


def read_symbols(elf: Path) -> dict[str, int]:
    """Addresses of the global symbols of an ELF that `read_segments` has read."""
    with elf.open("rb") as f:
        table = ELFFile(f).get_section_by_name(".symtab")
        if not isinstance(table, SymbolTableSection):
            return {}
        return {s.name: int(s["st_value"]) for s in table.iter_symbols() if s.name}


def to_intel_hex(segments: list[Segment]) -> str:
    """Intel HEX with type-04 address records."""
    image = IntelHex()
    for s in segments:
        image.frombytes(s.data, s.address)
    out = io.StringIO()
    image.write_hex_file(out, write_start_addr=False)
    return out.getvalue()


def to_ti_txt(segments: list[Segment]) -> str:
    """TI-TXT: `@` and the address in hex, 16 bytes a line, `q` at the end."""
    lines = []
    for s in segments:
        lines.append(f"@{s.address:X}")
        lines += [" ".join(f"{b:02X}" for b in s.data[i : i + 16]) for i in range(0, len(s.data), 16)]
    return "\n".join([*lines, "q"]) + "\n"


def region_sizes(elf: Path, target: TargetSpec, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Bytes used of each region, and what they are for: code, constants, FRAM variables, weights, indices."""
    with elf.open("rb") as f:
        parsed = ELFFile(f)
        sections = [
            (s.name, s["sh_addr"], s["sh_size"]) for s in parsed.iter_sections() if s["sh_flags"] & 2 and s["sh_size"]
        ]
        symbols = parsed.get_section_by_name(".symtab")
        stack = symbols.get_symbol_by_name("__stack_bytes") if isinstance(symbols, SymbolTableSection) else None
        load_bytes = sum(s["p_filesz"] for s in parsed.iter_segments("PT_LOAD") if s["p_paddr"] != s["p_vaddr"])
    used = {
        name: sum(size for _, address, size in sections if region.origin <= address < region.end)
        for name, region in target.regions.items()
    }
    used["fram"] += load_bytes  # initial values of SRAM, copied at start-up
    by_name = {name: size for name, _, size in sections}
    return {
        "code": by_name.get(".text", 0) + load_bytes,
        "constants": by_name.get(".rodata", 0),
        "nvm": by_name.get(".nvm", 0),
        "weights": manifest["weight_bytes"][-1],
        "indices": manifest["index_bytes"][-1],
        "stack": int(stack[0]["st_value"]) if stack else 0,
        "regions": {name: {"used": used[name], "size": region.size} for name, region in target.regions.items()},
    }

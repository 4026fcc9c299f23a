"""Names and places: symbols, addresses, memory as the host sees it. A part of ``Machine``.

In: symbols or addresses. Out: bytes, or an error that says what lies there instead. Host access costs no cycles and
causes no events.
"""

from __future__ import annotations

import bisect
import difflib
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from .device import Device
from .elf import Image, Symbol
from .errors import BadAddress, UnknownSymbol

if TYPE_CHECKING:
    from . import _core


class Places:
    """Symbols and memory of a machine."""

    _core: _core.Machine
    _device: Device
    _image: Image
    _index: tuple[list[int], list[Symbol]]

    def read(self, where: str | int, size: int | None = None) -> bytes:
        """Memory as the host sees it: no cycles, no events, no checks for initialisation.

        Args:
            where: symbol or address in RAM or FRAM.
            size: bytes; the symbol's size when omitted.

        Raises:
            UnknownSymbol, BadAddress: no such symbol; size unknown, beyond the symbol, or outside memory.
        """
        address, limit = self._place(where)
        if size is None:
            if not limit:
                raise BadAddress(f"the size of {where!r} is not known; give size=")
            size = limit
        self._check_span(where, address, size, limit)
        return self._core.read(address, size)

    def write(self, where: str | int, data: bytes | bytearray | memoryview) -> None:
        """Write memory from the host: no cycles, no events; the bytes count as initialised.

        Raises:
            UnknownSymbol, BadAddress: no such symbol; too many bytes, outside memory, or a running LEA command's.
        """
        address, limit = self._place(where)
        blob = bytes(data)
        self._check_span(where, address, len(blob), limit)
        if owner := self._core.lea_owner(address, len(blob)):
            raise BadAddress(f"0x{address:05X} touches {owner} of the running LEA command; let it end before writing")
        self._core.write(address, blob)

    @property
    def symbols(self) -> Mapping[str, Symbol]:
        """Symbols of the loaded image by name."""
        return MappingProxyType(dict(self._image.symbols))

    def where(self, address: int) -> str:
        """``0x04012 <main+0x12>``: an address with the function that holds it."""
        starts, symbols = self._index
        i = bisect.bisect_right(starts, address) - 1
        if i < 0 or address - starts[i] >= max(symbols[i].size, 0x1000):
            return f"0x{address:05X}"
        offset = address - starts[i]
        return f"0x{address:05X} <{symbols[i].name}{f'+0x{offset:X}' if offset else ''}>"

    def _address(self, where: str | int) -> int:
        return self._place(where)[0]

    def _place(self, where: str | int) -> tuple[int, int]:
        if isinstance(where, int):
            return where, 0
        symbol = self._image.symbols.get(where)
        if symbol is None:
            close = difflib.get_close_matches(where, self._image.symbols, n=3)
            hint = f"; did you mean {', '.join(close)}?" if close else "; the image has no symbol like it"
            if not self._image.symbols:
                hint = "; no image with symbols is loaded"
            raise UnknownSymbol(f"no symbol '{where}'{hint}")
        return symbol.address, symbol.size

    def _check_span(self, where: str | int, address: int, size: int, limit: int) -> None:
        if size < 0:
            raise BadAddress(f"size {size} is negative")
        if limit and size > limit:
            raise BadAddress(f"{where!r} has {limit} bytes, {size} were asked for")
        memories = [*self._device.memories, ("tiny RAM", 0x06, 0x1F)]
        end = address + size
        at = address
        while at < end or size == 0:  # memories may be adjacent
            home = next((m for m in memories if m[1] <= at <= m[2]), None)
            if home is None:
                known = ", ".join(f"{n} 0x{a:05X}-0x{b:05X}" for n, a, b in memories)
                raise BadAddress(f"0x{address:05X}..0x{max(end - 1, address):05X} is not memory ({known})")
            if size == 0:
                return
            at = home[2] + 1

    def _target(self, until: str | int | None) -> int:
        if until is None:
            return -1
        target = self._address(until)
        if target & 1 or not 0 <= target < 0x100000:
            raise BadAddress(f"until=0x{target:05X} is not the address of an instruction")
        if not any(first <= target <= last for _, first, last in self._device.memories):
            raise BadAddress(f"until=0x{target:05X} lies outside memory and can never be reached")
        return target

"""Which function holds an address: an index over an image's symbols.

In: an `Image`. Out: sorted starts with their symbols, and the slots of the profile. Labels inside a function do not
count; code that no symbol covers is nobody's.
"""

from __future__ import annotations

import bisect

from .elf import Image, Symbol


def code_index(image: Image) -> tuple[list[int], list[Symbol]]:
    """Symbols that name code, by rising address; functions win over labels at the same address."""
    best: dict[int, Symbol] = {}
    spans = sorted((s.address, s.address + s.size) for s in image.symbols.values() if s.kind == "func" and s.size)
    starts = [a for a, _ in spans]

    def inside_function(address: int) -> bool:
        i = bisect.bisect_left(starts, address) - 1
        return i >= 0 and address < spans[i][1]

    for symbol in sorted(image.symbols.values(), key=lambda s: (s.kind != "func", s.name)):
        if symbol.kind == "object" or not any(a <= symbol.address < b for a, b in image.code):
            continue
        if symbol.kind == "label" and inside_function(symbol.address):
            continue
        best.setdefault(symbol.address, symbol)
    ordered = sorted(best)
    return ordered, [best[a] for a in ordered]


def profile_slots(image: Image, index: tuple[list[int], list[Symbol]]) -> tuple[list[int], list[str]]:
    """Rising start addresses and a name for each; slot 0 begins at address 0 and is nobody's."""
    marks: dict[int, str] = {0: "?"}
    for _, end in image.code:
        marks.setdefault(end + (end & 1), "?")
    for start, symbol in zip(*index, strict=True):
        marks[start] = symbol.name
    return sorted(marks), [marks[a] for a in sorted(marks)]

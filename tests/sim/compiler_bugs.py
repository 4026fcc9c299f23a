"""Wrong code that the compilers are known to make, each with the change that puts it right.

A program whose checksum differs from the host's is built again with these repairs. If it is right then, the difference
is traced to that bug; otherwise it stays open and the test fails. `docs/toolchain.md` describes each bug.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass


def _same(text: str) -> str:
    return text


@dataclass(frozen=True)
class Bug:
    """A bug of one compiler.

    Attributes:
        marks: a pattern in the compiler's assembly that shows the bug, or None where assembly cannot tell.
        assembly: changes assembly where the bug shows.
        source: changes C text so that the compiler does not meet the bug.
        reproducer: a C file whose code is wrong.
        levels: optimisation levels that have it.
    """

    name: str
    compiler: str
    levels: tuple[str, ...]
    reproducer: str
    assembly: Callable[[str], str] = _same
    source: Callable[[str], str] = _same


def _negate(assembly: str) -> str:
    def after(m: re.Match[str]) -> str:
        return f"{m[0]}\n\tinv{m[1] or ''}\t{m[2]}\n\tinc{m[1] or ''}\t{m[2]}"

    return re.sub(r"^\s*sub(\.b)?\s+@r\d+\+, (r\d+)\s*$", after, assembly, flags=re.MULTILINE)


def _clear_upper_byte(assembly: str) -> str:
    def before(m: re.Match[str]) -> str:
        return f"\tAND.B\t#0xFF, R{int(m[1]) - 1}\n{m[0]}"

    return re.sub(r"^\s*CLR\s+R(\d+)\s*;.*zero_extendqisi2/0.*$", before, assembly, flags=re.MULTILINE)


def _hide_largest(source: str) -> str:
    """Comparisons with the largest int or long read it from memory."""
    for value, kind in ((32767, "int16_t"), (2147483647, "int32_t")):
        pattern = rf"([<>]=?) (?:{value}|0x{value:X})\b"
        if re.search(pattern, source):
            source = re.sub(pattern, rf"\1 largest{value}", source)
            define = f"static volatile {kind} largest{value} = {value};"
            source = source.replace('#include "csmith.h"', f'#include "csmith.h"\n{define}', 1)
    return source


BUGS = (
    Bug(
        "llvm-sub-post-increment",
        "zig",
        ("-Os", "-O2"),
        """#include "csmith.h"
static int16_t a[3];
__attribute__((noinline)) static void f(int16_t *p, int16_t v, int16_t n) {
    do {
        *p++ -= v;
    } while (--n);
}
static volatile int16_t v = 1, n = 3;
int main(void) {
    f(a, v, n);
    mix((uint32_t)a[0]);
    report();
    return 0;
}
""",
        assembly=_negate,
    ),
    Bug(
        "llvm-compare-largest",
        "zig",
        ("-O0",),
        """#include "csmith.h"
static int16_t x = 5;
int main(void) {
    if ((x ^ 1) <= 32767) x = 7;
    mix((uint32_t)x);
    report();
    return 0;
}
""",
        source=_hide_largest,
    ),
    Bug(
        "gcc-zero-extend-byte",
        "gcc",
        ("-O1", "-Os", "-O2"),
        """#include "csmith.h"
__attribute__((noinline)) static uint32_t f(uint16_t x) {
    uint8_t low = x >> 5;
    return low;
}
static volatile uint16_t x = 65535U;
int main(void) {
    mix(f(x));
    report();
    return 0;
}
""",
        assembly=_clear_upper_byte,
    ),
)

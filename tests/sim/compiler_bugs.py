"""Wrong code that the compilers are known to make, each with the change that puts it right.

A program whose checksum differs from the host's is built again with these repairs. If it is right then, the difference
is traced to that bug; otherwise it stays open and the test fails. `docs/toolchain.md` describes each bug.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Bug:
    """A bug of one compiler.

    Attributes:
        levels: optimisation levels that have it.
        reproducer: a C file whose code is wrong.
        repair: gets what the compiler wrote and changes it where the bug shows.
        stage: what it wrote: "assembly", or "ir" (LLVM's intermediate code).
    """

    name: str
    compiler: str
    levels: tuple[str, ...]
    reproducer: str
    repair: Callable[[str], str]
    stage: str = "assembly"


def _negate(assembly: str) -> str:
    def after(m: re.Match[str]) -> str:
        return f"{m[0]}\n\tinv{m[1] or ''}\t{m[2]}\n\tinc{m[1] or ''}\t{m[2]}"

    return re.sub(r"^\s*sub(\.b)?\s+@r\d+\+, (r\d+)\s*$", after, assembly, flags=re.MULTILINE)


def _clear_upper_byte(assembly: str) -> str:
    def before(m: re.Match[str]) -> str:
        return f"\tAND.B\t#0xFF, R{int(m[1]) - 1}\n{m[0]}"

    return re.sub(r"^\s*CLR\s+R(\d+)\s*;.*zero_extendqisi2/0.*$", before, assembly, flags=re.MULTILINE)


_LARGEST = {"i8": ("127", "-1"), "i16": ("32767", "-1"), "i32": ("2147483647", "-1")}  # signed, unsigned
_MIRRORED = {"lt": "gt", "gt": "lt", "le": "ge", "ge": "le"}


def _decide_comparisons_with_the_largest(ir: str) -> str:
    """`x <= largest` is true and `x > largest` false, whichever side the constant is on."""

    def decide(m: re.Match[str]) -> str:
        sign, relation, kind, left, right = m.groups()
        largest = _LARGEST[kind][sign == "u"]
        if left == largest:
            left, right, relation = right, left, _MIRRORED[relation]
        if right != largest or relation not in ("le", "gt"):
            return m[0]
        return f"icmp {'eq' if relation == 'le' else 'ne'} {kind} {left}, {left}"

    return re.sub(r"icmp ([su])(lt|gt|le|ge) (i8|i16|i32) ([^\s,]+), ([^\s,]+)", decide, ir)


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
        repair=_negate,
    ),
    Bug(
        "llvm-compare-largest",
        "zig",
        ("-O0",),
        """#include "csmith.h"
static int16_t x = 5;
static uint16_t y = 0U;
int main(void) {
    if ((x ^ 1) <= 32767) x = 7;
    mix((uint32_t)x);
    if ((-1) < y) x = 9;
    mix((uint32_t)x);
    report();
    return 0;
}
""",
        repair=_decide_comparisons_with_the_largest,
        stage="ir",
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
        repair=_clear_upper_byte,
    ),
)

"""The probe's log: lines ``#LEA kind field ... *CRC`` among anything else, each with its own CRC.

In: bytes or text of a serial terminal. Out: `ProbeLog`. A line that is damaged or makes no sense is counted and left
out; a line that comes twice counts once, and two that differ are remembered. The invariant: every address and size in
a `ProbeLog` lies in LEA RAM.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from ..errors import SimError

VERSION = 1
#: where the probe puts operands (``firmware/tests/lea_probe/probe.h``)
PLACE_Y, PLACE_Z, PLACE_BLOCK = 0x3000, 0x3700, 0x3BF4
LEA_BOTTOM, LEA_TOP = 0x2C00, 0x3C00
UNTOUCHED = 0x5AA55AA5
"""What output words hold before a command."""
FLAG_OUT_OF_RANGE = 0x04
"""LEAIFG.OORIFG."""

_LINE = re.compile(r"#LEA ([^#\r\n]*?) \*([0-9A-F]{4})")
_T = TypeVar("_T")
_KINDS = ("none", "result", "cycles", "stall", "range", "odd")
_MAX_WORDS = 512


class BadLog(SimError, ValueError):
    """The log holds nothing of the probe, or comes from another version of it."""


@dataclass(frozen=True)
class Call:
    """One invocation.

    Attributes:
        code: command code, ``LEACMD``.
        n, m: sizes as in ``sim/LEA.md``.
        ticks: MCLK cycles from the reading of the timer before the trigger to the one in the interrupt routine.
        flags: LEAIFG in the interrupt routine.
    """

    code: int
    n: int
    m: int
    ticks: int
    flags: int


@dataclass(frozen=True)
class Result(Call):
    """An invocation with its data: 32-bit words of input 1, input 2, output, and one more behind the output."""

    x_at: int
    block: tuple[int, ...]
    x: tuple[int, ...]
    y: tuple[int, ...]
    z: tuple[int, ...]


@dataclass(frozen=True)
class Stall:
    """64 accesses of the CPU beside a running FIR: ticks, and ticks to the FIR's end, in SRAM and in LEA RAM."""

    stores: bool
    ticks: tuple[int, int]
    ends: tuple[int, int]


@dataclass
class ProbeLog:
    """Everything a log says, by number of the experiment."""

    results: dict[int, Result] = field(default_factory=dict)
    cycles: dict[int, Call] = field(default_factory=dict)
    stalls: dict[int, Stall] = field(default_factory=dict)
    ranges: dict[int, Call] = field(default_factory=dict)
    odd: dict[int, Result] = field(default_factory=dict)
    unfinished: dict[int, tuple[str, int]] = field(default_factory=dict)  #: kind and command code
    wakes: list[int] = field(default_factory=list)
    revision: int | None = None  #: checksum word of the LEA's ROM
    bottom: int | None = None  #: LEAMB
    top: int | None = None  #: LEAMT
    stack_bytes: int | None = None  #: bytes below LEAMT that changed
    count: int | None = None  #: experiments, when the log has its end
    damaged: int = 0
    differing: set[int] = field(default_factory=set)

    @property
    def missing(self) -> int | None:
        """Experiments without a line, or None when the log has no end."""
        if self.count is None:
            return None
        seen = {*self.results, *self.cycles, *self.stalls, *self.ranges, *self.odd, *self.unfinished}
        return self.count - len(seen & set(range(self.count)))


def crc16(text: str) -> int:
    """CRC-16 of the probe's lines: polynomial 0x1021, start 0xFFFF."""
    crc = 0xFFFF
    for byte in text.encode("latin-1"):
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


def read_log(data: bytes | str) -> ProbeLog:
    """Parse a log.

    Raises:
        BadLog: no whole line of the probe is in it, or it comes from a probe of another version.
    """
    text = data.decode("latin-1") if isinstance(data, bytes) else data.encode("latin-1", "replace").decode("latin-1")
    log = ProbeLog()
    good = 0
    heads = text.count("#LEA ")
    for match in _LINE.finditer(text):
        if crc16(f"#LEA {match[1]}") != int(match[2], 16):
            continue
        kind, *fields = match[1].split(" ")
        if kind == "begin" and fields and fields[0] != f"{VERSION:04X}":
            raise BadLog(f"the log comes from lea_probe version {fields[0]}; this reader knows {VERSION}")
        try:
            _TAKE[kind](log, fields)
            good += 1
        except (KeyError, ValueError, IndexError):
            continue
    log.damaged = heads - good
    if not good:
        raise BadLog(
            f"no whole line of lea_probe ('#LEA ... *CRC') in the log, {heads} damaged; is the terminal at 115200 baud?"
        )
    return log


def _numbers(fields: list[str], count: int) -> list[int]:
    if len(fields) != count:
        raise ValueError("number of fields")
    if any(not re.fullmatch("[0-9A-F]{4}", f) for f in fields):
        raise ValueError("not a hexadecimal number of four digits")
    return [int(f, 16) for f in fields]


def _words(field_: str) -> tuple[int, ...]:
    if field_ == "-":
        return ()
    out: list[int] = []
    for part in field_.split(","):
        match = re.fullmatch(r"([0-9A-F]{8})(?:\*([0-9A-F]{4}))?", part)
        if match is None:
            raise ValueError("not a run of words")
        out += [int(match[1], 16)] * min(int(match[2] or "1", 16), _MAX_WORDS + 1)
        if len(out) > _MAX_WORDS:
            raise ValueError("too many words")
    return tuple(out)


def _put(log: ProbeLog, table: dict[int, _T], number: int, value: _T) -> None:
    if table.get(number, value) != value:
        log.differing.add(number)
    table[number] = value


def _begin(log: ProbeLog, fields: list[str]) -> None:
    _, following, kind, code, _reset, _cap, bottom, top, high, low = _numbers(fields, 10)
    log.revision, log.bottom, log.top = high << 16 | low, bottom, top
    if following:
        log.unfinished[following - 1] = (_KINDS[kind], code)


def _wake(log: ProbeLog, fields: list[str]) -> None:
    log.wakes += _numbers(fields, 3)


def _call(table: str) -> Callable[[ProbeLog, list[str]], None]:
    def take(log: ProbeLog, fields: list[str]) -> None:
        number, code, n, m, ticks, flags = _numbers(fields[:6], 6)
        _put(log, getattr(log, table), number, Call(code, n, m, ticks, flags))

    return take


def _result(table: str) -> Callable[[ProbeLog, list[str]], None]:
    def take(log: ProbeLog, fields: list[str]) -> None:
        number, code, n, m, ticks, flags, x_at, *block = _numbers(fields[:13], 13)
        if len(fields) != 16:
            raise ValueError("number of fields")
        x, y, z = (_words(f) for f in fields[13:])
        result = Result(code, n, m, ticks, flags, x_at, tuple(block), x, y, z)
        if not z or not LEA_BOTTOM <= 4 * x_at <= PLACE_Z - 4 * len(x):
            raise ValueError("operands outside LEA RAM")
        _put(log, getattr(log, table), number, result)

    return take


def _stall(log: ProbeLog, fields: list[str]) -> None:
    number, stores, t0, t1, e0, e1 = _numbers(fields, 6)
    _put(log, log.stalls, number, Stall(bool(stores), (t0, t1), (e0, e1)))


def _stack(log: ProbeLog, fields: list[str]) -> None:
    log.stack_bytes = max(_numbers(fields, 1)[0], log.stack_bytes or 0)


def _end(log: ProbeLog, fields: list[str]) -> None:
    log.count = _numbers(fields, 1)[0]


_TAKE: dict[str, Callable[[ProbeLog, list[str]], None]] = {
    "begin": _begin,
    "wake": _wake,
    "result": _result("results"),
    "odd": _result("odd"),
    "cycles": _call("cycles"),
    "range": _call("ranges"),
    "stall": _stall,
    "stack": _stack,
    "end": _end,
}

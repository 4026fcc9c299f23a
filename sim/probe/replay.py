"""The core as judge: what a recorded invocation gives under given options, by running it.

In: a `Result` of a log, values of result options. Out: the words that the model writes, or None where it refuses.
"""

from __future__ import annotations

import struct
from functools import cache

from ..errors import MachineFault
from ..lea import LeaModel
from ..machine import Machine
from .log import PLACE_BLOCK, PLACE_Y, PLACE_Z, UNTOUCHED, Result

_CODE = 0x4400
_CONTROL = ((0x015C, 0x5A80), (0x0A84, 0x0500), (0x0A8C, PLACE_BLOCK >> 2), (0x0AC0, 0x0001))  # as lea_setup does
_MAX_CYCLES = 1_000_000


class Judge:
    """One machine with fixed options that runs recorded invocations."""

    def __init__(self, model: LeaModel) -> None:
        self._machine = Machine(lea=model, allow_uninitialised=True)
        self._call(_CONTROL)

    def _call(self, moves: tuple[tuple[int, int], ...]) -> None:
        words = [w for to, value in moves for w in (0x40B2, value, to)]  # MOV #value,&to
        words += [0xB3D2, 0x0A88, 0x23FD, 0x4303]  # BIT.B #LEABUSY,&LEACNF1; JNZ; NOP
        m = self._machine
        m.write(_CODE, struct.pack(f"<{len(words)}H", *words))
        m.pc = _CODE
        m.run(until=_CODE + 2 * len(words) - 2, max_cycles=_MAX_CYCLES)

    def output(self, r: Result) -> tuple[int, ...] | None:
        """Output words of an invocation and the one behind them; None where the model refuses it."""
        m = self._machine
        for at, words in ((4 * r.x_at, r.x), (PLACE_Y, r.y), (PLACE_Z, (UNTOUCHED,) * len(r.z))):
            m.write(at, struct.pack(f"<{len(words)}I", *words))
        m.write(PLACE_BLOCK, struct.pack("<6H", *r.block))
        try:
            self._call(((0x0ACC, r.x_at), (0x0AC8, PLACE_BLOCK >> 2), (0x0AD0, r.code)))
        except MachineFault:
            return None
        return struct.unpack(f"<{len(r.z)}I", m.read(PLACE_Z, 4 * len(r.z)))


@cache
def judge(options: tuple[tuple[str, str], ...]) -> Judge:
    """The judge for these values of result options."""
    return Judge(LeaModel.load(dict(options)))

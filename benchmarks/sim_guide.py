"""Cycles of 16-bit instructions by the guide's tables, counted from a trace: a check that shares no code with sim.

Source: SLAU367 (= SLAU445) tables 4-8 to 4-10: format I by source and destination mode, format II, jumps; MOV, BIT and
CMP to memory take one cycle less.
"""

from __future__ import annotations

import struct
from pathlib import Path

import sim

_SOURCE_TO_REGISTER = {"r": 1, "@": 2, "@+": 2, "#": 2, "x": 3}
_SOURCE_TO_MEMORY = {"r": 4, "@": 5, "@+": 5, "#": 5, "x": 6}
_SHIFTS = {"r": 1, "@": 3, "@+": 3, "x": 4}  # RRA, RRC, SWPB, SXT
_PUSH = {"r": 3, "@": 3, "@+": 3, "#": 3, "x": 4}
_CALL = {"r": 4, "@": 4, "@+": 4, "#": 4, "x": 5}


def _source(register: int, mode: int) -> str:
    if register == 3 or (register == 2 and mode >= 2):
        return "r"  # constant generator
    return ("r", "x", "@", "#" if register == 0 else "@+")[mode]


def instruction_cycles(word: int) -> int:
    """Cycles of the instruction that starts with this word.

    Raises:
        ValueError: not one of the instructions in these tables.
    """
    if word >> 13 == 1:
        return 2  # jumps, taken or not
    if word == 0x1300:
        return 5  # RETI
    if word >> 10 == 4:
        mode = _source(word & 15, word >> 4 & 3)
        kind = word >> 7 & 7
        if kind == 4:
            return _PUSH[mode]
        if kind == 5:
            return _CALL[mode] + ((word & 0x3F) == 0x12)  # CALL &EDE: 6
        return _SHIFTS[mode]
    if word >> 12 < 4:
        raise ValueError(f"0x{word:04X} is not a 16-bit instruction of these tables")
    mode, operation = _source(word >> 8 & 15, word >> 4 & 3), word >> 12
    if word & 0x80:
        return _SOURCE_TO_MEMORY[mode] - (operation in (4, 9, 11))
    to_pc = word & 15 == 0
    if not to_pc:
        return _SOURCE_TO_REGISTER[mode]
    if word == 0x4130:
        return 4  # RET
    return {"r": 3, "@": 4, "@+": 4, "#": 3, "x": 5}[mode]


def compare(elf: Path) -> tuple[int, int]:
    """Cycles that the simulator and the tables give a program from reset to ``done``, NWAITS = 0."""
    m = sim.Machine(seed=1)
    m.load(elf)
    image = m.read(0x4000, 0x8000)
    expected = 0
    m._core.set_trace(True)  # the trace in memory that sim.tracing prints
    record = struct.Struct("<Qd16I")
    while True:
        stop = m.run(until="done", max_cycles=20_000)
        for _, _, pc, *_ in record.iter_unpack(m._core.take_trace()):
            expected += instruction_cycles(int.from_bytes(image[pc - 0x4000 : pc - 0x3FFE], "little"))
        if stop is sim.Stop.UNTIL:
            return m.cycles, expected

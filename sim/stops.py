"""Why a run ended, and what a watch saw."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from .counters import Counters


class Stop(enum.Enum):
    """Why ``run`` returned."""

    UNTIL = "until"
    CYCLES = "cycles"
    HALT = "halt"  #: the CPU sleeps and nothing modelled can wake it
    INSTRUCTIONS = "instructions"
    NVM_WRITES = "nvm-writes"  #: after that FRAM write; with ``tear`` the power is gone, call ``power_cycle``
    BREAKPOINT = "breakpoint"
    WATCH = "watch"  #: a watched word was written (``stop_at_watch``)
    SUPPLY = "supply"  #: the energy budget is spent (``sim.supply``)
    ASLEEP = "asleep"  #: the CPU fell asleep and may wake up (``run_metered``)


@dataclass(frozen=True)
class WatchEvent:
    """One write to a watched word.

    Attributes:
        address: address of the word.
        value: the word after the write, 0-65535.
        pc: address of the writing instruction (for a DMA write: of the instruction before it).
        cycles: MCLK cycles when that instruction or transfer was complete.
        counters: all counters at that moment.
        time_s: simulated seconds at that moment.
    """

    address: int
    value: int
    pc: int
    cycles: int
    counters: Counters
    time_s: float = 0.0


#: reason number of the core (``sim/core/machine.h``) -> Stop; ``FAULT`` raises instead
STOPS = {0: Stop.UNTIL, 1: Stop.CYCLES, 2: Stop.HALT, 4: Stop.INSTRUCTIONS, 5: Stop.NVM_WRITES, 6: Stop.BREAKPOINT}
STOPS |= {7: Stop.WATCH, 8: Stop.SUPPLY, 9: Stop.ASLEEP}
FAULT = 3

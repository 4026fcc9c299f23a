"""Counted events: what the core reports and what energy is a sum over.

The invariant: every MCLK cycle is exactly one event, so ``cycles == sum(events().values())``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Counters:
    """Event counts; add and subtract them like numbers. Word accesses: a 20-bit operand is two.

    Attributes:
        instructions: instructions executed.
        cycles: MCLK cycles, wait states included.
        wait_cycles: cycles in which CPU or DMA waited for FRAM or for LEA RAM.
        idle_cycles: cycles without memory access or wait.
        fetch_hit: instruction words from FRAM found in the cache.
        fetch_miss: FRAM lines fetched for instructions.
        fetch_ram: instruction words from SRAM or LEA RAM.
        read_hit: FRAM data reads found in the cache.
        read_miss: FRAM data reads that fetched a line.
        fram_write: words (or bytes) written to FRAM by CPU and DMA.
        sram_read: data reads of SRAM and tiny RAM.
        sram_write: data writes of SRAM and tiny RAM.
        lea_ram_read: data reads of LEA RAM.
        lea_ram_write: data writes of LEA RAM.
        peripheral_read: register reads.
        peripheral_write: register writes.
        dma_words: transfers by the DMA (their accesses are counted above).
        dma_cycles: cycles in which the DMA held the bus.
        interrupts: interrupts accepted.
        lpm0_cycles: MCLK periods asleep in LPM0 or waking up from it (MCLK itself stands still); likewise 1-4,
            and 35 and 45 for LPM3.5 and LPM4.5.
        lpm0_ns: the same in nanoseconds; likewise.
        lpm0_wakeups: interrupts that woke the CPU from LPM0; likewise.
        spi_bytes: bytes exchanged by SPI masters.
        spi_fram_bytes: of these, while an external FRAM was selected.
        resets: brown-out resets and losses of power after the first power-up.
        lea_commands: LEA commands started.
        lea_stall_cycles: waits of CPU and DMA for LEA RAM (part of ``wait_cycles``).
        lea_cycles_add ... lea_cycles_complex: cycles in which the LEA ran, by class of command, beside the CPU.
    """

    instructions: int = 0
    cycles: int = 0
    wait_cycles: int = 0
    idle_cycles: int = 0
    fetch_hit: int = 0
    fetch_miss: int = 0
    fetch_ram: int = 0
    read_hit: int = 0
    read_miss: int = 0
    fram_write: int = 0
    sram_read: int = 0
    sram_write: int = 0
    lea_ram_read: int = 0
    lea_ram_write: int = 0
    peripheral_read: int = 0
    peripheral_write: int = 0
    dma_words: int = 0
    dma_cycles: int = 0
    interrupts: int = 0
    lpm0_cycles: int = 0
    lpm1_cycles: int = 0
    lpm2_cycles: int = 0
    lpm3_cycles: int = 0
    lpm4_cycles: int = 0
    lpm35_cycles: int = 0
    lpm45_cycles: int = 0
    lpm0_ns: int = 0
    lpm1_ns: int = 0
    lpm2_ns: int = 0
    lpm3_ns: int = 0
    lpm4_ns: int = 0
    lpm35_ns: int = 0
    lpm45_ns: int = 0
    lpm0_wakeups: int = 0
    lpm1_wakeups: int = 0
    lpm2_wakeups: int = 0
    lpm3_wakeups: int = 0
    lpm4_wakeups: int = 0
    lpm35_wakeups: int = 0
    lpm45_wakeups: int = 0
    spi_bytes: int = 0
    spi_fram_bytes: int = 0
    resets: int = 0
    lea_commands: int = 0
    lea_stall_cycles: int = 0
    lea_cycles_add: int = 0
    lea_cycles_mpy: int = 0
    lea_cycles_mac: int = 0
    lea_cycles_matrix_row: int = 0
    lea_cycles_fir: int = 0
    lea_cycles_minmax: int = 0
    lea_cycles_deinterleave: int = 0
    lea_cycles_add_long: int = 0
    lea_cycles_mpy_long: int = 0
    lea_cycles_mac_long: int = 0
    lea_cycles_fir_long: int = 0
    lea_cycles_minmax_long: int = 0
    lea_cycles_complex: int = 0

    @classmethod
    def of(cls, values: Sequence[int]) -> Counters:
        """From the core's list, in field order."""
        return cls(*values)

    def __add__(self, other: Counters) -> Counters:
        if not isinstance(other, Counters):
            return NotImplemented
        return Counters(*(getattr(self, n) + getattr(other, n) for n in _NAMES))

    def __sub__(self, other: Counters) -> Counters:
        if not isinstance(other, Counters):
            return NotImplemented
        return Counters(*(getattr(self, n) - getattr(other, n) for n in _NAMES))

    def events(self) -> dict[str, int]:
        """The counts that partition ``cycles``, by name; these are what energy sets price."""
        return {n: getattr(self, n) for n in EVENTS}

    def beside_events(self) -> dict[str, int]:
        """What happens beside the CPU's cycles and is priced on top of ``events``: LEA cycles, external FRAM bytes."""
        return {n: getattr(self, n) for n in BESIDE}

    def lea_events(self) -> dict[str, int]:
        """LEA cycles by class; they run beside the CPU's and are priced on top of ``events``."""
        return {n: getattr(self, n) for n in LEA_EVENTS}

    @property
    def lea_cycles(self) -> int:
        """Cycles in which the LEA ran."""
        return sum(self.lea_events().values())


_NAMES = tuple(f.name for f in fields(Counters))
LEA_EVENTS = tuple(n for n in _NAMES if n.startswith("lea_cycles_"))
BESIDE = (*LEA_EVENTS, "spi_fram_bytes")
#: counts that have no price of their own, and where their cost lies
COST_ELSEWHERE = {
    "instructions": "their cycles",
    "cycles": "the events, which are all cycles",
    "interrupts": "the cycles of accepting them",
    "dma_words": "the reads, writes and idle cycles of the transfers",
    "dma_cycles": "the reads, writes and idle cycles of the transfers",
    "lea_commands": "the LEA cycles",
    "lea_stall_cycles": "wait_cycles, of which they are a part",
    "spi_bytes": "the eUSCI's share lies in the price of the cycles beside it, the external FRAM's in spi_fram_bytes",
}
EVENTS = tuple(
    n for n in _NAMES if n not in (*COST_ELSEWHERE, *BESIDE, "resets") and not n.endswith(("_ns", "_wakeups"))
)

"""`TargetSpec`: a board as the planner sees it, read from `firmware/boards/<board>/target.toml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

from .boards import board_tables, boards, firmware_dir
from .cost import Work
from .errors import TargetError


@dataclass(frozen=True)
class Region:
    """A memory region: `[origin, origin + size)` in bytes."""

    name: str
    origin: int
    size: int
    volatile: bool

    @property
    def end(self) -> int:
        """First address behind the region."""
        return self.origin + self.size


TAP_BYTES, ACC_BYTES = 4, 4
"""Of an entry of `sw_taps` and of `sw_acc`."""

MIN_UCBRW = 2
"""The DMA needs up to 11 cycles for a byte in both directions; at SMCLK = MCLK a byte takes 8 UCBRW."""


@dataclass(frozen=True)
class ExternalMemory:
    """An FRAM on a serial bus.

    Attributes:
        part: its name.
        size: in bytes, a power of two.
        bus, chip_select: as the simulator calls them (`UCA3`, `P6.3`).
        ucbrw: divider of the bus clock.
        read_cycles: of a transfer, beside its bytes.
        step_cycles: of a step that fetches weights, beside its transfers.
    """

    part: str
    size: int
    bus: str
    chip_select: str
    ucbrw: int
    read_cycles: float
    step_cycles: float

    @property
    def byte_cycles(self) -> int:
        """Cycles of a byte on the bus (SMCLK = MCLK)."""
        return 8 * self.ucbrw

    def cycles(self, size: int) -> float:
        """Cycles that reading `size` bytes at one place takes."""
        return self.read_cycles + self.byte_cycles * size


DEVICE_TOOLCHAINS = ("zig", "gcc", "gcc-large")
"""Those that make programs for an MSP430."""

STEP_MARGIN = 1.1
"""By how much a step may take longer than the cost model expects."""


@dataclass(frozen=True)
class TargetSpec:
    """Memory, clock and planning constants of a board.

    Attributes:
        device: the MCU as the simulator and programmers call it; empty for the host.
        toolchains: that build for it, the default first.

    Raises:
        TargetError: regions overlap, a reserve exceeds its region, or the external memory is not possible.
    """

    name: str
    description: str
    mclk_hz: int
    regions: Mapping[str, Region]
    stack_bytes: int
    sram_reserve: int
    ram_code: Mapping[str, int]
    fram_reserve: int
    lea_stack_bytes: int
    step_cycles: int
    prices: Mapping[str, float]
    joules: Mapping[str, float]
    lea_commands: tuple[str, ...] = ()
    external: ExternalMemory | None = None
    device: str = ""
    toolchains: tuple[str, ...] = DEVICE_TOOLCHAINS

    def __post_init__(self) -> None:
        ordered = sorted(self.regions.values(), key=lambda r: r.origin)
        for a, b in pairwise(ordered):
            if a.end > b.origin:
                raise TargetError(
                    f"{self.name}: regions {a.name} (ends {a.end:#x}) and {b.name} ({b.origin:#x}) overlap"
                )
        reserved = [("sram", self.stack_bytes + self.sram_reserve), ("fram", self.fram_reserve)]
        if "lea_ram" in self.regions:
            reserved.append(("lea_ram", self.lea_stack_bytes))
        for name, used in reserved:
            if used > self.regions[name].size:
                raise TargetError(
                    f"{self.name}: reserve of {used} B exceeds region {name} of {self.regions[name].size} B"
                )
        if self.step_cycles < 1:
            raise TargetError(f"{self.name}: steps of at most {self.step_cycles} cycles; use a positive number")
        if self.external is not None and self.external.ucbrw < MIN_UCBRW:
            raise TargetError(
                f"{self.name}: external memory at UCBRW = {self.external.ucbrw} is faster than the DMA; use at least "
                f"{MIN_UCBRW}"
            )

    def energy(self, work: Work, overlap: bool) -> float:
        """Expected joules of a layer."""
        return self.joules["cycle"] * work.cycles(self.prices, overlap) + self.joules["lea"] * work.lea_cycles(
            self.prices
        )

    def restart_cycles(self, work: Work, overlap: bool = False) -> float:
        """Expected cycles from a reboot to the record of a step that does `work`."""
        return self.prices["step_restart"] + work.cycles(self.prices, overlap)

    @property
    def step_budget(self) -> float:
        """Expected cycles that a step may take, so that it stays within `step_cycles` where it takes longer."""
        return self.step_cycles / STEP_MARGIN

    def tap_room(self, code: int, sums: int) -> int:
        """Entries of `sw_taps` that fit SRAM beside `code` bytes of kernels and `sums` entries of `sw_acc`."""
        free = self.regions["sram"].size - self.stack_bytes - self.sram_reserve - code - ACC_BYTES * sums
        return free // TAP_BYTES

    @property
    def lea_words(self) -> int:
        """Words of LEA RAM below the LEA's stack; 0 without a LEA."""
        return (self.regions["lea_ram"].size - self.lea_stack_bytes) // 2 if "lea_ram" in self.regions else 0


def _external(data: Mapping[str, Any]) -> ExternalMemory | None:
    if "external" not in data:
        return None
    e = data["external"]
    costs = data["cycles"]
    read, step = costs["external_read"], costs["external_step"]
    return ExternalMemory(e["part"], e["bytes"], e["bus"], e["chip_select"], e["ucbrw"], read, step)


def _prices(data: Mapping[str, Any]) -> Mapping[str, float]:
    """Cycles of the primitives; a byte on the external bus takes 8 bits of UCBRW cycles."""
    external = {"external_byte": 8 * data["external"]["ucbrw"]} if "external" in data else {}
    return {**data["cycles"], **external}


@cache
def load_target(name: str, max_step_cycles: int | None = None) -> TargetSpec:
    """The board called `name`.

    Args:
        max_step_cycles: what a step may take from a reboot to its record, instead of the board's own figure.

    Raises:
        TargetError: unknown board, a target.toml that lacks a key or contradicts itself, no positive number of cycles.
    """
    data = board_tables(name)
    try:
        regions = {k: Region(k, v["origin"], v["bytes"], v["volatile"]) for k, v in data["regions"].items()}
        reserve = data["reserve"]
        return TargetSpec(
            data["name"],
            data["description"],
            data["mclk_hz"],
            regions,
            reserve["stack_bytes"],
            reserve["sram_bytes"],
            data["ram_code"],
            reserve["fram_bytes"],
            reserve.get("lea_stack_bytes", 0),
            data["steps"]["max_cycles"] if max_step_cycles is None else max_step_cycles,
            _prices(data),
            data["energy"],
            tuple(data["lea"]["commands"]) if "lea_ram" in regions else (),
            _external(data),
            data["device"],
            tuple(data.get("toolchains", DEVICE_TOOLCHAINS)),
        )
    except (KeyError, TypeError) as e:
        raise TargetError(f"target.toml of {name} is malformed: {e}") from e


__all__ = ["ExternalMemory", "Region", "TargetSpec", "boards", "firmware_dir", "load_target"]
